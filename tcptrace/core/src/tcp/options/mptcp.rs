//! The options of Multipath TCP (RFC 8684 §3).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Flag A of MP_CAPABLE: the data has checksums (RFC 8684 §3.1).
pub(in crate::tcp) const FLAG_CHECKSUM: u8 = 0x80;

/// Flags of DSS (RFC 8684 §3.3).
const DSS_ACK: u8 = 0x01;
const DSS_LONG_ACK: u8 = 0x02;
const DSS_MAPPING: u8 = 0x04;
const DSS_LONG_SEQ: u8 = 0x08;
const DSS_FIN: u8 = 0x10;

/// An option of Multipath TCP.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(tag = "subtype", rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum MptcpOption<'a> {
    /// MP_CAPABLE: the connection begins (RFC 8684 §3.1).
    MpCapable {
        /// Version of Multipath TCP.
        version: u8,
        /// Flags, A in the highest bit.
        flags: u8,
        /// Number of keys: none in the first SYN of version 1, the sender's, or the sender's and the receiver's.
        keys: u8,
        /// The sender's key.
        #[cfg_attr(feature = "serde", serde(skip))]
        sender_key: Option<u64>,
        /// The receiver's key.
        #[cfg_attr(feature = "serde", serde(skip))]
        receiver_key: Option<u64>,
        /// Length of the data in bytes; null if not stated.
        data_length: Option<u16>,
    },
    /// MP_JOIN: a subflow joins a connection (RFC 8684 §3.2).
    MpJoin {
        /// True if the subflow is a backup; null in the last ACK.
        backup: Option<bool>,
        /// Address ID of the sender; null in the last ACK.
        address_id: Option<u8>,
        /// Token of the connection; only in a SYN.
        token: Option<u32>,
        /// Random number of the sender; null in the last ACK.
        nonce: Option<u32>,
        /// Authentication of the sender: its first 8 bytes in a SYN,ACK, all 20 in an ACK.
        #[cfg_attr(feature = "serde", serde(skip))]
        hmac: &'a [u8],
    },
    /// DSS: the data sequence signal (RFC 8684 §3.3).
    Dss {
        /// True if it ends the data of the connection: DATA_FIN.
        fin: bool,
        /// Data acknowledgement, 64 bits or the low 32; null without one.
        ack: Option<u64>,
        /// Position of the segment's payload in the data of the connection; null if not stated.
        mapping: Option<DataMapping>,
    },
    /// ADD_ADDR: another address of the sender (RFC 8684 §3.4.1).
    AddAddr {
        /// The four bits beside the subtype: 1 for an echo; version 0 has 4 for IPv4 and 6 for IPv6 instead.
        flags: u8,
        /// Address ID.
        address_id: u8,
        /// The address.
        address: IpAddr,
        /// The port; null for that of the connection.
        port: Option<u16>,
        /// Authentication of the sender.
        #[cfg_attr(feature = "serde", serde(skip))]
        hmac: Option<u64>,
    },
    /// REMOVE_ADDR: addresses that the sender no longer has (RFC 8684 §3.4.2).
    RemoveAddr {
        /// Their address IDs.
        address_ids: &'a [u8],
    },
    /// MP_PRIO: a subflow becomes a backup or an ordinary one (RFC 8684 §3.3.8).
    MpPrio {
        /// True if it becomes a backup.
        backup: bool,
        /// Address ID of the subflow in version 0; null for the one that carries the option.
        address_id: Option<u8>,
    },
    /// MP_FAIL: the subflow cannot carry Multipath TCP (RFC 8684 §3.7).
    MpFail {
        /// Data sequence number from which on the data is wrong.
        data_seq: u64,
    },
    /// MP_FASTCLOSE: the connection is aborted (RFC 8684 §3.5).
    #[cfg_attr(feature = "serde", serde(rename = "mp_fastclose"))]
    MpFastClose {
        /// The receiver's key.
        #[cfg_attr(feature = "serde", serde(skip))]
        key: u64,
    },
    /// MP_TCPRST: the reason of the subflow's reset (RFC 8684 §3.6).
    #[cfg_attr(feature = "serde", serde(rename = "mp_tcprst"))]
    MpTcpRst {
        /// The four bits beside the subtype: U, V, W, and T for a transient condition.
        flags: u8,
        /// The reason (RFC 8684 §8.4).
        reason: u8,
    },
}

/// Data sequence mapping of a DSS option (RFC 8684 §3.3.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(inline))]
#[non_exhaustive]
pub struct DataMapping {
    /// Data sequence number of the first byte, 64 bits or the low 32.
    pub data_seq: u64,
    /// Sequence number of the first byte in the subflow, relative to its ISN.
    pub subflow_seq: u32,
    /// Length of the data in bytes.
    pub length: u16,
    /// Checksum; null if not negotiated.
    pub checksum: Option<u16>,
}

