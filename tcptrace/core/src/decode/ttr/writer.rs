//! Entries as bytes.

use super::{Entry, block::MAX_CONTENT, packing::Packing};

/// Collects the entries of a block.
#[derive(Debug)]
pub struct Writer {
    content: Vec<u8>,
    packing: Packing,
    mask: u64,
    records: u64,
    unpacked: usize,
}

impl Writer {
    /// Creates a writer. `mask` disguises the kernel's addresses of sockets: it should be a random number, constant within a
    /// run.
    pub fn new(mask: u64) -> Self {
        // Odd, as no address of a socket is: no socket becomes 0, which stands for none.
        Self { content: Vec::new(), packing: Packing::default(), mask: mask | 1, records: 0, unpacked: 0 }
    }

    /// Adds a record of the ring. Returns false if it is not one that the kernel programs write.
    pub fn record(&mut self, record: &[u8]) -> bool {
        let packed = self.packing.pack(record, self.mask, &mut self.content);
        if packed {
            self.records += 1;
            self.unpacked += record.len();
        }
        packed
    }

    /// Adds another entry.
    pub fn entry(&mut self, entry: &Entry) {
        entry.write(&mut self.content);
    }

    /// Returns the length of the entries in bytes.
    pub fn len(&self) -> usize {
        self.content.len()
    }

    /// Returns true if the block should be ended before it becomes so long that readers refuse it.
    pub fn is_full(&self) -> bool {
        self.content.len() + self.unpacked >= MAX_CONTENT / 4
    }

    /// Returns true if there are no entries.
    pub fn is_empty(&self) -> bool {
        self.content.is_empty()
    }

    /// Returns the number of ring records among the entries.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Returns the entries, for [`Sealer::seal`](super::Sealer::seal), and begins the next block in the memory of `spare`.
    pub fn take(&mut self, mut spare: Vec<u8>) -> Vec<u8> {
        spare.clear();
        self.packing = Packing::default();
        (self.records, self.unpacked) = (0, 0);
        std::mem::replace(&mut self.content, spare)
    }
}
