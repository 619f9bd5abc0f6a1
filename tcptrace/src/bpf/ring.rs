//! Draining the ring buffer.

use std::io;

use aya::maps::{MapData, RingBuf};

use super::readiness::Readiness;

/// The consumer's end of the ring buffer that all kernel programs write to.
pub struct Ring {
    ring: RingBuf<MapData>,
    readiness: Readiness,
    size: u32,
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring").finish_non_exhaustive()
    }
}

impl Ring {
    /// Takes over the map.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub(super) fn new(ring: RingBuf<MapData>, size: u32) -> io::Result<Self> {
        let readiness = Readiness::of(&ring)?;
        Ok(Self { ring, readiness, size })
    }

    /// Its size in bytes.
    pub fn size(&self) -> u32 {
        self.size
    }

    /// Waits until there is something to drain; to be asked only after [`Self::drain`] found the ring empty.
    ///
    /// # Errors
    /// When the descriptor cannot be waited for.
    pub async fn readable(&self) -> io::Result<()> {
        self.readiness.wait().await
    }

    /// Hands up to `most` records to `take`; false when the ring was empty before that.
    pub fn drain(&mut self, most: usize, mut take: impl FnMut(&[u8])) -> bool {
        for _ in 0..most {
            let Some(record) = self.ring.next() else { return false };
            take(&record);
        }
        true
    }
}
