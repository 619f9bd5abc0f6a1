//! The first and the last events of a phase until it is drawn; those between are only counted, which bounds memory.

use std::collections::VecDeque;

use super::row::Row;

/// Number of rows kept from the beginning.
const FIRST: usize = 12;

/// Number of rows kept from the end: more than a close has.
const LAST: usize = 28;

/// The events of one phase of a connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    first: Vec<Row>,
    last: VecDeque<Row>,
    left_out: LeftOut,
}

/// Events left out between the first and the last ones.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct LeftOut {
    /// Number of omitted events.
    pub(super) count: u64,
    /// Number of segments among them.
    pub(super) segments: u64,
}

impl Rows {
    pub(super) fn push(&mut self, row: Row) {
        if self.first.len() < FIRST {
            self.first.push(row);
            return;
        }
        self.last.push_back(row);
        if self.last.len() > LAST
            && let Some(row) = self.last.pop_front()
        {
            self.left_out.count += 1;
            self.left_out.segments += u64::from(matches!(row, Row::Segment(_)));
        }
    }

    /// Removes all rows but keeps their room.
    pub(super) fn clear(&mut self) {
        let Self { first, last, left_out } = self;
        first.clear();
        last.clear();
        *left_out = LeftOut::default();
    }

    /// Returns the events omitted between the first and the last ones.
    pub(super) fn left_out(&self) -> LeftOut {
        self.left_out
    }

    /// Returns the first rows, the omitted events after them, and the last rows.
    pub(super) fn parts(&self) -> (&[Row], LeftOut, impl Iterator<Item = &Row>) {
        (&self.first, self.left_out, self.last.iter())
    }

    /// Returns the number of rows kept.
    pub(super) fn len(&self) -> usize {
        self.first.len() + self.last.len()
    }

    /// Returns the rows kept.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Row> {
        self.first.iter().chain(&self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{output_record::SegmentOutput, render::samples};

    #[test]
    fn the_first_and_the_last_are_kept_and_the_others_counted() {
        let mut rows = Rows::default();
        for seq in 0..1_000 {
            let entry = SegmentOutput { seq, ..samples::data_segment() };
            rows.push(Row::Segment((&entry).into()));
        }
        let seq = |row: &Row| if let Row::Segment(entry) = row { entry.seq } else { u32::MAX };
        let (first, left_out, last) = rows.parts();
        assert_eq!(first.iter().map(seq).collect::<Vec<_>>(), (0..12).collect::<Vec<_>>());
        assert_eq!(left_out, LeftOut { count: 960, segments: 960 });
        assert_eq!(last.map(seq).collect::<Vec<_>>(), (972..1_000).collect::<Vec<_>>());
        assert_eq!(rows.iter().count(), 40);
    }
}
