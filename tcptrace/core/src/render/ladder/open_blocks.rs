//! Connections with events that no block has shown yet.

use foldhash::{HashMap, HashMapExt as _};

use super::open_block::OpenBlock;

/// Open blocks by connection number. The correlator bounds them: none is kept after the last record of its connection,
/// or after its eviction.
#[derive(Debug)]
pub(super) struct OpenBlocks {
    /// Boxed, since they are large and moved often.
    blocks: HashMap<u64, Box<OpenBlock>>,
}

impl Default for OpenBlocks {
    fn default() -> Self {
        Self { blocks: HashMap::new() }
    }
}

impl OpenBlocks {
    /// Returns the open block of a connection, creating it if necessary.
    pub(super) fn of(&mut self, conn: u64) -> &mut OpenBlock {
        self.blocks.entry(conn).or_default()
    }

    /// Removes a connection's block.
    pub(super) fn take(&mut self, conn: u64) -> Box<OpenBlock> {
        self.blocks.remove(&conn).unwrap_or_default()
    }

    /// Puts a block back.
    pub(super) fn keep(&mut self, conn: u64, block: Box<OpenBlock>) {
        self.blocks.insert(conn, block);
    }

    /// Drops all open blocks.
    pub(super) fn clear(&mut self) {
        self.blocks.clear();
    }

    /// Returns the number of open blocks.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.blocks.len()
    }
}