impl<'a> MptcpOption<'a> {
    /// Reads the bytes after kind and length; `None` if the subtype is unknown, or the length wrong for it.
    ///
    /// The length alone identifies the form of an option: the flags of the segment are not needed.
    pub fn read(data: &'a [u8]) -> Option<Self> {
        let mut rest = Bytes(data);
        let [first] = rest.take()?;
        let low = first & 0x0f;
        let read = match first >> 4 {
            0 => Self::read_capable(low, &mut rest),
            1 => Self::read_join(low, &mut rest),
            2 => Self::read_dss(&mut rest),
            3 => Self::read_add_addr(low, &mut rest),
            4 => (!rest.0.is_empty()).then(|| Self::RemoveAddr { address_ids: std::mem::take(&mut rest.0) }),
            5 => Some(Self::MpPrio { backup: low & 1 != 0, address_id: rest.take().map(|[id]| id) }),
            6 => {
                let [_] = rest.take()?;
                Some(Self::MpFail { data_seq: rest.u64()? })
            }
            7 => {
                let [_] = rest.take()?;
                Some(Self::MpFastClose { key: rest.u64()? })
            }
            8 => rest.take().map(|[reason]| Self::MpTcpRst { flags: low, reason }),
            _ => None,
        };
        read.filter(|_| rest.0.is_empty())
    }

    fn read_capable(version: u8, rest: &mut Bytes<'a>) -> Option<Self> {
        let [flags] = rest.take()?;
        // The formats of later versions are unknown.
        if version > 1 {
            return None;
        }
        let (sender_key, receiver_key) = (rest.u64(), rest.u64());
        let keys = u8::from(sender_key.is_some()) + u8::from(receiver_key.is_some());
        let data_length = receiver_key.and_then(|_| match (rest.u16(), rest.u16()) {
            // With checksums, the length and the checksum are both present or both absent.
            (Some(_), None) if flags & FLAG_CHECKSUM != 0 => None,
            (length, _) => length,
        });
        Some(Self::MpCapable { version, flags, keys, sender_key, receiver_key, data_length })
    }

    fn read_join(low: u8, rest: &mut Bytes<'a>) -> Option<Self> {
        let [address_id] = rest.take()?;
        let (backup, address_id) = (Some(low & 1 != 0), Some(address_id));
        match rest.0.len() {
            8 => {
                let (token, nonce) = (rest.u32(), rest.u32());
                Some(Self::MpJoin { backup, address_id, token, nonce, hmac: &[] })
            }
            12 => {
                let hmac = rest.slice(8)?;
                Some(Self::MpJoin { backup, address_id, token: None, nonce: rest.u32(), hmac })
            }
            20 => {
                let hmac = rest.slice(20)?;
                Some(Self::MpJoin { backup: None, address_id: None, token: None, nonce: None, hmac })
            }
            _ => None,
        }
    }

    fn read_dss(rest: &mut Bytes<'a>) -> Option<Self> {
        let [flags] = rest.take()?;
        let is = |flag: u8| flags & flag != 0;
        let ack = if is(DSS_ACK) { Some(rest.number(is(DSS_LONG_ACK))?) } else { None };
        let mapping = if is(DSS_MAPPING) {
            Some(DataMapping {
                data_seq: rest.number(is(DSS_LONG_SEQ))?,
                subflow_seq: rest.u32()?,
                length: rest.u16()?,
                checksum: rest.u16(),
            })
        } else {
            None
        };
        Some(Self::Dss { fin: is(DSS_FIN), ack, mapping })
    }

    fn read_add_addr(flags: u8, rest: &mut Bytes<'a>) -> Option<Self> {
        let [address_id] = rest.take()?;
        let address = match rest.0.len() {
            4 | 6 | 12 | 14 => IpAddr::from(Ipv4Addr::from(rest.take::<4>()?)),
            16 | 18 | 24 | 26 => IpAddr::from(Ipv6Addr::from(rest.take::<16>()?)),
            _ => return None,
        };
        let port = if rest.0.len() % 8 == 2 { rest.u16() } else { None };
        Some(Self::AddAddr { flags, address_id, address, port, hmac: rest.u64() })
    }
}

/// Bytes not read yet. Nothing is taken if they are too few.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn slice(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    /// Takes a number of 64 bits, or one of 32.
    fn number(&mut self, long: bool) -> Option<u64> {
        if long { self.u64() } else { self.u32().map(u64::from) }
    }
}

#[cfg(test)]
mod tests;
