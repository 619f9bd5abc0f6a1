//! The input of a sink, which may be used on another thread than the sink's owner.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    Held, Offer,
    queue::{Chunk, Queue},
};

/// Hands bytes over to a sink.
#[derive(Clone, Debug)]
pub struct Input(Arc<Queue>);

impl Input {
    pub(super) fn new(queue: Arc<Queue>) -> Self {
        Self(queue)
    }

    /// Hands over `bytes` with a description of their contents. They are written in order and, within the limits of the file
    /// or pipe, in one piece. Never waits for the reader.
    pub fn try_write(&self, bytes: Bytes, held: impl Into<Held>) -> Offer {
        self.0.push(Chunk { bytes, held: held.into() })
    }

    /// Hands over `bytes` with a description of their contents, and waits for the reader while the budget is used up.
    pub fn write(&self, bytes: Bytes, held: impl Into<Held>) -> Offer {
        self.0.push_waiting(Chunk { bytes, held: held.into() })
    }

    /// Returns an empty buffer whose content has been written, for reuse.
    pub fn spare(&self) -> Option<Vec<u8>> {
        self.0.spare()
    }
}
