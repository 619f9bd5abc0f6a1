//! The options of a header, one by one (RFC 9293 §3.2).

mod accurate_ecn;
mod mptcp;

pub(super) use self::mptcp::FLAG_CHECKSUM;
pub use self::{
    accurate_ecn::AccurateEcn,
    mptcp::{DataMapping, MptcpOption},
};

const KIND_EOL: u8 = 0;
pub(super) const KIND_NOP: u8 = 1;
pub(super) const KIND_MSS: u8 = 2;
pub(super) const KIND_WINDOW_SCALE: u8 = 3;
pub(super) const KIND_SACK_PERMITTED: u8 = 4;
pub(super) const KIND_SACK: u8 = 5;
pub(super) const KIND_TIMESTAMP: u8 = 8;
pub(super) const KIND_MD5: u8 = 19;
pub(super) const KIND_TCP_AO: u8 = 29;
pub(super) const KIND_MPTCP: u8 = 30;
pub(super) const KIND_FAST_OPEN: u8 = 34;
/// The kinds of experiments, each identified by its first two or four bytes (RFC 6994).
const KIND_EXPERIMENTS: [u8; 2] = [253, KIND_EXPERIMENT];
pub(super) const KIND_EXPERIMENT: u8 = 254;

/// Identifier of Fast Open, used before kind 34 was assigned.
const FAST_OPEN_EXPERIMENT: [u8; 2] = [0xf9, 0x89];

/// Identifier of SMC over RDMA, EBCDIC for "SMCR" (RFC 7609 §A.1).
const SMC_EXPERIMENT: [u8; 4] = [0xe2, 0xd4, 0xc3, 0xd9];

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
    /// MD5 signature of the segment (RFC 2385).
    Md5(&'a [u8; 16]),
    /// TCP Authentication Option (RFC 5925 §2.2).
    TcpAo {
        /// KeyID: the key with which the segment is authenticated.
        key_id: u8,
        /// RNextKeyID: the key that the sender is ready to receive.
        rnext_key_id: u8,
        /// The message authentication code.
        mac: &'a [u8],
    },
    /// Accurate ECN (RFC 9768 §3.2.3).
    AccurateEcn(AccurateEcn),
    /// SMC over RDMA is offered or accepted (RFC 7609 §3.1), in an experimental option.
    Smc {
        /// The kind, 253 or 254.
        kind: u8,
    },
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
        /// All bytes after kind and length, including the four bits of the subtype; [`MptcpOption::read`] reads them.
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
        /// The bytes after the kind, beginning with the length: to the end of the option, or of the header where the
        /// length is wrong.
        rest: &'a [u8],
    },
}

impl TcpOption<'_> {
    /// The kind, the first byte of the option (RFC 9293 §3.2).
    pub fn kind(&self) -> u8 {
        match *self {
            Self::Eol => KIND_EOL,
            Self::Nop => KIND_NOP,
            Self::Mss(_) => KIND_MSS,
            Self::WindowScale(_) => KIND_WINDOW_SCALE,
            Self::SackPermitted => KIND_SACK_PERMITTED,
            Self::Sack(_) => KIND_SACK,
            Self::Timestamp(_) => KIND_TIMESTAMP,
            Self::Md5(_) => KIND_MD5,
            Self::TcpAo { .. } => KIND_TCP_AO,
            Self::AccurateEcn(option) => option.kind(),
            Self::FastOpen { experimental: false, .. } => KIND_FAST_OPEN,
            Self::FastOpen { experimental: true, .. } => KIND_EXPERIMENT,
            Self::Mptcp { .. } => KIND_MPTCP,
            Self::Smc { kind } | Self::Unknown { kind, .. } | Self::Malformed { kind, .. } => kind,
        }
    }
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
                    return Some(TcpOption::Malformed { kind, rest: after_kind });
                };
                self.rest = rest;
                let whole = after_kind.get(..=data.len()).unwrap_or(after_kind);
                Some(interpret(kind, data).unwrap_or(TcpOption::Malformed { kind, rest: whole }))
            }
        }
    }
}

/// Splits the bytes after a kind into the option's data and the rest; `None` if the length does not allow it.
fn split_data(after_kind: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&len, rest) = after_kind.split_first()?;
    rest.split_at_checked(usize::from(len).checked_sub(2)?)
}

/// Interprets an option; `None` if its length is wrong for its kind.
fn interpret(kind: u8, data: &[u8]) -> Option<TcpOption<'_>> {
    Some(match (kind, data) {
        (KIND_MSS, &[a, b]) => TcpOption::Mss(u16::from_be_bytes([a, b])),
        (KIND_WINDOW_SCALE, &[shift]) => TcpOption::WindowScale(shift),
        (KIND_SACK_PERMITTED, []) => TcpOption::SackPermitted,
        (KIND_SACK, _) => match data.as_chunks() {
            (blocks @ [_, ..], []) => TcpOption::Sack(SackBlocks(blocks)),
            _ => return None,
        },
        (KIND_TIMESTAMP, &[v0, v1, v2, v3, e0, e1, e2, e3]) => TcpOption::Timestamp(Timestamp {
            value: u32::from_be_bytes([v0, v1, v2, v3]),
            echo: u32::from_be_bytes([e0, e1, e2, e3]),
        }),
        (KIND_MPTCP, &[first, ..]) => TcpOption::Mptcp { subtype: first >> 4, data },
        (KIND_FAST_OPEN, cookie) => TcpOption::FastOpen { cookie, experimental: false },
        (KIND_MSS | KIND_WINDOW_SCALE | KIND_SACK_PERMITTED | KIND_TIMESTAMP | KIND_MPTCP, _) => return None,
        // Schema 1 keeps only the kinds of these options: without their data they are unknown, not malformed.
        (KIND_TCP_AO, &[key_id, rnext_key_id, ref mac @ ..]) => TcpOption::TcpAo { key_id, rnext_key_id, mac },
        _ => md5(kind, data)
            .or_else(|| AccurateEcn::read(kind, data).map(TcpOption::AccurateEcn))
            .or_else(|| experiment(kind, data))
            .unwrap_or(TcpOption::Unknown { kind, data }),
    })
}

fn md5(kind: u8, data: &[u8]) -> Option<TcpOption<'_>> {
    (kind == KIND_MD5).then_some(TcpOption::Md5(data.as_array()?))
}

/// Interprets an experimental option by its identifier; `None` for others.
fn experiment(kind: u8, data: &[u8]) -> Option<TcpOption<'_>> {
    match data.strip_prefix(&FAST_OPEN_EXPERIMENT) {
        Some(cookie) if kind == KIND_EXPERIMENT => Some(TcpOption::FastOpen { cookie, experimental: true }),
        _ => (KIND_EXPERIMENTS.contains(&kind) && data == SMC_EXPERIMENT).then_some(TcpOption::Smc { kind }),
    }
}

#[cfg(test)]
pub(super) mod tests;
