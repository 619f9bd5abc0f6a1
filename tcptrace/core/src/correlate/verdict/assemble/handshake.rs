//! Records of handshakes.

use super::{address, forgotten, has_loss, nat, no_segments, same_as, unseen, with_loss};
use crate::{
    correlate::{
        NO_NAMESPACE,
        ingest::accept_queue::FullQueue,
        table::{
            connection::{Connection, Side},
            endpoint::{End, Sent},
        },
        verdict::{
            drops,
            handshake::{self, Opened},
            reset,
        },
        watched::Watched,
    },
    event::{BootTime, Role},
    tcp::{TcpOptions, TcpState},
    verdict::{
        Handshake, HandshakeEnd, HandshakeKind, IcmpAnswer, OpeningRetransmissions, Outcome, Reset, ResetCause,
        WaitingFor,
        sentence::{Answer, HandshakeFacts},
    },
};

/// Nanoseconds from which on a SYN has left late, as after a neighbour had to be asked for several times.
const LATE_NS: u64 = 100_000_000;

/// Returns the record of the decided handshake, or, for `None`, of one that was not seen.
pub(in crate::correlate) fn handshake(
    conn: &Connection,
    opened: Option<Opened>,
    gaps: u64,
    watched: &Watched,
) -> Handshake {
    let side = conn.client_side();
    let (client, server) = conn.roles();
    let kind = handshake::kind(conn);
    let synack = server.synack().map(|sent| sent.first);
    // A client in a simultaneous open need not wait for it: its own SYN,ACK acknowledges the other's SYN.
    let ack = conn.seen_ack_at().filter(|_| kind != HandshakeKind::Simultaneous);
    let kernel = watched.here != NO_NAMESPACE;
    // Frames of a capture may have times that run backwards.
    let after = |from: Option<_>, to: Option<_>| {
        let known = |(to, from): &(BootTime, BootTime)| !watched.untimed && (kernel || from <= to);
        Some(to?).zip(from).filter(known).map(|(to, from)| to.since(from))
    };
    let sees = kernel && watched.segments && !watched.is_elsewhere(conn) && !has_loss(conn, gaps);
    let unsent = handshake::is_unsent(client);
    let begun = opened.filter(|opened| opened.outcome != Outcome::NoPort && !unsent);
    // A translated SYN may have left with other ends.
    let syn_left = begun.and_then(|_| handshake::syn_left(conn, sees && conn.other_sides().is_empty()));
    let missing = with_loss(
        conn,
        gaps,
        opened.map_or_else(|| unseen(conn), |opened| handshake::missing(conn, &opened, syn_left)),
    );
    let (reset, icmp) = answers(conn, opened);
    let nothing_to_see = opened.is_some() && begun.is_none() || syn_left == Some(false);
    let (accept_queue, syn_queue) = match FullQueue::of(conn).filter(|_| !server.sent_synack) {
        Some(FullQueue::Accept(queue)) => (Some(queue), None),
        Some(FullQueue::Syn(queue)) => (None, Some(queue)),
        None => (None, None),
    };
    let waits_for_ack = opened.is_some_and(|opened| opened.waiting_for == Some(WaitingFor::Ack));
    let rejected = rejected_here(conn, reset);
    let mut handshake = Handshake {
        at: conn.last,
        started: conn.first,
        encapsulation: conn.encapsulation(),
        conn: conn.number,
        netns: conn.netns(),
        kind,
        outcome: opened.map(|opened| opened.outcome),
        by_icmp: opened.is_some_and(|opened| opened.by_icmp),
        icmp,
        waiting_for: opened.and_then(|opened| opened.waiting_for),
        client: handshake_end(conn, side),
        server: handshake_end(conn, side.other()),
        role_inferred: conn.client_guessed() || conn.client.is_none(),
        syn_to_synack_ns: after(client.syn().map(|sent| sent.first), synack),
        synack_to_ack_ns: after(synack, ack),
        connect_ns: after(client.seen_to_enter(TcpState::SynSent), client.seen_to_enter(TcpState::Established)),
        syn_left,
        deferred: conn.is_deferred(),
        ignored_reset: handshake::is_ignored_reset(conn),
        killed: client.closed().is_some_and(|closed| closed.error == Some(handshake::ECONNABORTED)),
        reset,
        retransmissions: OpeningRetransmissions {
            syn: client.syn().map(Sent::again),
            synack: server.synack().map(Sent::again),
        },
        dropped: conn
            .rare()
            .and_then(|rare| rare.drops)
            .filter(|_| rejected || told_of_drops(opened.map(|opened| opened.outcome))),
        dropped_segments: drops::until(conn, conn.last, 0).filter(|_| waits_for_ack),
        passed_over: conn.rare().and_then(|rare| rare.passed_over).filter(|_| {
            opened.is_some_and(|opened| opened.outcome == Outcome::Refused)
                && reset.is_some_and(|reset| reset.cause == ResetCause::NoListener)
        }),
        accept_queue,
        syn_queue,
        same_as: same_as(conn),
        nat: nat(conn),
        no_segments: no_segments(conn, watched).filter(|_| !nothing_to_see),
        incomplete: !missing.is_empty(),
        missing,
        summary: String::new(),
        facts: HandshakeFacts::default(),
    };
    if handshake.outcome.is_some_and(|outcome| outcome != Outcome::Established) {
        let exit = |end: &End| end.closer().and_then(|task| task.exit);
        (handshake.client.exit, handshake.server.exit) = (exit(client), exit(server));
    }
    handshake.facts = HandshakeFacts {
        syns: client.syn().map_or(0, Sent::count),
        deferred_ns: after(conn.ack_at(), server.seen_to_enter(TcpState::Established)).filter(|_| conn.is_deferred()),
        restored: conn.is_restored(),
        unsent,
        late_syn: after(client.seen_to_enter(TcpState::SynSent), client.syn().map(|sent| sent.first))
            .filter(|&late| sees && late >= LATE_NS && kind != HandshakeKind::FastOpen && !has_cookie(client)),
        answer: answer(conn),
        nat_forgot: forgotten(conn, false),
        may_be_acked: handshake::may_be_acked(conn),
        lasted: after(Some(conn.first), Some(conn.last)),
        unsent_at: None,
    };
    handshake.summarize();
    handshake
}

