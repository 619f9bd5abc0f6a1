//! Input for the correlator. Every number is taken from a small set, so that connections, sockets and sequence numbers
//! meet as they do on a host, and as they never should.

use std::net::IpAddr;

use arbitrary::Arbitrary;
use tcptrace_core::{
    event::{Counters, Direction, Endpoint, Proof, SocketKey},
    tcp::{OptionBytes, TcpFlags, TcpState},
};

/// A tracer's configuration, and the events that it sees.
#[derive(Arbitrary, Debug)]
pub struct Program {
    /// Maximum number of connections remembered; 0 for no limit.
    pub most: u8,
    /// Vantage point.
    pub vantage: Vantage,
    /// The steps, in order.
    pub steps: Vec<Step>,
}

/// Vantage point of the tracer.
#[derive(Arbitrary, Clone, Copy, Debug, Eq, PartialEq)]
pub enum Vantage {
    /// A host.
    Host,
    /// A host whose kernel has no BTF: neither namespaces nor errors are known.
    WithoutBtf,
    /// A host, with look-ups of the processes that hold sockets.
    Owners,
    /// A capture: segments and ICMP errors only.
    Capture,
}

/// An event, or the passage of time.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Step {
    /// A socket changes its state.
    State {
        /// The socket that changes.
        socket: Socket,
        /// Its endpoints, the local one first.
        ends: Ends,
        /// Old and new state.
        states: [State; 2],
        /// `sk_err`.
        error: u8,
        /// Bits of the proof, of the task, of the namespace and of the counters.
        bits: u8,
    },
    /// A segment passes an interface.
    Segment {
        /// The socket that sends it, if known.
        socket: Option<Socket>,
        /// Source and destination.
        ends: Ends,
        /// TCP flags.
        flags: u16,
        /// Sequence and acknowledgment number.
        numbers: [Number; 2],
        /// Payload length as mantissa and exponent: see [`length`].
        length: u8,
        /// Bits that select the interface and the direction.
        interface: u8,
        /// Index into a few lists of options.
        options: u8,
    },
    /// An ICMP error passes an interface.
    Icmp {
        /// Source and destination of the quoted segment.
        ends: Ends,
        /// Sequence number of the quoted segment.
        seq: Number,
        /// ICMP type.
        kind: u8,
        /// ICMP code in the low four bits; the others select the interface and the direction.
        code: u8,
    },
    /// The kernel explains a reset or a repeated SYN,ACK.
    Hint {
        /// The socket that it concerns, if any.
        socket: Option<Socket>,
        /// Sender and receiver of the segment.
        ends: Ends,
        /// The state of the socket.
        state: Option<State>,
        /// Bits that select the kind of the hint, its reason, and a full accept queue.
        bits: u8,
    },
    /// A look-up finds the process that holds a socket.
    Owner {
        /// Endpoints of the socket, the local one first.
        ends: Ends,
        /// Bits that select the process and the age of the look-up.
        bits: u8,
    },
    /// A look-up finds the process that holds listeners.
    Listener {
        /// The first endpoint is the listeners' own.
        ends: Ends,
        /// Bits that select the process, the number of listeners and the age of the look-up.
        bits: u8,
    },
    /// Events are lost.
    Loss {
        /// Bits that select the source and the number.
        bits: u8,
    },
    /// Time passes.
    Pass {
        /// The time that passes, in `unit`.
        amount: u16,
        /// Unit of `amount`.
        unit: Unit,
        /// Handling of the timers that have become due.
        look: Look,
    },
    /// The next event is older than the previous one by this many microseconds, as when a processor is delayed before it writes
    /// its record.
    Late(u8),
}

/// A unit of time.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Unit {
    /// 1 ns.
    Nanosecond,
    /// 1000 ns.
    Microsecond,
    /// The scale of round trips.
    Millisecond,
    /// The scale of the correlator's deadlines.
    Second,
}

impl Unit {
    /// Returns the length of the unit in nanoseconds.
    pub fn nanoseconds(self) -> u64 {
        match self {
            Self::Nanosecond => 1,
            Self::Microsecond => 1_000,
            Self::Millisecond => 1_000_000,
            Self::Second => 1_000_000_000,
        }
    }
}

/// Time at which the correlator is asked to handle the timers that have become due.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Look {
    /// Not at all.
    Never,
    /// After the time has passed.
    Late,
    /// Whenever something is due.
    InTime,
}

