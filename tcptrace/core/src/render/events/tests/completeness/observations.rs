//! A change of every field of the records of single events and sockets.

use super::check;
use crate::{
    event::{
        AcceptQueue, Counters, Direction, Exit, HintName, KernelName, OwnerSource, Role, SegmentNote,
        reset_reason::ResetReason,
    },
    output_record::{
        DropOutput, HintOutput, IcmpOutput, LeakOutput, OutputRecord, OwnerOutput, ReportOutput, SegmentOutput,
        StateOutput,
    },
    render::samples,
    tcp::{OptionBytes, TcpFlags, TcpOptions, TcpState},
    text::{Errno, WallTime},
};

pub(super) fn report(entry: &ReportOutput) {
    check(
        "report",
        entry,
        OutputRecord::Report,
        &[
            |entry| entry.stamp.time = WallTime(1),
            |entry| entry.stamp.boot_ns = None,
            |entry| entry.conn = 4,
            |entry| entry.netns = None,
            |entry| entry.state = TcpState::LastAck,
            |entry| entry.local.addr = [127, 0, 0, 2].into(),
            |entry| entry.local.port = Some(1),
            |entry| entry.remote.addr = [127, 0, 0, 2].into(),
            |entry| entry.remote.port = Some(1),
            |entry| entry.unaccepted = true,
            |entry| entry.unacked_bytes = 1,
            |entry| entry.acked_bytes = None,
            |entry| entry.retransmissions = 1,
            |entry| entry.window_closed = true,
            |entry| entry.segment_size = None,
            |entry| entry.stuck_ns = 0,
            |entry| entry.since_start_ns = 1,
        ],
    );
}

pub(super) fn leak(entry: &LeakOutput) {
    check(
        "leak",
        entry,
        OutputRecord::Leak,
        &[
            |entry| entry.stamp.time = WallTime(1),
            |entry| entry.stamp.boot_ns = None,
            |entry| entry.conn = None,
            |entry| entry.netns = None,
            |entry| entry.state = TcpState::LastAck,
            |entry| entry.local.addr = [127, 0, 0, 2].into(),
            |entry| entry.local.port = Some(1),
            |entry| entry.remote.addr = [127, 0, 0, 2].into(),
            |entry| entry.remote.port = Some(1),
            |entry| entry.processes.truncate(1),
            |entry| entry.container.as_mut().expect("a container").id.clear(),
            |entry| entry.container.as_mut().expect("a container").name = None,
            |entry| entry.container.as_mut().expect("a container").runtime = None,
            |entry| entry.container.as_mut().expect("a container").pod = None,
            |entry| entry.container.as_mut().expect("a container").pod_uid = None,
            |entry| entry.age_ns = Some(1_000_000),
            |entry| entry.age_at_least_ns = None,
            |entry| entry.unread_bytes = None,
            |entry| entry.unacked_bytes = None,
        ],
    );
}

pub(super) fn state(entry: &StateOutput) {
    check(
        "state",
        entry,
        OutputRecord::State,
        &[
            |entry| entry.stamp.time = WallTime(1),
            |entry| entry.stamp.boot_ns = None,
            |entry| entry.conn = Some(2),
            |entry| entry.netns = None,
            |entry| entry.socket = 78,
            |entry| entry.old = TcpState::SynRecv,
            |entry| entry.new = TcpState::CloseWait,
            |entry| entry.local.addr = [127, 0, 0, 2].into(),
            |entry| entry.local.port = None,
            |entry| entry.remote = Some(samples::endpoint([127, 0, 0, 2], 9502)),
            |entry| entry.remote = Some(samples::endpoint([127, 0, 0, 1], 9503)),
            |entry| entry.role = Some(Role::Server),
            |entry| entry.error = Some(Errno(111)),
            |entry| entry.evidence.linger = false,
            |entry| entry.evidence.unread = false,
            |entry| entry.evidence.unaccepted = false,
            |entry| entry.pid = Some(6981),
            |entry| entry.tid = Some(6981),
            |entry| entry.comm = Some(samples::comm("wget")),
            |entry| entry.thread = Some(samples::comm("pool")),
            |entry| entry.exit = Some(Exit { signal: None, code: Some(4) }),
            |entry| entry.uid = Some(7),
            |entry| entry.exit = Some(Exit { signal: Some(9), code: Some(3) }),
            |entry| counters(entry).idle_ns = None,
            |entry| counters(entry).unread_bytes = Some(0),
            |entry| counters(entry).unsent_bytes = Some(1),
            |entry| counters(entry).smoothed_rtt_ns = None,
            |entry| counters(entry).min_rtt_ns = None,
            |entry| counters(entry).retransmissions = Some(3),
            |entry| counters(entry).peer_window = Some(7),
            |entry| entry.old_state_ns = None,
            |entry| entry.since_start_ns = None,
            |entry| entry.continues_as = None,
            |entry| entry.late = false,
        ],
    );
}

