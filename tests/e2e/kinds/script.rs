//! Scripts: what the peer sends, what has to come of it, and what the application does in between, a line each.
//!
//! | line | meaning |
//! |---|---|
//! | `< F. 1/0/1` | the peer sends a segment: flags as tcpdump writes them, sequence number, payload bytes, acknowledgement; numbers relative to the ISNs |
//! | `< S. 0/0/1 ts=7,9` | with a timestamps option; an echo of `.` is the right one |
//! | `< icmp 4/0` | the peer's host sends this ICMP error about the kernel's last segment |
//! | `> F.` | the kernel sends a segment with these flags; others before it are passed over |
//! | `connect`, `accept`, `read N`, `write N`, `shutdown`, `close`, `linger` | system calls |
//! | `listen`, `unlisten` | the listener comes or goes |
//! | `trace` | tracing begins |
//! | `gone` | the kernel has neither a socket nor a request for it any more |

use std::str::FromStr;

use tcptrace_tests::{ACK, FIN, RST, SYN};

const PSH: u8 = 0x08;

/// A line of a script.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// The peer sends a segment.
    Send(Crafted),
    /// The peer's host sends an ICMP error of this type and code about the kernel's last segment.
    Icmp(u8, u8),
    /// The kernel sends a segment with these flags, PSH aside.
    Expect(u8),
    /// The application calls.
    Call(Call),
}

/// A segment of the peer, with numbers relative to the ISNs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crafted {
    pub(super) flags: u8,
    pub(super) seq: i64,
    pub(super) length: usize,
    pub(super) ack: i64,
    /// Value and echo of a timestamp; no echo stands for the right one.
    pub(super) timestamp: Option<(u32, Option<u32>)>,
}

/// What an application does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Call {
    Connect,
    Accept,
    Read(usize),
    Write(usize),
    Shutdown,
    Close,
    /// SO_LINGER with time 0.
    Linger,
    Listen,
    Unlisten,
    /// Tracing begins.
    Trace,
    /// Waits until the kernel has nothing left of it.
    Gone,
}

/// The steps of a script.
#[track_caller]
pub(super) fn parse(script: &str) -> Vec<(String, Step)> {
    let lines = script.split([';', '\n']).map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| (line.to_owned(), step(line).unwrap_or_else(|| panic!("`{line}` is no step")))).collect()
}

fn step(line: &str) -> Option<Step> {
    let words: Vec<_> = line.split_whitespace().collect();
    Some(match words[..] {
        ["<", "icmp", kind] => {
            let (kind, code) = kind.split_once('/')?;
            Step::Icmp(kind.parse().ok()?, code.parse().ok()?)
        }
        ["<", flags, numbers] => Step::Send(crafted(flags, numbers)?),
        ["<", flags, numbers, timestamp] => {
            let (value, echo) = timestamp.strip_prefix("ts=")?.split_once(',')?;
            let timestamp = Some((value.parse().ok()?, echo.parse().ok()));
            Step::Send(Crafted { timestamp, ..crafted(flags, numbers)? })
        }
        [">", flags] => Step::Expect(bits(flags)?),
        [call] => Step::Call(match call {
            "connect" => Call::Connect,
            "accept" => Call::Accept,
            "shutdown" => Call::Shutdown,
            "close" => Call::Close,
            "linger" => Call::Linger,
            "listen" => Call::Listen,
            "unlisten" => Call::Unlisten,
            "trace" => Call::Trace,
            "gone" => Call::Gone,
            _ => return None,
        }),
        ["read", count] => Step::Call(Call::Read(count.parse().ok()?)),
        ["write", count] => Step::Call(Call::Write(count.parse().ok()?)),
        _ => return None,
    })
}

fn crafted(flags: &str, numbers: &str) -> Option<Crafted> {
    let mut numbers = numbers.split('/').map(i64::from_str);
    let mut next = || numbers.next().transpose().ok().map(Option::unwrap_or_default);
    let (seq, length, ack) = (next()?, next()?, next()?);
    Some(Crafted { flags: bits(flags)?, seq, length: usize::try_from(length).ok()?, ack, timestamp: None })
}

fn bits(flags: &str) -> Option<u8> {
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
