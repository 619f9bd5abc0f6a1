//! Messages on stderr.

use std::{
    fmt::Display,
    io::{self, Write as _},
};

/// Prints a line on stderr. It is lost if nobody can read it, for example because the reader of a pipe has gone; `eprintln!`
/// would panic, and the exit status would no longer be that of the trace or of its command.
pub fn say(message: impl Display) {
    // In one piece, so that it is not mixed with messages of a command.
    let _unreadable = io::stderr().write_all(format!("{message}\n").as_bytes());
}
