//! Combinations of options that are refused beyond what clap checks.

use std::ffi::OsStr;

use clap::{CommandFactory as _, error::ErrorKind};

use super::{Cli, Command, OutputFormat, is_binary};

/// Maximum number of files that are merged.
const MOST_FILES: usize = 16;

impl Cli {
    /// Checks that the options go together; `last` is the last argument.
    ///
    /// # Errors
    /// Wrong usage; the error contains the message to print and the exit status.
    pub(super) fn check_combinations(&self, last: Option<&OsStr>) -> Result<(), clap::Error> {
        let missing = |message: &str| Err(Self::command().error(ErrorKind::MissingRequiredArgument, message));
        if self.command_line.is_empty() && last.is_some_and(|last| last == "--") {
            return missing("there is no command after --; give one, as in `tcptrace -- curl http://localhost/`");
        }
        if self.command_line.is_empty() && !self.fail_on.is_empty() {
            return missing("--fail-on needs a command, as in `tcptrace --fail-on reset -- make test`");
        }
        let conflict = |message: &str| Err(Self::command().error(ErrorKind::ArgumentConflict, message));
        let binary = self.write.as_deref().is_some_and(is_binary);
        if self.compress.is_some() && !binary {
            return conflict("--compress is for binary recordings: give --write a name that ends in .ttr");
        }
        if binary && !self.choices.read.is_empty() {
            return conflict(
                "only what is traced live can be written as a binary recording: give --write FILE.jsonl to convert",
            );
        }
        if binary && (!self.command_line.is_empty() || self.choices.names_processes()) {
            return conflict(
                "a binary recording is written before the process behind a record is known: give --write FILE.jsonl, or \
                 record without a command and without filters on processes, which --read takes too",
            );
        }
        self.check_files()?;
        match self.output {
            Some(output) if self.json && output != OutputFormat::Json => Err(Self::command().error(
                ErrorKind::ArgumentConflict,
                format!("--json is short for --output json and cannot be used with --output {output}"),
            )),
            _ => Ok(()),
        }
    }

    /// Checks that no option requires a single file if several are read.
    fn check_files(&self) -> Result<(), clap::Error> {
        let refused = |kind, message: String| Err(Self::command().error(kind, message));
        let (choices, top) = match &self.command {
            Some(Command::Top(top)) => (&top.choices, true),
            _ => (&self.choices, false),
        };
        let files = &choices.read;
        if files.len() < 2 {
            return Ok(());
        }
        if files.len() > MOST_FILES {
            return refused(ErrorKind::TooManyValues, format!("at most {MOST_FILES} files can be merged"));
        }
        if files.iter().filter(|path| path.as_os_str() == "-").count() > 1 {
            return refused(ErrorKind::ArgumentConflict, "stdin can be only one of several files".to_owned());
        }
        let options = [
            (top, "top"),
            (self.write.is_some(), "--write"),
            (self.count.is_some(), "--count"),
            (self.duration.is_some(), "--duration"),
            (self.otlp.is_some(), "--otlp"),
        ];
        match options.into_iter().find(|(given, _)| *given) {
            Some((_, option)) => refused(
                ErrorKind::ArgumentConflict,
                format!("{option} cannot be used when several files are merged; read one of them"),
            ),
            None => Ok(()),
        }
    }
}
