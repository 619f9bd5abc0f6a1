//! Packing of ring records: only the bytes of each that differ from the preceding record of the same kind.
//!
//! Neighbouring records have most of their bytes in common: the upper bytes of times and socket numbers, the namespace, the
//! interface, zeros. The packing knows nothing of the fields, so the layout may change.

use super::cursor::Cursor;
use crate::decode::ring::{self, SOCKET_WORD};

/// Maximum length of a record in bytes.
pub(super) const MAX_RECORD: usize = 256;

/// Bytes in a word.
pub(super) const WORD: usize = 8;
const WORDS: usize = MAX_RECORD / WORD;

/// Tag of a record that is not packed: its length (2 bytes) and its bytes follow.
pub(super) const TAG_UNPACKED: u8 = 0x40;

/// Tag of a packed record. Its lowest bits are the kind.
pub(super) const TAG_RECORD: u8 = 0x80;
/// Bit of the tag: the length follows; otherwise it is that of the preceding record of the same kind.
const BIT_LENGTH: u8 = 0x40;
const KINDS: usize = 16;

/// The last record of a kind, as words in the order of this machine; what a record does not fill is zero.
#[derive(Clone, Copy, Debug, Default)]
struct Last {
    length: usize,
    words: [u64; WORDS],
}

/// The state of packing and unpacking within a block.
#[derive(Debug, Default)]
pub(super) struct Packing {
    last: [Last; KINDS],
}

impl Packing {
    /// Appends a record. Returns false and appends nothing if it is too long or its kind has no tag.
    pub(super) fn pack(&mut self, record: &[u8], mask: u64, to: &mut Vec<u8>) -> bool {
        let kind = ring::kind(record);
        let Some(last) = self.last.get_mut(usize::from(kind)) else { return false };
        if record.len() > MAX_RECORD {
            return false;
        }
        let mut words = [0; WORDS];
        for (word, bytes) in words.iter_mut().zip(record.chunks(WORD)) {
            *word = word_of(bytes);
        }
        if let Some(socket) = words.get_mut(SOCKET_WORD).filter(|socket| **socket != 0) {
            *socket ^= mask;
        }
        if last.length == record.len() {
            to.push(TAG_RECORD | kind);
        } else {
            to.push(TAG_RECORD | BIT_LENGTH | kind);
            to.extend_from_slice(&(record.len() as u16).to_le_bytes());
        }
        let count = record.len().div_ceil(WORD);
        let map_at = to.len();
        to.resize(map_at + count.div_ceil(8), 0);
        for (index, (&word, &before)) in words.iter().zip(&last.words).enumerate().take(count) {
            let changed = word ^ before;
            if changed != 0 {
                if let Some(map) = to.get_mut(map_at + index / 8) {
                    *map |= 1 << (index % 8);
                }
                pack_word(changed.to_ne_bytes(), to);
            }
        }
        *last = Last { length: record.len(), words };
        true
    }

    /// Reads a record whose tag has been read; `None` if that is not the tag of a record, or if bytes are missing.
    pub(super) fn unpack<'a>(
        &mut self,
        tag: u8,
        from: &mut Cursor<'_>,
        to: &'a mut [u8; MAX_RECORD],
    ) -> Option<&'a [u8]> {
        let last = self.last.get_mut(usize::from(tag & !(TAG_RECORD | BIT_LENGTH)))?;
        if tag & BIT_LENGTH != 0 {
            last.length = usize::from(from.u16()?);
        }
        let length = last.length;
        if length > MAX_RECORD {
            return None;
        }
        let count = length.div_ceil(WORD);
        let map = from.take(count.div_ceil(8))?;
        for (index, word) in last.words.iter_mut().enumerate() {
            if index >= count {
                *word = 0;
            } else if map.get(index / 8)? & 1 << (index % 8) != 0 {
                *word ^= unpack_word(from)?;
            }
        }
        for (bytes, word) in to.as_chunks_mut::<WORD>().0.iter_mut().zip(&last.words) {
            *bytes = word.to_ne_bytes();
        }
        to.get(..length)
    }
}

/// Returns the word made of up to eight bytes, in the order of this machine; missing ones are zero.
fn word_of(bytes: &[u8]) -> u64 {
    u64::from_ne_bytes(padded(bytes))
}

/// Returns the first eight bytes; missing ones are zero.
pub(super) fn padded(bytes: &[u8]) -> [u8; WORD] {
    bytes.first_chunk().copied().unwrap_or_else(|| {
        let mut padded = [0; WORD];
        padded.iter_mut().zip(bytes).for_each(|(to, &byte)| *to = byte);
        padded
    })
}

/// Appends a byte with a bit for each byte of the word that is not zero, and those bytes.
fn pack_word(word: [u8; WORD], to: &mut Vec<u8>) {
    let (mut map, mut bytes, mut count) = (0_u8, [0_u8; WORD], 0_usize);
    for (index, byte) in word.into_iter().enumerate() {
        if let Some(place) = bytes.get_mut(count) {
            *place = byte;
        }
        map |= u8::from(byte != 0) << index;
        count += usize::from(byte != 0);
    }
    to.push(map);
    to.extend_from_slice(bytes.get(..count).unwrap_or_default());
}

fn unpack_word(from: &mut Cursor<'_>) -> Option<u64> {
    let map = from.u8()?;
    let mut word = [0; WORD];
    for (index, byte) in word.iter_mut().enumerate() {
        if map & 1 << index != 0 {
            *byte = from.u8()?;
        }
    }
    Some(u64::from_ne_bytes(word))
}