/// Returns true if the SYN has a cookie of the server, so that it may have waited for the program's data
/// (TCP_FASTOPEN_CONNECT).
fn has_cookie(client: &End) -> bool {
    client.options().is_some_and(|options| TcpOptions(options).fast_open().is_some_and(|cookie| !cookie.is_empty()))
}

/// Returns the reset and the ICMP error that decided the handshake.
fn answers(conn: &Connection, opened: Option<Opened>) -> (Option<Reset>, Option<IcmpAnswer>) {
    let reset = opened
        .filter(|opened| matches!(opened.outcome, Outcome::Refused | Outcome::Reset) && !opened.by_icmp)
        .and_then(|_| reset::told(conn));
    let forgotten_by = |icmp: &IcmpAnswer| {
        icmp.ends_request() && reset == Some(Reset { by: Role::Server, cause: ResetCause::NoConnection })
    };
    let decided = opened.is_some_and(|opened| opened.by_icmp || opened.outcome == Outcome::Unreachable);
    let icmp = conn.icmp().filter(|icmp| decided || forgotten_by(icmp));
    (reset, icmp)
}

/// Returns true if a rule of this host's firewall refused the SYN with a reset, and dropped it each time that it came: no
/// listener can have seen it.
fn rejected_here(conn: &Connection, reset: Option<Reset>) -> bool {
    let (client, server) = conn.roles();
    let syns = client.syn().map_or(0, Sent::count);
    let drops = conn.rare().and_then(|rare| rare.drops);
    let all = drops.is_some_and(|drops| {
        drops.reason.as_str() == "NETFILTER_DROP" && !drops.of_synack && drops.segments >= syns.max(1)
    });
    all && !server.sent_synack
        && reset.is_some_and(|reset| reset.by == Role::Server && reset.cause == ResetCause::Unknown)
}

/// Returns the answer that was seen to come to the client's SYN.
fn answer(conn: &Connection) -> Option<Answer> {
    let (_, server) = conn.roles();
    let by_segment = if server.sent_synack { Some(Answer::SynAck) } else { server.sent_syn().then_some(Answer::Syn) };
    let by_reset = || handshake::is_ignored_reset(conn).then_some(Answer::Reset);
    by_segment.or_else(|| conn.icmp().map(|icmp| Answer::Icmp(icmp.kind))).or_else(by_reset)
}

/// Returns true if the outcome is one that dropped segments may have brought about.
fn told_of_drops(outcome: Option<Outcome>) -> bool {
    matches!(outcome, Some(Outcome::TimedOut | Outcome::Cancelled | Outcome::Unanswered | Outcome::Unreachable))
}

fn handshake_end(conn: &Connection, side: Side) -> HandshakeEnd {
    let end = conn.end(side);
    let (addr, port) = address(conn, side);
    let process = end.holder();
    HandshakeEnd {
        addr,
        port,
        isn: end.isn().filter(|_| end.isn_known()).map(|isn| isn.0),
        netns: conn.end_netns(side),
        netns_name: None,
        pid: process.map(|process| process.pid),
        comm: process.and_then(|process| process.name()),
        thread: end.opener_thread(),
        options: end.options().map(TcpOptions),
        uid: end.uid(),
        exit: None,
        cgroup: end.cgroup(),
    }
}
