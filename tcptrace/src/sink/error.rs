//! Failures to create a sink, and the reasons why one ends.

use std::{io, sync::Arc};

use thiserror::Error;

use super::OpenError;

/// A failure to create a sink.
#[derive(Debug, Error)]
pub enum SinkError {
    /// The file cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The kernel refused a thread or a file descriptor.
    #[error("cannot start a thread for writing; raise the limits on processes and files (ulimit -u, ulimit -n)")]
    Start(#[source] io::Error),
}

/// The reason why a sink ended before it was asked to.
#[derive(Clone, Debug)]
pub enum SinkEnd {
    /// The reader of stdout has gone. This is no error: the program exits quietly.
    Closed,
    /// Nothing more can be written. The program continues, but its exit status is 1.
    Failed(Arc<WriteError>),
}

/// A failure after which nothing more is written to a sink.
#[derive(Debug, Error)]
pub enum WriteError {
    /// A write to stdout failed.
    #[error("writing to stdout failed; nothing more is written there")]
    Stdout(#[source] io::Error),
    /// A write to the file failed.
    #[error("writing to {path} failed and nothing more is written there; make room or give another file")]
    File {
        /// The file's path, escaped.
        path: String,
        /// The error of the system call.
        #[source]
        cause: io::Error,
    },
    /// There was no room in the file or on its disk until the end.
    #[error("there was no room for the end of {path}, and records are missing; make room or give another file")]
    Full {
        /// The file's path, escaped.
        path: String,
        /// The error of the system call.
        #[source]
        cause: io::Error,
    },
    /// The file could not be reopened.
    #[error("the file cannot be opened again; nothing more is written to it")]
    Reopen(#[source] OpenError),
}
