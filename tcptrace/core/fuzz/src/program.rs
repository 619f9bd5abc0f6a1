//! Input for the correlator. Every number is taken from a small set, so that connections, sockets and sequence numbers
//! meet as they do on a host, and as they never should.

use std::net::IpAddr;

use arbitrary::Arbitrary;
use tcptrace_core::{
    event::{Counters, Direction, Endpoint, Proof, SocketKey},
    tcp::{OptionBytes, TcpFlags, TcpState},
};

/// A tracer, and what it sees.
#[derive(Arbitrary, Debug)]
pub struct Program {
    /// How many connections are remembered; 0 is as many as there are.
    pub most: u8,
    /// From where it sees.
    pub vantage: Vantage,
    /// The steps, in order.
    pub steps: Vec<Step>,
}

/// From where the tracer sees.
#[derive(Arbitrary, Clone, Copy, Debug, Eq, PartialEq)]
pub enum Vantage {
    /// On a host.
    Host,
    /// On a host whose kernel tells neither namespaces nor errors.
    WithoutBtf,
    /// On a host, and it asks who holds sockets.
    Owners,
    /// In a capture: there are segments and ICMP errors alone.
    Capture,
}

/// One thing that happens.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Step {
    /// A socket changes its state.
    State {
        /// Which.
        socket: Socket,
        /// Between which ends, its own first.
        ends: Ends,
        /// From, to.
        states: [State; 2],
        /// `sk_err`.
        error: u8,
        /// Bits of the proof; the next one up: by a process; those above: in which namespace.
        bits: u8,
    },
    /// A segment passes an interface.
    Segment {
        /// Whose it is.
        socket: Option<Socket>,
        /// From, to.
        ends: Ends,
        /// Its flags.
        flags: u16,
        /// Its numbers.
        numbers: [Number; 2],
        /// Its payload in bytes, doubled as often as the highest bits say.
        length: u8,
        /// Where it passes, and which way.
        interface: u8,
        /// One of a few lists of options.
        options: u8,
    },
    /// An ICMP error passes an interface.
    Icmp {
        /// Of the quoted segment.
        ends: Ends,
        /// Of the quoted segment.
        seq: Number,
        /// Type.
        kind: u8,
        /// Code.
        code: u8,
    },
    /// The kernel says something by the way.
    Hint {
        /// On behalf of which socket.
        socket: Option<Socket>,
        /// Sender, receiver.
        ends: Ends,
        /// The state of the socket.
        state: Option<State>,
        /// What, and why.
        bits: u8,
    },
    /// It is told who holds a socket.
    Owner {
        /// Its own end first.
        ends: Ends,
        /// Who, and asked how long ago.
        bits: u8,
    },
    /// It is told who holds listeners.
    Listener {
        /// The first of them is meant.
        ends: Ends,
        /// Who, how many, and asked how long ago.
        bits: u8,
    },
    /// Something is lost.
    Loss {
        /// Of what, and how much.
        bits: u8,
    },
    /// Time passes.
    Pass {
        /// How much …
        amount: u16,
        /// … of which unit.
        unit: Unit,
        /// Handling of the timers that have become due.
        look: Look,
    },
    /// Another processor writes its record later than this one: the time of what follows lies so many microseconds before.
    Late(u8),
}

/// A unit of time.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Unit {
    /// 1 ns.
    Nanosecond,
    /// 1000 ns.
    Microsecond,
    /// As long as a capture's or a flood's.
    Millisecond,
    /// As long as deadlines are.
    Second,
}

impl Unit {
    /// In nanoseconds.
    pub fn nanoseconds(self) -> u64 {
        match self {
            Self::Nanosecond => 1,
            Self::Microsecond => 1_000,
            Self::Millisecond => 1_000_000,
            Self::Second => 1_000_000_000,
        }
    }
}

/// When the correlator is asked to handle the timers that have become due.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Look {
    /// Not at all.
    Never,
    /// When the time has passed.
    Late,
    /// Whenever something is due.
    InTime,
}

/// One of eight sockets.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Socket(u8);

impl Socket {
    /// Its key.
    pub fn key(self) -> SocketKey {
        SocketKey(u64::from(self.0 % 8) + 1)
    }
}

/// Two ends: a bit for the family, and for each end one for the address and two for the port.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Ends(u8);

impl Ends {
    /// They themselves.
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

/// A state.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct State(u8);

impl State {
    /// It itself.
    pub fn state(self) -> TcpState {
        TcpState::ALL[usize::from(self.0) % TcpState::ALL.len()]
    }
}

/// A sequence number: one of four that a direction may begin at, and an offset from one to four times a step.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Number(u8);

impl Number {
    /// It itself.
    pub fn number(self) -> u32 {
        const OFFSETS: [u32; 8] = [0, 1, 2, 3, 10, 1 << 20, 1 << 30, 1 << 31];
        let begin: u32 = [1_000, 900_000, u32::MAX, 1 << 31][usize::from(self.0 & 3)];
        let offset = OFFSETS[usize::from(self.0 >> 2 & 7)].wrapping_mul(u32::from(self.0 >> 6) + 1);
        begin.wrapping_add(offset)
    }
}

/// Payload in bytes.
pub fn length(bits: u8) -> u32 {
    u32::from(bits & 0x0f) << (bits >> 4)
}

/// The control bits of a header.
pub fn flags(bits: u16) -> TcpFlags {
    TcpFlags(bits & 0x1ff)
}

/// Where a segment passes; loopback has index 1, and all goes out there.
pub fn interface(bits: u8) -> (u32, Option<Direction>) {
    let direction = [Some(Direction::Out), Some(Direction::In), Some(Direction::Out), None][usize::from(bits >> 2 & 3)];
    match bits & 3 {
        0 => (1, Some(Direction::Out)),
        index => (u32::from(index) + 1, direction),
    }
}

/// Options that mean something for what is said of a connection.
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

/// Counters of a socket, from 0 to large values.
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

/// Properties of a socket, in the lowest bits.
pub fn proof(bits: u8) -> Proof {
    Proof { linger: bits & 1 != 0, unread: bits & 2 != 0, unaccepted: bits & 4 != 0, ..Proof::default() }
}
