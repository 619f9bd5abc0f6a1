//! The sentence of a close.

use std::sync::Arc;

use super::{
    Forgotten, USUAL, name, push, push_common, push_exit, push_missing, push_segment_drops, push_unsent_reset,
    reset_cause::{cause_words, push_cause},
    unfinished::push_unfinished,
};
use crate::{
    event::Role,
    text::{Errno, HumanBytes, HumanDuration},
    verdict::{Close, CloseKind, Each, IcmpReport, Reset, ResetCause, TimeWait},
};

/// Facts for the sentence of a close that are not in its record.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct CloseFacts {
    /// Payload bytes that arrived at the end that sent the reset after it had closed.
    pub(crate) late_bytes: Option<u64>,
    /// True if the other end closed too.
    pub(crate) other_closed: bool,
    /// The translation of its addresses that this host forgot before it ended.
    pub(crate) nat_forgot: Option<Forgotten>,
    /// True for the ends whose FINs were seen.
    pub(crate) fins: Each<bool>,
    /// True if the capture has no ACKs.
    pub(crate) lacks_acks: bool,
    /// True for an end that had data unsent while the other end's window was closed.
    pub(crate) window_closed: Each<bool>,
    /// True for an end that has closed with a FIN that was not seen to leave, although its segments are watched.
    pub(crate) holds_fin: Each<bool>,
    /// True if the end that sent the reset is known to have no socket for the connection.
    pub(crate) no_socket: bool,
    /// The error of the socket that gave up, if that is not ETIMEDOUT.
    pub(crate) error: Option<Errno>,
    /// The end whose process closed the socket with TCP_REPAIR, which sends nothing.
    pub(crate) silent: Option<Role>,
    /// The end whose FIN may have been missed: what it sent last was not seen.
    pub(crate) missed_fin: Option<Role>,
    /// True for the ends whose FINs were seen, but not the acknowledgements of them.
    pub(crate) unacked: Each<bool>,
    /// The host of the end in whose name the reset came, if its recording shows that it did not send it.
    pub(crate) unsent_at: Option<Arc<str>>,
}

impl Close {
    /// Renders the sentence anew.
    pub(crate) fn summarize(&mut self) {
        self.summary = close(self, &self.facts);
    }
}

fn close(record: &Close, facts: &CloseFacts) -> String {
    use CloseKind::{FourSegment, Orderly, Simultaneous, ThreeSegment};
    let mut text = String::with_capacity(USUAL);
    push_idle(&mut text, record);
    push_how(&mut text, record, facts);
    push_forgotten(&mut text, record, facts.nat_forgot);
    push_exits(&mut text, record);
    let arrows = [(record.bytes.client_to_server, "→"), (record.bytes.server_to_client, "←")];
    let counts = arrows.iter().filter_map(|&(count, arrow)| Some((count?, arrow)));
    for ((count, arrow), separator) in counts.zip(["; ", ", "]) {
        push(&mut text, format_args!("{separator}{count} B {arrow}"));
    }
    if let Some(time) = record.duration_ns {
        push(&mut text, format_args!("; lasted {}", HumanDuration(time)));
    }
    match record.time_wait {
        Some(TimeWait::Client) => text.push_str("; the client holds TIME_WAIT for 60 s"),
        Some(TimeWait::Server) => text.push_str("; the server holds TIME_WAIT for 60 s"),
        Some(TimeWait::Both) => text.push_str("; both hold TIME_WAIT for 60 s"),
        None => {}
    }
    match record.reset {
        Some(reset) if record.time_wait.is_some() => {
            push(&mut text, format_args!(", into which the {} sent a reset", name(reset.by)));
        }
        // Whoever would hold TIME_WAIT does not, behind its own reset.
        Some(reset) if matches!(record.kind, Simultaneous | ThreeSegment | FourSegment | Orderly) => {
            push(&mut text, format_args!("; then the {} sent a reset", name(reset.by)));
        }
        _ => {}
    }
    push_unsent(&mut text, record, facts);
    push_segment_drops(&mut text, record.dropped_segments);
    if ended_first(record) == Some(Role::Server)
        && record.bytes.client_to_server.is_some_and(|bytes| bytes > 0)
        && record.bytes.server_to_client == Some(0)
    {
        text.push_str("; 0 B were answered");
    }
    push_common(&mut text, record.no_segments, record.same_as.as_deref());
    push_missing(&mut text, &record.missing);
    text
}

