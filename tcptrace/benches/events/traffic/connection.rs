//! One connection over loopback, and its records.

use std::net::Ipv4Addr;

use tcptrace_ebpf::{
    Address, DIRECTION_OUT, FAMILY_V4, KIND_SEGMENT, KIND_STATE, RecordHeader, SegmentRecord, StateRecord,
    TCP_HEADER_MAX,
};
use zerocopy::{FromZeros as _, IntoBytes as _};

use super::{CONCURRENT, NETNS};

const LOOPBACK: u32 = 1;
pub(super) const LISTENERS: u16 = 4;
pub(super) const FIRST_LISTENER: u16 = 9000;
/// Linux's ip_local_port_range.
const EPHEMERAL: std::ops::Range<u16> = 32768..60999;

// include/net/tcp_states.h
const ESTABLISHED: u8 = 1;
const SYN_SENT: u8 = 2;
const SYN_RECV: u8 = 3;
const FIN_WAIT1: u8 = 4;
const FIN_WAIT2: u8 = 5;
pub(super) const CLOSE: u8 = 7;
const CLOSE_WAIT: u8 = 8;
const LAST_ACK: u8 = 9;
pub(super) const LISTEN: u8 = 10;

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
pub(super) const PSH: u8 = 0x08;
pub(super) const ACK: u8 = 0x10;

/// An end of a connection.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum End {
    Client,
    Server,
}

/// A connection.
pub(super) struct Connection {
    /// Index of its sockets among those that exist at the same time.
    slot: u64,
    client: u16,
    server: u16,
    isns: [u32; 2],
}

impl Connection {
    pub(super) fn new(number: u64) -> Self {
        let ephemeral = u64::from(EPHEMERAL.end - EPHEMERAL.start);
        // Multiplication by an odd number spreads the ISNs and gives each once.
        let isn = |which: u64| (number * 2 + which).wrapping_mul(0x9e37_79b1) as u32;
        Self {
            slot: number % CONCURRENT,
            client: EPHEMERAL.start + (number % ephemeral) as u16,
            server: FIRST_LISTENER + (number / ephemeral % u64::from(LISTENERS)) as u16,
            isns: [isn(0), isn(1)],
        }
    }

    fn socket(&self, end: End) -> u64 {
        0xffff_8881_0400_0000 + (self.slot * 2 + u64::from(end == End::Server)) * 2496
    }

    /// Returns the process in whose context a state change of this end runs.
    fn pid(&self, end: End) -> u32 {
        if end == End::Client { 5000 + (self.slot % 8) as u32 } else { 801 }
    }

    fn ports(&self, end: End) -> [u16; 2] {
        if end == End::Client { [self.client, self.server] } else { [self.server, self.client] }
    }

    fn change(&self, end: End, old: u8, new: u8) -> Record {
        let owned = matches!((old, new), (CLOSE, SYN_SENT) | (ESTABLISHED, FIN_WAIT1) | (CLOSE_WAIT, LAST_ACK));
        let [local, remote] = self.ports(end);
        let header = RecordHeader { socket: self.socket(end), ..header(KIND_STATE) };
        Record::State(StateRecord {
            header,
            // The kernel has not chosen the port yet.
            local_port: if new == SYN_SENT { 0 } else { local },
            remote_port: remote,
            old_state: old,
            new_state: new,
            ..state(if owned { self.pid(end) } else { 0 })
        })
    }

