//! Segments that the kernel dropped.

use super::{BootTime, Endpoint, KernelName, SocketKey};
use crate::tcp::TcpFlags;

/// A segment that the kernel of this host dropped, as reported by the tracepoint `skb:kfree_skb`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DroppedSegment {
    /// Time of the event.
    pub at: BootTime,
    /// The socket in SYN_SENT whose SYN it is; `None` for any other segment.
    pub socket: Option<SocketKey>,
    /// Inode number of the network namespace, if known.
    pub netns: Option<u32>,
    /// Namespace under which a recording knows its connection, if other than its own.
    pub conn_netns: Option<u32>,
    /// Index of the interface at which it was dropped, or through which it had arrived; `None` for one that had not reached
    /// any.
    pub ifindex: Option<u32>,
    /// Source.
    pub src: Endpoint,
    /// Destination.
    pub dst: Endpoint,
    /// Flags.
    pub flags: TcpFlags,
    /// Sequence number.
    pub seq: u32,
    /// Payload length in bytes by the IP length.
    pub length: u32,
    /// The kernel's reason, by its name in `enum skb_drop_reason` without the prefix: `NETFILTER_DROP`.
    pub reason: KernelName,
    /// The kernel's function that dropped it, if it has a name.
    pub location: Option<KernelName>,
}

/// Functions that deliver a copy of each segment to sockets that read all of them. A copy for which such a socket has no
/// room says nothing about the segment.
const OF_COPIES: [&str; 5] = ["raw_", "rawv6_", "packet_", "tpacket_", "run_filter"];

impl DroppedSegment {
    /// Returns true if it is a copy, made for a packet socket or a raw socket, that was dropped.
    pub fn is_copy(&self) -> bool {
        let location = self.location.as_ref().map_or("", KernelName::as_str);
        OF_COPIES.iter().any(|prefix| location.starts_with(prefix))
    }
}

/// Names of the kernel's reasons by their numbers, which differ between kernels. Only those that mean a dropped segment.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct DropReasons(Vec<(u32, KernelName)>);

/// Reasons for which the kernel frees segments that were not dropped on their way, or whose end shows elsewhere.
const NO_DROPS: [&str; 14] = [
    // Given for buffers of all kinds by callers that name no reason.
    "NOT_SPECIFIED",
    // Answered by a reset, which is seen.
    "NO_SOCKET",
    "TCP_ABORT_ON_DATA",
    // They served their purpose: a reset ended the connection, a last segment its socket.
    "TCP_RESET",
    "TCP_CLOSE",
    // The receiver has their data already, and answers with an ACK: keep-alives, probes of a window, retransmissions.
    "TCP_OLD_DATA",
    "TCP_OLD_SEQUENCE",
    "TCP_FASTOPEN",
    "SOCKET_CLOSE",
    // The data went into another buffer.
    "TCP_OFOMERGE",
    // Frames for other hosts, which a bridge or a promiscuous interface shows.
    "OTHERHOST",
    // A copy for a packet socket.
    "PACKET_SOCK_ERROR",
    // The queues of an interface that goes away, or of a socket that is gone.
    "QUEUE_PURGE",
    // No reason, but the number of reasons.
    "MAX",
];

impl DropReasons {
    /// Prefix of the kernel's names.
    const PREFIX: &str = "SKB_DROP_REASON_";

    /// Creates the table from the members of the kernel's enumeration.
    pub fn of_kernel<'a>(members: impl IntoIterator<Item = (&'a str, u32)>) -> Self {
        let names = members.into_iter().filter_map(|(name, number)| {
            let name = name.strip_prefix(Self::PREFIX).filter(|name| !NO_DROPS.contains(name))?;
            Some((number, KernelName::new(name)?))
        });
        Self(names.collect())
    }

    /// Returns the numbers and their names.
    pub fn iter(&self) -> impl Iterator<Item = (u32, KernelName)> {
        self.0.iter().copied()
    }

    /// Returns the name of the reason with this number, or [`KernelName::UNKNOWN`].
    pub fn get(&self, number: u32) -> KernelName {
        let known = self.0.iter().find(|&&(known, _)| known == number);
        known.map_or(KernelName::UNKNOWN, |&(_, name)| name)
    }
}

impl FromIterator<(u32, KernelName)> for DropReasons {
    fn from_iter<I: IntoIterator<Item = (u32, KernelName)>>(reasons: I) -> Self {
        Self(reasons.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_that_is_freed_after_its_use_is_no_dropped_segment() {
        let reasons = DropReasons::of_kernel([
            ("SKB_NOT_DROPPED_YET", 0),
            ("SKB_CONSUMED", 1),
            ("SKB_DROP_REASON_NOT_SPECIFIED", 2),
            ("SKB_DROP_REASON_TCP_RESET", 45),
            ("SKB_DROP_REASON_NETFILTER_DROP", 12),
            ("SKB_DROP_REASON_TCP_OLD_SEQUENCE", 30),
            ("SKB_DROP_REASON_MAX", 128),
        ]);
        let numbers: Vec<u32> = reasons.iter().map(|(number, _)| number).collect();
        assert_eq!(numbers, [12]);
        assert_eq!(reasons.get(12).as_str(), "NETFILTER_DROP");
        assert_eq!(reasons.get(13), KernelName::UNKNOWN);
    }
}
