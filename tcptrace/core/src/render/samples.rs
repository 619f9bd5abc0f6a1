//! Entries to render in tests.

use std::{net::IpAddr, rc::Rc};

use proptest::{collection::vec, option::of, prelude::*, sample::select};

use crate::{
    SCHEMA,
    event::{
        AcceptQueue, BootTime, Comm, Direction, HintName, LossSource, OwnerSource, Proof, Role, SegmentNote,
        reset_reason::ResetReason,
    },
    filter::SegmentChoice,
    output_record::{
        CloseOutput, EndOutput, EndpointOutput, EvictedOutput, HandshakeOutput, HintOutput, IcmpOutput, LostOutput,
        OutputRecord, OwnerOutput, SegmentOutput, StalledOutput, Stamp, StartOutput, StateOutput,
    },
    tcp::{OptionBytes, TcpFlags, TcpOptions, TcpState},
    text::{Errno, WallTime},
    verdict::{
        Awaited, Bytes, Close, CloseEnd, CloseKind, Each, Handshake, HandshakeEnd, HandshakeKind, Missing,
        OpeningRetransmissions, Outcome, Reset, ResetCause, Stalled, StateTime, TimeWait, Turn, WaitingFor,
    },
};

/// The options of a SYN: `mss 16396,sackOK,TS val 255474104 ecr 0,nop,wscale 3`.
pub(crate) const SYN_OPTIONS: [u8; 20] =
    [2, 4, 0x40, 0x0c, 4, 2, 8, 10, 0x0f, 0x3a, 0x39, 0xb8, 0, 0, 0, 0, 1, 3, 3, 3];

pub(crate) fn stamp() -> Stamp {
    Stamp { time: WallTime(1_795_170_666_104_687_123), boot_ns: Some(9_876_543_210) }
}

pub(crate) fn comm(name: &str) -> Comm {
    let mut bytes = [0; 16];
    for (place, byte) in bytes.iter_mut().zip(name.bytes()) {
        *place = byte;
    }
    Comm(bytes)
}

pub(crate) fn endpoint(addr: impl Into<IpAddr>, port: impl Into<Option<u16>>) -> EndpointOutput {
    EndpointOutput { addr: addr.into(), port: port.into() }
}

pub(crate) fn start() -> StartOutput {
    StartOutput {
        stamp: stamp(),
        schema: SCHEMA,
        version: "0.1.0",
        hostname: "web7".into(),
        kernel: Some("6.18.5".into()),
        netns: Some(4_026_531_840),
        interfaces: vec!["eth0".into(), "lo".into()],
        segments: SegmentChoice::Control,
        filter: "port 80".into(),
        began_ns: Some(1_000),
    }
}

pub(crate) fn state() -> StateOutput {
    StateOutput {
        conn_netns: None,
        stamp: stamp(),
        conn: Some(1),
        netns: Some(4_026_531_840),
        socket: 77,
        replaces: None,
        old: TcpState::SynSent,
        new: TcpState::Established,
        local: endpoint([127, 0, 0, 1], 39870),
        remote: Some(endpoint([127, 0, 0, 1], 9502)),
        role: Some(Role::Client),
        error: None,
        evidence: Proof::default(),
        pid: Some(6980),
        tid: Some(6980),
        comm: Some(comm("curl")),
        old_state_ns: Some(31_000),
        since_start_ns: Some(40_000),
        continues_as: None,
        late: false,
    }
}

pub(crate) fn listener() -> StateOutput {
    StateOutput {
        conn: None,
        old: TcpState::Close,
        new: TcpState::Listen,
        local: endpoint([0, 0, 0, 0], 80),
        remote: None,
        role: None,
        pid: Some(12),
        tid: Some(12),
        comm: Some(comm("nginx")),
        old_state_ns: None,
        since_start_ns: None,
        ..state()
    }
}

/// A socket that sends a reset, with every field there is.
pub(crate) fn abort() -> StateOutput {
    StateOutput {
        old: TcpState::Established,
        new: TcpState::Close,
        error: Some(Errno(104)),
        evidence: Proof { linger: true, unread: true, unaccepted: true },
        ..state()
    }
}

