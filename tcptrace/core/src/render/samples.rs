//! Sample records for tests.

mod any;
mod sockets;
mod states;
mod verdicts;

use std::net::IpAddr;

use self::states::counters;
pub(crate) use self::{
    any::{any_address, any_owner, any_segment, any_stamp, any_state},
    sockets::{existing, leak, namespace, report},
    states::{abort, cgroup, listener, state},
    verdicts::{close, evicted, handshake, stalled},
};
use crate::{
    SCHEMA,
    event::{
        AcceptQueue, BootTime, Comm, Direction, Exit, HintName, KernelName, LossSource, OwnerSource, Proof, Role,
        SegmentNote, SynAckEcn, reset_reason::ResetReason,
    },
    filter::SegmentChoice,
    output_record::{
        CloseOutput, DropOutput, EndOutput, EndpointOutput, EvictedOutput, HandshakeOutput, HintOutput, IcmpOutput,
        LostOutput, OutputRecord, OwnerOutput, SegmentOutput, StalledOutput, Stamp, StartOutput, StateOutput,
    },
    tcp::{OptionBytes, TcpFlags, TcpOptions, TcpState},
    text::WallTime,
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
        states_of: None,
        began_ns: Some(1_000),
        run: Some("6f5902ac-2370-4a4d-9e0a-7c5d0a1e8f21".into()),
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
        encapsulation: None,
        socket: Some(Some(77)),
        src: endpoint([127, 0, 0, 1], 39870),
        dst: endpoint([127, 0, 0, 1], 9502),
        flags: TcpFlags::SYN,
        ace: None,
        synack_ecn: None,
        seq: 2_927_179_378,
        ack: None,
        rel_seq: 0,
        rel_ack: None,
        window: 32792,
        urgent: None,
        length: 0,
        gso_segments: None,
        note: None,
        since_start_ns: Some(0),
        retransmission: false,
        late: false,
        options: TcpOptions(OptionBytes::new(&SYN_OPTIONS)),
        passage: None,
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
        since_start_ns: Some(1_500_000),
        retransmission: false,
        late: false,
        options: TcpOptions(OptionBytes::EMPTY),
        ..segment()
    }
}

/// Records that follow the last one of their connection.
pub(crate) fn late() -> [OutputRecord; 5] {
    let late = true;
    [
        OutputRecord::State(StateOutput {
            late,
            continues_as: Some(TcpState::TimeWait),
            exit: Some(Exit { signal: None, code: Some(3) }),
            uid: Some(1000),
            counters: Some(counters()),
            ..abort()
        }),
        OutputRecord::Segment(SegmentOutput {
            late,
            retransmission: true,
            ace: Some(2),
            synack_ecn: Some(SynAckEcn::NotEct),
            ..data_segment()
        }),
        OutputRecord::Icmp(IcmpOutput { late, ..icmp() }),
        OutputRecord::Hint(HintOutput { late, ..hint() }),
        OutputRecord::Drop(DropOutput { late, ..dropped() }),
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
        since_start_ns: Some(3_044_000),
        late: false,
    }
}

pub(crate) fn owner() -> OwnerOutput {
    OwnerOutput {
        stamp: stamp(),
        conn: Some(3),
        socket: Some(4),
        netns: Some(4_026_532_177),
        local: endpoint([10, 0, 0, 2], 9999),
        remote: Some(endpoint([10, 0, 0, 1], 54762)),
        sockets: None,
        asked_ns: None,
        pid: Some(801),
        comm: Some(comm("server")),
        source: OwnerSource::SockDiag,
    }
}

/// A hint with every nullable or optional field set.
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

pub(crate) fn dropped() -> DropOutput {
    DropOutput {
        stamp: stamp(),
        conn: Some(3),
        netns: Some(4_026_531_840),
        conn_netns: None,
        interface: Some("eth0".into()),
        src: endpoint([10, 0, 0, 1], 54762),
        dst: endpoint([10, 0, 0, 2], 9999),
        flags: TcpFlags::PSH | TcpFlags::ACK,
        seq: 721_203_977,
        rel_seq: Some(1),
        length: 18,
        reason: KernelName::new("NETFILTER_DROP").expect("a name"),
        location: KernelName::new("nf_hook_slow"),
        since_start_ns: Some(2_500_000),
        late: false,
    }
}

pub(crate) fn lost() -> LostOutput {
    LostOutput { stamp: stamp(), conn: None, source: LossSource::State, count: 12, total: 45 }
}

pub(crate) fn end() -> EndOutput {
    EndOutput { stamp: stamp(), connections: 12, open: 3, evicted: 2, events: 1024, lost: 45, left_out: Some(7) }
}

/// One record of every type.
pub(crate) fn all() -> Vec<OutputRecord> {
    let mut all = vec![
        OutputRecord::Start(start()),
        OutputRecord::Existing(existing()),
        OutputRecord::Namespace(namespace()),
        OutputRecord::State(state()),
        OutputRecord::State(listener()),
        OutputRecord::State(abort()),
        OutputRecord::Segment(segment()),
        OutputRecord::Segment(data_segment()),
        OutputRecord::Icmp(icmp()),
        OutputRecord::Owner(owner()),
        OutputRecord::Hint(hint()),
        OutputRecord::Drop(dropped()),
        OutputRecord::Lost(lost()),
        OutputRecord::Handshake(handshake()),
        OutputRecord::Close(close()),
        OutputRecord::Report(report()),
        OutputRecord::Stalled(stalled()),
        OutputRecord::Evicted(evicted()),
    ];
    all.extend(late());
    all.push(OutputRecord::Leak(leak()));
    all.push(OutputRecord::End(end()));
    all
}
