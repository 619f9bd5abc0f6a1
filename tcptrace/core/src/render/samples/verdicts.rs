//! Sample verdicts and other records of a connection as a whole.

use super::*;
use crate::event::Endpoint;
use crate::output_record::{CommunityId, Context};
use crate::verdict::{
    Awaited, Bytes, Close, CloseEnd, CloseKind, Each, Handshake, HandshakeEnd, HandshakeKind, IcmpAnswer, IcmpReport,
    Missing, NoSegments, OpeningDrops, OpeningRetransmissions, Outcome, Reset, ResetCause, Rtt, SegmentDrops, Severity,
    Stalled, StateTime, TimeWait, TranslatedSide, Turn, WaitingFor,
    sentence::{CloseFacts, HandshakeFacts},
};

/// An established connection, with every optional field set.
pub(crate) fn handshake() -> HandshakeOutput {
    let end = |port, isn| HandshakeEnd {
        netns: None,
        netns_name: None,
        addr: IpAddr::from([10, 0, 0, 1]),
        port: Some(port),
        isn: Some(isn),
        pid: Some(6980),
        comm: Some(Comm(*b"curl\0\0\0\0\0\0\0\0\0\0\0\0")),
        thread: Some(comm("resolver")),
        uid: Some(1000),
        exit: Some(Exit { signal: Some(9), code: None }),
        options: Some(segment().options),
        cgroup: None,
    };
    let record = Handshake {
        at: BootTime(1),
        started: BootTime(1),
        encapsulation: None,
        conn: 3,
        netns: Some(4_026_531_840),
        kind: HandshakeKind::ThreeWay,
        outcome: Some(Outcome::Unanswered),
        by_icmp: false,
        icmp: Some(IcmpAnswer {
            from: IpAddr::from([10, 0, 0, 254]),
            kind: "host unreachable",
            icmp_type: 3,
            icmp_code: 1,
            of_synack: false,
        }),
        waiting_for: Some(WaitingFor::SynAck),
        client: end(54762, 721_203_976),
        server: end(9999, 1_673_106_620),
        role_inferred: false,
        syn_to_synack_ns: Some(10_000),
        synack_to_ack_ns: Some(20_000),
        connect_ns: Some(31_000),
        syn_left: Some(true),
        deferred: false,
        ignored_reset: false,
        killed: false,
        reset: Some(Reset { by: Role::Server, cause: ResetCause::NoListener }),
        retransmissions: OpeningRetransmissions { syn: Some(1), synack: Some(0) },
        dropped: Some(OpeningDrops { reason: dropped().reason, of_synack: false, segments: 3, ends_of: Some(7) }),
        dropped_segments: Some(SegmentDrops { sender: Role::Server, reason: dropped().reason, segments: 2 }),
        passed_over: Some(std::net::Ipv4Addr::UNSPECIFIED.into()),
        accept_queue: Some(AcceptQueue { length: 129, limit: 128 }),
        syn_queue: Some(AcceptQueue { length: 193, limit: 192 }),
        same_as: Some(vec![1, 2]),
        nat: Some(sides()),
        no_segments: Some(NoSegments::OtherNamespace),
        incomplete: true,
        missing: vec![Missing::Syn, Missing::Lost],
        summary: "three-way handshake".to_owned(),
        facts: HandshakeFacts::default(),
    };
    HandshakeOutput { stamp: stamp(), encapsulation: None, joined: None, context: context(), record: Box::new(record) }
}

/// A context with every field set.
fn context() -> Context {
    let end = |port| (IpAddr::from([10, 0, 0, 1]), Some(port));
    Context {
        host: Some("web7".into()),
        run: Some("6f5902ac-2370-4a4d-9e0a-7c5d0a1e8f21".into()),
        started: WallTime(1_795_602_666_000_000_000),
        started_ns: Some(9_772_000_000),
        severity: Severity::Failed,
        community_id: CommunityId::new(end(54762), end(9999)),
        netns_name: Some("blue".into()),
    }
}

