//! Options in tcpdump's notation.

use std::fmt;

use super::{SeqNumber, TcpOption, TcpOptions, hex::Hex};

/// Options in tcpdump's notation, without the brackets around them: `mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7`.
///
/// Multipath TCP's options are shown by length and subtype name only; obsolete options have no names.
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
            TcpOption::FastOpen { cookie, experimental } => {
                f.write_str(if experimental { "exp-tfo" } else { "tfo " })?;
                match cookie.len() {
                    0 => f.write_str(" cookiereq"),
                    // RFC 7413 §4.1.1
                    4..=16 if cookie.len() % 2 == 0 => write!(f, " cookie {}", Hex(cookie)),
                    _ => f.write_str(" (invalid)"),
                }
            }
            TcpOption::Mptcp { subtype, data } => write!(f, "mptcp {} {}", data.len() + 2, mptcp_name(subtype)),
            TcpOption::Unknown { kind, data } => unknown(kind, data, f),
            TcpOption::Malformed { .. } => f.write_str("[bad opt]"),
        }
    }
}

impl OptionNotation<'_> {
    fn relative(&self, seq: u32) -> u32 {
        self.relative_to.map_or(seq, |isn| SeqNumber(seq).distance_from(isn))
    }
}

/// Writes options that are shown but not interpreted.
fn unknown(kind: u8, data: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match (kind, data) {
        // RFC 2385
        (19, _) => write!(f, "md5 {}", Hex(data)),
        // RFC 5925
        (29, [key, next_key]) => write!(f, "tcp-ao keyid {key} rnextkeyid {next_key}"),
        (29, [key, next_key, mac @ ..]) => {
            write!(f, "tcp-ao keyid {key} rnextkeyid {next_key} mac 0x{}", Hex(mac))
        }
        // RFC 6994
        (254, [high, low, ..]) => write!(f, "exp-{}", Hex(&[*high, *low])),
        (_, []) => write!(f, "unknown-{kind}"),
        _ => write!(f, "unknown-{kind} 0x{}", Hex(data)),
    }
}

/// tcpdump's names of the subtypes (RFC 8684 §8.2).
fn mptcp_name(subtype: u8) -> &'static str {
    match subtype {
        0 => "capable",
        1 => "join",
        2 => "dss",
        3 => "add-addr",
        4 => "rem-addr",
        5 => "prio",
        6 => "fail",
        7 => "fast-close",
        _ => "unknown",
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
            (&[30, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], "mptcp 12 capable"),
            (&[19, 4, 0xab, 0xcd], "md5 abcd"),
            (&[99, 2, 99, 3, 0xab], "unknown-99,unknown-99 0xab"),
            (&[2, 9], "[bad opt]"),
        ] {
            assert_eq!(notation(bytes), text);
        }
    }
}
