//! Generates the manual pages and the shell completions for packages from the definition of the command line.
//!
//! `cargo run --package tcptrace --example manual -- FOLDER` makes `FOLDER/man` and `FOLDER/completions`.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use clap::{Command, CommandFactory as _};
use clap_complete::{Shell, generate_to};
use clap_mangen::Man;
use roff::{Roff, bold, roman};
use tcptrace::cli::Cli;

const NAME: &str = "tcptrace";

/// The sections of the manual page that `--help` does not have.
const SECTIONS: [(&str, &[&str]); 6] = [
    (
        "EXIT STATUS",
        &[
            "0: success, also when interrupted.",
            "1: it could not run, read or write, or not to the end; the message says why and what to do.",
            "2: wrong usage.",
            "With a command: that of the command, 128 and the number of the signal if one killed it, 126 if it cannot be run, \
             127 if it does not exist; or 3 if --fail-on matched.",
        ],
    ),
    (
        "SIGNALS",
        &[
            "SIGINT, SIGTERM: writes everything that has arrived and what is unfinished, detaches and exits.",
            "SIGHUP: with --write, reopens the file by name, for log rotation; otherwise as SIGINT.",
            "SIGINT, SIGTERM, SIGHUP, SIGQUIT while a command runs: passed on to it, unless a key of the terminal has sent them \
             to both.",
        ],
    ),
    (
        "ENVIRONMENT",
        &[
            "NO_COLOR: if set and not empty, disables colors, unless --color is always.",
            "COLUMNS: width of text if stdout is not a terminal; 100 by default.",
            "LC_ALL, LC_CTYPE, LANG: if the locale's encoding is not UTF-8, text is plain ASCII.",
            "TZ: the time zone of times in text. Times in JSON are in UTC.",
            "SUDO_UID, SUDO_GID: the user and group as whom root runs a command.",
        ],
    ),
    (
        "PRIVILEGES",
        &[
            "CAP_BPF and CAP_PERFMON to trace, CAP_NET_ADMIN to see segments, CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH to find \
             the owners of other users' sockets. Root has them all. Most of them are given up when everything is attached. \
             Reading a file takes none.",
            "The Debian package gives these five to the program, which root and the members of the group tcptrace may run.",
        ],
    ),
    (
        "FILES",
        &[
            "/etc/default/tcptrace: the options of the service.",
            "/var/log/tcptrace: recordings of the service, a file for each run. Root can read them with tcptrace -r.",
        ],
    ),
    ("SEE ALSO", &["ss(8), tcpdump(8), tc(8), systemctl(1), logrotate(8), capabilities(7), tcp(7)"]),
];

fn main() -> Result<()> {
    let folder = PathBuf::from(env::args_os().nth(1).context("say which folder to write to")?);
    for (name, write) in [("man", write_man as fn(&Path) -> io::Result<()>), ("completions", write_completions)] {
        let folder = folder.join(name);
        fs::create_dir_all(&folder)
            .and_then(|()| write(&folder))
            .with_context(|| format!("cannot write into {}", folder.display()))?;
    }
    Ok(())
}

/// The pages of the program and of its sub-commands.
fn write_man(folder: &Path) -> io::Result<()> {
    let mut command = Cli::command();
    // `build` sets the display names of sub-commands.
    command.build();
    for subcommand in command.get_subcommands() {
        let name = subcommand.get_display_name().unwrap_or_else(|| subcommand.get_name());
        fs::write(folder.join(format!("{name}.1")), page(subcommand.clone(), "", &[])?)?;
    }
    let examples = examples(&command);
    let command = command.override_usage("tcptrace [OPTIONS]\ntcptrace -r FILE [OPTIONS]\ntcptrace doctor [--clean]");
    fs::write(folder.join(format!("{NAME}.1")), page(command, &examples, &SECTIONS)?)
}

/// A manual page in roff.
fn page(command: Command, examples: &str, sections: &[(&str, &[&str])]) -> io::Result<Vec<u8>> {
    let has_subcommands = command.has_subcommands();
    let man = Man::new(command).manual("User Commands").source(concat!("tcptrace ", env!("CARGO_PKG_VERSION")));
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if has_subcommands {
        man.render_subcommands_section(&mut page)?;
    }

    let mut rest = Roff::new();
    if !examples.is_empty() {
        rest.control("SH", ["EXAMPLES"]).control("nf", []);
        for line in examples.lines() {
            rest.text([roman(line)]);
        }
        rest.control("fi", []);
    }
    for (title, paragraphs) in sections {
        rest.control("SH", [*title]);
        for paragraph in *paragraphs {
            match paragraph.split_once(": ") {
                // The text before the first colon is the tag of the paragraph.
                Some((head, body)) => rest.control("TP", []).text([bold(head)]).text([roman(body)]),
                None => rest.control("PP", []).text([roman(*paragraph)]),
            };
        }
    }
    rest.to_writer(&mut page)?;
    Ok(page)
}

/// The examples of the help text, one line each.
fn examples(command: &Command) -> String {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let lines: Vec<_> = help.lines().skip(1).take_while(|line| line.starts_with(' ')).map(str::trim_start).collect();
    lines.join("\n")
}

/// Writes the completions of the shells that the package installs them for.
fn write_completions(folder: &Path) -> io::Result<()> {
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        generate_to(shell, &mut Cli::command(), NAME, folder)?;
    }
    Ok(())
}