/// Two other sides.
fn sides() -> Vec<TranslatedSide> {
    let end = |addr: [u8; 4], port| Endpoint { addr: IpAddr::from(addr), port }.into();
    [(1, 54762), (2, 61000)]
        .map(|(conn, port)| TranslatedSide { conn, client: end([10, 0, 0, 1], port), server: end([10, 96, 0, 10], 80) })
        .into()
}

/// An end with a process that has no name.
fn close_end(port: u16) -> CloseEnd {
    CloseEnd {
        netns: None,
        netns_name: None,
        addr: IpAddr::from([10, 0, 0, 1]),
        port: Some(port),
        pid: Some(1),
        comm: None,
        thread: None,
        uid: Some(0),
        exit: Some(Exit { signal: Some(9), code: None }),
        unread_bytes: Some(18),
        unsent_bytes: Some(0),
        cgroup: None,
    }
}

/// A closed connection, with every optional field set.
pub(crate) fn close() -> CloseOutput {
    let stay = |state, ns| StateTime { state, ns, inferred: false };
    let stays = vec![stay(TcpState::Established, Some(5)), stay(TcpState::TimeWait, None)];
    let record = Close {
        at: BootTime(1),
        started: BootTime(1),
        encapsulation: None,
        conn: 3,
        netns: Some(4_026_531_840),
        kind: CloseKind::FourSegment,
        initiator: Some(Role::Server),
        client: close_end(54762),
        server: close_end(9999),
        half_close_ns: Some(7),
        half_closed_bytes: Some(8),
        bytes: Bytes { client_to_server: Some(22), server_to_client: Some(17) },
        duration_ns: Some(100_400_000),
        time_wait: Some(TimeWait::Server),
        reset: Some(Reset { by: Role::Client, cause: ResetCause::DataAfterClose }),
        evidence: Some(Proof { unread: true, ..Proof::default() }),
        closed_before_ns: Some(9),
        close_known: Some(true),
        gave_up: Some(Role::Client),
        icmp: Some(IcmpReport { from: [10, 0, 0, 254].into(), kind: "host unreachable", icmp_type: 3, icmp_code: 1 }),
        dropped_segments: Some(SegmentDrops { sender: Role::Client, reason: dropped().reason, segments: 9 }),
        retransmissions: Each { client: Some(0), server: None },
        data_retransmissions: Each { client: Some(3), server: None },
        idle_ns: Some(60_000_000_000),
        rtt: Rtt { handshake_ns: Some(90_000), smoothed_ns: Some(70_000), min_ns: None },
        states: Each { client: stays, server: Vec::new() },
        same_as: Some(vec![1, 2]),
        nat: Some(sides()),
        no_segments: Some(NoSegments::NotWatched),
        incomplete: false,
        missing: Vec::new(),
        summary: "closed by the server".to_owned(),
        facts: CloseFacts::default(),
    };
    CloseOutput { stamp: stamp(), encapsulation: None, joined: None, context: context(), record: Box::new(record) }
}

/// A stalled connection, with every optional field set.
pub(crate) fn stalled() -> StalledOutput {
    let record = Stalled {
        at: BootTime(1),
        last: BootTime(1),
        since: BootTime(0),
        ignored_reset: false,
        signature: None,
        conn: 3,
        netns: Some(4_026_531_840),
        client: close_end(54762),
        server: close_end(9999),
        state: Each { client: Some(TcpState::CloseWait), server: Some(TcpState::FinWait2) },
        waiting_for: Some(Awaited::Close),
        turn: Some(Turn::Client),
        unacked_bytes: Some(14),
        retransmissions: Some(2),
        dropped: None,
        dropped_segments: None,
        same_as: Some(vec![1, 2]),
        nat: Some(sides()),
        summary: "the server closed its side; the client has not: CLOSE_WAIT".to_owned(),
    };
    StalledOutput { stamp: stamp(), since: stamp().time, record: Box::new(record) }
}

/// An evicted connection.
pub(crate) fn evicted() -> EvictedOutput {
    EvictedOutput { stamp: stamp(), conn: 3 }
}
