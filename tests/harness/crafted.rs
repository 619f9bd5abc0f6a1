//! The notation for segments in tests: `F. 1/0/1` is FIN and ACK with sequence number 1, no payload and acknowledgement 1,
//! all relative to the ISNs.

use std::str::FromStr;

use crate::peer::{ACK, FIN, RST, SYN};

const PSH: u8 = 0x08;

/// A segment with numbers relative to the ISNs.
#[derive(Clone, Copy, Debug)]
pub struct Crafted {
    /// Flags as on the wire.
    pub flags: u8,
    /// Sequence number.
    pub seq: i64,
    /// Payload bytes.
    pub length: usize,
    /// Acknowledgement number.
    pub ack: i64,
    /// Value and echo of a timestamp; without an echo, the correct one is used.
    pub timestamp: Option<(u32, Option<u32>)>,
}

impl Crafted {
    /// Parses flags and numbers, and a timestamp, if there is one: `ts=7,9`, or `ts=7,.` with the correct echo.
    pub fn parse(words: &[&str]) -> Option<Self> {
        let (flags, numbers, timestamp) = match *words {
            [flags, numbers] => (flags, numbers, None),
            [flags, numbers, timestamp] => {
                let (value, echo) = timestamp.strip_prefix("ts=")?.split_once(',')?;
                (flags, numbers, Some((value.parse().ok()?, echo.parse().ok())))
            }
            _ => return None,
        };
        let mut numbers = numbers.split('/').map(i64::from_str);
        let mut next = || numbers.next().transpose().ok().map(Option::unwrap_or_default);
        let (seq, length, ack) = (next()?, next()?, next()?);
        Some(Self { flags: flag_bits(flags)?, seq, length: usize::try_from(length).ok()?, ack, timestamp })
    }
}

/// Returns the wire format of flags in tcpdump's notation; `-` stands for none.
pub fn flag_bits(flags: &str) -> Option<u8> {
    flags.chars().try_fold(0, |bits, letter| {
        Some(
            bits | match letter {
                'F' => FIN,
                'S' => SYN,
                'R' => RST,
                'P' => PSH,
                '.' => ACK,
                '-' => 0,
                _ => return None,
            },
        )
    })
}
