//! Detection of a file's format by its first bytes.

use std::fmt::{self, Display, Formatter};

use super::erf::Erf;

/// Number of bytes that suffice to detect the format.
const SNIFF_LEN: usize = 4096;

/// Number of bytes needed to distinguish Endace's records from text.
const RECORD_LEN: usize = 16;

/// A format that can be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Format {
    Pcap,
    PcapNg,
    Snoop,
    Erf,
    Json,
    Ttr,
}

/// Apparent kind of a file that is not a capture.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LooksLike {
    /// An empty file.
    Empty,
    /// Fewer bytes than any capture has; the number of them.
    Short(usize),
    /// A compressed file; the command that unpacks it to stdout.
    Compressed(&'static str),
    /// An archive.
    Archive {
        /// Kind of archive.
        kind: &'static str,
        /// Command that writes one of its files to stdout.
        extract: &'static str,
    },
    /// A program or an object file.
    Elf,
    /// A capture in this other format.
    Foreign(&'static str),
    /// Text.
    Text,
    /// Anything else; its first bytes.
    Unknown([u8; 4]),
}

impl Display for LooksLike {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::Short(count) => write!(f, "it has no more than {count} bytes"),
            Self::Compressed(program) => {
                write!(f, "it is compressed; give its contents, as in `{program} FILE | tcptrace -r -`")
            }
            Self::Archive { kind, extract } => {
                write!(f, "it is a {kind} archive; give a file from it, as in `{extract} | tcptrace -r -`")
            }
            Self::Elf => f.write_str("it is an ELF program or object"),
            Self::Foreign(kind) => {
                write!(f, "it is in the format of {kind}; convert it, as in `editcap FILE converted.pcapng`")
            }
            Self::Text => f.write_str("it is text; give what `tcpdump -w` or `tcptrace -w` wrote"),
            Self::Unknown([a, b, c, d]) => {
                write!(
                    f,
                    "it begins with {a:02x} {b:02x} {c:02x} {d:02x}, as no format does that tcptrace reads; \
                           if it is a capture, `editcap FILE converted.pcapng` may convert it"
                )
            }
        }
    }
}

/// Detects the format by the first `bytes` of a file; `Ok(None)` if more are needed. With `ended` there are no more.
pub(super) fn format(bytes: &[u8], ended: bool) -> Result<Option<Format>, LooksLike> {
    // Compared before blanks are skipped: the magic number of pcapng consists of four of them.
    let Some(&magic) = bytes.first_chunk::<4>() else {
        return match bytes {
            [b'{', ..] => Ok(Some(Format::Json)),
            _ if !ended => Ok(None),
            [] => Err(LooksLike::Empty),
            _ => after_blanks(bytes, ended).map_err(|_| LooksLike::Short(bytes.len())),
        };
    };
    match magic {
        // Microseconds and nanoseconds in both byte orders, a variant with longer records written by old Linux systems,
        // and two of IXIA's.
        [0xa1, 0xb2, 0xc3, 0xd4]
        | [0xd4, 0xc3, 0xb2, 0xa1]
        | [0xa1, 0xb2, 0x3c, 0x4d]
        | [0x4d, 0x3c, 0xb2, 0xa1]
        | [0x34, 0xcd, 0xb2, 0xa1]
        | [0xa1, 0xb2, 0xcd, 0x34]
        | [0x1c, 0x00, 0x01, 0xab | 0xac]
        | [0xab | 0xac, 0x01, 0x00, 0x1c] => Ok(Some(Format::Pcap)),
        // Identical in both byte orders.
        [0x0a, 0x0d, 0x0d, 0x0a] => Ok(Some(Format::PcapNg)),
        [0x89, b'T', b'T', b'R'] => Ok(Some(Format::Ttr)),
        [0x1f, 0x8b, ..] => Err(LooksLike::Compressed("zcat")),
        [0x28, 0xb5, 0x2f, 0xfd] => Err(LooksLike::Compressed("zstdcat")),
        [0xfd, b'7', b'z', b'X'] => Err(LooksLike::Compressed("xzcat")),
        [b'B', b'Z', b'h', b'1'..=b'9'] => Err(LooksLike::Compressed("bzcat")),
        [0x04, 0x22, 0x4d, 0x18] => Err(LooksLike::Compressed("lz4cat")),
        _ if bytes.starts_with(b"TRSNIFF data") => Err(LooksLike::Foreign("Sniffer")),
        [b'P', b'K', 3, 4] => Err(LooksLike::Archive { kind: "zip", extract: "unzip -p FILE NAME" }),
        [b'7', b'z', 0xbc, 0xaf] => Err(LooksLike::Archive { kind: "7z", extract: "7z x -so FILE NAME" }),
        [0x7f, b'E', b'L', b'F'] => Err(LooksLike::Elf),
        [b's', b'n', b'o', b'o'] if bytes.starts_with(b"snoop\0") => Ok(Some(Format::Snoop)),
        [b'G', b'M', b'B', b'U'] | [b'R', b'T', b'S', b'S'] => Err(LooksLike::Foreign("Microsoft Network Monitor")),
        [b'X', b'C', b'P', 0] => Err(LooksLike::Foreign("NetXRay or Windows Sniffer")),
        _ => unmarked(bytes, ended),
    }
}