pub(super) fn segment(entry: &SegmentOutput) {
    check(
        "segment",
        entry,
        OutputRecord::Segment,
        &[
            |entry| entry.stamp.time = WallTime(1),
            |entry| entry.stamp.boot_ns = None,
            |entry| entry.conn = 2,
            |entry| entry.interface = "eth0".into(),
            |entry| entry.direction = Some(Direction::In),
            |entry| entry.socket = Some(None),
            |entry| entry.src.addr = [127, 0, 0, 2].into(),
            |entry| entry.src.port = Some(1),
            |entry| entry.dst.addr = [127, 0, 0, 2].into(),
            |entry| entry.dst.port = None,
            |entry| entry.flags = TcpFlags::ACK,
            |entry| entry.ace = Some(3),
            |entry| entry.synack_ecn = None,
            |entry| entry.seq += 1,
            |entry| entry.ack = Some(1),
            |entry| entry.rel_seq += 1,
            |entry| entry.rel_ack = Some(2),
            |entry| entry.window = 1,
            |entry| entry.urgent = Some(6),
            |entry| entry.length = 1,
            |entry| entry.gso_segments = Some(2),
            |entry| entry.since_start_ns = Some(1),
            |entry| entry.retransmission = false,
            |entry| entry.late = false,
            |entry| entry.note = Some(SegmentNote::KeepAlive),
            |entry| entry.options = TcpOptions(OptionBytes::new(&samples::SYN_OPTIONS)),
        ],
    );
}

pub(super) fn icmp(entry: &IcmpOutput) {
    check(
        "icmp",
        entry,
        OutputRecord::Icmp,
        &[
            |entry| entry.stamp.time = WallTime(1),
            |entry| entry.stamp.boot_ns = None,
            |entry| entry.conn = 2,
            |entry| entry.interface = "lo".into(),
            |entry| entry.direction = None,
            |entry| entry.from = [10, 0, 0, 1].into(),
            |entry| entry.kind = "port unreachable",
            |entry| entry.icmp_type = 4,
            |entry| entry.icmp_code = 4,
            |entry| entry.src.addr = [127, 0, 0, 2].into(),
            |entry| entry.src.port = Some(1),
            |entry| entry.dst.addr = [127, 0, 0, 2].into(),
            |entry| entry.dst.port = None,
            |entry| entry.seq += 1,
            |entry| entry.since_start_ns = Some(1),
            |entry| entry.late = false,
        ],
    );
}

pub(super) fn owner(entry: &OwnerOutput) {
    check(
        "owner",
        entry,
        OutputRecord::Owner,
        &[
            |entry| entry.stamp.time = WallTime(1),
            |entry| entry.stamp.boot_ns = None,
            |entry| entry.conn = None,
            |entry| entry.socket = None,
            |entry| entry.netns = None,
            |entry| entry.local.addr = [127, 0, 0, 2].into(),
            |entry| entry.local.port = Some(1),
            |entry| entry.remote = Some(samples::endpoint([127, 0, 0, 2], 54762)),
            |entry| entry.remote = Some(samples::endpoint([10, 0, 0, 1], 9502)),
            |entry| entry.pid = Some(802),
            |entry| entry.comm = Some(samples::comm("other")),
            |entry| entry.source = OwnerSource::Listener,
        ],
    );
}

pub(super) fn hint(entry: &HintOutput) {
    check(
        "hint",
        entry,
        OutputRecord::Hint,
        &[
            |entry| entry.stamp.time = WallTime(1),
            |entry| entry.stamp.boot_ns = None,
            |entry| entry.conn = None,
            |entry| entry.netns = None,
            |entry| entry.socket = None,
            |entry| entry.name = HintName::RetransmitSynack,
            |entry| entry.name = HintName::DeferAccept,
            |entry| entry.value = Some(ResetReason::NoSocket),
            |entry| entry.state = Some(TcpState::TimeWait),
            |entry| entry.local.addr = [127, 0, 0, 2].into(),
            |entry| entry.local.port = Some(1),
            |entry| entry.remote.addr = [127, 0, 0, 2].into(),
            |entry| entry.remote.port = Some(1),
            |entry| entry.queue_full = false,
            |entry| entry.queue = Some(AcceptQueue { length: 130, limit: 128 }),
            |entry| entry.queue = Some(AcceptQueue { length: 129, limit: 1 }),
            |entry| entry.since_start_ns = None,
            |entry| entry.late = false,
        ],
    );
}

pub(super) fn drop(entry: &DropOutput) {
    check(
        "drop",
        entry,
        OutputRecord::Drop,
        &[
            |entry| entry.stamp.time = WallTime(1),
            |entry| entry.stamp.boot_ns = None,
            |entry| entry.conn = None,
            |entry| entry.netns = None,
            |entry| entry.interface = None,
            |entry| entry.src.addr = [127, 0, 0, 2].into(),
            |entry| entry.src.port = Some(1),
            |entry| entry.dst.addr = [127, 0, 0, 2].into(),
            |entry| entry.dst.port = Some(1),
            |entry| entry.flags = TcpFlags::FIN,
            |entry| entry.rel_seq = None,
            |entry| entry.seq = 5,
            |entry| entry.length = 0,
            |entry| entry.reason = KernelName::UNKNOWN,
            |entry| entry.location = None,
            |entry| entry.since_start_ns = None,
            |entry| entry.late = false,
        ],
    );
}

fn counters(entry: &mut StateOutput) -> &mut Counters {
    entry.counters.get_or_insert_default()
}
