//! The connections that have events which no block has shown.

use foldhash::{HashMap, HashMapExt as _};

use super::open_block::OpenBlock;

/// Open blocks by the numbers of their connections. They are bounded by whoever numbers connections: none is kept behind the
/// last record of its connection, nor when that is evicted.
#[derive(Debug)]
pub(super) struct OpenBlocks {
    /// In boxes, since they are large and moved about.
    blocks: HashMap<u64, Box<OpenBlock>>,
}

impl Default for OpenBlocks {
    fn default() -> Self {
        Self { blocks: HashMap::new() }
    }
}

impl OpenBlocks {
    /// The open block of a connection.
    pub(super) fn of(&mut self, conn: u64) -> &mut OpenBlock {
        self.blocks.entry(conn).or_default()
    }

    /// Closes a connection's block.
    pub(super) fn take(&mut self, conn: u64) -> Box<OpenBlock> {
        self.blocks.remove(&conn).unwrap_or_default()
    }

    /// Puts a block back.
    pub(super) fn keep(&mut self, conn: u64, block: Box<OpenBlock>) {
        self.blocks.insert(conn, block);
    }

    /// Drops all of them.
    pub(super) fn clear(&mut self) {
        self.blocks.clear();
    }

    /// Number of open blocks.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.blocks.len()
    }
}
