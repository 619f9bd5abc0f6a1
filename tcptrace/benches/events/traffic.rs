//! Records as the kernel programs write them for connections over loopback: opened, and closed in four segments.
//!
//! Many connections live at the same time, always two of them in the same phase, as on two processors. Ports, ISNs and
//! sockets repeat as they do on a busy host.

// The tests of allocations include this file from another folder.
#[path = "traffic/connection.rs"]
mod connection;

use tcptrace_ebpf::{Address, KIND_STATE, RecordHeader, StateRecord};
use zerocopy::{FromZeros as _, IntoBytes as _};

use self::connection::{ACK, CLOSE, Connection, End, FIRST_LISTENER, LISTEN, LISTENERS, PSH, Record, header, state};

/// Records of a connection without data.
pub(crate) const RECORDS: u64 = 17;

/// Number of connections that are open at the same time.
pub(crate) const CONCURRENT: u64 = 1000;

/// The namespace of all connections.
pub(crate) const NETNS: u32 = 4_026_531_840;

/// Nanoseconds between two records: some 50,000 connections a second.
const PACE: u64 = 1_200;

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