/// One of eight sockets.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Socket(u8);

impl Socket {
    /// Returns its key, from 1 to 8.
    pub fn key(self) -> SocketKey {
        SocketKey(u64::from(self.0 % 8) + 1)
    }
}

/// Two ends: a bit for the family, and for each end one for the address and two for the port.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Ends(u8);

impl Ends {
    /// Returns the endpoints; a port may be 0.
    pub fn endpoints(self) -> [Endpoint; 2] {
        let addresses: [IpAddr; 2] = if self.0 & 1 == 0 {
            [[127, 0, 0, 1].into(), [10, 0, 0, 2].into()]
        } else {
            [[0, 0, 0, 0, 0, 0, 0, 1].into(), [0xfd00, 0, 0, 0, 0, 0, 0, 2].into()]
        };
        let end = |bits: u8| Endpoint {
            addr: addresses[usize::from(bits & 1)],
            port: [80, 40_000, 40_001, 0][usize::from(bits >> 1 & 3)],
        };
        [end(self.0 >> 1), end(self.0 >> 4)]
    }
}

/// A TCP state.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct State(u8);

impl State {
    /// Returns the state, one of all.
    pub fn state(self) -> TcpState {
        TcpState::ALL[usize::from(self.0) % TcpState::ALL.len()]
    }
}

/// A sequence number: one of four that a direction may begin at, and an offset from one to four times a step.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Number(u8);

impl Number {
    /// Returns the sequence number.
    pub fn number(self) -> u32 {
        const OFFSETS: [u32; 8] = [0, 1, 2, 3, 10, 1 << 20, 1 << 30, 1 << 31];
        let begin: u32 = [1_000, 900_000, u32::MAX, 1 << 31][usize::from(self.0 & 3)];
        let offset = OFFSETS[usize::from(self.0 >> 2 & 7)].wrapping_mul(u32::from(self.0 >> 6) + 1);
        begin.wrapping_add(offset)
    }
}

/// Returns the payload length in bytes: the low four bits, shifted left by the others.
pub fn length(bits: u8) -> u32 {
    u32::from(bits & 0x0f) << (bits >> 4)
}

/// Returns the control bits of a header.
pub fn flags(bits: u16) -> TcpFlags {
    TcpFlags(bits & 0x1ff)
}

/// Returns the interface index and the direction of a segment. Loopback has index 1, and its segments are seen on egress
/// only.
pub fn interface(bits: u8) -> (u32, Option<Direction>) {
    let direction = [Some(Direction::Out), Some(Direction::In), Some(Direction::Out), None][usize::from(bits >> 2 & 3)];
    match bits & 3 {
        0 => (1, Some(Direction::Out)),
        index => (u32::from(index) + 1, direction),
    }
}

/// Returns one of eight option lists that affect verdicts.
pub fn options(bits: u8) -> OptionBytes {
    const LISTS: [&[u8]; 8] = [
        &[],
        &[2, 4, 0xff, 0xd7, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 10],
        &[1, 1, 8, 10, 0, 0, 0, 2, 0, 0, 0, 1],
        &[2, 4, 5, 0xb4, 34, 2, 1, 1],
        &[2, 4, 5, 0xb4, 34, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1],
        &[1, 1, 5, 10, 0, 0, 3, 0xe8, 0, 0, 3, 0xf0],
        &[2, 4, 5, 0xb4, 30, 12, 0, 0x81, 1, 2, 3, 4, 5, 6, 7, 8],
        &[2, 9, 99, 2],
    ];
    OptionBytes::new(LISTS[usize::from(bits) % LISTS.len()])
}

/// Returns counters of a socket, from 0 to large values.
pub fn counters(bits: u8) -> Counters {
    let count = u32::from(bits) << 24;
    Counters {
        idle_ns: Some(u64::from(bits) << 28),
        unread_bytes: Some(count),
        unsent_bytes: (bits & 1 != 0).then_some(count),
        retransmissions: Some(bits.into()),
        peer_window: (bits & 2 != 0).then_some(0),
        ..Counters::default()
    }
}

/// Returns properties of a socket, from the lowest bits.
pub fn proof(bits: u8) -> Proof {
    Proof { linger: bits & 1 != 0, unread: bits & 2 != 0, unaccepted: bits & 4 != 0, ..Proof::default() }
}
