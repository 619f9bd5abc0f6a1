//! Records as the kernel programs write them for connections over loopback: opened, and closed in four segments.
//!
//! Many connections live at the same time, always two of them in the same phase, as on two processors. Ports, ISNs and
//! sockets repeat as they do on a busy host.

use std::net::Ipv4Addr;

use tcptrace_ebpf::{
    Address, DIRECTION_OUT, FAMILY_V4, KIND_SEGMENT, KIND_STATE, RecordHeader, SegmentRecord, StateRecord,
    TCP_HEADER_MAX,
};
use zerocopy::{FromZeros as _, IntoBytes as _};

/// Records of a connection without data.
pub(crate) const RECORDS: u64 = 17;

/// Number of connections that are open at the same time.
pub(crate) const CONCURRENT: u64 = 1000;

/// The namespace of all connections.
pub(crate) const NETNS: u32 = 4_026_531_840;

/// Nanoseconds between two records: some 50,000 connections a second.
const PACE: u64 = 1_200;

const LOOPBACK: u32 = 1;
const LISTENERS: u16 = 4;
const FIRST_LISTENER: u16 = 9000;
/// Linux's ip_local_port_range.
const EPHEMERAL: std::ops::Range<u16> = 32768..60999;

// include/net/tcp_states.h
const ESTABLISHED: u8 = 1;
const SYN_SENT: u8 = 2;
const SYN_RECV: u8 = 3;
const FIN_WAIT1: u8 = 4;
const FIN_WAIT2: u8 = 5;
const CLOSE: u8 = 7;
const CLOSE_WAIT: u8 = 8;
const LAST_ACK: u8 = 9;
const LISTEN: u8 = 10;

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;

/// Records, one after the other.
#[derive(Default)]
pub(crate) struct Records {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Records {
    /// Returns the records one by one, as the ring delivers them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.bytes[start..end])
    }

    fn push(&mut self, record: &[u8]) {
        self.bytes.extend_from_slice(record);
        self.ends.push(self.bytes.len());
    }
}

/// An end of a connection.
#[derive(Clone, Copy, Eq, PartialEq)]
enum End {
    Client,
    Server,
}

/// A connection.
struct Connection {
    /// Index of its sockets among those that exist at the same time.
    slot: u64,
    client: u16,
    server: u16,
    isns: [u32; 2],
}

impl Connection {
    fn new(number: u64) -> Self {
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
    fn segment(&self, from: End, flags: u8, [sent, acked]: [u32; 2], length: u32) -> Record {
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

    fn opening(&self) -> [Record; 7] {
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

    fn closing(&self) -> [Record; 6] {
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

    fn closing_too(&self) -> [Record; 4] {
        use End::{Client, Server};
        [
            self.change(Server, CLOSE_WAIT, LAST_ACK),
            self.segment(Server, FIN | ACK, [1, 2], 0),
            self.segment(Client, ACK, [2, 2], 0),
            self.change(Server, LAST_ACK, CLOSE),
        ]
    }
}

enum Record {
    State(StateRecord),
    Segment(SegmentRecord),
}

/// An endless stream of connections.
pub(crate) struct Traffic {
    connections: u64,
    now: u64,
}

impl Traffic {
    /// Creates a stream in which nothing has happened yet.
    pub(crate) fn new() -> Self {
        Self { connections: 0, now: 1_000_000_000_000 }
    }

    /// Returns the number of connections so far.
    pub(crate) fn connections(&self) -> u64 {
        self.connections
    }

    /// Returns the records of the servers beginning to listen.
    pub(crate) fn listen(&mut self) -> Records {
        let mut records = Records::default();
        for local_port in FIRST_LISTENER..FIRST_LISTENER + LISTENERS {
            let socket = 0xffff_8881_0f00_0000 + u64::from(local_port) * 2496;
            let header = RecordHeader { socket, ..header(KIND_STATE) };
            let remote_addr = Address::new_zeroed();
            let (old_state, new_state) = (CLOSE, LISTEN);
            let record = StateRecord { header, local_port, old_state, new_state, remote_addr, ..state(801) };
            self.push(Record::State(record), &mut records);
        }
        records
    }

    /// Returns the records of the next [`CONCURRENT`] connections: all are opened, then all are closed by their clients,
    /// then by their servers.
    pub(crate) fn round(&mut self) -> Records {
        let mut records = Records::default();
        let connections = self.begin();
        self.interleave(&connections, Connection::opening, &mut records);
        self.close(&connections, &mut records);
        records
    }

    /// Returns the records of connections in three parts: all of them opened; `exchanges` requests and answers on each; all
    /// of them closed.
    pub(crate) fn with_data(&mut self, exchanges: u32) -> [Records; 3] {
        let mut parts = [(); 3].map(|()| Records::default());
        let connections = self.begin();
        let [opened, data, closed] = &mut parts;
        self.interleave(&connections, Connection::opening, opened);
        for exchange in 0..exchanges {
            let (sent, length) = (1 + exchange * 100, 100);
            let exchange = |connection: &Connection| {
                [
                    connection.segment(End::Client, PSH | ACK, [sent, sent], length),
                    connection.segment(End::Server, PSH | ACK, [sent, sent + length], length),
                ]
            };
            self.interleave(&connections, exchange, data);
        }
        self.close(&connections, closed);
        parts
    }

    fn begin(&mut self) -> Vec<Connection> {
        let first = self.connections;
        self.connections += CONCURRENT;
        (first..self.connections).map(Connection::new).collect()
    }

    fn close(&mut self, connections: &[Connection], records: &mut Records) {
        self.interleave(connections, Connection::closing, records);
        self.interleave(connections, Connection::closing_too, records);
    }

    /// Returns the records of one phase of each connection, with those of two connections at a time interleaved.
    fn interleave<const N: usize>(
        &mut self,
        connections: &[Connection],
        part: impl Fn(&Connection) -> [Record; N],
        records: &mut Records,
    ) {
        for pair in connections.chunks(2) {
            let mut parts: Vec<_> = pair.iter().map(|connection| part(connection).into_iter()).collect();
            for _ in 0..N {
                parts.iter_mut().filter_map(Iterator::next).for_each(|record| self.push(record, records));
            }
        }
    }

    fn push(&mut self, record: Record, records: &mut Records) {
        self.now += PACE;
        match record {
            Record::State(mut record) => {
                record.header.boot_ns = self.now;
                records.push(record.as_bytes());
            }
            Record::Segment(mut record) => {
                record.header.boot_ns = self.now;
                records.push(record.as_bytes());
            }
        }
    }
}

fn localhost() -> Address {
    let mut address = Address::new_zeroed();
    address.as_mut_bytes().copy_from_slice(&Ipv4Addr::LOCALHOST.to_ipv6_mapped().octets());
    address
}

fn header(kind: u8) -> RecordHeader {
    RecordHeader { kind, family: FAMILY_V4, ..RecordHeader::new_zeroed() }
}

fn state(pid: u32) -> StateRecord {
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
