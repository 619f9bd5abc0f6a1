//! The TC programs as file descriptors, for a thread that attaches them without the loaded object.

use std::{
    io,
    os::fd::{BorrowedFd, OwnedFd},
};

/// The TC programs, as file descriptors of their own.
#[derive(Debug)]
pub struct Programs {
    /// The program for what comes in.
    pub ingress: OwnedFd,
    /// The program for what goes out.
    pub egress: OwnedFd,
}

impl Programs {
    /// Duplicates the descriptors.
    ///
    /// # Errors
    /// When there are too many open files.
    pub fn new(ingress: BorrowedFd<'_>, egress: BorrowedFd<'_>) -> io::Result<Self> {
        Ok(Self { ingress: ingress.try_clone_to_owned()?, egress: egress.try_clone_to_owned()? })
    }
}
