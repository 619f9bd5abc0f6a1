//! Scripts, a step per line: segments of the peer, expected reactions, and calls of the application.
//!
//! | line | meaning |
//! |---|---|
//! | `< F. 1/0/1` | the peer sends a segment: flags as tcpdump writes them, sequence number, payload bytes, acknowledgement; numbers relative to the ISNs |
//! | `< S. 0/0/1 ts=7,9` | with a timestamps option; an echo of `.` is the right one |
//! | `< icmp 4/0` | the peer's host sends this ICMP error about the kernel's last segment |
//! | `> F.` | the kernel sends a segment with these flags; others before it are ignored |
//! | `connect`, `accept`, `read N`, `write N`, `shutdown`, `close`, `linger` | system calls |
//! | `listen`, `unlisten` | the listener comes or goes |
//! | `trace` | tracing begins |
//! | `gone` | the kernel no longer has a socket or a request for it |

use tcptrace_tests::{Crafted, flag_bits};

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

/// A call of an application.
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
    /// Waits until the kernel has no state of the connection.
    Gone,
}

/// The steps of a script.
#[track_caller]
pub(super) fn parse(script: &str) -> Vec<(String, Step)> {
    let lines = script.split([';', '\n']).map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| (line.to_owned(), step(line).unwrap_or_else(|| panic!("`{line}` is not a step")))).collect()
}

fn step(line: &str) -> Option<Step> {
    let words: Vec<_> = line.split_whitespace().collect();
    Some(match words[..] {
        ["<", "icmp", kind] => {
            let (kind, code) = kind.split_once('/')?;
            Step::Icmp(kind.parse().ok()?, code.parse().ok()?)
        }
        ["<", ref segment @ ..] => Step::Send(Crafted::parse(segment)?),
        [">", flags] => Step::Expect(flag_bits(flags)?),
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
