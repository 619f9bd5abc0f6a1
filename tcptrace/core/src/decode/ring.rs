//! Decoder for the records of the ring buffer.

use std::net::{IpAddr, Ipv6Addr};

use tcptrace_ebpf::{
    Address, CountedStateRecord, DIRECTION_IN, DropRecord, HINT_DEFER_ACCEPT, HINT_QUEUE_FULL, HINT_RETRANSMIT_SYNACK,
    HINT_SEND_RESET, HintRecord, IcmpRecord, KIND_COUNTED_STATE, KIND_DROP, KIND_HINT, KIND_ICMP, KIND_SEGMENT,
    KIND_STATE, NO_COUNT, NO_REASON, NO_UID, PROOF_DEFERRED, PROOF_EXITING, PROOF_LINGER, PROOF_LINGER2, PROOF_REPAIR,
    PROOF_RESTORED, PROOF_UNACCEPTED, PROOF_UNREAD, RecordHeader, SegmentRecord, StateRecord,
};
use zerocopy::{FromBytes, Immutable, IntoBytes as _, KnownLayout};

use crate::{
    event::{
        BootTime, CgroupKey, Comm, Counters, Direction, DroppedSegment, Endpoint, Event, Exit, Hint, HintName,
        IcmpError, KernelName, KernelReasons, LossSource, Proof, Segment, SocketKey, StateChange, Task,
        reset_reason::ResetReasons,
    },
    tcp::{TcpFlags, TcpHeader, TcpState},
};

/// Reasons why a record cannot be decoded: it was not written by the kernel programs of this build.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum DecodeError {
    /// The record is shorter than its kind requires.
    #[error("a record of kind {kind} has {have} bytes instead of {need}")]
    Short {
        /// `RecordHeader::kind`; 0 if even that is missing.
        kind: u8,
        /// Length of the record in bytes.
        have: usize,
        /// Required length in bytes.
        need: usize,
    },
    /// Unknown kind of record.
    #[error("a record has the unknown kind {0}")]
    Kind(u8),
    /// Unknown TCP state.
    #[error("a record has the unknown socket state {0}")]
    State(u8),
    /// Unknown hint.
    #[error("a record has the unknown hint {0}")]
    Hint(u8),
    /// A segment record without a TCP header.
    #[error("a segment record holds no TCP header")]
    Header,
}

/// A decoded record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decoded {
    /// The event.
    pub event: Event,
    /// The source whose loss count the record carries.
    pub source: LossSource,
    /// Number of records this source has lost so far, modulo 2^32.
    pub lost: u32,
}

/// Version of the record layout: the kinds of records, and the fields of each. Recordings of raw records contain it. It is
/// raised whenever a record written before would be misread.
pub const LAYOUT: u16 = 1;

/// Fields of a record that are read without decoding it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Glance {
    /// Time of the event.
    pub at: BootTime,
    /// The source whose loss count the record carries.
    pub source: LossSource,
    /// Number of records this source has lost so far, modulo 2^32.
    pub lost: u32,
    /// The state change, if it is one.
    pub change: Option<Change>,
}

/// Fields of a state change that are read without decoding it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Change {
    /// The state that the socket enters is LISTEN.
    pub listens: bool,
    /// Inode number of the network namespace, if known.
    pub netns: Option<u32>,
    /// The socket's control group, if known.
    pub cgroup: Option<CgroupKey>,
}

/// Looks at the fields of a record that decide how it is recorded; `None` if it is too short to have them.
pub fn glance(bytes: &[u8]) -> Option<Glance> {
    let header: RecordHeader = read(bytes, 0).ok()?;
    let is_change = matches!(header.kind, KIND_STATE | KIND_COUNTED_STATE);
    let source = if is_change || header.kind == KIND_HINT { LossSource::State } else { LossSource::Segment };
    let change = if is_change { read::<StateRecord>(bytes, header.kind).ok() } else { None };
    let change = change.map(|record| Change {
        listens: tcp_state(record.new_state) == Ok(TcpState::Listen),
        netns: (record.netns != 0).then_some(record.netns),
        cgroup: (record.cgroup != 0).then_some(CgroupKey(record.cgroup)),
    });
    Some(Glance { at: BootTime(header.boot_ns), source, lost: header.lost, change })
}

/// Index of the 8-byte word of a record that is the address of the kernel's socket, 0 for none. It must not get into any file.
pub(super) const SOCKET_WORD: usize = 1;

