//! Why a kernel program records nothing of what it was run for.

/// A reason to skip a frame or a socket event. Each has a counter per processor in the map
/// [`SKIPPED`](crate::names::SKIPPED).
///
/// Neither what the user's filter excludes nor a segment that `--segments` does not ask for is skipped in this sense,
/// and a record that found the ring full is lost, which has a counter of its own. A frame counts once on each interface
/// that it passes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u32)]
pub enum Skip {
    /// The frame holds neither IPv4 nor IPv6, directly or behind at most two VLAN tags: ARP, PPPoE, MPLS.
    NotIp,
    /// An IP datagram that holds neither TCP nor an ICMP error about TCP: UDP, ESP, echo requests.
    NotTcp,
    /// A fragment other than the first of its datagram, which has no TCP header.
    Fragment,
    /// IPv6 with more extension headers than are walked.
    ExtensionHeaders,
    /// A header that contradicts itself: an IP version other than the frame announces, or a length (IPv4 header length,
    /// TCP data offset) below that of the header's fixed part (RFC 791 §3.1, RFC 9293 §3.1).
    Malformed,
    /// The frame ends before the headers that it announces do.
    Truncated,
    /// The kernel's memory of a socket or of its segment could not be read, so that a state change or a hint is
    /// missing.
    Unreadable,
}

impl Skip {
    /// Every reason, at the index of its counter.
    pub const ALL: [Self; 7] = [
        Self::NotIp,
        Self::NotTcp,
        Self::Fragment,
        Self::ExtensionHeaders,
        Self::Malformed,
        Self::Truncated,
        Self::Unreadable,
    ];

    /// Index of the reason's counter, below the length of [`Skip::ALL`].
    #[inline(always)]
    pub const fn index(self) -> u32 {
        self as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_stands_at_the_index_of_its_counter() {
        let indices = Skip::ALL.map(Skip::index);
        assert_eq!(indices, [0, 1, 2, 3, 4, 5, 6]);
    }
}
