//! Blocks: a header with a checksum, and entries.

use std::io::Read as _;

use ruzstd::decoding::StreamingDecoder;

use super::{
    columns::{restore, transpose},
    error::{BlockFault, TtrError},
};
use crate::decode::ring;

/// First bytes of every block. The first is not ASCII, and a transfer as text would change the line ends.
pub const MAGIC: [u8; 8] = *b"\x89TTR\r\n\x1a\n";

/// Version of the format.
pub const VERSION: u16 = 1;

/// Length of a block's header in bytes.
pub(super) const HEADER: usize = 36;

/// Bytes of the header before its checksum.
const CHECKED: usize = HEADER - 4;

/// Maximum length of the entries of a block in bytes, so that no file can exhaust memory.
pub(super) const MAX_CONTENT: usize = 16 << 20;

/// Byte order of ring records, which are stored as they were in memory.
const ORDER: u8 = if cfg!(target_endian = "little") { 1 } else { 2 };

const PLAIN: u8 = 0;
const ZSTD: u8 = 1;

/// Appends bytes to a vector as a zstd frame (RFC 8878). Returns false if it cannot; the vector is then as it was.
pub type Compress = fn(&[u8], &mut Vec<u8>) -> bool;

/// Seals entries into blocks.
#[derive(Clone, Debug, Default)]
pub struct Sealer {
    /// Compresses the entries, which are put into columns for that; `None` to store them as they are.
    compress: Option<Compress>,
    /// Number of the next block.
    number: u32,
}

impl Sealer {
    /// Creates a sealer for a new file.
    pub fn new(compress: Option<Compress>) -> Self {
        Self { compress, number: 0 }
    }

    /// Begins the next file.
    pub fn begin_file(&mut self) {
        self.number = 0;
    }

    /// Appends a block with these entries.
    pub fn seal(&mut self, content: &[u8], to: &mut Vec<u8>) {
        let begin = to.len();
        to.resize(begin + HEADER, 0);
        let columns = self.compress.and_then(|compress| {
            let columns = transpose(content)?;
            compress(&columns, to).then_some(columns)
        });
        let compressed = columns.is_some();
        let content = columns.as_deref().unwrap_or(content);
        if !compressed {
            to.extend_from_slice(content);
        }
        let stored = to.len() - begin - HEADER;
        let mut header = Vec::with_capacity(HEADER);
        header.extend_from_slice(&MAGIC);
        header.extend_from_slice(&VERSION.to_le_bytes());
        header.extend_from_slice(&[ORDER, if compressed { ZSTD } else { PLAIN }]);
        header.extend_from_slice(&ring::LAYOUT.to_le_bytes());
        header.extend_from_slice(&[0, 0]);
        for field in [self.number, length(content.len()), length(stored), 0] {
            header.extend_from_slice(&field.to_le_bytes());
        }
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(&header);
        checksum.update(to.get(begin + HEADER..).unwrap_or_default());
        header.extend_from_slice(&checksum.finalize().to_le_bytes());
        if let Some(place) = to.get_mut(begin..begin + HEADER) {
            place.copy_from_slice(&header);
        }
        self.number = self.number.wrapping_add(1);
    }
}

fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// The header of a block.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Header {
    compressed: bool,
    content: usize,
    /// Length of what follows the header, in bytes.
    pub(super) stored: usize,
    checksum: u32,
}

impl Header {
    /// Reads a header. Of another version, nothing after the version number is interpreted.
    pub(super) fn read(bytes: &[u8; HEADER]) -> Result<Self, BlockFault> {
        let u16_at =
            |at: usize| bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u16::from_le_bytes(*bytes));
        let u32_at =
            |at: usize| bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u32::from_le_bytes(*bytes));
        if !bytes.starts_with(&MAGIC) {
            return Err(BlockFault::NoBlock);
        }
        match u16_at(8) {
            VERSION => {}
            version => return Err(BlockFault::Version(version)),
        }
        let [order, compression] = u16_at(10).to_le_bytes();
        let header = Self {
            compressed: compression == ZSTD,
            content: u32_at(20) as usize,
            stored: u32_at(24) as usize,
            checksum: u32_at(CHECKED),
        };
        if order != ORDER {
            return Err(BlockFault::ByteOrder);
        }
        if compression > ZSTD || header.content > MAX_CONTENT || header.stored > MAX_CONTENT + MAX_CONTENT / 2 {
            return Err(BlockFault::Header);
        }
        match u16_at(12) {
            ring::LAYOUT => Ok(header),
            layout => Err(BlockFault::Layout(layout)),
        }
    }

    /// Checks and unpacks the entries of a block, given whole.
    pub(super) fn open(&self, block: &[u8], to: &mut Vec<u8>) -> Result<(), BlockFault> {
        let (header, stored) = block.split_at_checked(HEADER).ok_or(BlockFault::Header)?;
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(header.get(..CHECKED).unwrap_or_default());
        checksum.update(stored);
        if checksum.finalize() != self.checksum {
            return Err(BlockFault::Checksum);
        }
        to.clear();
        if !self.compressed {
            to.extend_from_slice(stored);
            return if to.len() == self.content { Ok(()) } else { Err(BlockFault::Header) };
        }
        let decoder = StreamingDecoder::new(stored).map_err(|_| BlockFault::Compression)?;
        let (mut columns, limit) = (Vec::with_capacity(self.content), self.content as u64 + 1);
        decoder.take(limit).read_to_end(&mut columns).map_err(|_| BlockFault::Compression)?;
        if columns.len() != self.content {
            return Err(BlockFault::Header);
        }
        restore(&columns, MAX_CONTENT, to).ok_or(BlockFault::Columns)
    }
}

impl BlockFault {
    /// Adds where the block begins, and how many were read before it.
    pub(super) fn at(self, blocks: u64, bytes: u64) -> TtrError {
        match self {
            Self::NoBlock => TtrError::NoBlock { blocks, bytes },
            Self::Version(version) => TtrError::Version { bytes, version },
            Self::ByteOrder => TtrError::ByteOrder { bytes },
            Self::Layout(layout) => TtrError::Layout { bytes, layout },
            Self::Checksum => TtrError::Checksum { blocks, bytes },
            Self::Header => TtrError::Malformed { bytes, what: "its header contradicts itself".to_owned() },
            Self::Columns => TtrError::Malformed { bytes, what: "its columns cannot be put together".to_owned() },
            Self::Compression => TtrError::Malformed { bytes, what: "its zstd data cannot be decompressed".to_owned() },
        }
    }
}
