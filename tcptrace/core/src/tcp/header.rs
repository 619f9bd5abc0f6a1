//! The TCP header (RFC 9293 §3.1), parsed from possibly truncated bytes.

use std::fmt;

use super::{Options, SeqNumber, TcpFlags, TcpOption};

/// Length of the fixed part of a header, in bytes.
const FIXED: usize = 20;

/// A TCP header with its options, as it was seen: its fields may contradict each other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TcpHeader {
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// Sequence number of the first byte of data, or of the SYN if that is set.
    pub seq: SeqNumber,
    /// Acknowledgement number; meaningless without [`TcpFlags::ACK`].
    pub ack: SeqNumber,
    /// Offset of the data in bytes, as the header states it; below 20 if malformed.
    pub data_offset: u8,
    /// Control bits.
    pub flags: TcpFlags,
    /// The window field, unscaled.
    pub window: u16,
    /// The urgent pointer; meaningless without [`TcpFlags::URG`].
    pub urgent: u16,
    /// The bytes between the fixed part and the data.
    pub options: OptionBytes,
}

impl TcpHeader {
    /// Parses the header at the beginning of `bytes`; `None` if they are fewer than the 20 of the fixed part.
    ///
    /// The options are those that lie both within the data offset and within `bytes`.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (fixed, rest) = bytes.split_first_chunk::<FIXED>()?;
        let &[s0, s1, d0, d1, q0, q1, q2, q3, a0, a1, a2, a3, offset, flags, w0, w1, _, _, u0, u1] = fixed;
        // The upper four bits count 32-bit words; below them are three reserved bits and AE.
        let data_offset = (offset >> 4) * 4;
        let options = usize::from(data_offset).saturating_sub(FIXED);
        Some(Self {
            src_port: u16::from_be_bytes([s0, s1]),
            dst_port: u16::from_be_bytes([d0, d1]),
            seq: SeqNumber(u32::from_be_bytes([q0, q1, q2, q3])),
            ack: SeqNumber(u32::from_be_bytes([a0, a1, a2, a3])),
            data_offset,
            flags: TcpFlags(u16::from_be_bytes([offset & 1, flags])),
            window: u16::from_be_bytes([w0, w1]),
            urgent: u16::from_be_bytes([u0, u1]),
            options: OptionBytes::new(rest.get(..options).unwrap_or(rest)),
        })
    }

    /// Returns true if all of `flags` are set.
    pub const fn has(&self, flags: TcpFlags) -> bool {
        self.flags.contains(flags)
    }

    /// Returns the length of the header in bytes: the data offset, but at least the fixed part.
    pub fn header_len(&self) -> usize {
        usize::from(self.data_offset).max(FIXED)
    }
}

/// The options of a header, as bytes on the wire.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct OptionBytes {
    len: u8,
    bytes: [u8; Self::MAX],
}

impl OptionBytes {
    /// Maximum length of the options in bytes: a data offset of 15 words less the fixed part.
    pub const MAX: usize = 40;

    /// No options.
    pub const EMPTY: Self = Self { len: 0, bytes: [0; Self::MAX] };

    /// Keeps the first [`Self::MAX`] of `bytes`.
    pub fn new(bytes: &[u8]) -> Self {
        let mut options = Self::EMPTY;
        let bytes = bytes.get(..Self::MAX).unwrap_or(bytes);
        if let Some(place) = options.bytes.get_mut(..bytes.len()) {
            place.copy_from_slice(bytes);
            options.len = bytes.len() as u8;
        }
        options
    }

    /// Returns the bytes.
    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Returns the options without the last one, if the capture ends within it: it may be as it should be.
    #[must_use]
    pub fn without_cut_one(self) -> Self {
        let cut = self.iter().last().and_then(|option| match option {
            TcpOption::Malformed { rest, .. } => {
                // Its length is cut off, or says that there is more.
                let more = rest.first().is_none_or(|&len| usize::from(len) > 1 + rest.len());
                more.then_some(1 + rest.len())
            }
            _ => None,
        });
        let kept = self.as_slice().len().saturating_sub(cut.unwrap_or(0));
        Self::new(self.as_slice().get(..kept).unwrap_or_default())
    }

    /// Returns an iterator over the options in their order.
    pub fn iter(&self) -> Options<'_> {
        Options::new(self.as_slice())
    }
}

impl<'a> IntoIterator for &'a OptionBytes {
    type IntoIter = Options<'a>;
    type Item = TcpOption<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Debug for OptionBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// A SYN on loopback.
    const SYN: [u8; 40] = [
        0x9b, 0xbe, 0x25, 0x1e, 0xae, 0x79, 0x0c, 0x92, 0, 0, 0, 0, 0xa0, 0x02, 0xff, 0xd7, 0xfe, 0x30, 0, 0, 0x02,
        0x04, 0xff, 0xd7, 0x04, 0x02, 0x08, 0x0a, 0, 0, 0, 1, 0, 0, 0, 0, 0x01, 0x03, 0x03, 0x0a,
    ];

    #[test]
    fn a_syn_is_read() {
        let header = TcpHeader::parse(&SYN).unwrap();
        assert_eq!((header.src_port, header.dst_port), (39870, 9502));
        assert_eq!((header.seq, header.ack), (SeqNumber(2_927_168_658), SeqNumber(0)));
        assert_eq!((header.data_offset, header.header_len()), (40, 40));
        assert_eq!(header.flags, TcpFlags::SYN);
        assert!(header.has(TcpFlags::SYN) && !header.has(TcpFlags::ACK));
        assert_eq!((header.window, header.urgent), (65495, 0));
        assert_eq!(header.options.as_slice(), &SYN[20..]);
    }

    #[test]
    fn what_a_stack_would_refuse_is_shown() {
        let mut bytes = SYN;
        bytes[..4].fill(0);
        bytes[13] = 0x03;
        for words in 0..16u8 {
            bytes[12] = words << 4 | 1;
            let header = TcpHeader::parse(&bytes).unwrap();
            assert_eq!(header.data_offset, words * 4);
            assert_eq!(header.flags, TcpFlags::SYN | TcpFlags::FIN | TcpFlags::AE);
            assert_eq!(header.options.as_slice().len(), usize::from(words).saturating_sub(5).min(5) * 4);
            assert!((20..=60).contains(&header.header_len()));
        }
        assert_eq!(TcpHeader::parse(&SYN[..19]), None);
    }

    proptest! {
        #[test]
        fn any_twenty_bytes_are_a_header(bytes in vec(any::<u8>(), 0..80)) {
            let header = TcpHeader::parse(&bytes);
            prop_assert_eq!(header.is_some(), bytes.len() >= FIXED);
            if let Some(header) = header {
                prop_assert_eq!(header.flags.0 & 0xff, u16::from(bytes[13]));
                prop_assert!(header.options.as_slice().len() <= header.header_len() - FIXED);
                prop_assert!(bytes[FIXED..].starts_with(header.options.as_slice()));
                let _ = format!("{header:?}");
            }
        }
    }
}