/// Nanoseconds without data from which on a connection is called idle.
const IDLE: u64 = 1_000_000_000;

/// Appends how long there had been no data when the connection was closed, and by whom if the other end then reset it.
fn push_idle(text: &mut String, record: &Close) {
    use CloseKind::{FourSegment, Orderly, Reset, Simultaneous, ThreeSegment};
    let known = matches!(record.kind, Simultaneous | ThreeSegment | FourSegment | Orderly | Reset);
    let Some(idle) = record.idle_ns.filter(|&idle| known && idle >= IDLE) else { return };
    // The time-outs that close idle connections are known by their seconds.
    let rounded = idle.saturating_add(50_000_000) / 100_000_000;
    // It lasted at least as long, and that is not rounded up.
    let within = record.duration_ns.is_none_or(|lasted| rounded.saturating_mul(100_000_000) <= lasted);
    let tenths = if within { rounded } else { idle / 100_000_000 };
    if tenths < 6_000 {
        push(text, format_args!("idle for {}.{} s, then ", tenths / 10, tenths % 10));
    } else {
        push(text, format_args!("idle for {}, then ", HumanDuration(idle)));
    }
    let reset = record.reset.filter(|_| record.kind == Reset).map(|reset| reset.by);
    if let Some((by, first)) = reset.zip(record.initiator)
        && by != first
    {
        push(text, format_args!("closed by the {}; ", name(first)));
    }
}

/// Returns the end that ended the connection, as far as known: it sent the reset, or began to close.
fn ended_first(record: &Close) -> Option<Role> {
    let reset = record.reset.filter(|_| record.kind == CloseKind::Reset);
    if reset.is_some_and(|reset| reset.cause == ResetCause::Forged) {
        return None;
    }
    let reset = reset.map(|reset| reset.by);
    reset.or(record.initiator).filter(|_| !matches!(record.kind, CloseKind::TimedOut | CloseKind::Unseen))
}

/// Appends that processes were exiting as they closed their ends: first that of the end just named, and the other one if it
/// was killed.
fn push_exits(text: &mut String, record: &Close) {
    let named = ended_first(record);
    let mut ends = [(Role::Client, &record.client), (Role::Server, &record.server)];
    if named == Some(Role::Server) {
        ends.reverse();
    }
    for (role, end) in ends {
        let own = named == Some(role);
        let whose = |text: &mut String| match own {
            true => text.push_str("; its process was "),
            false => push(text, format_args!("; the {}'s process was ", name(role))),
        };
        match end.exit {
            Some(exit) if own || exit.signal.is_some() => {
                whose(text);
                push_exit(text, exit);
            }
            _ => {}
        }
    }
}

/// Appends that this host had forgotten how to translate the addresses, where that came before a failure.
fn push_forgotten(text: &mut String, record: &Close, forgotten: Option<Forgotten>) {
    match (record.kind, forgotten) {
        (CloseKind::Reset, Some(Forgotten { before_ns: Some(_), .. }))
        | (CloseKind::TimedOut | CloseKind::Unfinished | CloseKind::Unseen, Some(_)) => {
            super::push_forgotten(text, forgotten);
        }
        _ => {}
    }
}

