//! The order of bytes that compresses best: the first bytes of all records of a kind, then their second bytes, and so on.
//!
//! A byte of a field seldom differs much from the same byte of the record before it, but hardly ever repeats the bytes around
//! it. Columns that are the same in all records take two bytes.

use std::ops::Range;

use super::{
    Entry,
    cursor::{Cursor, Fields},
    packing::{MAX_RECORD, Packing, TAG_RECORD, TAG_UNPACKED},
    rows::Rows,
};
use crate::decode::ring;

const KINDS: usize = 16;

/// Begins a column that is the same byte in all records.
pub(super) const SAME: u8 = 0;

/// Begins a column with the byte of each record.
pub(super) const VARIES: u8 = 1;

/// Bit of the tag of a record: its length follows among the other entries.
const BIT_LENGTH: u8 = 0x40;

/// Puts entries into columns: the tags, everything that is not a record, and the columns of each kind. `None` if `content`
/// does not consist of entries.
pub(super) fn transpose(content: &[u8]) -> Option<Vec<u8>> {
    let (mut tags, mut others) = (Vec::new(), Vec::new());
    let (mut rows, mut last_lengths): ([Rows; KINDS], _) = (Default::default(), [0; KINDS]);
    let mut packing = Packing::default();
    let mut cursor = Cursor(content);
    let mut buffer = [0; MAX_RECORD];
    while let Some(tag) = cursor.u8() {
        if tag & TAG_RECORD == 0 {
            let before = cursor.0;
            Entry::read(tag, &mut cursor)?;
            tags.push(tag);
            others.extend_from_slice(before.get(..before.len() - cursor.0.len())?);
            continue;
        }
        let record = packing.unpack(tag, &mut cursor, &mut buffer)?;
        let kind = ring::kind(record);
        rows.get_mut(usize::from(kind))?.add(record);
        let last_length = last_lengths.get_mut(usize::from(kind))?;
        if *last_length == record.len() {
            tags.push(TAG_RECORD | kind);
        } else {
            tags.push(TAG_RECORD | BIT_LENGTH | kind);
            others.extend_from_slice(&(record.len() as u16).to_le_bytes());
            *last_length = record.len();
        }
    }
    let mut columns = Vec::with_capacity(content.len());
    Fields(&mut columns).bytes(&tags).bytes(&others);
    rows.iter().for_each(|rows| rows.write_columns(&mut columns));
    Some(columns)
}

/// A column as it is stored.
enum Column {
    Same(u8),
    Varies(Range<usize>),
}

/// Restores entries from columns; their records are not packed. `None` if `columns` is malformed.
pub(super) fn restore(columns: &[u8], most: usize, to: &mut Vec<u8>) -> Option<()> {
    let mut cursor = Cursor(columns);
    let tags = cursor.bytes()?;
    let mut others = Cursor(cursor.bytes()?);
    let (mut lengths, mut counts) = (Vec::new(), [(0, 0); KINDS]);
    let mut last = [0; KINDS];
    // The other entries are read twice: the lengths of records are among them.
    let all_others = others.0;
    for &tag in tags {
        if tag & TAG_RECORD == 0 {
            Entry::read(tag, &mut others)?;
            continue;
        }
        let kind = usize::from(tag & !(TAG_RECORD | BIT_LENGTH));
        let last = last.get_mut(kind)?;
        if tag & BIT_LENGTH != 0 {
            *last = usize::from(others.u16()?);
        }
        if *last > MAX_RECORD {
            return None;
        }
        lengths.push(*last);
        let (count, width) = counts.get_mut(kind)?;
        *count += 1;
        *width = (*width).max(*last);
    }
    let mut kinds: [Vec<Column>; KINDS] = Default::default();
    for (kind, &(count, width)) in kinds.iter_mut().zip(&counts) {
        for _ in 0..width {
            kind.push(match cursor.u8()? {
                VARIES => {
                    let begin = columns.len() - cursor.0.len();
                    cursor.take(count)?;
                    Column::Varies(begin..begin + count)
                }
                _ => Column::Same(cursor.u8()?),
            });
        }
    }
    let (mut others, mut lengths, mut next) = (Cursor(all_others), lengths.into_iter(), [0; KINDS]);
    to.clear();
    for &tag in tags {
        if to.len() > most {
            return None;
        }
        if tag & TAG_RECORD == 0 {
            let before = others.0;
            Entry::read(tag, &mut others)?;
            to.push(tag);
            to.extend_from_slice(before.get(..before.len() - others.0.len())?);
            continue;
        }
        if tag & BIT_LENGTH != 0 {
            others.u16()?;
        }
        let kind = tag & !(TAG_RECORD | BIT_LENGTH);
        let (length, row) = (lengths.next()?, next.get_mut(usize::from(kind))?);
        Fields(to).u8(TAG_UNPACKED).u16(u16::try_from(length).ok()?);
        for column in kinds.get(usize::from(kind))?.iter().take(length) {
            to.push(match column {
                Column::Same(byte) => *byte,
                Column::Varies(range) => *columns.get(range.clone())?.get(*row)?,
            });
        }
        *row += 1;
    }
    Some(())
}
