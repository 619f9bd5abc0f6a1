//! The one-sentence summary of each record: what happened, which end began it, and what to examine after a failure.

use std::fmt::Write as _;

use crate::{
    event::{AcceptQueue, Exit, Role},
    text::{HumanBytes, HumanDuration},
    verdict::{
        Close, CloseKind, Each, Handshake, HandshakeKind, Missing, NoSegments, Outcome, ResetCause, TimeWait,
        WaitingFor,
    },
};

/// Facts for the sentence of a handshake that are not in its record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HandshakeFacts {
    /// Number of SYNs seen.
    pub(crate) syns: u32,
    /// Nanoseconds from the client's ACK to the server's socket, if it waited for data and has one.
    pub(crate) deferred_ns: Option<u64>,
    /// True if the socket was restored with TCP_REPAIR.
    pub(crate) restored: bool,
    /// True if the SYN was never sent, since it waited for data (TCP_FASTOPEN_CONNECT).
    pub(crate) unsent: bool,
    /// Answer that was seen to come to the client's SYN.
    pub(crate) answer: Option<Answer>,
    /// Nanoseconds from the first event to the last.
    pub(crate) lasted: u64,
}

/// An answer to a SYN that its sender's socket did not accept, or that does not complete the handshake.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    SynAck,
    /// A SYN of the server's own.
    Syn,
    /// An ICMP error of this kind.
    Icmp(&'static str),
}

/// Facts for the sentence of a close that are not in its record.
#[derive(Clone, Debug)]
pub(crate) struct CloseFacts {
    /// Payload bytes that arrived at the end that sent the reset after it had closed.
    pub(crate) late_bytes: Option<u64>,
    /// True if the other end closed too.
    pub(crate) other_closed: bool,
    /// True for the ends whose FINs were seen.
    pub(crate) fins: Each<bool>,
    /// True for an end that had data unsent while the other end's window was closed.
    pub(crate) window_closed: Each<bool>,
}

/// Length of most sentences in bytes.
const USUAL: usize = 128;

/// Returns the sentence of a handshake.
pub(crate) fn handshake(record: &Handshake, facts: &HandshakeFacts) -> String {
    let mut text = String::with_capacity(USUAL);
    text.push_str(match record.kind {
        HandshakeKind::ThreeWay => "three-way handshake",
        HandshakeKind::Simultaneous => "simultaneous open",
        HandshakeKind::FastOpen => "TCP Fast Open handshake",
        HandshakeKind::Unseen if facts.restored => "no handshake: its socket was restored (TCP_REPAIR)",
        HandshakeKind::Unseen => "handshake not seen",
    });
    if let Some(outcome) = record.outcome {
        text.push_str(", ");
        push_outcome(&mut text, record, outcome, facts);
    }
    let again = record.retransmissions.syn.unwrap_or(0);
    if again > 0 && record.outcome == Some(Outcome::Established) {
        push(&mut text, format_args!("; the SYN was sent {} times", again + 1));
    }
    let again = record.retransmissions.synack.unwrap_or(0);
    if again > 0 {
        push(&mut text, format_args!("; the SYN,ACK was sent {} times", again + 1));
    }
    if let Some(waited) = facts.deferred_ns {
        push(
            &mut text,
            format_args!("; the server waited {} for the client's data: TCP_DEFER_ACCEPT", HumanDuration(waited)),
        );
    }
    if record.syn_left == Some(false) {
        text.push_str("; no SYN was seen to leave this host");
    }
    push_common(&mut text, record.no_segments, record.same_as.as_deref());
    push_missing(&mut text, &record.missing);
    text
}

fn push_common(text: &mut String, no_segments: Option<NoSegments>, same_as: Option<&[u64]>) {
    text.push_str(match no_segments {
        Some(NoSegments::OtherNamespace) => "; no segments: other network namespace",
        Some(NoSegments::NotWatched) => "; no segments: they passed no interface that is watched",
        Some(NoSegments::Translated) => "; no segments of its own: they pass with other addresses",
        None => "",
    });
    let Some(numbers) = same_as else { return };
    for (index, number) in numbers.iter().enumerate() {
        let joined = match index {
            0 => "; the same as",
            _ if index + 1 == numbers.len() => " and",
            _ => ",",
        };
        push(text, format_args!("{joined} #{number}"));
    }
    text.push_str(if numbers.len() == 1 {
        ", on the other side of an address translation"
    } else {
        ", on other sides of an address translation"
    });
}

