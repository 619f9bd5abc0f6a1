//! Errors of the kernel programs, in the kernel's words.

use std::io;

use log::debug;
use rustix::io::Errno;

/// Why tracing could not begin. Causes are sources and not part of the text:
/// [`with_causes`](crate::causes::with_causes) shows them all, each once.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The object as a whole.
    #[error(
        "the kernel refused the tracer's maps; before Linux 5.11 `ulimit -l unlimited` helps, and in a container an option \
         such as `--security-opt seccomp=unconfined`, where its filter of system calls forbids bpf()"
    )]
    Object(#[source] io::Error),
    /// One program.
    #[error("the kernel refused the program {program}; run with -v for the verifier's messages")]
    Program {
        /// Its name.
        program: &'static str,
        /// The kernel's error.
        #[source]
        cause: io::Error,
    },
    /// An interface.
    #[error("the kernel refuses to attach a program by {way}")]
    Attach {
        /// TCX, or clsact with what that needs.
        way: &'static str,
        /// The kernel's error.
        #[source]
        cause: io::Error,
    },
    /// Neither of the two ways of seeing state changes works.
    #[error("state changes cannot be traced by the raw tracepoint ({raw}), nor by the tracepoint ({tracepoint})")]
    NoStates {
        /// The reason why not by the raw tracepoint, with all causes.
        raw: String,
        /// The reason why not by the tracepoint, with all causes.
        tracepoint: String,
    },
    /// A map of the object.
    #[error("the map {map} cannot be used")]
    Map {
        /// Its name.
        map: &'static str,
        /// Error of the kernel or of the library.
        #[source]
        cause: io::Error,
    },
}

impl LoadError {
    /// Returns true if the interface to attach to does not exist any more.
    pub fn is_of_no_interface(&self) -> bool {
        matches!(self, Self::Attach { cause, .. } if Errno::from_io_error(cause) == Some(Errno::NODEV))
    }
}

/// Returns the kernel's answer to a program or a map: the first line of the innermost error. The whole error, with the
/// verifier's messages, goes to the log at debug level.
pub(super) fn refusal(error: &dyn std::error::Error) -> io::Error {
    debug!("{error}");
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let line = innermost.to_string();
    io::Error::other(line.lines().next().unwrap_or_default().to_owned())
}

/// Returns the error for something that the object file lacks: it was not built from this source.
pub(super) fn missing() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "it is not in the object file")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::causes::with_causes;

    #[test]
    fn every_cause_is_told_once() {
        let cause = || io::Error::other("no memory");
        let map = LoadError::Map { map: "LOST", cause: cause() };
        assert_eq!(with_causes(&map), "the map LOST cannot be used: no memory");
        assert_eq!(format!("{:#}", anyhow::Error::from(map)), "the map LOST cannot be used: no memory");
        for error in [
            LoadError::Object(cause()),
            LoadError::Program { program: "set_state", cause: cause() },
            LoadError::Attach { way: "TCX", cause: cause() },
        ] {
            let told = with_causes(&error);
            assert_eq!(told.matches("no memory").count(), 1, "{told}");
            assert!(told.ends_with(": no memory"), "{told}");
        }
    }

    #[test]
    fn an_interface_that_has_gone_is_told_from_a_refusal() {
        let attach = |errno: Errno| LoadError::Attach { way: "clsact", cause: errno.into() };
        assert!(attach(Errno::NODEV).is_of_no_interface());
        assert!(!attach(Errno::PERM).is_of_no_interface());
        assert!(!LoadError::Map { map: "LOST", cause: Errno::NODEV.into() }.is_of_no_interface());
    }
}