const _: () = assert!(std::mem::offset_of!(RecordHeader, socket) == SOCKET_WORD * 8);

/// The kind of a record; 0, which is none, if it is too short.
#[cfg(feature = "serde")]
pub(super) fn kind(bytes: &[u8]) -> u8 {
    read::<RecordHeader>(bytes, 0).map_or(0, |header| header.kind)
}

/// Decodes one record. `reasons` are those of the kernel that wrote it.
///
/// # Errors
/// Fails if the kernel programs of this build do not write such a record.
pub fn decode(bytes: &[u8], reasons: &KernelReasons) -> Result<Decoded, DecodeError> {
    let header: RecordHeader = read(bytes, 0)?;
    let (event, source) = match header.kind {
        KIND_STATE => (Event::State(state(&read(bytes, header.kind)?)?), LossSource::State),
        KIND_COUNTED_STATE => (Event::State(counted_state(&read(bytes, header.kind)?)?), LossSource::State),
        KIND_SEGMENT => (Event::Segment(segment(&read(bytes, header.kind)?)?), LossSource::Segment),
        KIND_ICMP => (Event::Icmp(icmp(&read(bytes, header.kind)?)), LossSource::Segment),
        KIND_HINT => (Event::Hint(hint(&read(bytes, header.kind)?, &reasons.resets)?), LossSource::State),
        KIND_DROP => (Event::Drop(dropped(&read(bytes, header.kind)?, reasons)), LossSource::Segment),
        kind => return Err(DecodeError::Kind(kind)),
    };
    Ok(Decoded { event, source, lost: header.lost })
}

fn read<T: FromBytes + Immutable + KnownLayout>(bytes: &[u8], kind: u8) -> Result<T, DecodeError> {
    let short = DecodeError::Short { kind, have: bytes.len(), need: size_of::<T>() };
    T::read_from_prefix(bytes).map(|(record, _rest)| record).map_err(|_| short)
}

fn state(record: &StateRecord) -> Result<StateChange, DecodeError> {
    let (comm, thread) = (name(record.comm), name(record.thread));
    Ok(StateChange {
        at: BootTime(record.header.boot_ns),
        socket: SocketKey(record.header.socket),
        netns: (record.netns != 0).then_some(record.netns),
        conn_netns: None,
        old: tcp_state(record.old_state)?,
        new: tcp_state(record.new_state)?,
        local: Endpoint { addr: address(record.local_addr), port: record.local_port },
        remote: Endpoint { addr: address(record.remote_addr), port: record.remote_port },
        // Both are known or neither is: without BTF the kernel program does not read the socket.
        error: (record.netns != 0).then_some(record.error),
        proof: Proof {
            linger: record.proof & PROOF_LINGER != 0,
            unread: record.proof & PROOF_UNREAD != 0,
            unaccepted: record.proof & PROOF_UNACCEPTED != 0,
            restored: record.proof & PROOF_RESTORED != 0,
            deferred: record.proof & PROOF_DEFERRED != 0,
            repair: record.proof & PROOF_REPAIR != 0,
            linger2: record.proof & PROOF_LINGER2 != 0,
        },
        task: (record.pid != 0).then_some(Task {
            pid: record.pid,
            tid: record.tid,
            comm,
            thread: Some(thread).filter(|&thread| record.thread != [0; 2] && thread != comm),
            exit: (record.proof & PROOF_EXITING != 0).then(|| Exit::of_wait_status(record.exit_code)),
        }),
        cgroup: (record.cgroup != 0).then_some(CgroupKey(record.cgroup)),
        uid: (record.uid != NO_UID).then_some(record.uid),
        counters: None,
    })
}

fn counted_state(record: &CountedStateRecord) -> Result<StateChange, DecodeError> {
    let counters = &record.counters;
    let known = |count: u32| (count != NO_COUNT).then_some(count);
    // The kernel has 0 for no measurement of the smoothed time, and its greatest number for none of the lowest.
    let time = |count: u32, unit: u64| known(count).map(|count| u64::from(count) * unit);
    let counters = Counters {
        idle_ns: time(counters.idle_ms, 1_000_000),
        unread_bytes: known(counters.unread),
        unsent_bytes: known(counters.unsent),
        smoothed_rtt_ns: time(counters.smoothed_rtt_us, 1_000).filter(|&time| time > 0),
        min_rtt_ns: time(counters.min_rtt_us, 1_000),
        retransmissions: known(counters.retransmissions),
        peer_window: known(counters.peer_window),
    };
    Ok(StateChange { counters: Some(counters), ..state(&record.state)? })
}