/// Appends what was never sent.
fn push_unsent(text: &mut String, record: &Close, facts: &CloseFacts) {
    let Each { client, server } = &facts.window_closed;
    for (role, end, closed) in [(Role::Client, &record.client, client), (Role::Server, &record.server, server)] {
        if let Some(bytes) = end.unsent_bytes.filter(|&bytes| bytes > 0) {
            push(text, format_args!("; the {} had {} unsent", name(role), HumanBytes(bytes.into())));
            text.push_str(if *closed { " behind a closed window" } else { "" });
        }
    }
}

fn push_how(text: &mut String, record: &Close, facts: &CloseFacts) {
    let by = match record.initiator {
        Some(Role::Client) => " by the client",
        Some(Role::Server) => " by the server",
        None => "",
    };
    let (begin, end) = match record.kind {
        CloseKind::Simultaneous => return text.push_str("closed by both ends at once"),
        CloseKind::ThreeSegment => ("closed", ", three segments"),
        CloseKind::FourSegment => ("closed", ", four segments"),
        // Of a capture without ACKs: both FINs were seen, and no more can be.
        CloseKind::Orderly if facts.lacks_acks => ("closed", ""),
        CloseKind::Orderly => ("closed", orderly(facts.fins)),
        CloseKind::Unseen if facts.silent.is_some() => return push_silent(text, "", facts.silent),
        CloseKind::Unseen if by.is_empty() => ("ended; how was not seen", ""),
        CloseKind::Unseen => ("closed", "; how it ended was not seen"),
        CloseKind::TimedOut => {
            match (record.initiator, record.reset.map(|reset| reset.cause)) {
                (Some(role), cause) => {
                    push(text, format_args!("timed out after the {} had closed", name(role)));
                    if cause == Some(ResetCause::ZeroWindow) {
                        text.push_str(cause_words(ResetCause::ZeroWindow));
                    }
                }
                (None, Some(cause @ (ResetCause::Keepalive | ResetCause::ZeroWindow))) => {
                    push(text, format_args!("timed out{}", cause_words(cause)));
                }
                // It may have answered, as with a closed window: only the socket's error tells.
                (None, _) => text.push_str("timed out: what was sent was not acknowledged in time"),
            }
            return push_error(text, facts.error, record.icmp);
        }
        CloseKind::Unfinished => return push_unfinished(text, record, facts),
        CloseKind::Reset => {
            match (record.reset, &facts.unsent_at) {
                (Some(reset), Some(host)) => push_unsent_reset(text, "reset", reset.by, host),
                (Some(Reset { by, cause }), None) => {
                    match cause {
                        ResetCause::Forged => push(text, format_args!("reset in the {}'s name", name(by))),
                        _ => push(text, format_args!("reset by the {}", name(by))),
                    }
                    push_cause(text, cause, record, facts);
                }
                (None, _) => text.push_str("reset"),
            }
            return push_silent(text, "; ", facts.silent);
        }
    };
    [begin, by, end].into_iter().for_each(|part| text.push_str(part));
}

/// Appends the error with which the socket gave up, and the ICMP error that came before.
fn push_error(text: &mut String, error: Option<Errno>, icmp: Option<IcmpReport>) {
    if let Some(error) = error {
        push(text, format_args!(" ({error})"));
    }
    if let Some(IcmpReport { from, kind, .. }) = icmp {
        push(text, format_args!("; an ICMP error had come from {from}: {kind}"));
    }
}

/// Appends, after `joined`, that a process closed a socket without telling the other end.
pub(super) fn push_silent(text: &mut String, joined: &str, silent: Option<Role>) {
    if let Some(role) = silent {
        push(text, format_args!("{joined}the {}'s socket was closed without a segment (TCP_REPAIR)", name(role)));
    }
}

/// Returns the words for a close that the states of the sockets show, and segments only in part.
fn orderly(fins: Each<bool>) -> &'static str {
    match (fins.client, fins.server) {
        (false, false) => ", as the states show; the FINs were not seen",
        (true, false) => ", as the states show; the server's FIN was not seen",
        (false, true) => ", as the states show; the client's FIN was not seen",
        (true, true) => ", as the states show; not both FINs were seen to be acknowledged",
    }
}
