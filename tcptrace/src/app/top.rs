//! `tcptrace top`: the connections on the terminal, as they come, stall and end.
//!
//! The records come from the pipeline as they do for every other output; [`tcptrace_core::render::top`] holds what is shown.
//!
//! - `session`: keys in, pictures out, at most ten a second;
//! - `terminal`: takes the terminal, and gives it back as it was; `frames`: writes to it, on a thread of its own;
//! - `keys`: what is typed; `picture`, `ansi`: what is drawn; `file`: what `w` writes;
//! - `messages`: what would go to stderr meanwhile.

mod ansi;
mod file;
mod frames;
mod keys;
pub mod messages;
mod picture;
mod session;
mod terminal;

use std::{
    io::{self, IsTerminal as _},
    process::ExitCode,
};

pub(super) use self::session::Session;

/// The exit status of wrong usage.
const WRONG_USAGE: u8 = 2;

/// Says that there is no terminal, and returns the exit status for that; none where stdin and stdout are one.
pub(super) fn refused() -> Option<ExitCode> {
    if io::stdin().is_terminal() && io::stdout().is_terminal() {
        return None;
    }
    eprintln!(
        "tcptrace: top needs a terminal on stdin and stdout: run it in one, or use `tcptrace -o list` for a file or a pipe"
    );
    Some(ExitCode::from(WRONG_USAGE))
}
