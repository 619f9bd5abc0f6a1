//! What can go wrong with the kernel programs, and how the kernel says it.

use std::io;

use log::debug;

/// Why tracing could not begin.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The object as a whole.
    #[error("the kernel refused the tracer's maps: {0}; `ulimit -l unlimited` helps on kernels before 5.11")]
    Object(aya::EbpfError),
    /// One program.
    #[error("the kernel refused the program {program}: {cause}; run with -v for what its verifier said")]
    Program {
        /// Its name.
        program: &'static str,
        /// What the kernel said.
        cause: io::Error,
    },
    /// An interface.
    #[error("the kernel attaches nothing to it by {way}: {cause}")]
    Attach {
        /// TCX, or clsact with what that needs.
        way: &'static str,
        /// What the kernel said.
        cause: io::Error,
    },
    /// Neither of the two ways to see state changes works.
    #[error("state changes cannot be traced: {raw}, and as for the tracepoint instead, {tracepoint}")]
    NoStates {
        /// Why not by the raw tracepoint.
        raw: String,
        /// Why not by the tracepoint.
        tracepoint: String,
    },
    /// A map of the object.
    #[error("the map {map} cannot be used: {cause}")]
    Map {
        /// Its name.
        map: &'static str,
        /// Why.
        cause: io::Error,
    },
}

/// What the kernel said about a program: the innermost error in one line, and the verifier's words at debug level only.
pub(super) fn refusal(error: &dyn std::error::Error) -> io::Error {
    debug!("{error}");
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let line = innermost.to_string();
    io::Error::other(line.lines().next().unwrap_or_default().to_owned())
}

/// The object does not hold what it should: it was not built from this source.
pub(super) fn missing() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "it is not in the object file")
}