    /// A segment, `sent` and `acked` bytes after the ISNs.
    pub(super) fn segment(&self, from: End, flags: u8, [sent, acked]: [u32; 2], length: u32) -> Record {
        let [own, other] = if from == End::Client { self.isns } else { [self.isns[1], self.isns[0]] };
        let ack = if flags & ACK != 0 { other.wrapping_add(acked) } else { 0 };
        let [src_port, dst_port] = self.ports(from);
        let timestamp: &[u8] = &[1, 1, 8, 10, 0x12, 0x34, 0x56, 0x78, 0x87, 0x65, 0x43, 0x21];
        let of_syn: &[u8] = &[2, 4, 0xff, 0xd7, 4, 2, 8, 10, 0x12, 0x34, 0x56, 0x78, 0, 0, 0, 0, 1, 3, 3, 7];
        let options = if flags & SYN != 0 { of_syn } else { timestamp };
        let len = 20 + options.len();
        let mut tcp = Vec::with_capacity(TCP_HEADER_MAX);
        tcp.extend_from_slice(&src_port.to_be_bytes());
        tcp.extend_from_slice(&dst_port.to_be_bytes());
        tcp.extend_from_slice(&own.wrapping_add(sent).to_be_bytes());
        tcp.extend_from_slice(&ack.to_be_bytes());
        tcp.extend_from_slice(&[(len as u8) << 2, flags, 0xff, 0xd7, 0xfe, 0x28, 0, 0]);
        tcp.extend_from_slice(options);
        tcp.resize(TCP_HEADER_MAX, 0);
        // Before there is a child socket, the request socket sends.
        let socket = if flags == SYN | ACK { 0xffff_8881_0900_0000 + self.slot * 320 } else { self.socket(from) };
        let header = RecordHeader { socket, ..header(KIND_SEGMENT) };
        let tcp = tcp.try_into().expect("a header of the longest length");
        let (src, dst, ip_payload) = (localhost(), localhost(), len as u32 + length);
        let (direction, captured) = (DIRECTION_OUT, len as u8);
        Record::Segment(SegmentRecord { src, dst, header, ip_payload, direction, captured, tcp, ..segment() })
    }

    pub(super) fn opening(&self) -> [Record; 7] {
        use End::{Client, Server};
        [
            self.change(Client, CLOSE, SYN_SENT),
            self.segment(Client, SYN, [0, 0], 0),
            self.segment(Server, SYN | ACK, [0, 1], 0),
            self.change(Client, SYN_SENT, ESTABLISHED),
            self.segment(Client, ACK, [1, 1], 0),
            self.change(Server, LISTEN, SYN_RECV),
            self.change(Server, SYN_RECV, ESTABLISHED),
        ]
    }

    pub(super) fn closing(&self) -> [Record; 6] {
        use End::{Client, Server};
        [
            self.change(Client, ESTABLISHED, FIN_WAIT1),
            self.segment(Client, FIN | ACK, [1, 1], 0),
            self.change(Server, ESTABLISHED, CLOSE_WAIT),
            self.segment(Server, ACK, [1, 2], 0),
            self.change(Client, FIN_WAIT1, FIN_WAIT2),
            self.change(Client, FIN_WAIT2, CLOSE),
        ]
    }

    pub(super) fn closing_too(&self) -> [Record; 4] {
        use End::{Client, Server};
        [
            self.change(Server, CLOSE_WAIT, LAST_ACK),
            self.segment(Server, FIN | ACK, [1, 2], 0),
            self.segment(Client, ACK, [2, 2], 0),
            self.change(Server, LAST_ACK, CLOSE),
        ]
    }
}

pub(super) enum Record {
    State(StateRecord),
    Segment(SegmentRecord),
}

fn localhost() -> Address {
    let mut address = Address::new_zeroed();
    address.as_mut_bytes().copy_from_slice(&Ipv4Addr::LOCALHOST.to_ipv6_mapped().octets());
    address
}

pub(super) fn header(kind: u8) -> RecordHeader {
    RecordHeader { kind, family: FAMILY_V4, ..RecordHeader::new_zeroed() }
}

pub(super) fn state(pid: u32) -> StateRecord {
    let mut record = StateRecord { netns: NETNS, pid, tid: pid, ..StateRecord::new_zeroed() };
    (record.local_addr, record.remote_addr) = (localhost(), localhost());
    if pid != 0 {
        record.comm.as_mut_bytes()[..7].copy_from_slice(b"traffic");
    }
    record
}

fn segment() -> SegmentRecord {
    SegmentRecord { ifindex: LOOPBACK, gso_segs: 1, ..SegmentRecord::new_zeroed() }
}
