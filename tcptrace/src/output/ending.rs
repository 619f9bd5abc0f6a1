//! What is said of a sink that has ended, or has not taken everything.

use log::error;

use crate::{
    causes::with_causes,
    sink::{Finish, SinkEnd, WriteError},
};

/// The name of stdout in messages.
pub(super) const STDOUT: &str = "stdout";

/// Returns whether a destination counts as complete, and logs why if not. A reader that has gone is no failure; one that has
/// stopped reading misses something, which is logged. `logged` says that the failure has been logged before.
pub(super) fn is_complete(finish: Finish, name: &str, logged: bool) -> bool {
    match finish {
        Finish::Flushed | Finish::Ended(SinkEnd::Closed) => true,
        Finish::Ended(end) if !logged => !log_failure(&end),
        Finish::Ended(SinkEnd::Failed(_)) => false,
        Finish::GivenUp { bytes } => {
            error!("{name} did not take the last {bytes} bytes in time: they are missing, including the end record");
            // Whoever stopped the trace knows whether stdout is still read; nobody watches a file.
            name == STDOUT
        }
    }
}

/// Logs the failure of a sink. Returns whether it was one.
pub(super) fn log_failure(end: &SinkEnd) -> bool {
    match end {
        SinkEnd::Closed => false,
        SinkEnd::Failed(error) => {
            // Said by the writer when it began.
            if !matches!(**error, WriteError::Full { .. }) {
                error!("{}", with_causes(&**error));
            }
            true
        }
    }
}
