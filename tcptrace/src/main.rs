//! The program `tcptrace`: parses the command line and calls the library.

use std::{io::Write as _, process::ExitCode};

use log::LevelFilter;
use tcptrace::{
    app,
    cli::{Cli, Command, Environment, Verbosity},
    say::say,
};
use tcptrace_core::output_record;

mod allocator;

fn main() -> ExitCode {
    allocator::configure();
    if let Some(failed) = tcptrace::command::run_if_asked() {
        return failed;
    }
    let cli = Cli::from_env();
    if cli.json_schema {
        return print_schema();
    }
    if let Some(Command::Doctor { clean }) = cli.command {
        // The report itself describes the problems.
        log_to_stderr(Verbosity::Quiet);
        return exit_code(app::doctor::run(clean));
    }
    if let Some(Command::Leaks(leaks)) = &cli.command {
        log_to_stderr(Verbosity::Normal);
        return exit_code(app::leaks::run(leaks, Environment::read(false).utf8));
    }
    let environment = Environment::read(!cli.command_line.is_empty());
    let options = cli.into_options(environment);
    log_to_stderr(options.verbosity);
    exit_code(app::run(&options))
}

fn exit_code(outcome: anyhow::Result<ExitCode>) -> ExitCode {
    outcome.unwrap_or_else(|error| {
        say(format_args!("tcptrace: {error:#}"));
        ExitCode::FAILURE
    })
}

/// Prints the JSON Schema. A reader that closes stdout early is not an error.
fn print_schema() -> ExitCode {
    match std::io::stdout().write_all(output_record::json_schema_text().as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            say(format_args!("tcptrace: cannot write the schema to stdout: {error}"));
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

/// Logs this crate's messages and those of the kernel programs to stderr; warnings of libraries only at
/// [`Verbosity::Debug`].
fn log_to_stderr(verbosity: Verbosity) {
    let (own, others) = match verbosity {
        Verbosity::Quiet => (LevelFilter::Error, LevelFilter::Off),
        Verbosity::Normal => (LevelFilter::Warn, LevelFilter::Off),
        Verbosity::Verbose => (LevelFilter::Debug, LevelFilter::Off),
        Verbosity::Debug => (LevelFilter::Trace, LevelFilter::Warn),
    };
    env_logger::Builder::new()
        .filter_level(others)
        .filter_module("tcptrace", own)
        // Holds messages back while `top` draws.
        .target(env_logger::Target::Pipe(Box::new(app::top::messages::Messages)))
        .format(|out, record| writeln!(out, "tcptrace: {}", record.args()))
        .init();
}
