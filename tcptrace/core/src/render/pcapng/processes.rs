//! The processes at the ends of connections, as far as state changes have shown them.

use foldhash::HashMap;

use crate::{
    event::Direction,
    output_record::{EndpointOutput, OutputRecord, SegmentOutput},
};

/// IDs of a process and of its thread.
type Ids = (u32, u32);

/// The processes at the ends of open connections.
#[derive(Debug, Default)]
pub(super) struct Processes {
    /// By connection: up to two local ends, each with the process that was last seen to change its state.
    by_conn: HashMap<u64, [Option<(EndpointOutput, Ids)>; 2]>,
}

impl Processes {
    /// Learns from a record.
    pub(super) fn note(&mut self, record: &OutputRecord) {
        match record {
            OutputRecord::State(state) => {
                let (Some(conn), Some(pid), false) = (state.conn, state.pid, state.late) else { return };
                let ids = (pid, state.tid.unwrap_or(pid));
                let ends = self.by_conn.entry(conn).or_default();
                let known = ends.iter().position(|end| end.is_some_and(|(local, _)| local == state.local));
                let at = known.unwrap_or_else(|| usize::from(ends.first().is_some_and(Option::is_some)));
                if let Some(end) = ends.get_mut(at) {
                    *end = Some((state.local, ids));
                }
            }
            OutputRecord::Handshake(handshake) if handshake.record.failure().is_some() => {
                self.forget(handshake.record.conn);
            }
            OutputRecord::Close(close) => self.forget(close.record.conn),
            OutputRecord::Evicted(evicted) => self.forget(evicted.conn),
            OutputRecord::Start(_) | OutputRecord::End(_) => self.by_conn.clear(),
            _ => {}
        }
    }

    /// Returns the process that sent a segment or, if that is unknown and the segment came in, the one that receives it.
    pub(super) fn of(&self, segment: &SegmentOutput) -> Option<Ids> {
        let ends = self.by_conn.get(&segment.conn)?;
        let at =
            |wanted: EndpointOutput| ends.iter().flatten().find(|(local, _)| *local == wanted).map(|&(_, ids)| ids);
        let receiver = || at(segment.dst).filter(|_| segment.direction == Some(Direction::In));
        at(segment.src).or_else(receiver)
    }

    fn forget(&mut self, conn: u64) {
        self.by_conn.remove(&conn);
    }
}
