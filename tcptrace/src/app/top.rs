//! `tcptrace top`: the connections on the terminal as they appear, stall and end.
//!
//! The records come from the pipeline as for every other output; [`tcptrace_core::render::top`] holds the contents of the
//! screen.
//!
//! - `session`: keys in, screens out, at most ten a second;
//! - `terminal`: takes over the terminal, and restores it; `frames`: writes to it, on a thread of its own;
//! - `keys`: input; `picture`, `ansi`: drawing; `file`: the files that `w` writes;
//! - `messages`: messages for stderr, held back meanwhile.

mod ansi;
mod file;
mod frames;
mod keys;
pub mod messages;
mod picture;
mod session;
mod terminal;

use std::{
    env,
    io::{self, IsTerminal as _},
    process::ExitCode,
};

pub(super) use self::session::Session;
use crate::say::say;

/// Exit status of wrong usage.
const WRONG_USAGE: u8 = 2;

/// Reports that there is no terminal to draw on, and returns the exit status for that; `None` if stdin and stdout are one.
pub(super) fn refused() -> Option<ExitCode> {
    let wanting = if !(io::stdin().is_terminal() && io::stdout().is_terminal()) {
        "top needs a terminal on stdin and stdout: run it in one, or use `tcptrace -o list` for a file or a pipe"
    } else if env::var_os("TERM").is_some_and(|term| term == "dumb") {
        "top needs a terminal that can move its cursor, and TERM says `dumb`: run it in another, or use `tcptrace -o list`"
    } else {
        return None;
    };
    say(format_args!("tcptrace: {wanting}"));
    Some(ExitCode::from(WRONG_USAGE))
}