pub(crate) fn segment() -> SegmentOutput {
    SegmentOutput {
        conn_netns: None,
        netns: None,
        stamp: stamp(),
        conn: 1,
        interface: "lo".into(),
        direction: Some(Direction::Out),
        socket: Some(Some(77)),
        src: endpoint([127, 0, 0, 1], 39870),
        dst: endpoint([127, 0, 0, 1], 9502),
        flags: TcpFlags::SYN,
        seq: 2_927_179_378,
        ack: None,
        rel_seq: 0,
        rel_ack: None,
        window: 32792,
        urgent: None,
        length: 0,
        gso_segments: None,
        note: None,
        since_start_ns: 0,
        retransmission: false,
        late: false,
        options: TcpOptions(OptionBytes::new(&SYN_OPTIONS)),
    }
}

/// A segment of an established connection.
pub(crate) fn data_segment() -> SegmentOutput {
    SegmentOutput {
        flags: TcpFlags::PSH | TcpFlags::ACK,
        seq: 2_927_179_379,
        ack: Some(1_721_825_044),
        rel_seq: 1,
        rel_ack: Some(1),
        window: 4099,
        urgent: Some(5),
        length: 14480,
        gso_segments: Some(10),
        note: Some(SegmentNote::KeepAliveAnswer),
        since_start_ns: 1_500_000,
        retransmission: false,
        late: false,
        options: TcpOptions(OptionBytes::EMPTY),
        ..segment()
    }
}

/// What came behind the last record of its connection.
pub(crate) fn late() -> [OutputRecord; 4] {
    let late = true;
    [
        OutputRecord::State(StateOutput { late, continues_as: Some(TcpState::TimeWait), ..abort() }),
        OutputRecord::Segment(SegmentOutput { late, retransmission: true, ..data_segment() }),
        OutputRecord::Icmp(IcmpOutput { late, ..icmp() }),
        OutputRecord::Hint(HintOutput { late, ..hint() }),
    ]
}

pub(crate) fn icmp() -> IcmpOutput {
    IcmpOutput {
        conn_netns: None,
        netns: None,
        stamp: stamp(),
        conn: 3,
        interface: "eth0".into(),
        direction: Some(Direction::In),
        from: [10, 0, 0, 254].into(),
        kind: "host unreachable",
        icmp_type: 3,
        icmp_code: 1,
        src: endpoint([10, 0, 0, 1], 54762),
        dst: endpoint([10, 0, 0, 2], 9999),
        seq: 721_203_976,
        since_start_ns: 3_044_000,
        late: false,
    }
}

pub(crate) fn owner() -> OwnerOutput {
    OwnerOutput {
        stamp: stamp(),
        conn: Some(3),
        socket: Some(4),
        local: endpoint([10, 0, 0, 2], 9999),
        remote: Some(endpoint([10, 0, 0, 1], 54762)),
        sockets: None,
        asked_ns: None,
        pid: Some(801),
        comm: Some(comm("server")),
        source: OwnerSource::SockDiag,
    }
}

/// With everything that may be null or missing.
pub(crate) fn hint() -> HintOutput {
    HintOutput {
        conn_netns: None,
        stamp: stamp(),
        conn: Some(3),
        netns: Some(4_026_531_840),
        socket: Some(78),
        name: HintName::SendReset,
        value: Some(ResetReason::InvalidSyn),
        state: Some(TcpState::Listen),
        local: endpoint([10, 0, 0, 2], 9999),
        remote: endpoint([10, 0, 0, 1], 54762),
        queue_full: true,
        queue: Some(AcceptQueue { length: 129, limit: 128 }),
        since_start_ns: Some(2_500_000),
        late: false,
    }
}

pub(crate) fn lost() -> LostOutput {
    LostOutput { stamp: stamp(), conn: None, source: LossSource::State, count: 12, total: 45 }
}

pub(crate) fn end() -> EndOutput {
    EndOutput { stamp: stamp(), connections: 12, open: 3, evicted: 2, events: 1024, lost: 45 }
}

