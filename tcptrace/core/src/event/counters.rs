//! Counters of a socket.

/// Counters of a socket (`struct tcp_sock`). Each is `None` if the kernel does not report it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Counters {
    /// Nanoseconds since the socket last sent or received a segment with data, or since the handshake if it never did; as exact
    /// as the kernel's tick, 1 to 10 ms. Null if unknown.
    pub idle_ns: Option<u64>,
    /// Bytes received that no process had read; null if unknown.
    pub unread_bytes: Option<u32>,
    /// Bytes written by a process that had never been sent; null if unknown.
    pub unsent_bytes: Option<u32>,
    /// Smoothed round-trip time in nanoseconds (RFC 6298); null without a measurement.
    pub smoothed_rtt_ns: Option<u64>,
    /// Lowest round-trip time of the last minutes in nanoseconds (`net.ipv4.tcp_min_rtt_wlen`); null without a measurement.
    pub min_rtt_ns: Option<u64>,
    /// Number of segments sent again, SYN, SYN,ACK and FIN included; null if unknown.
    pub retransmissions: Option<u32>,
    /// Window that the other end offered last, in bytes; null if nothing was unsent, and if unknown.
    pub peer_window: Option<u32>,
}

impl Counters {
    /// Returns true if data was written that had not been sent.
    pub fn has_unsent(self) -> bool {
        self.unsent_bytes.is_some_and(|bytes| bytes > 0)
    }
}
