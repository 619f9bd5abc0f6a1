//! What became of the frames of a capture.

/// What was read. Every frame is counted once: `frames` is the sum of `segments`, `icmp_errors`, `short` and
/// [`Skipped::total`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counters {
    /// Bytes of the file, up to the end of the last complete record.
    pub bytes: u64,
    /// Complete frames of any kind.
    pub frames: u64,
    /// TCP segments.
    pub segments: u64,
    /// ICMP and ICMPv6 errors that quote a TCP segment.
    pub icmp_errors: u64,
    /// Frames of which the snap length left too little to read a TCP header, or to know that there is none.
    pub short: u64,
    /// Frames that hold nothing to read.
    pub skipped: Skipped,
    /// Frames whose time is before that of the frame ahead of them.
    pub backwards: u64,
    /// Frames that carry no time (simple packet blocks): they were given that of the frame ahead of them.
    pub untimed: u64,
    /// Frames that the capturing program says it lost (interface statistics blocks).
    pub lost: u64,
}

/// Frames that hold nothing to read, by reason.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Skipped {
    /// Neither IPv4 nor IPv6.
    pub not_ip: u64,
    /// IP, but neither TCP nor an ICMP error that quotes TCP.
    pub not_tcp: u64,
    /// A fragment of a TCP segment other than the first.
    pub fragment: u64,
    /// Lengths or versions contradict each other.
    pub malformed: u64,
    /// More layers of encapsulation than are read.
    pub nested: u64,
    /// Seen on an interface whose link type is not supported.
    pub link_type: u64,
    /// Of an interface that the file does not describe.
    pub interface: u64,
}

impl Skipped {
    /// All of them.
    pub fn total(&self) -> u64 {
        let Self { not_ip, not_tcp, fragment, malformed, nested, link_type, interface } = self;
        not_ip + not_tcp + fragment + malformed + nested + link_type + interface
    }
}