fn name(bytes: [u64; 2]) -> Comm {
    let mut comm = [0; 16];
    comm.copy_from_slice(bytes.as_bytes());
    Comm(comm)
}

fn segment(record: &SegmentRecord) -> Result<Segment, DecodeError> {
    let captured = usize::from(record.captured);
    let header = record.tcp.get(..captured).and_then(TcpHeader::parse).ok_or(DecodeError::Header)?;
    let header_len = u32::try_from(header.header_len()).unwrap_or(u32::MAX);
    Ok(Segment {
        at: BootTime(record.header.boot_ns),
        socket: (record.header.socket != 0).then_some(SocketKey(record.header.socket)),
        socket_port: (record.socket_port != 0).then_some(record.socket_port),
        netns: (record.netns != 0).then_some(record.netns),
        conn_netns: None,
        ifindex: record.ifindex,
        direction: Some(direction(record.direction)),
        src: Endpoint { addr: address(record.src), port: header.src_port },
        dst: Endpoint { addr: address(record.dst), port: header.dst_port },
        header,
        length: record.ip_payload.saturating_sub(header_len),
        segments: record.gso_segs.max(1),
        encapsulation: None,
    })
}

fn icmp(record: &IcmpRecord) -> IcmpError {
    IcmpError {
        at: BootTime(record.header.boot_ns),
        netns: (record.netns != 0).then_some(record.netns),
        conn_netns: None,
        ifindex: record.ifindex,
        direction: Some(direction(record.direction)),
        from: address(record.from),
        icmp_type: record.icmp_type,
        icmp_code: record.icmp_code,
        src: Endpoint { addr: address(record.src), port: record.src_port },
        dst: Endpoint { addr: address(record.dst), port: record.dst_port },
        seq: record.seq,
    }
}

fn hint(record: &HintRecord, reasons: &ResetReasons) -> Result<Hint, DecodeError> {
    Ok(Hint {
        at: BootTime(record.header.boot_ns),
        socket: (record.header.socket != 0).then_some(SocketKey(record.header.socket)),
        netns: (record.netns != 0).then_some(record.netns),
        conn_netns: None,
        local: Endpoint { addr: address(record.local_addr), port: record.local_port },
        remote: Endpoint { addr: address(record.remote_addr), port: record.remote_port },
        name: match record.hint {
            HINT_SEND_RESET => HintName::SendReset,
            HINT_RETRANSMIT_SYNACK => HintName::RetransmitSynack,
            HINT_DEFER_ACCEPT => HintName::DeferAccept,
            other => return Err(DecodeError::Hint(other)),
        },
        reason: (record.reason != NO_REASON).then(|| reasons.get(record.reason)),
        state: if record.socket_state == 0 { None } else { Some(tcp_state(record.socket_state)?) },
        queue_full: record.flags & HINT_QUEUE_FULL != 0,
        queue: None,
    })
}

fn dropped(record: &DropRecord, reasons: &KernelReasons) -> DroppedSegment {
    DroppedSegment {
        at: BootTime(record.header.boot_ns),
        socket: (record.header.socket != 0).then_some(SocketKey(record.header.socket)),
        netns: (record.netns != 0).then_some(record.netns),
        conn_netns: None,
        ifindex: (record.ifindex != 0).then_some(record.ifindex),
        src: Endpoint { addr: address(record.src), port: record.src_port },
        dst: Endpoint { addr: address(record.dst), port: record.dst_port },
        flags: TcpFlags(record.flags & TcpFlags::ALL.0),
        seq: record.seq,
        length: record.length,
        reason: reasons.drops.get(record.reason),
        location: KernelName::until_zero(record.location.as_bytes()),
    }
}

fn tcp_state(number: u8) -> Result<TcpState, DecodeError> {
    TcpState::from_kernel(number).ok_or(DecodeError::State(number))
}

fn direction(number: u8) -> Direction {
    if number == DIRECTION_IN { Direction::In } else { Direction::Out }
}

/// Converts IPv4-mapped addresses to IPv4; the unspecified address of an IPv6 listener stays `::`.
fn address(words: Address) -> IpAddr {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(words.as_bytes());
    Ipv6Addr::from(bytes).to_canonical()
}

pub mod doubles;
#[cfg(test)]
mod tests;