/// Returns true if this begins with the header of a file in a tar archive, by its checksum, which all variants have (POSIX
/// pax, "ustar Interchange Format"); `None` if more bytes are needed. A packed archive comes here unpacked.
fn is_tar(bytes: &[u8], ended: bool) -> Option<bool> {
    const HEADER: usize = 512;
    const CHECKSUM: std::ops::Range<usize> = 148..156;
    let Some(header) = bytes.first_chunk::<HEADER>() else {
        // A name comes first.
        let named = bytes.first().is_some_and(|&first| first > b' ');
        return if ended || !named { Some(false) } else { None };
    };
    let digits = header.get(CHECKSUM)?.trim_ascii_start().split(|digit| !digit.is_ascii_digit()).next()?;
    let stated = str::from_utf8(digits).ok().and_then(|digits| u32::from_str_radix(digits, 8).ok());
    let spaces = |at: usize, byte: u8| if CHECKSUM.contains(&at) { b' ' } else { byte };
    let sum: u32 = header.iter().enumerate().map(|(at, &byte)| u32::from(spaces(at, byte))).sum();
    Some(stated == Some(sum))
}

/// Distinguishes formats without a magic number: Endace's records begin with a fraction of a second, which may look like a
/// brace.
fn unmarked(bytes: &[u8], ended: bool) -> Result<Option<Format>, LooksLike> {
    let text = after_blanks(bytes, ended);
    // The header of a record has control characters.
    let erf = match bytes.get(..RECORD_LEN) {
        Some(header) if is_text(header) => Some(false),
        Some(_) => Erf::begins(bytes, ended),
        None if ended || text.is_ok() => Some(false),
        None => None,
    };
    let found = match erf {
        Some(true) => Ok(Some(Format::Erf)),
        Some(false) => text,
        None => Ok(None),
    };
    if matches!(found, Ok(Some(Format::Json) | None)) {
        return found;
    }
    // The name of a file and the zeros behind it may pass for the header of a record.
    match is_tar(bytes, ended) {
        Some(true) => Err(LooksLike::Archive { kind: "tar", extract: "tar -xOf FILE NAME" }),
        Some(false) => found,
        None => Ok(None),
    }
}

