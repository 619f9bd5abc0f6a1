//! Errors with their causes in one line, for messages in the log.

use std::{error::Error, iter};

/// Returns the error and its causes, from the outermost to the innermost, separated by colons as `anyhow` does with
/// `{:#}`.
pub fn with_causes(error: &dyn Error) -> String {
    let causes = iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use std::{io, sync::Arc};

    use caps::errors::CapsError;
    use tcptrace_core::decode::{capture::CaptureError, recording::RecordingError};

    use super::*;
    use crate::{
        preflight::PreflightError,
        privileges::CapabilityError,
        sink::{OpenError, SinkError, WriteError},
        socket_owners::OwnersError,
    };

    fn io_error() -> io::Error {
        io::Error::other("the cause")
    }

    fn caps_error() -> CapsError {
        CapsError::from("the cause")
    }

    fn open_error() -> OpenError {
        OpenError::Other { path: "trace.jsonl".to_owned(), cause: io_error() }
    }

    #[test]
    fn every_error_shows_its_cause_once() {
        let errors: [anyhow::Error; 14] = [
            CaptureError::Io(io_error()).into(),
            RecordingError::Io(io_error()).into(),
            PreflightError::Unreadable(caps_error()).into(),
            CapabilityError::from(caps_error()).into(),
            open_error().into(),
            SinkError::Open(open_error()).into(),
            SinkError::Start(io_error()).into(),
            WriteError::Stdout(io_error()).into(),
            WriteError::File { path: "trace.jsonl".to_owned(), cause: io_error() }.into(),
            WriteError::Reopen(open_error()).into(),
            OwnersError::Proc(io_error()).into(),
            OwnersError::Netlink(io_error()).into(),
            OwnersError::Refused(io_error()).into(),
            OwnersError::Thread(io_error()).into(),
        ];
        for error in errors {
            let text = format!("{error:#}");
            assert_eq!(text.matches("the cause").count(), 1, "{text}");
            assert_eq!(with_causes(error.as_ref()), text);
            for part in error.chain().map(ToString::to_string) {
                assert_eq!(text.matches(&part).count(), 1, "{text}");
            }
        }
    }

    #[test]
    fn an_error_behind_a_pointer_has_its_causes_too() {
        let error: Arc<WriteError> = Arc::new(WriteError::Stdout(io_error()));
        assert!(with_causes(&*error).ends_with(": the cause"));
    }
}
