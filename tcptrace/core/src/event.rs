//! Decoded observations of the kernel programs: the input of the correlator.

mod ace;
mod boot_time;
pub mod cgroup;
mod comm;
mod counters;
mod direction;
mod dropped;
mod existing;
mod exit;
mod family;
mod hint;
pub mod icmp;
mod kernel_name;
mod kernel_reasons;
mod loss;
mod owner;
mod proof;
mod report;
pub mod reset_reason;
mod role;
mod segment;
mod segment_note;
mod state_change;

use std::{
    hash::{Hash, Hasher},
    net::IpAddr,
};

pub use self::{
    ace::{Ace, SynAckEcn},
    boot_time::BootTime,
    cgroup::{Cgroup, CgroupKey, Container},
    comm::Comm,
    counters::Counters,
    direction::Direction,
    dropped::{DropReasons, DroppedSegment},
    existing::{Existing, ExistingGroup, ExistingSocket},
    exit::Exit,
    family::Family,
    hint::{AcceptQueue, Hint, HintName},
    kernel_name::KernelName,
    kernel_reasons::KernelReasons,
    loss::{Loss, LossCounts, LossSource},
    owner::{ListenerOwner, OwnerSource, Process, SocketOwner},
    proof::Proof,
    report::{SocketReport, StuckOn},
    role::Role,
    segment::Segment,
    segment_note::SegmentNote,
    state_change::{StateChange, Task},
};

/// Identifies a kernel socket while that socket lives. It is never shown: users see the small number that
/// [`crate::correlate`] assigns.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct SocketKey(pub u64);

impl std::fmt::Debug for SocketKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A kernel address must not reach any output, a debug log included.
        f.write_str("SocketKey(..)")
    }
}

/// An address and a port.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Endpoint {
    /// IPv4-mapped addresses are IPv4 here.
    pub addr: IpAddr,
    /// The port as seen; in a state change, 0 means that the kernel had not chosen it yet.
    pub port: u16,
}

/// Feeds the hasher as few words as possible: every event is looked up by its endpoints.
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

/// An ICMP or ICMPv6 error that quotes a TCP segment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IcmpError {
    /// Time of the event.
    pub at: BootTime,
    /// Inode number of the interface's network namespace, where known.
    pub netns: Option<u32>,
    /// Namespace under which a recording knows its connection, if other than its own.
    pub conn_netns: Option<u32>,
    /// Interface index.
    pub ifindex: u32,
    /// Direction at the interface, if known: not every capture states it.
    pub direction: Option<Direction>,
    /// Address of the sender of the error.
    pub from: IpAddr,
    /// ICMP type, or ICMPv6 type if `from` is IPv6.
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

/// An event that the kernel programs reported or a decoder read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event {
    /// A socket changed its state.
    State(StateChange),
    /// A segment passed an interface.
    Segment(Segment),
    /// An ICMP error about a segment passed an interface.
    Icmp(IcmpError),
    /// The owner of a connection's socket was found.
    Owner(SocketOwner),
    /// The owner of a listener was found.
    Listener(ListenerOwner),
    /// The kernel gave a reason for a segment that it sent, or did not answer.
    Hint(Hint),
    /// The kernel dropped a segment.
    Drop(DroppedSegment),
    /// The kernel reported a socket that makes no progress, or that makes progress again.
    Report(SocketReport),
    /// Events were lost at this point.
    Loss(Loss),
}

impl Event {
    /// Returns the time of the event.
    pub fn at(&self) -> BootTime {
        match self {
            Self::State(change) => change.at,
            Self::Segment(segment) => segment.at,
            Self::Icmp(error) => error.at,
            Self::Owner(owner) => owner.at,
            Self::Listener(owner) => owner.at,
            Self::Hint(hint) => hint.at,
            Self::Drop(segment) => segment.at,
            Self::Report(report) => report.at,
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
