//! The reader's end of the ring buffer.

use std::io;

use aya::maps::{Array, MapData, RingBuf};
use log::debug;

use super::readiness::Readiness;

/// The reader's end of the ring buffer that all kernel programs write to.
pub struct Ring {
    ring: RingBuf<MapData>,
    readiness: Readiness,
    /// Not 0 while the kernel programs need not wake the reader.
    awake: Array<MapData, u32>,
    said_awake: bool,
    size: u32,
}

impl std::fmt::Debug for Ring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ring").finish_non_exhaustive()
    }
}

impl Ring {
    /// Takes over a ring of `size` bytes, and the map that tells the kernel programs whether to wake its reader.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub(in crate::bpf) fn new(ring: RingBuf<MapData>, awake: Array<MapData, u32>, size: u32) -> io::Result<Self> {
        let readiness = Readiness::of(&ring)?;
        Ok(Self { ring, readiness, awake, said_awake: false, size })
    }

    /// Its size in bytes.
    pub fn size(&self) -> u32 {
        self.size
    }

    /// Waits until there is something to drain. May be awaited only after [`Self::drain`] found the ring empty and
    /// [`Self::rest`] returned true.
    ///
    /// # Errors
    /// When the descriptor cannot be waited for.
    pub async fn readable(&self) -> io::Result<()> {
        self.readiness.wait().await
    }

    /// Hands up to `most` records to `take`. Returns false if the ring was empty before that many.
    pub fn drain(&mut self, most: usize, mut take: impl FnMut(&[u8])) -> bool {
        for _ in 0..most {
            let Some(record) = self.ring.next() else { return false };
            take(&record);
        }
        true
    }

    /// Tells the kernel programs that the reader polls, and need not be woken.
    pub fn stay_awake(&mut self) {
        if !self.said_awake {
            self.said_awake = self.say(1).is_ok();
        }
    }

    /// Asks to be woken from now on; to be called after [`Self::drain`] found nothing. Returns true if
    /// [`Self::readable`] may be awaited, and false if the ring must be drained again soon.
    ///
    /// A program that has found that it need not wake the reader may be delayed before it submits its record, on a busy
    /// machine for many milliseconds. But it reserves the record before it looks, and reserved records are visible.
    pub fn rest(&mut self) -> bool {
        let told = !self.said_awake;
        if !told {
            self.said_awake = self.say(0).is_err();
        }
        told && !self.readiness.has_reserved()
    }

    fn say(&mut self, awake: u32) -> io::Result<()> {
        self.awake.set(0, &awake, 0).map_err(|error| {
            debug!("the kernel programs cannot be told whether to wake the reader: {error}");
            io::Error::other(error)
        })
    }
}