fn push_outcome(text: &mut String, record: &Handshake, outcome: Outcome, facts: &HandshakeFacts) {
    let lasted = HumanDuration(facts.lasted);
    match outcome {
        Outcome::Established => {
            text.push_str("established");
            let round = record.syn_to_synack_ns.zip(record.synack_to_ack_ns).map(|(there, back)| there + back);
            if let Some(time) = round.or(record.connect_ns) {
                push(text, format_args!(" in {}", HumanDuration(time)));
            }
        }
        Outcome::Refused => match record.icmp {
            Some(icmp) => push(text, format_args!("refused by ICMP: {}", icmp.kind)),
            _ => text.push_str(match record.reset.map(|reset| reset.cause) {
                Some(_) if record.syn_left == Some(false) => {
                    "refused: a reset from this host itself, as of a firewall rule"
                }
                Some(ResetCause::NoListener) => "refused: nobody listens there",
                None if record.no_segments == Some(NoSegments::Translated) => {
                    "refused: by a reset or an ICMP error, which came with other addresses"
                }
                None => "refused: by a reset or an ICMP error, which was not seen",
                Some(ResetCause::Unknown | ResetCause::NoConnection) => {
                    "refused: a reset answered the SYN, so nobody listens there or a firewall says so"
                }
                Some(cause) => return push(text, format_args!("refused by the server{}", cause_words(cause))),
            }),
        },
        Outcome::Reset => match record.reset.map(|reset| (reset.by, reset.cause)) {
            Some((Role::Client, cause)) if !is_of_its_socket(cause) => {
                text.push_str("reset by the client before it was complete");
                // The host of a scan knows nothing of the connection.
                let unknown = matches!(cause, ResetCause::Unknown | ResetCause::NoConnection);
                if unknown && record.kind == HandshakeKind::ThreeWay {
                    text.push_str(", as health checks and scans do");
                }
            }
            Some((by, cause)) => {
                push(text, format_args!("reset by the {} before it was complete{}", name(by), cause_words(cause)));
            }
            None => text.push_str("reset before it was complete"),
        },
        Outcome::Unreachable => {
            push(
                text,
                format_args!("unreachable: {}", record.icmp.map_or("no way to the other end", |icmp| icmp.kind)),
            );
            if record.icmp.is_some_and(|icmp| icmp.of_synack) {
                text.push_str(", said an ICMP error about the server's SYN,ACK");
            }
        }
        Outcome::TimedOut => {
            text.push_str("timed out");
            push_syns(text, "after", facts);
            push(text, format_args!(", {lasted}"));
            push_answer(text, facts.answer);
            push_queue(text, record.accept_queue);
        }
        Outcome::Cancelled => {
            text.push_str(match record.killed {
                true => "cancelled: the client's socket was destroyed from outside after ",
                false => "cancelled by the client's application after ",
            });
            push(text, format_args!("{lasted}"));
            if facts.unsent {
                return text.push_str(": the SYN waited for data and was not sent (TCP_FASTOPEN_CONNECT)");
            }
            push_syns(text, "and", facts);
            push_answer(text, facts.answer);
            push_queue(text, record.accept_queue);
        }
        Outcome::NoPort => {
            text.push_str("not begun: connect() found no free local port, or no free pair of ports to this address");
        }
        Outcome::Unanswered if record.deferred => {
            text.push_str("unanswered: the server waits for the client's data: TCP_DEFER_ACCEPT");
        }
        Outcome::Unanswered => {
            text.push_str(match record.waiting_for {
                Some(WaitingFor::Ack) => "unanswered: waiting for the client's ACK",
                Some(WaitingFor::SynAck) | None => "unanswered: waiting for the server's SYN,ACK",
            });
            push_syns(text, "after", facts);
            push_queue(text, record.accept_queue);
        }
    }
}

/// Returns true if the end's own socket was the reason for its reset.
fn is_of_its_socket(cause: ResetCause) -> bool {
    matches!(cause, ResetCause::Linger | ResetCause::UnreadData | ResetCause::Killed)
}

/// Appends the number of SYNs, joined by `joined`.
fn push_syns(text: &mut String, joined: &str, facts: &HandshakeFacts) {
    match facts.syns {
        0 => {}
        1 => push(text, format_args!(" {joined} one SYN")),
        syns => push(text, format_args!(" {joined} {syns} SYNs")),
    }
}

