//! The options of Multipath TCP in tcpdump's notation.

use std::fmt;

use crate::tcp::{DataMapping, MptcpOption, hex::Hex, options::FLAG_CHECKSUM};

/// Writes an option by its length, the name of its subtype, and its fields; or its bytes, if they cannot be read.
pub(super) fn write(subtype: u8, data: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "mptcp {} {}", data.len() + 2, name(subtype))?;
    match MptcpOption::read(data) {
        Some(option) => fields(&option, f),
        None => write!(f, " 0x{}", Hex(data)),
    }
}

/// Returns tcpdump's name of a subtype (RFC 8684 §8.2).
fn name(subtype: u8) -> &'static str {
    match subtype {
        0 => "capable",
        1 => "join",
        2 => "dss",
        3 => "add-addr",
        4 => "rem-addr",
        5 => "prio",
        6 => "fail",
        7 => "fast-close",
        8 => "tcprst",
        _ => "unknown",
    }
}

fn fields(option: &MptcpOption<'_>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match *option {
        MptcpOption::MpCapable { version, flags, sender_key, receiver_key, data_length, .. } => {
            write!(f, " v{version} flags [{}]", Letters { flags, letters: *b"ABCDEFGH" })?;
            f.write_str(if flags & FLAG_CHECKSUM == 0 { "" } else { " csum" })?;
            let Some(sender_key) = sender_key else { return Ok(()) };
            write!(f, " {{{sender_key:#x}")?;
            optional(f, ",", receiver_key.map(Number))?;
            optional(f, ",data_len=", data_length)?;
            f.write_str("}")
        }
        MptcpOption::MpJoin { backup, address_id, token, nonce, hmac } => {
            f.write_str(if backup == Some(true) { " backup" } else { "" })?;
            optional(f, " id ", address_id)?;
            optional(f, " token ", token.map(u64::from).map(Number))?;
            match hmac.as_array() {
                Some(short) => write!(f, " hmac {:#x}", u64::from_be_bytes(*short))?,
                None => optional(f, " hmac 0x", Some(hmac).filter(|hmac| !hmac.is_empty()).map(Hex))?,
            }
            optional(f, " nonce ", nonce.map(u64::from).map(Number))
        }
        MptcpOption::Dss { fin, ack, mapping } => {
            f.write_str(if fin { " fin" } else { "" })?;
            optional(f, " ack ", ack)?;
            let Some(DataMapping { data_seq, subflow_seq, length, checksum }) = mapping else { return Ok(()) };
            write!(f, " seq {data_seq} subseq {subflow_seq} len {length}")?;
            optional(f, " csum ", checksum.map(u64::from).map(Number))
        }
        MptcpOption::AddAddr { flags, address_id, address, port, hmac } => {
            let form = match flags {
                0 => "v1",
                1 => "v1-echo",
                4 => "v0-ip4",
                6 => "v0-ip6",
                _ => "[bad version/echo]",
            };
            write!(f, " {form} id {address_id} {address}")?;
            optional(f, ":", port)?;
            optional(f, " hmac ", hmac.map(Number))
        }
        MptcpOption::RemoveAddr { address_ids } => {
            f.write_str(" id")?;
            address_ids.iter().try_for_each(|id| write!(f, " {id}"))
        }
        MptcpOption::MpPrio { backup, address_id } => {
            f.write_str(if backup { " backup" } else { " non-backup" })?;
            optional(f, " id ", address_id)
        }
        MptcpOption::MpFail { data_seq } => write!(f, " seq {data_seq}"),
        MptcpOption::MpFastClose { key } => write!(f, " key {key:#x}"),
        MptcpOption::MpTcpRst { flags, reason } => {
            write!(f, " flags [{}] reason ", Letters { flags, letters: *b"UVWT" })?;
            match reset_reason(reason) {
                Some(words) => f.write_str(words),
                None => write!(f, "unknown ({reason:#04x})"),
            }
        }
    }
}

/// Returns tcpdump's words for a reason of MP_TCPRST (RFC 8684 §8.4).
fn reset_reason(reason: u8) -> Option<&'static str> {
    Some(match reason {
        0 => "Unspecified error",
        1 => "MPTCP-specific error",
        2 => "Lack of resources",
        3 => "Administratively prohibited",
        4 => "Too much outstanding data",
        5 => "Unacceptable performance",
        6 => "Middlebox interference",
        _ => return None,
    })
}

/// Writes a field, if it is present, after these words.
fn optional(f: &mut fmt::Formatter<'_>, words: &str, field: Option<impl fmt::Display>) -> fmt::Result {
    field.map_or(Ok(()), |field| write!(f, "{words}{field}"))
}

/// A number in hexadecimal, without leading zeros.
struct Number(u64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// The lowest bits of flags as letters, the last letter for the lowest bit.
struct Letters<const N: usize> {
    flags: u8,
    letters: [u8; N],
}

impl<const N: usize> fmt::Display for Letters<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = (0..N).rev().map(|bit| self.flags >> bit & 1 != 0);
        let set = self.letters.into_iter().zip(bits).filter(|&(_, set)| set);
        if set.clone().next().is_none() {
            return f.write_str("none");
        }
        set.map(|(letter, _)| char::from(letter)).try_for_each(|letter| fmt::Write::write_char(f, letter))
    }
}
