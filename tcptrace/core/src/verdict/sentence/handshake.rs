//! The sentence of a handshake.

use std::{net::SocketAddr, sync::Arc};

use super::{
    Forgotten, USUAL, name, push, push_common, push_drops, push_exit, push_forgotten, push_missing, push_segment_drops,
    push_unsent_reset, reset_cause::cause_words,
};
use crate::{
    event::{AcceptQueue, Role},
    text::HumanDuration,
    verdict::{Handshake, HandshakeKind, IcmpAnswer, Missing, NoSegments, Outcome, Reset, ResetCause, WaitingFor},
};

/// Facts for the sentence of a handshake that are not in its record.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct HandshakeFacts {
    /// Number of SYNs seen.
    pub(crate) syns: u32,
    /// Nanoseconds from the client's ACK to the server's socket, if it waited for data and has one.
    pub(crate) deferred_ns: Option<u64>,
    /// True if the socket was restored with TCP_REPAIR.
    pub(crate) restored: bool,
    /// True if the SYN was never sent, since it waited for data (TCP_FASTOPEN_CONNECT).
    pub(crate) unsent: bool,
    /// Nanoseconds from SYN_SENT to the first SYN seen, if that is long and not the wish of the program.
    pub(crate) late_syn: Option<u64>,
    /// Answer that was seen to come to the client's SYN.
    pub(crate) answer: Option<Answer>,
    /// The translation of its addresses that this host forgot before.
    pub(crate) nat_forgot: Option<Forgotten>,
    /// True if the client's ACK may have come, since the capture has no ACKs.
    pub(crate) may_be_acked: bool,
    /// Nanoseconds from the first event to the last.
    pub(crate) lasted: Option<u64>,
    /// The host of the end in whose name the reset came, if its recording shows that it did not send it.
    pub(crate) unsent_at: Option<Arc<str>>,
}

/// An answer to a SYN that its sender's socket did not accept, or that does not complete the handshake.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Answer {
    SynAck,
    /// A SYN of the server's own.
    Syn,
    /// An ICMP error of this kind.
    Icmp(&'static str),
    /// A reset that does not acknowledge the SYN.
    Reset,
}

/// Words for a reset that the client does not take for an answer (RFC 9293 §3.10.7.3).
pub(crate) const IGNORED_RESET: &str = "a reset was seen: it does not acknowledge the SYN, so the client ignores it";

impl Handshake {
    /// Renders the sentence anew.
    pub(crate) fn summarize(&mut self) {
        self.summary = handshake(self, &self.facts);
    }
}

