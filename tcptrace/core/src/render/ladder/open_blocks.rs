//! Connections with events that no block has shown yet.

use foldhash::{HashMap, HashMapExt as _};

use super::{open_block::OpenBlock, row::Row, sides::Verdict};
use crate::output_record::OutputRecord;

/// Open blocks by connection number. The correlator bounds them: none is kept after the last record of its connection,
/// or after its eviction.
#[derive(Debug)]
pub(super) struct OpenBlocks {
    /// Boxed, since they are large and moved often.
    blocks: HashMap<u64, Box<OpenBlock>>,
    /// Empty blocks with memory for rows: allocating it for every connection takes as long as filling it.
    #[expect(clippy::vec_box, reason = "they go in and out as they are")]
    spare: Vec<Box<OpenBlock>>,
}

/// Number of empty blocks kept.
const SPARE: usize = 64;

impl Default for OpenBlocks {
    fn default() -> Self {
        Self { blocks: HashMap::new(), spare: Vec::new() }
    }
}

impl OpenBlocks {
    /// Holds an event of a connection until a block shows it. Returns false for other records, and for events after the last
    /// record of their connection.
    pub(super) fn hold(&mut self, record: &OutputRecord) -> bool {
        if let OutputRecord::Hint(hint) = record {
            let Some(conn) = hint.conn.filter(|_| !hint.late) else { return false };
            self.of(conn).hint(hint);
            return true;
        }
        let Some((conn, row)) = Row::of(record) else { return false };
        self.of(conn).rows.push(row);
        true
    }

    /// Returns the open block of a connection, creating it if necessary.
    pub(super) fn of(&mut self, conn: u64) -> &mut OpenBlock {
        self.blocks.entry(conn).or_insert_with(|| self.spare.pop().unwrap_or_default())
    }

    /// Returns true if a record of the same kind as this verdict on another side is expected soon for a connection.
    pub(super) fn is_pending(&self, verdict: &Verdict, conn: u64) -> bool {
        self.blocks.get(&conn).is_some_and(|block| block.is_pending(verdict))
    }

    /// Returns true if a state change or a segment of the connection waits for a block.
    pub(super) fn has_events(&self, conn: u64) -> bool {
        let event = |row: &Row| matches!(row, Row::State(_) | Row::Segment(_));
        self.blocks.get(&conn).is_some_and(|block| block.rows.iter().any(event))
    }

    /// Removes a connection's block.
    pub(super) fn take(&mut self, conn: u64) -> Box<OpenBlock> {
        self.blocks.remove(&conn).unwrap_or_default()
    }

    /// Puts a block back.
    pub(super) fn keep(&mut self, conn: u64, block: Box<OpenBlock>) {
        self.blocks.insert(conn, block);
    }

    /// Takes back a block that has been drawn, to reuse its memory.
    pub(super) fn recycle(&mut self, mut block: Box<OpenBlock>) {
        if self.spare.len() < SPARE {
            block.clear();
            self.spare.push(block);
        }
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
