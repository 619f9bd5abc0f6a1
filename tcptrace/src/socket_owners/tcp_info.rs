//! The part of `tcp_info` that shows how long a connection has been silent and what it waits for.

use std::time::Duration;

/// The kernel's knowledge of a connection (`struct tcp_info`, include/uapi/linux/tcp.h).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TcpInfo {
    /// Number of timeouts after which the same data was sent again without an answer.
    pub retransmits: u8,
    /// Number of window probes without an answer.
    pub probes: u8,
    /// Number of times that the timer was doubled.
    pub backoff: u8,
    /// Retransmission timeout, doubled as often.
    pub rto: Duration,
    /// Maximum segment size of what it sends, in bytes.
    pub send_mss: u32,
    /// Time since it last sent data.
    pub last_data_sent: Duration,
    /// Time since it last received data, or since it was established.
    pub last_data_received: Duration,
    /// Time since it last received an ACK.
    pub last_ack_received: Duration,
    /// Payload bytes that were acknowledged so far.
    pub bytes_acked: u64,
    /// Payload bytes written that have not been sent.
    pub unsent: u32,
    /// The other end's window in bytes; none before Linux 5.4.
    pub send_window: Option<u32>,
}

impl TcpInfo {
    /// Decodes the structure, which later kernels extend; `None` if it is shorter than in Linux 4.6.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let byte = |at: usize| bytes.get(at).copied();
        let number = |at: usize| Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?));
        let long = |at: usize| Some(u64::from_ne_bytes(*bytes.get(at..)?.first_chunk()?));
        let milliseconds = |at: usize| number(at).map(|count| Duration::from_millis(count.into()));
        Some(Self {
            retransmits: byte(2)?,
            probes: byte(3)?,
            backoff: byte(4)?,
            rto: Duration::from_micros(number(8)?.into()),
            send_mss: number(16)?,
            last_data_sent: milliseconds(44)?,
            last_data_received: milliseconds(52)?,
            last_ack_received: milliseconds(56)?,
            bytes_acked: long(120)?,
            unsent: number(144)?,
            send_window: number(228),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_where_the_kernel_puts_them() {
        let mut bytes = vec![0; 248];
        bytes[2..5].copy_from_slice(&[3, 4, 5]);
        let numbers = [(8, 1_632_000), (16, 1448), (44, 44), (52, 52), (56, 56), (144, 9), (228, 0xfff0)];
        for (at, number) in numbers {
            bytes[at..at + 4].copy_from_slice(&u32::to_ne_bytes(number));
        }
        bytes[120..128].copy_from_slice(&u64::to_ne_bytes(1 << 40));
        let expected = TcpInfo {
            retransmits: 3,
            probes: 4,
            backoff: 5,
            rto: Duration::from_micros(1_632_000),
            send_mss: 1448,
            last_data_sent: Duration::from_millis(44),
            last_data_received: Duration::from_millis(52),
            last_ack_received: Duration::from_millis(56),
            bytes_acked: 1 << 40,
            unsent: 9,
            send_window: Some(0xfff0),
        };
        assert_eq!(TcpInfo::decode(&bytes), Some(expected));
        assert_eq!(TcpInfo::decode(&bytes[..228]), Some(TcpInfo { send_window: None, ..expected }));
        assert_eq!(TcpInfo::decode(&bytes[..147]), None);
    }
}