/// Takes for JSON a file whose first non-blank character opens an object.
fn after_blanks(bytes: &[u8], ended: bool) -> Result<Option<Format>, LooksLike> {
    match bytes.trim_ascii_start() {
        [b'{', ..] => Ok(Some(Format::Json)),
        [] if !ended && bytes.len() < SNIFF_LEN => Ok(None),
        // Text so far may still become a name that ends in zeros, as snoop's magic number does.
        _ if is_text(bytes) && !ended && bytes.len() < SNIFF_LEN => Ok(None),
        _ if is_text(bytes) => Err(LooksLike::Text),
        _ => Err(bytes.first_chunk().map_or(LooksLike::Short(bytes.len()), |&first| LooksLike::Unknown(first))),
    }
}

/// Returns true if this is the beginning of a text: UTF-8 without control characters, whose last character may be
/// truncated.
fn is_text(bytes: &[u8]) -> bool {
    let bytes = bytes.get(..SNIFF_LEN).unwrap_or(bytes);
    let text = match str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            bytes.get(..error.valid_up_to()).and_then(|valid| str::from_utf8(valid).ok()).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !text.is_empty()
        && text.chars().all(|character| !character.is_control() || matches!(character, '\t'..='\r' | '\x1b'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_a_text_only_when_enough_have_come() {
        let snoop = b"snoop\0\0\0\0\0\0\x02\0\0\0\x04";
        for length in 4..6 {
            assert_eq!(format(&snoop[..length], false).ok(), Some(None), "{length} bytes");
        }
        assert!(matches!(format(snoop, false), Ok(Some(Format::Snoop))));
        assert!(matches!(format(b"snoopy", false), Ok(None)));
        assert!(matches!(format(b"snoopy", true), Err(LooksLike::Text)));
    }

    /// The header of a file in an archive.
    fn tar_header(name: &[u8]) -> [u8; 512] {
        let mut header = [0; 512];
        header[..name.len()].copy_from_slice(name);
        header[100..108].copy_from_slice(b"0000644\0");
        header[156] = b'0';
        let sum = header.iter().map(|&byte| u32::from(byte)).sum::<u32>() + 8 * u32::from(b' ');
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        header
    }

    #[test]
    fn an_archive_is_told_by_the_checksum_of_its_first_header() {
        let mut header = tar_header(b"one.pcap");
        let archive = LooksLike::Archive { kind: "tar", extract: "tar -xOf FILE NAME" };
        for length in 8..512 {
            assert_eq!(format(&header[..length], false), Ok(None), "{length} bytes");
        }
        assert_eq!(format(&header, false), Err(archive));
        let advice = "it is a tar archive; give a file from it, as in `tar -xOf FILE NAME | tcptrace -r -`";
        assert_eq!(archive.to_string(), advice);
        header[0] = b'O';
        assert!(matches!(format(&header, true), Err(LooksLike::Unknown(_))));
        assert!(matches!(format(&header[..300], true), Err(LooksLike::Unknown(_))));
    }

    #[test]
    fn a_name_in_an_archive_is_no_header_of_a_record() {
        // As the header of one of Endace's records: November 2023, padding, 11888 bytes long.
        let header = tar_header(b"evidence05.pcap");
        let file = [&header[..], &[0; 11_888 - 512], &header[..16]].concat();
        assert_eq!(Erf::begins(&file, false), Some(true));
        assert!(matches!(format(&file, false), Err(LooksLike::Archive { .. })));
    }

    #[test]
    fn records_without_a_magic_number_are_told_by_their_headers() {
        let erf = b"\0\0\0\0\0\x10\x5e\x5f\x02\x04\0\x10\0\0\0\0";
        for length in 4..16 {
            assert_eq!(format(&erf[..length], false).ok(), Some(None), "{length} bytes");
        }
        assert!(matches!(format(erf, true), Ok(Some(Format::Erf))));
        let (again, other) = ([erf.as_slice(), erf].concat(), [erf.as_slice(), b"0123456789abcdef"].concat());
        assert!(matches!(format(&again, false), Ok(Some(Format::Erf))));
        assert!(matches!(format(&other, false), Err(LooksLike::Unknown(_))));
    }
}
