//! `tcptrace`: see the library.

use std::{io::Write as _, process::ExitCode};

use log::LevelFilter;
use tcptrace::{
    app,
    cli::{Cli, Command, Surroundings, Verbosity},
};
use tcptrace_core::output_record;

fn main() -> ExitCode {
    let cli = Cli::from_env();
    if cli.json_schema {
        return print_schema();
    }
    if let Some(Command::Doctor { clean }) = cli.command {
        // What is wrong is in the report.
        log_to_stderr(Verbosity::Quiet);
        return exit_code(app::doctor::run(clean));
    }
    let options = cli.into_options(Surroundings::read());
    log_to_stderr(options.verbosity);
    exit_code(app::run(&options))
}

fn exit_code(outcome: anyhow::Result<ExitCode>) -> ExitCode {
    outcome.unwrap_or_else(|error| {
        eprintln!("tcptrace: {error:#}");
        ExitCode::FAILURE
    })
}

/// Somebody who stops reading in the middle has seen enough.
fn print_schema() -> ExitCode {
    match std::io::stdout().write_all(output_record::json_schema_text().as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            eprintln!("tcptrace: the schema cannot be written to stdout: {error}");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}

/// Our own messages, those of the kernel programs, and nothing of the libraries below unless it is debugged.
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
        .format(|out, record| writeln!(out, "tcptrace: {}", record.args()))
        .init();
}
