//! The connections that are followed, and when they have to be shown.

use std::collections::{BTreeMap, BTreeSet};

use super::open_block::Track;
use crate::event::BootTime;

/// How many connections are followed at the same time; the oldest ones are given up first.
const MOST: usize = 1 << 16;

/// Connections by number. Whoever changes one does so by [`Table::change`], or takes it out and puts it back, so that
/// deadlines are right.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// In boxes, since they are large and moved about.
    tracks: BTreeMap<u64, Box<Track>>,
    /// When phases are to be shown unfinished.
    due: BTreeSet<(BootTime, u64)>,
}

impl Table {
    /// Changes a connection where it is. Returns whether it is there.
    pub(super) fn change(&mut self, conn: u64, change: impl FnOnce(&mut Track)) -> bool {
        let Some(track) = self.tracks.get_mut(&conn) else { return false };
        let before = track.due;
        change(track);
        if track.due != before {
            let entry = |due| (due, conn);
            if let Some(before) = before.map(entry) {
                self.due.remove(&before);
            }
            self.due.extend(track.due.map(entry));
        }
        true
    }

    /// Takes a connection out.
    pub(super) fn take(&mut self, conn: u64) -> Option<Box<Track>> {
        let track = self.tracks.remove(&conn)?;
        self.forget_due(&track);
        Some(track)
    }

    /// Puts a connection in. Where there are too many, the oldest one is given up and returned.
    #[must_use = "what is given up may have to be shown"]
    pub(super) fn keep(&mut self, track: Box<Track>) -> Option<Box<Track>> {
        if let Some(due) = track.due {
            self.due.insert((due, track.conn));
        }
        self.tracks.insert(track.conn, track);
        if self.tracks.len() <= MOST {
            return None;
        }
        let (_, oldest) = self.tracks.pop_first()?;
        self.forget_due(&oldest);
        Some(oldest)
    }

    /// When the first of the connections has to be shown.
    pub(super) fn due(&self) -> Option<BootTime> {
        self.due.first().map(|&(due, _)| due)
    }

    /// Takes out a connection that has to be shown by `now`.
    pub(super) fn take_due(&mut self, now: BootTime) -> Option<Box<Track>> {
        let &(_, conn) = self.due.first().filter(|&&(due, _)| due <= now)?;
        self.take(conn)
    }

    /// Takes out all connections, the oldest first.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = Box<Track>> + use<> {
        self.due.clear();
        std::mem::take(&mut self.tracks).into_values()
    }

    fn forget_due(&mut self, track: &Track) {
        if let Some(due) = track.due {
            self.due.remove(&(due, track.conn));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::{ladder::open_block::Phase, samples};

    #[test]
    fn the_oldest_are_given_up_with_their_deadlines() {
        let mut table = Table::default();
        let end = samples::segment().src;
        let mut given_up = Vec::new();
        for conn in 1..=MOST as u64 + 2 {
            let mut track = Box::new(Track::new(conn, BootTime(0), Phase::Opening, end, end));
            track.due = Some(BootTime(conn));
            given_up.extend(table.keep(track));
        }
        assert_eq!(given_up.iter().map(|track| track.conn).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(table.due(), Some(BootTime(3)));
        assert!(table.take_due(BootTime(2)).is_none());
        assert_eq!(table.take_due(BootTime(4)).map(|track| track.conn), Some(3));
        assert!(table.change(5, |track| track.due = Some(BootTime(1))));
        assert_eq!(table.take_due(BootTime(4)).map(|track| track.conn), Some(5));
        assert!(!table.change(5, |_| unreachable!("it has been taken out")));
        assert_eq!(table.take_all().count(), MOST - 2);
        assert_eq!(table.due(), None);
    }
}
