//! The options of a header, one by one (RFC 9293 §3.2).

const KIND_EOL: u8 = 0;
pub(super) const KIND_NOP: u8 = 1;
pub(super) const KIND_MSS: u8 = 2;
pub(super) const KIND_WINDOW_SCALE: u8 = 3;
pub(super) const KIND_SACK_PERMITTED: u8 = 4;
pub(super) const KIND_SACK: u8 = 5;
pub(super) const KIND_TIMESTAMP: u8 = 8;
pub(super) const KIND_MPTCP: u8 = 30;
pub(super) const KIND_FAST_OPEN: u8 = 34;
const KIND_EXPERIMENT: u8 = 254;

/// Identifier at the beginning of an experimental option that is Fast Open (RFC 6994; used before kind 34 was
/// assigned).
const FAST_OPEN_EXPERIMENT: [u8; 2] = [0xf9, 0x89];

/// One option.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TcpOption<'a> {
    /// End of option list: what follows is padding (RFC 9293 §3.1).
    Eol,
    /// No operation, to align the next one (RFC 9293 §3.1).
    Nop,
    /// Maximum segment size (RFC 9293 §3.7.1).
    Mss(u16),
    /// Window scale (RFC 7323 §2).
    WindowScale(u8),
    /// Selective acknowledgements may be sent (RFC 2018 §2).
    SackPermitted,
    /// Selective acknowledgements (RFC 2018 §3).
    Sack(SackBlocks<'a>),
    /// Timestamps (RFC 7323 §3).
    Timestamp(Timestamp),
    /// TCP Fast Open (RFC 7413 §4.1.1).
    FastOpen {
        /// The cookie; empty if one is requested.
        cookie: &'a [u8],
        /// True if it came as an experimental option.
        experimental: bool,
    },
    /// Multipath TCP (RFC 8684 §3).
    Mptcp {
        /// Subtype (RFC 8684 §8.2).
        subtype: u8,
        /// All bytes after kind and length, including the four bits of the subtype.
        data: &'a [u8],
    },
    /// Any other option with a kind and a length.
    Unknown {
        /// The kind.
        kind: u8,
        /// All bytes after kind and length.
        data: &'a [u8],
    },
    /// An option whose length is below 2, exceeds the header, or is wrong for its kind.
    Malformed {
        /// The kind.
        kind: u8,
    },
}

/// The two numbers of a timestamps option (RFC 7323 §3.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Timestamp {
    /// The sender's timestamp clock, TSval.
    pub value: u32,
    /// The latest TSval received from the other end, TSecr; 0 without ACK.
    pub echo: u32,
}

/// A block of data received beyond a gap (RFC 2018 §3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SackBlock {
    /// Sequence number of its first byte.
    pub left: u32,
    /// Sequence number after its last byte.
    pub right: u32,
}

/// The blocks of a selective acknowledgement, at least one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SackBlocks<'a>(&'a [[u8; 8]]);

impl<'a> SackBlocks<'a> {
    /// Maximum number of blocks in one header.
    pub const MAX: usize = 4;

    /// Returns the number of blocks.
    pub fn count(self) -> usize {
        self.0.len()
    }

    /// Returns an iterator over the blocks in their order.
    pub fn iter(self) -> impl Iterator<Item = SackBlock> + 'a {
        self.0.iter().map(|&[l0, l1, l2, l3, r0, r1, r2, r3]| SackBlock {
            left: u32::from_be_bytes([l0, l1, l2, l3]),
            right: u32::from_be_bytes([r0, r1, r2, r3]),
        })
    }
}

/// Iterator over options; ends after [`TcpOption::Eol`] and at a length that leaves the next option's position unknown.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    rest: &'a [u8],
}

impl<'a> Options<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = TcpOption<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let (&kind, after_kind) = self.rest.split_first()?;
        match kind {
            KIND_EOL => {
                self.rest = &[];
                Some(TcpOption::Eol)
            }
            KIND_NOP => {
                self.rest = after_kind;
                Some(TcpOption::Nop)
            }
            _ => {
                let Some((data, rest)) = split_data(after_kind) else {
                    self.rest = &[];
                    return Some(TcpOption::Malformed { kind });
                };
                self.rest = rest;
                Some(interpret(kind, data))
            }
        }
    }
}

/// Splits the bytes after a kind into the option's data and the rest; `None` if the length does not allow it.
fn split_data(after_kind: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&len, rest) = after_kind.split_first()?;
    rest.split_at_checked(usize::from(len).checked_sub(2)?)
}

fn interpret(kind: u8, data: &[u8]) -> TcpOption<'_> {
    match (kind, data) {
        (KIND_MSS, &[a, b]) => TcpOption::Mss(u16::from_be_bytes([a, b])),
        (KIND_WINDOW_SCALE, &[shift]) => TcpOption::WindowScale(shift),
        (KIND_SACK_PERMITTED, []) => TcpOption::SackPermitted,
        (KIND_SACK, _) => match data.as_chunks() {
            (blocks @ [_, ..], []) => TcpOption::Sack(SackBlocks(blocks)),
            _ => TcpOption::Malformed { kind },
        },
        (KIND_TIMESTAMP, &[v0, v1, v2, v3, e0, e1, e2, e3]) => TcpOption::Timestamp(Timestamp {
            value: u32::from_be_bytes([v0, v1, v2, v3]),
            echo: u32::from_be_bytes([e0, e1, e2, e3]),
        }),
        (KIND_MPTCP, &[first, ..]) => TcpOption::Mptcp { subtype: first >> 4, data },
        (KIND_FAST_OPEN, cookie) => TcpOption::FastOpen { cookie, experimental: false },
        (KIND_EXPERIMENT, _) if data.starts_with(&FAST_OPEN_EXPERIMENT) => {
            let cookie = data.get(FAST_OPEN_EXPERIMENT.len()..).unwrap_or_default();
            TcpOption::FastOpen { cookie, experimental: true }
        }
        (KIND_MSS | KIND_WINDOW_SCALE | KIND_SACK_PERMITTED | KIND_TIMESTAMP | KIND_MPTCP, _) => {
            TcpOption::Malformed { kind }
        }
        _ => TcpOption::Unknown { kind, data },
    }
}

#[cfg(test)]
pub(super) mod tests;
