//! Counts of the frames of a capture.

/// Counts of what was read. Every frame is counted once: `frames` is the sum of `segments`, `icmp_errors`, `short` and
/// [`Skipped::total`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counters {
    /// Bytes of the file up to the end of the last complete record.
    pub bytes: u64,
    /// Complete frames of any kind.
    pub frames: u64,
    /// TCP segments.
    pub segments: u64,
    /// Those of them that are copies of another on the same interface.
    pub copies: u64,
    /// ICMP and ICMPv6 errors that quote a TCP segment.
    pub icmp_errors: u64,
    /// Those of them in frames that are shorter than the IP header says. The length of such a segment is what the frame had.
    pub shortened: u64,
    /// Frames cut by the snap length before a TCP header is complete or can be ruled out.
    pub short: u64,
    /// Frames without a segment or ICMP error.
    pub skipped: Skipped,
    /// Frames with a time before that of the preceding frame, other than next to [outliers](Self::outliers).
    pub backwards: u64,
    /// Frames with a time far from those of the frames around them, which were given that of the preceding frame.
    pub outliers: u64,
    /// Frames without a time (simple packet blocks), which were given that of the preceding frame.
    pub untimed: u64,
    /// Frames that the capturing program reports as lost (interface statistics blocks).
    pub lost: u64,
}

/// Frames without a segment or ICMP error, by reason.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Skipped {
    /// Neither IPv4 nor IPv6.
    pub not_ip: u64,
    /// IP, but neither TCP nor an ICMP error that quotes TCP.
    pub not_tcp: u64,
    /// A fragment of a TCP segment without the header: one other than the first, or a first one that is too short.
    pub fragment: u64,
    /// Lengths or versions that contradict each other.
    pub malformed: u64,
    /// More layers of encapsulation than are decoded.
    pub nested: u64,
    /// Captured on an interface whose link type is not supported.
    pub link_type: u64,
    /// Captured on an interface that the file does not describe.
    pub interface: u64,
}

impl Skipped {
    /// Returns the sum of all reasons.
    pub fn total(&self) -> u64 {
        let Self { not_ip, not_tcp, fragment, malformed, nested, link_type, interface } = self;
        not_ip + not_tcp + fragment + malformed + nested + link_type + interface
    }
}
