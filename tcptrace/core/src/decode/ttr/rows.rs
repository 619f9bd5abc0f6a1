//! The records of a kind, from which their columns are taken eight at a time.

use super::{
    columns::{SAME, VARIES},
    packing::{WORD, padded},
};

/// Records of a kind, in words; what a record does not have is zero.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// The words of all records, each as many as the longest record has; the first byte of a word is in its lowest bits.
    words: Vec<u64>,
    /// Length of the longest record in bytes.
    longest: usize,
    /// The bits of each word that are not the same in all records.
    differences: Vec<u64>,
}

impl Rows {
    /// Adds a record.
    pub(super) fn add(&mut self, record: &[u8]) {
        if record.len() > self.longest {
            self.widen(record.len());
        }
        let (width, at) = (self.differences.len(), self.words.len());
        self.words.resize(at + width, 0);
        let Some((before, new)) = self.words.split_at_mut_checked(at) else { return };
        for (word, bytes) in new.iter_mut().zip(record.chunks(WORD)) {
            *word = u64::from_le_bytes(padded(bytes));
        }
        // The first record is compared with itself.
        let first = if before.is_empty() { &*new } else { &*before };
        for ((difference, word), first) in self.differences.iter_mut().zip(&*new).zip(first) {
            *difference |= word ^ first;
        }
    }

    /// Makes room for records of so many bytes.
    fn widen(&mut self, longest: usize) {
        let (width, wider) = (self.differences.len(), longest.div_ceil(WORD));
        if width > 0 && wider > width {
            let mut words = Vec::with_capacity(self.words.len() / width * wider);
            for row in self.words.chunks_exact(width) {
                words.extend_from_slice(row);
                words.resize(words.len() + wider - width, 0);
            }
            self.words = words;
        }
        self.differences.resize(wider, 0);
        self.longest = longest;
    }

    /// Appends the columns.
    pub(super) fn write_columns(&self, to: &mut Vec<u8>) {
        let width = self.differences.len();
        let mut columns: [Vec<u8>; WORD] = Default::default();
        for (at, (difference, first)) in self.differences.iter().zip(&self.words).enumerate() {
            columns.iter_mut().for_each(Vec::clear);
            if *difference != 0 {
                self.columns_of(width, at, &mut columns);
            }
            let bytes = difference.to_le_bytes().into_iter().zip(first.to_le_bytes());
            for (column, (differs, first)) in columns.iter().zip(bytes).take(self.longest - at * WORD) {
                if differs == 0 {
                    to.extend_from_slice(&[SAME, first]);
                } else {
                    to.push(VARIES);
                    to.extend_from_slice(column);
                }
            }
        }
    }

    /// Appends the bytes of a word of all records to the eight columns.
    fn columns_of(&self, width: usize, at: usize, columns: &mut [Vec<u8>; WORD]) {
        let mut words = self.words.iter().skip(at).step_by(width).copied();
        loop {
            let mut block = [0; WORD];
            let count = block.iter_mut().zip(&mut words).map(|(place, word)| *place = word).count();
            for (column, bytes) in columns.iter_mut().zip(transposed(block)) {
                // Of constant length, which is faster.
                column.extend_from_slice(&bytes.to_le_bytes());
            }
            if count < WORD {
                return columns.iter_mut().for_each(|column| column.truncate(column.len() + count - WORD));
            }
        }
    }
}

/// Returns the first bytes of eight words as a word, their second bytes, and so on: halves are exchanged between words, then
/// quarters, then bytes.
fn transposed(mut words: [u64; WORD]) -> [u64; WORD] {
    for (distance, lower) in [(4, 0x0000_0000_ffff_ffff), (2, 0x0000_ffff_0000_ffff), (1, 0x00ff_00ff_00ff_00ff)] {
        for pairs in words.chunks_exact_mut(2 * distance) {
            let (some, others) = pairs.split_at_mut(distance);
            for (one, other) in some.iter_mut().zip(others) {
                let exchanged = ((*one >> (8 * distance)) ^ *other) & lower;
                *other ^= exchanged;
                *one ^= exchanged << (8 * distance);
            }
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(records: &[&[u8]]) -> Vec<u8> {
        let (mut rows, mut columns) = (Rows::default(), Vec::new());
        records.iter().for_each(|record| rows.add(record));
        rows.write_columns(&mut columns);
        columns
    }

    #[test]
    fn bytes_of_records_become_columns() {
        assert!(columns(&[]).is_empty());
        assert_eq!(columns(&[&[1, 2]]), [0, 1, 0, 2]);
        assert_eq!(columns(&[&[1, 2, 3], &[1, 4, 3], &[1, 5, 3]]), [0, 1, 1, 2, 4, 5, 0, 3]);
    }

    #[test]
    fn what_a_shorter_record_lacks_is_zero() {
        let [short, long] = [&[9; 3][..], &[9; 11]];
        let last_eight = |bytes: [u8; 2]| [VARIES, bytes[0], bytes[1]].repeat(8);
        let first_three = [SAME, 9].repeat(3);
        assert_eq!(columns(&[short, long]), [first_three.clone(), last_eight([0, 9])].concat());
        assert_eq!(columns(&[long, short]), [first_three, last_eight([9, 0])].concat());
    }

    #[test]
    fn columns_are_as_long_as_there_are_records() {
        for count in 1..40_u8 {
            let records: Vec<[u8; 10]> = (0..count).map(|number| [number; 10]).collect();
            let records: Vec<&[u8]> = records.iter().map(|record| &record[..]).collect();
            let column = if count == 1 { vec![SAME, 0] } else { [VARIES].into_iter().chain(0..count).collect() };
            assert_eq!(columns(&records), column.repeat(10), "{count}");
        }
    }
}