fn handshake(record: &Handshake, facts: &HandshakeFacts) -> String {
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
    if let Some(late) = facts.late_syn.filter(|_| record.outcome == Some(Outcome::Established)) {
        push(&mut text, format_args!("; no SYN was seen to leave for {} before", HumanDuration(late)));
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
    // Of a refusal the outcome says it.
    push_drops(&mut text, record.dropped.filter(|_| record.outcome != Some(Outcome::Refused)));
    push_segment_drops(&mut text, record.dropped_segments);
    if record.outcome == Some(Outcome::Reset) {
        push_forgotten(&mut text, facts.nat_forgot);
    }
    push_common(&mut text, record.no_segments, record.same_as.as_deref());
    push_missing(&mut text, &record.missing);
    text
}

fn push_outcome(text: &mut String, record: &Handshake, outcome: Outcome, facts: &HandshakeFacts) {
    let lasted = facts.lasted.map(HumanDuration);
    let unsent = record.reset.map(|reset| reset.by).zip(facts.unsent_at.as_deref());
    match outcome {
        Outcome::Established => {
            text.push_str("established");
            let round = record.syn_to_synack_ns.zip(record.synack_to_ack_ns).map(|(there, back)| there + back);
            if let Some(time) = round.or(record.connect_ns) {
                push(text, format_args!(" in {}", HumanDuration(time)));
            }
        }
        Outcome::Refused => match (record.icmp, unsent) {
            (_, Some((by, host))) => push_unsent_reset(text, "refused by a reset", by, host),
            (Some(icmp), None) => push(text, format_args!("refused by ICMP: {}", icmp.kind)),
            (None, None) => text.push_str(match record.reset.map(|reset| reset.cause) {
                Some(_) if record.syn_left == Some(false) => {
                    "refused: a reset from this host itself, as of a firewall rule"
                }
                Some(_) if record.dropped.is_some() => {
                    "refused by a firewall rule: netfilter on this host dropped the SYN, and a reset answered it"
                }
                Some(ResetCause::NoListener) => {
                    if let Some(addr) = record.passed_over {
                        let listener = SocketAddr::new(addr, record.server.port.unwrap_or_default());
                        return push(text, format_args!("refused: {listener} listens, but not for this SYN"));
                    }
                    "refused: nobody listens there"
                }
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
        Outcome::Reset => push_reset(text, record, facts),
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
            if let Some(lasted) = lasted {
                push(text, format_args!(", {lasted}"));
            }
            push_answer(text, facts.answer);
            push_queue(text, record.accept_queue, record.syn_queue);
        }
        Outcome::Cancelled => {
            text.push_str(match record.killed {
                true => "cancelled: the client's socket was destroyed from outside",
                false => "cancelled by the client's application",
            });
            if let Some(lasted) = lasted {
                push(text, format_args!(" after {lasted}"));
            }
            if facts.unsent {
                return text.push_str(": the SYN waited for data and was not sent (TCP_FASTOPEN_CONNECT)");
            }
            push_syns(text, "and", facts);
            push_answer(text, facts.answer);
            push_queue(text, record.accept_queue, record.syn_queue);
            if let Some(exit) = record.client.exit {
                text.push_str("; its process was ");
                push_exit(text, exit);
            }
        }
        Outcome::NoPort => {
            text.push_str("not begun: connect() found no free local port, or no free pair of ports to this address");
        }
        Outcome::Unanswered if record.deferred => {
            text.push_str("unanswered: the server waits for the client's data: TCP_DEFER_ACCEPT");
        }
        Outcome::Unanswered if facts.may_be_acked => {
            text.push_str("answered; whether it was established is unknown, since the capture has no ACKs");
        }
        Outcome::Unanswered => {
            text.push_str(match record.waiting_for {
                Some(WaitingFor::Ack) => "unanswered: waiting for the client's ACK",
                Some(WaitingFor::SynAck) | None => "unanswered: waiting for the server's SYN,ACK",
            });
            push_syns(text, "after", facts);
            if let Some(Answer::Reset) = facts.answer {
                push_answer(text, facts.answer);
            }
            push_queue(text, record.accept_queue, record.syn_queue);
        }
    }
}

/// Appends that a reset ended the handshake.
fn push_reset(text: &mut String, record: &Handshake, facts: &HandshakeFacts) {
    let Some(Reset { by, cause }) = record.reset else { return text.push_str("reset before it was complete") };
    let may_be_acked = by == Role::Client && facts.may_be_acked;
    if let Some(host) = &facts.unsent_at {
        push_unsent_reset(text, "reset", by, host);
    } else if may_be_acked {
        text.push_str("reset by the client");
    } else if by == Role::Client && !is_of_its_socket(cause) {
        text.push_str("reset by the client before it was complete");
        // The host of a scan knows nothing of the connection. Without its SYN, it may have begun none: another may have sent a
        // SYN in its name, or scans with SYN,ACKs.
        let unknown = matches!(cause, ResetCause::Unknown | ResetCause::NoConnection);
        let began = !record.missing.contains(&Missing::Syn);
        if unknown && began && record.kind == HandshakeKind::ThreeWay {
            text.push_str(", as health checks and scans do");
        }
        return;
    } else {
        push(text, format_args!("reset by the {} before it was complete{}", name(by), cause_words(cause)));
    }
    if may_be_acked {
        text.push_str("; whether it was established is unknown, since the capture has no ACKs");
    } else if let Some(IcmpAnswer { from, kind, .. }) = record.icmp {
        push(text, format_args!("; an ICMP error from {from} about its SYN,ACK had ended it: {kind}"));
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
        Some(Answer::Reset) => push(text, format_args!(", although {IGNORED_RESET}")),
    }
}

/// Appends the reason why the server does not answer.
pub(crate) fn push_queue(text: &mut String, accept_queue: Option<AcceptQueue>, syn_queue: Option<AcceptQueue>) {
    if let Some(AcceptQueue { length, limit }) = accept_queue {
        push(text, format_args!("; the server's accept queue is full ({length} of {limit})"));
    }
    if let Some(AcceptQueue { length, limit }) = syn_queue {
        push(text, format_args!("; the server's SYN queue is full ({length} of {limit}), and SYN cookies are off"));
    }
}