/// Appends the answer that was seen, though the client's socket went on waiting.
fn push_answer(text: &mut String, answer: Option<Answer>) {
    match answer {
        None => text.push_str(" without an answer"),
        Some(Answer::SynAck) => text.push_str(", although the server's SYN,ACK was seen"),
        Some(Answer::Syn) => text.push_str(", although the server's own SYN was seen: none acknowledged the client's"),
        Some(Answer::Icmp(kind)) => push(text, format_args!(", although an ICMP error was seen: {kind}")),
    }
}

/// Appends the reason why the server does not answer.
fn push_queue(text: &mut String, full_queue: Option<AcceptQueue>) {
    if let Some(AcceptQueue { length, limit }) = full_queue {
        push(text, format_args!("; the server's accept queue is full ({length} of {limit})"));
    }
}

/// Returns the sentence of a close.
pub(crate) fn close(record: &Close, facts: &CloseFacts) -> String {
    let mut text = String::with_capacity(USUAL);
    push_idle(&mut text, record);
    push_how(&mut text, record, facts);
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
    let late = record.reset.filter(|_| record.time_wait.is_some());
    if let Some(reset) = late {
        push(&mut text, format_args!(", into which the {} sent a reset", name(reset.by)));
    }
    push_unsent(&mut text, record, facts);
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

/// Appends how long there had been no data when the connection was closed.
fn push_idle(text: &mut String, record: &Close) {
    use CloseKind::{FourSegment, Orderly, Reset, Simultaneous, ThreeSegment};
    let known = matches!(record.kind, Simultaneous | ThreeSegment | FourSegment | Orderly | Reset);
    let Some(idle) = record.idle_ns.filter(|&idle| known && idle >= IDLE) else { return };
    // The time-outs that close idle connections are known by their seconds.
    let tenths = idle.saturating_add(50_000_000) / 100_000_000;
    if tenths < 6_000 {
        push(text, format_args!("idle for {}.{} s, then ", tenths / 10, tenths % 10));
    } else {
        push(text, format_args!("idle for {}, then ", HumanDuration(idle)));
    }
}

/// Returns the end that ended the connection, as far as known: it sent the reset, or began to close.
fn ended_first(record: &Close) -> Option<Role> {
    let reset = record.reset.filter(|_| record.kind == CloseKind::Reset).map(|reset| reset.by);
    reset.or(record.initiator).filter(|_| !matches!(record.kind, CloseKind::TimedOut | CloseKind::Unseen))
}

/// Appends that processes were exiting as they closed their ends: that of the end just named, and the other one if it was
/// killed.
fn push_exits(text: &mut String, record: &Close) {
    let named = ended_first(record);
    for (role, end) in [(Role::Client, &record.client), (Role::Server, &record.server)] {
        let own = named == Some(role);
        let whose = |text: &mut String| match own {
            true => text.push_str("; its process was "),
            false => push(text, format_args!("; the {}'s process was ", name(role))),
        };
        match end.exit {
            Some(Exit { signal: Some(signal), .. }) => {
                whose(text);
                push(text, format_args!("killed by signal {signal}"));
            }
            Some(Exit { code, .. }) if own => {
                whose(text);
                text.push_str("exiting");
                if let Some(code) = code.filter(|&code| code != 0) {
                    push(text, format_args!(" with status {code}"));
                }
            }
            _ => {}
        }
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
        CloseKind::Orderly => ("closed", orderly(facts.fins)),
        CloseKind::Unseen if by.is_empty() => ("ended; how was not seen", ""),
        CloseKind::Unseen => ("closed", "; how it ended was not seen"),
        CloseKind::TimedOut => {
            return match (record.initiator, record.reset.map(|reset| reset.cause)) {
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
            };
        }
        CloseKind::Unfinished => {
            text.push_str("unfinished: ");
            if let Some(role) = record.initiator {
                push(text, format_args!("the {} has closed its side; ", name(role)));
            }
            return text.push_str("tracing stopped first");
        }
        CloseKind::Reset => {
            text.push_str("reset");
            if let Some(reset) = record.reset {
                push(text, format_args!(" by the {}", name(reset.by)));
                push_cause(text, reset.cause, record, facts);
            }
            return;
        }
    };
    [begin, by, end].into_iter().for_each(|part| text.push_str(part));
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

/// Lengths of a TLS close_notify: 1.3, and 1.2 with AES-GCM, ChaCha20 or CBC and SHA-1 (RFC 5246 §6.2.3, RFC 8446
/// §5.2).
const CLOSE_NOTIFY: [u64; 4] = [23, 24, 31, 53];

/// Appends the reason for the reset; data for a closed socket need not be a failure.
fn push_cause(text: &mut String, cause: ResetCause, record: &Close, facts: &CloseFacts) {
    match cause {
        ResetCause::DataAfterClose => push_late_data(text, record, facts),
        ResetCause::UnreadData => {
            let end = match record.reset.map(|reset| reset.by) {
                Some(Role::Client) => record.client.unread_bytes,
                _ => record.server.unread_bytes,
            };
            match end.filter(|&bytes| bytes > 0) {
                Some(1) => text.push_str(": it closed with 1 byte unread"),
                Some(bytes) => push(text, format_args!(": it closed with {bytes} bytes unread")),
                None => text.push_str(cause_words(cause)),
            }
            if record.evidence.is_some_and(|evidence| evidence.linger) {
                text.push_str(" and with SO_LINGER 0");
            }
        }
        _ => text.push_str(cause_words(cause)),
    }
}

fn push_late_data(text: &mut String, record: &Close, facts: &CloseFacts) {
    match facts.late_bytes {
        Some(bytes) if facts.other_closed && CLOSE_NOTIFY.contains(&bytes) => push(
            text,
            format_args!(
                ": the other end still sent {bytes} B while it closed too, as TLS does with close_notify: harmless"
            ),
        ),
        Some(bytes) if CLOSE_NOTIFY.contains(&bytes) => push(
            text,
            format_args!(
                ": the other end sent {bytes} B to a socket that was closed already: harmless if that was TLS's \
                 close_notify, whose length it is; further writes fail with EPIPE"
            ),
        ),
        // Its FIN follows the data: it writes no more.
        Some(bytes @ 1..) if facts.other_closed => push(
            text,
            format_args!(
                ": the other end still sent {bytes} B before it closed too, to a socket that was closed already"
            ),
        ),
        _ => match record.closed_before_ns {
            Some(before) => push(
                text,
                format_args!(
                    ": the other end wrote to a socket that was closed already ({} before), and further writes fail with \
                     EPIPE",
                    HumanDuration(before)
                ),
            ),
            None => text.push_str(cause_words(ResetCause::DataAfterClose)),
        },
    }
}

fn cause_words(cause: ResetCause) -> &'static str {
    match cause {
        ResetCause::Linger => ": it closed with SO_LINGER 0",
        ResetCause::UnreadData => ": it closed with data unread",
        ResetCause::DataAfterClose => {
            ": the other end wrote to a socket that was closed already, and further writes fail with EPIPE"
        }
        ResetCause::NoListener => ": nobody listens there",
        ResetCause::ListenerClosed => ": its listener closed before it was accepted",
        ResetCause::Overflow => ": the accept queue is full",
        ResetCause::NoConnection => ": it knows no such connection",
        ResetCause::Killed => ": its socket was destroyed from outside",
        ResetCause::Keepalive => ": keep-alive probes were not answered",
        ResetCause::LateFin => ": its own close was over when the other end's FIN came, which does no harm",
        ResetCause::QueueFull => {
            ": its accept queue was full when the handshake was completed, so it never had a socket"
        }
        ResetCause::ZeroWindow => ": the other end's window was closed (0 B)",
        ResetCause::Unknown => "",
    }
}

fn name(role: Role) -> &'static str {
    match role {
        Role::Client => "client",
        Role::Server => "server",
    }
}

fn push_missing(text: &mut String, missing: &[Missing]) {
    for (index, missing) in missing.iter().enumerate() {
        text.push_str(if index == 0 { " (incomplete, not seen: " } else { ", " });
        text.push_str(match missing {
            Missing::Syn => "SYN",
            Missing::Synack => "SYN,ACK",
            Missing::Ack => "ACK",
            Missing::Fin => "FIN or RST",
            Missing::States => "states",
            Missing::Interface => "segments",
            Missing::Lost => "lost events",
        });
    }
    if !missing.is_empty() {
        text.push(')');
    }
}

fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = text.write_fmt(arguments);
}
