//! State changes recorded by both programs. The second program records a change where it finds no mark of the first; now and
//! then a mark is overwritten by interrupts in between, or is another CPU's. The ring then holds the change twice, with no
//! other change of that socket in between.

use std::{mem::offset_of, ops::Range};

use tcptrace_ebpf::{FROM_SECOND, KIND_COUNTED_STATE, KIND_STATE, RecordHeader, StateRecord};
use zerocopy::FromBytes as _;

/// Number of state changes to look back, a power of two. The two records of a change are as far apart as an interrupt is long.
const LATEST: usize = 4096;

/// Bytes of a record that hold the two states of the change.
const STATES: Range<usize> = offset_of!(StateRecord, old_state)..offset_of!(StateRecord, new_state) + 1;

/// The latest state changes.
#[derive(Clone, Debug, Default)]
pub struct Doubles {
    /// Socket and states of each change, in a ring that begins at `next`.
    latest: Vec<(u64, [u8; 2])>,
    next: usize,
}

impl Doubles {
    /// Returns true if the record repeats the latest change of its socket. Must be called for each record, in the order of
    /// the ring.
    pub fn is_double(&mut self, record: &[u8]) -> bool {
        let Ok((header, _)) = RecordHeader::read_from_prefix(record) else { return false };
        if !matches!(header.kind, KIND_STATE | KIND_COUNTED_STATE) {
            return false;
        }
        let Some(&[old, new]) = record.get(STATES).and_then(|states| states.first_chunk()) else { return false };
        let (socket, states) = (header.socket, [old, new]);
        if header.flags & FROM_SECOND != 0 && self.latest_of(socket) == Some(states) {
            return true;
        }
        self.note(socket, states);
        false
    }

    fn note(&mut self, socket: u64, states: [u8; 2]) {
        match self.latest.get_mut(self.next) {
            Some(oldest) => *oldest = (socket, states),
            None => self.latest.push((socket, states)),
        }
        self.next = (self.next + 1) % LATEST;
    }

    fn latest_of(&self, socket: u64) -> Option<[u8; 2]> {
        let (newer, older) = self.latest.split_at_checked(self.next)?;
        newer.iter().rev().chain(older.iter().rev()).find(|(of, _)| *of == socket).map(|&(_, states)| states)
    }
}

#[cfg(test)]
mod tests {
    use tcptrace_ebpf::KIND_HINT;
    use zerocopy::{FromZeros as _, IntoBytes as _};

    use super::*;

    const FIRST: u16 = 0;

    fn change(socket: u64, states: [u8; 2], flags: u16) -> StateRecord {
        let mut record = StateRecord::new_zeroed();
        record.header.kind = KIND_STATE;
        record.header.socket = socket;
        record.header.flags = flags;
        [record.old_state, record.new_state] = states;
        record
    }

    #[test]
    fn a_change_that_the_second_program_repeats_is_a_double() {
        let mut doubles = Doubles::default();
        assert!(!doubles.is_double(change(1, [1, 7], FIRST).as_bytes()));
        assert!(!doubles.is_double(change(2, [1, 7], FROM_SECOND).as_bytes()), "another socket's");
        assert!(doubles.is_double(change(1, [1, 7], FROM_SECOND).as_bytes()));
    }

    #[test]
    fn a_change_that_only_the_second_program_has_seen_is_none() {
        let mut doubles = Doubles::default();
        assert!(!doubles.is_double(change(1, [7, 2], FIRST).as_bytes()));
        assert!(!doubles.is_double(change(1, [2, 1], FROM_SECOND).as_bytes()));
        assert!(!doubles.is_double(change(1, [1, 7], FIRST).as_bytes()));
        assert!(!doubles.is_double(change(1, [7, 2], FROM_SECOND).as_bytes()), "its address is used again");
    }

    #[test]
    fn what_the_first_program_repeats_has_happened_twice() {
        let mut doubles = Doubles::default();
        for _ in 0..2 {
            assert!(!doubles.is_double(change(1, [4, 4], FIRST).as_bytes()));
        }
    }

    #[test]
    fn a_double_is_found_behind_as_many_changes_as_are_remembered() {
        for others in [LATEST - 1, LATEST] {
            let mut doubles = Doubles::default();
            // Enough to wrap around.
            for socket in 0..LATEST as u64 + 10 {
                assert!(!doubles.is_double(change(100 + socket, [1, 4], FIRST).as_bytes()));
            }
            assert!(!doubles.is_double(change(1, [1, 4], FIRST).as_bytes()));
            for socket in 0..others as u64 {
                assert!(!doubles.is_double(change(10_000 + socket, [7, 2], FIRST).as_bytes()));
            }
            assert_eq!(doubles.is_double(change(1, [1, 4], FROM_SECOND).as_bytes()), others < LATEST);
        }
    }

    #[test]
    fn other_records_are_none() {
        let mut doubles = Doubles::default();
        let mut hint = change(1, [1, 4], FROM_SECOND);
        hint.header.kind = KIND_HINT;
        for record in [hint.as_bytes(), hint.as_bytes(), &[], &[1; 30]] {
            assert!(!doubles.is_double(record));
        }
    }
}