/// A connection that was set up, with everything that may be null not null.
pub(crate) fn handshake() -> HandshakeOutput {
    let end = |port, isn| HandshakeEnd {
        netns: None,
        addr: IpAddr::from([10, 0, 0, 1]),
        port: Some(port),
        isn: Some(isn),
        pid: Some(6980),
        comm: Some(Comm(*b"curl\0\0\0\0\0\0\0\0\0\0\0\0")),
        options: Some(segment().options),
    };
    let record = Handshake {
        at: BootTime(1),
        conn: 3,
        netns: Some(4_026_531_840),
        kind: HandshakeKind::ThreeWay,
        outcome: Some(Outcome::Unanswered),
        by_icmp: false,
        waiting_for: Some(WaitingFor::SynAck),
        client: end(54762, 721_203_976),
        server: end(9999, 1_673_106_620),
        role_inferred: false,
        syn_to_synack_ns: Some(10_000),
        synack_to_ack_ns: Some(20_000),
        connect_ns: Some(31_000),
        reset: Some(Reset { by: Role::Server, cause: ResetCause::NoListener }),
        retransmissions: OpeningRetransmissions { syn: Some(1), synack: Some(0) },
        accept_queue: Some(AcceptQueue { length: 129, limit: 128 }),
        incomplete: true,
        missing: vec![Missing::Syn, Missing::Lost],
        summary: "three-way handshake".to_owned(),
    };
    HandshakeOutput { stamp: stamp(), record: Box::new(record) }
}

/// A connection that was torn down, with everything that may be null not null.
pub(crate) fn close() -> CloseOutput {
    let end =
        |port| CloseEnd { netns: None, addr: IpAddr::from([10, 0, 0, 1]), port: Some(port), pid: Some(1), comm: None };
    let stay = |state, ns| StateTime { state, ns, inferred: false };
    let stays = vec![stay(TcpState::Established, Some(5)), stay(TcpState::TimeWait, None)];
    let record = Close {
        at: BootTime(1),
        conn: 3,
        netns: Some(4_026_531_840),
        kind: CloseKind::FourSegment,
        initiator: Some(Role::Server),
        client: end(54762),
        server: end(9999),
        half_close_ns: Some(7),
        half_closed_bytes: Some(8),
        bytes: Bytes { client_to_server: Some(22), server_to_client: Some(17) },
        duration_ns: Some(100_400_000),
        time_wait: Some(TimeWait::Server),
        reset: Some(Reset { by: Role::Client, cause: ResetCause::DataAfterClose }),
        retransmissions: Each { client: Some(0), server: None },
        states: Each { client: stays, server: Vec::new() },
        incomplete: false,
        missing: Vec::new(),
        summary: "closed by the server".to_owned(),
    };
    CloseOutput { stamp: stamp(), record: Box::new(record) }
}

/// A connection that does not get on, with everything that may be null not null.
pub(crate) fn stalled() -> StalledOutput {
    let end =
        |port| CloseEnd { netns: None, addr: IpAddr::from([10, 0, 0, 1]), port: Some(port), pid: Some(1), comm: None };
    let record = Stalled {
        at: BootTime(1),
        last: BootTime(1),
        since: BootTime(0),
        conn: 3,
        netns: Some(4_026_531_840),
        client: end(54762),
        server: end(9999),
        state: Each { client: Some(TcpState::CloseWait), server: Some(TcpState::FinWait2) },
        waiting_for: Some(Awaited::Close),
        turn: Some(Turn::Client),
        unacked_bytes: Some(14),
        retransmissions: Some(2),
        summary: "the server closed its side; the client has not: CLOSE_WAIT".to_owned(),
    };
    StalledOutput { stamp: stamp(), since: stamp().time, record: Box::new(record) }
}

/// A connection that nothing more comes of.
pub(crate) fn evicted() -> EvictedOutput {
    EvictedOutput { stamp: stamp(), conn: 3 }
}

/// One of every type.
pub(crate) fn all() -> Vec<OutputRecord> {
    let mut all = vec![
        OutputRecord::Start(start()),
        OutputRecord::State(state()),
        OutputRecord::State(listener()),
        OutputRecord::State(abort()),
        OutputRecord::Segment(segment()),
        OutputRecord::Segment(data_segment()),
        OutputRecord::Icmp(icmp()),
        OutputRecord::Owner(owner()),
        OutputRecord::Hint(hint()),
        OutputRecord::Lost(lost()),
        OutputRecord::Handshake(handshake()),
        OutputRecord::Close(close()),
        OutputRecord::Stalled(stalled()),
        OutputRecord::Evicted(evicted()),
    ];
    all.extend(late());
    all.push(OutputRecord::End(end()));
    all
}

