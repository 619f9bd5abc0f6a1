//! Options in tcpdump's notation.

mod mptcp;

use std::fmt;

use super::{
    SeqNumber, TcpOption, TcpOptions,
    hex::Hex,
    options::{KIND_EXPERIMENT, KIND_MD5},
};

/// Options in tcpdump's notation, without the brackets around them: `mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7`.
///
/// Accurate ECN and SMC have names of tcptrace's own, since tcpdump has none; obsolete options have no names. Malformed
/// options show their bytes.
#[derive(Clone, Copy, Debug)]
pub struct Notation<'a> {
    /// The options to show.
    pub options: &'a TcpOptions,
    /// Base of the sequence numbers in SACK blocks: the ISN of the end that receives them. `None` for absolute numbers.
    pub relative_to: Option<SeqNumber>,
}

impl fmt::Display for Notation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, option) in self.options.0.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            OptionNotation { option, relative_to: self.relative_to }.fmt(f)?;
        }
        Ok(())
    }
}

/// One option in tcpdump's notation.
#[derive(Clone, Copy, Debug)]
pub struct OptionNotation<'a> {
    /// The option to show.
    pub option: TcpOption<'a>,
    /// As in [`Notation`].
    pub relative_to: Option<SeqNumber>,
}

impl fmt::Display for OptionNotation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.option {
            TcpOption::Eol => f.write_str("eol"),
            TcpOption::Nop => f.write_str("nop"),
            TcpOption::Mss(mss) => write!(f, "mss {mss}"),
            TcpOption::WindowScale(shift) => write!(f, "wscale {shift}"),
            TcpOption::SackPermitted => f.write_str("sackOK"),
            TcpOption::Sack(blocks) => {
                write!(f, "sack {} ", blocks.count())?;
                blocks
                    .iter()
                    .try_for_each(|block| write!(f, "{{{}:{}}}", self.relative(block.left), self.relative(block.right)))
            }
            TcpOption::Timestamp(timestamp) => write!(f, "TS val {} ecr {}", timestamp.value, timestamp.echo),
            TcpOption::Md5(digest) => write!(f, "md5 {}", Hex(digest)),
            TcpOption::TcpAo { key_id, rnext_key_id, mac } => {
                write!(f, "tcp-ao keyid {key_id} rnextkeyid {rnext_key_id}")?;
                if mac.is_empty() { Ok(()) } else { write!(f, " mac 0x{}", Hex(mac)) }
            }
            TcpOption::AccurateEcn(option) => {
                write!(f, "accecn{}", option.order)?;
                option.counters().try_for_each(|(name, counter)| write!(f, " {name} {counter}"))
            }
            TcpOption::Smc { .. } => f.write_str("exp-smc"),
            TcpOption::FastOpen { cookie, experimental } => {
                f.write_str(if experimental { "exp-tfo" } else { "tfo " })?;
                match cookie.len() {
                    0 => f.write_str(" cookiereq"),
                    // RFC 7413 §4.1.1
                    4..=16 if cookie.len() % 2 == 0 => write!(f, " cookie {}", Hex(cookie)),
                    _ => f.write_str(" (invalid)"),
                }
            }
            TcpOption::Mptcp { subtype, data } => mptcp::write(subtype, data, f),
            TcpOption::Unknown { kind, data } => unknown(kind, data, f),
            TcpOption::Malformed { kind, rest } => write!(f, "[bad opt] 0x{}{}", Hex(&[kind]), Hex(rest)),
        }
    }
}

impl OptionNotation<'_> {
    fn relative(&self, seq: u32) -> u32 {
        self.relative_to.map_or(seq, |isn| SeqNumber(seq).distance_from(isn))
    }
}

/// Writes options that are shown but not interpreted, by the name of their kind where there is one.
fn unknown(kind: u8, data: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match (kind, data) {
        (KIND_MD5, _) => write!(f, "md5 {}", Hex(data)),
        // RFC 6994
        (KIND_EXPERIMENT, [high, low, ..]) => write!(f, "exp-{}", Hex(&[*high, *low])),
        (_, []) => write!(f, "unknown-{kind}"),
        _ => write!(f, "unknown-{kind} 0x{}", Hex(data)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tcp::OptionBytes;

    fn notation(bytes: &[u8]) -> String {
        let options = TcpOptions(OptionBytes::new(bytes));
        Notation { options: &options, relative_to: Some(SeqNumber(100)) }.to_string()
    }

    #[test]
    fn options_read_as_in_tcpdump() {
        for (bytes, text) in [
            (&[][..], ""),
            (
                &[2, 4, 0xff, 0xd7, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 10],
                "mss 65495,sackOK,TS val 1 ecr 0,nop,wscale 10",
            ),
            (&[1, 1, 5, 10, 0, 0, 0, 101, 0, 0, 0, 105], "nop,nop,sack 1 {1:5}"),
            (&[34, 2, 1, 0], "tfo  cookiereq,nop,eol"),
            (&[34, 6, 1, 2, 3, 0xff], "tfo  cookie 010203ff"),
            (&[254, 4, 0xf9, 0x89], "exp-tfo cookiereq"),
            (&[34, 5, 1, 2, 3], "tfo  (invalid)"),
            (&[254, 6, 0xf9, 0x88, 3, 4], "exp-f988"),
            (&[29, 4, 1, 2, 29, 6, 1, 2, 3, 4], "tcp-ao keyid 1 rnextkeyid 2,tcp-ao keyid 1 rnextkeyid 2 mac 0x0304"),
            (&[30, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], "mptcp 12 capable v0 flags [none] {0x0}"),
            (&[172, 11, 0, 0, 1, 0, 1, 0, 1, 0, 0], "accecn0 ee0b 1 eceb 256 ee1b 65536"),
            (&[174, 11, 0, 0, 1, 0, 1, 0, 1, 0, 0], "accecn1 ee1b 1 eceb 256 ee0b 65536"),
            (&[174, 5, 0, 0, 9, 1, 172, 2], "accecn1 ee1b 9,nop,accecn0"),
            (&[174, 4, 1, 2, 1], "unknown-174 0x0102,nop"),
            (&[254, 6, 0xe2, 0xd4, 0xc3, 0xd9, 253, 6, 0xe2, 0xd4, 0xc3, 0xd9], "exp-smc,exp-smc"),
            (&[254, 7, 0xe2, 0xd4, 0xc3, 0xd9, 0], "exp-e2d4"),
            (&[253, 4, 0xf9, 0x89], "unknown-253 0xf989"),
            (&[29, 3, 7], "unknown-29 0x07"),
            (&[19, 18, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15], "md5 000102030405060708090a0b0c0d0e0f"),
            (&[19, 4, 0xab, 0xcd], "md5 abcd"),
            (&[99, 2, 99, 3, 0xab], "unknown-99,unknown-99 0xab"),
            (&[2, 9], "[bad opt] 0x0209"),
            (&[1, 8], "nop,[bad opt] 0x08"),
            (&[3, 4, 1, 2, 1], "[bad opt] 0x03040102,nop"),
        ] {
            assert_eq!(notation(bytes), text);
        }
    }
}
