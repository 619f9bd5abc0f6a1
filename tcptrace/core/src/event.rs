//! What the kernel programs saw, decoded: the input of everything that thinks about connections.

mod comm;
mod direction;
mod family;
mod hint;
pub mod icmp;
mod loss;
mod owner;
mod proof;
pub mod reset_reason;
mod role;
mod segment_note;

use std::{
    hash::{Hash, Hasher},
    net::IpAddr,
};

pub use self::{
    comm::Comm,
    direction::Direction,
    family::Family,
    hint::{AcceptQueue, Hint, HintName},
    loss::{Loss, LossSource},
    owner::{ListenerOwner, OwnerSource, Process, SocketOwner},
    proof::Proof,
    role::Role,
    segment_note::SegmentNote,
};
use crate::tcp::{TcpHeader, TcpState};

/// `CLOCK_BOOTTIME` in nanoseconds.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct BootTime(pub u64);

impl BootTime {
    /// Nanoseconds from `earlier` to this time; 0 where records of two processors are microseconds out of order.
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// This time and `nanoseconds` more.
    pub fn plus(self, nanoseconds: u64) -> Self {
        Self(self.0.saturating_add(nanoseconds))
    }

    /// `nanoseconds` before this time.
    pub fn minus(self, nanoseconds: u64) -> Self {
        Self(self.0.saturating_sub(nanoseconds))
    }
}

/// A kernel socket as a number that can be compared for as long as the socket lives. It is never shown: what users see is
/// the small number that [`crate::correlate`] gives it.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct SocketKey(pub u64);

impl std::fmt::Debug for SocketKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A kernel address must not reach any output, a debug log included.
        f.write_str("SocketKey(..)")
    }
}

/// An address and a port.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Endpoint {
    /// IPv4-mapped addresses are IPv4 here.
    pub addr: IpAddr,
    /// As seen; in a state change 0 means that the kernel had not set it yet.
    pub port: u16,
}

/// As few words as there are: every event is looked up by its endpoints.
impl Hash for Endpoint {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self.addr {
            IpAddr::V4(addr) => state.write_u64(u64::from(addr.to_bits()) << 16 | u64::from(self.port)),
            IpAddr::V6(addr) => {
                state.write_u128(addr.to_bits());
                state.write_u16(self.port);
            }
        }
    }
}

/// The task in whose context a state change ran, where that tells who did it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Task {
    /// Thread group, which users call the process.
    pub pid: u32,
    /// Thread.
    pub tid: u32,
    /// The thread's name.
    pub comm: Comm,
}

/// One run of `sock:inet_sock_set_state`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StateChange {
    /// When.
    pub at: BootTime,
    /// Which socket.
    pub socket: SocketKey,
    /// Inode number of its network namespace, where known.
    pub netns: Option<u32>,
    /// The namespace under which a recording knows its connection, where that is another.
    pub conn_netns: Option<u32>,
    /// The state it leaves.
    pub old: TcpState,
    /// The state it enters.
    pub new: TcpState,
    /// Its own address and port.
    pub local: Endpoint,
    /// The other end's.
    pub remote: Endpoint,
    /// `sk_err`, an errno, where it could be read; 0 is no error.
    pub error: Option<u32>,
    /// What the socket was like, when it enters CLOSE.
    pub proof: Proof,
    /// Who did it.
    pub task: Option<Task>,
}

/// One TCP header as TC saw it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Segment {
    /// When.
    pub at: BootTime,
    /// The sending socket, where the kernel still knows it: not where the segment comes from another host.
    pub socket: Option<SocketKey>,
    /// The local port of the socket that sends a SYN, before any address translation, where known.
    pub socket_port: Option<u16>,
    /// Inode number of the interface's network namespace, where known.
    pub netns: Option<u32>,
    /// The namespace under which a recording knows its connection, where that is another.
    pub conn_netns: Option<u32>,
    /// Interface index.
    pub ifindex: u32,
    /// Which way it passed, where that is known: not every capture tells.
    pub direction: Option<Direction>,
    /// Source.
    pub src: Endpoint,
    /// Destination.
    pub dst: Endpoint,
    /// The header.
    pub header: TcpHeader,
    /// Payload bytes by the IP length; of all segments where offloading merged several.
    pub length: u32,
    /// How many segments the buffer stands for, at least 1.
    pub segments: u16,
}

/// An ICMP or ICMPv6 error that quotes a TCP segment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IcmpError {
    /// When.
    pub at: BootTime,
    /// Inode number of the interface's network namespace, where known.
    pub netns: Option<u32>,
    /// The namespace under which a recording knows its connection, where that is another.
    pub conn_netns: Option<u32>,
    /// Interface index.
    pub ifindex: u32,
    /// Which way it passed, where that is known: not every capture tells.
    pub direction: Option<Direction>,
    /// Who sent the error.
    pub from: IpAddr,
    /// ICMP type; ICMPv6's when `from` is IPv6.
    pub icmp_type: u8,
    /// ICMP code.
    pub icmp_code: u8,
    /// Source of the quoted segment.
    pub src: Endpoint,
    /// Destination of the quoted segment.
    pub dst: Endpoint,
    /// Sequence number of the quoted segment.
    pub seq: u32,
}

/// Anything the kernel programs saw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event {
    /// A socket changed its state.
    State(StateChange),
    /// A segment passed an interface.
    Segment(Segment),
    /// An ICMP error about a segment passed an interface.
    Icmp(IcmpError),
    /// Who holds a connection's socket.
    Owner(SocketOwner),
    /// Who holds a listener.
    Listener(ListenerOwner),
    /// The kernel gave a reason for a segment that it sent, or did not answer.
    Hint(Hint),
    /// Something was lost here.
    Loss(Loss),
}

impl Event {
    /// When it happened.
    pub fn at(&self) -> BootTime {
        match self {
            Self::State(change) => change.at,
            Self::Segment(segment) => segment.at,
            Self::Icmp(error) => error.at,
            Self::Owner(owner) => owner.at,
            Self::Listener(owner) => owner.at,
            Self::Hint(hint) => hint.at,
            Self::Loss(loss) => loss.at,
        }
    }
}

#[cfg(test)]
mod tests {
    use strum::IntoEnumIterator as _;

    use super::*;

    #[test]
    fn words_are_the_same_everywhere() {
        for direction in Direction::iter() {
            let json = format!("\"{direction}\"");
            assert_eq!(serde_json::to_string(&direction).unwrap(), json);
            assert_eq!(serde_json::from_str::<Direction>(&json).unwrap(), direction);
        }
        for name in HintName::iter() {
            assert_eq!(serde_json::to_string(&name).unwrap(), format!("\"{name}\""));
        }
        for source in LossSource::iter() {
            let json = format!("\"{source}\"");
            assert_eq!(serde_json::to_string(&source).unwrap(), json);
            assert_eq!(serde_json::from_str::<LossSource>(&json).unwrap(), source);
        }
        assert!(serde_json::from_str::<Direction>("\"up\"").unwrap_err().to_string().contains("a direction"));
    }
}