pub(crate) fn any_address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![any::<[u8; 4]>().prop_map(IpAddr::from), any::<[u16; 8]>().prop_map(IpAddr::from)]
}

fn any_endpoint() -> impl Strategy<Value = EndpointOutput> {
    (any_address(), any::<Option<u16>>()).prop_map(|(addr, port)| EndpointOutput { addr, port })
}

pub(crate) fn any_stamp() -> impl Strategy<Value = Stamp> {
    any::<(i64, Option<u64>)>().prop_map(|(time, boot_ns)| Stamp { time: WallTime(time), boot_ns })
}

/// Any segment, the contradictory ones included.
pub(crate) fn any_segment() -> impl Strategy<Value = SegmentOutput> {
    let whose = any::<(u64, Option<Option<u64>>, String, u64, [bool; 2])>();
    let place =
        (any_stamp(), whose, of(select(vec![Direction::In, Direction::Out])), of(select(SegmentNote::ALL.to_vec())));
    let numbers = any::<(u32, Option<u32>, u32, Option<u32>, u16, Option<u16>, u32, Option<u16>)>();
    let header = (any_endpoint(), any_endpoint(), 0u16..0x200, numbers, vec(any::<u8>(), 0..=40));
    (place, header).prop_map(|(place, header)| {
        let (stamp, (conn, socket, interface, since_start_ns, [retransmission, late]), direction, note) = place;
        let (src, dst, flags, numbers, options) = header;
        let (seq, ack, rel_seq, rel_ack, window, urgent, length, gso_segments) = numbers;
        SegmentOutput {
            conn_netns: None,
            netns: None,
            stamp,
            conn,
            interface: Rc::from(interface),
            direction,
            socket,
            src,
            dst,
            flags: TcpFlags(flags),
            seq,
            ack,
            rel_seq,
            rel_ack,
            window,
            urgent,
            length,
            gso_segments,
            note,
            since_start_ns,
            retransmission,
            late,
            options: TcpOptions(OptionBytes::new(&options)),
        }
    })
}

/// Any change of state.
pub(crate) fn any_state() -> impl Strategy<Value = StateOutput> {
    let state = || select(TcpState::ALL.to_vec());
    let numbers = any::<(Option<u64>, Option<u32>, u64, Option<u64>)>();
    let place = (any_stamp(), numbers, state(), state(), any_endpoint(), of(any_endpoint()));
    let task = any::<(Option<u32>, Option<u32>, Option<u32>, Option<[u8; 16]>, Option<u64>)>();
    let proof = any::<[bool; 3]>().prop_map(|[linger, unread, unaccepted]| Proof { linger, unread, unaccepted });
    let rest = (of(select(vec![Role::Client, Role::Server])), proof, task, any::<(Option<u64>, bool)>(), of(state()));
    (place, rest).prop_map(|(place, rest)| {
        let (stamp, (conn, netns, socket, replaces), old, new, local, remote) = place;
        let (role, evidence, (error, pid, tid, comm, old_state_ns), (since_start_ns, late), continues_as) = rest;
        let (error, comm) = (error.map(Errno), comm.map(Comm));
        StateOutput {
            conn_netns: None,
            stamp,
            conn,
            netns,
            socket,
            replaces,
            old,
            new,
            local,
            remote,
            role,
            error,
            evidence,
            pid,
            tid,
            comm,
            old_state_ns,
            since_start_ns,
            continues_as,
            late,
        }
    })
}

/// Any owner.
pub(crate) fn any_owner() -> impl Strategy<Value = OwnerOutput> {
    let numbers = any::<(Option<u64>, Option<u64>, Option<u32>, Option<u64>, Option<u32>, Option<[u8; 16]>)>();
    let source = select(vec![OwnerSource::Event, OwnerSource::SockDiag, OwnerSource::Listener]);
    (any_stamp(), numbers, any_endpoint(), of(any_endpoint()), source).prop_map(|entry| {
        let (stamp, (conn, socket, sockets, asked_ns, pid, comm), local, remote, source) = entry;
        OwnerOutput { stamp, conn, socket, local, remote, sockets, asked_ns, pid, comm: comm.map(Comm), source }
    })
}
