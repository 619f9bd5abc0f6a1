//! Waiting until a ring buffer has something to read.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::io::{Interest, unix::AsyncFd};

/// The readiness of a ring buffer, through a descriptor of its own.
#[derive(Debug)]
pub(in crate::bpf) struct Readiness(AsyncFd<OwnedFd>);

impl Readiness {
    /// Watches a ring buffer. Must be called within a tokio runtime.
    pub(in crate::bpf) fn of(map: &impl AsFd) -> io::Result<Self> {
        let fd = map.as_fd().try_clone_to_owned()?;
        // SAFETY: an owned descriptor is valid as long as it lives, and nothing replaces it within `AsyncFd`.
        Ok(Self(unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }?))
    }

    /// Waits for the next wake-up. The kernel wakes only a reader that had caught up, so this may be awaited only after
    /// the ring was found empty.
    pub(in crate::bpf) async fn wait(&self) -> io::Result<()> {
        self.0.readable().await?.clear_ready();
        Ok(())
    }

    /// Returns true if there are records in the ring, including those that are reserved and not yet submitted
    /// (`ringbuf_map_poll_kern` of kernel/bpf/ringbuf.c compares only positions).
    pub(in crate::bpf) fn has_reserved(&self) -> bool {
        let mut ring = [PollFd::new(self.0.get_ref(), PollFlags::IN)];
        // After an error, the ring is drained again.
        !matches!(poll(&mut ring, Some(&Timespec::default())), Ok(0))
    }
}
