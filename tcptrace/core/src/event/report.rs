//! The kernel's report of a socket whose connection makes no progress.

use super::{BootTime, Endpoint};
use crate::tcp::TcpState;

/// The state of a socket that makes no progress, or that makes progress again; looked up rather than observed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SocketReport {
    /// Time at which the answer arrived.
    pub at: BootTime,
    /// Time at which the kernel was asked: the answer does not include later events of the connection.
    pub asked: BootTime,
    /// Inode number of the socket's network namespace, if known.
    pub netns: Option<u32>,
    /// Namespace under which a recording knows its connection, if other than its own.
    pub conn_netns: Option<u32>,
    /// Local end.
    pub local: Endpoint,
    /// Remote end.
    pub remote: Endpoint,
    /// State of the socket.
    pub state: TcpState,
    /// True if it waits for a process that accepts it.
    pub unaccepted: bool,
    /// Payload bytes written that the other end has not acknowledged.
    pub unacked_bytes: u32,
    /// Payload bytes acknowledged so far, if known: as long as the number stays, there is no progress.
    pub acked_bytes: Option<u64>,
    /// Number of retransmission timeouts since the last ACK that acknowledged something.
    pub retransmissions: u32,
    /// True if the other end's receive window is closed, and is probed.
    pub window_closed: bool,
    /// Maximum payload of its segments in bytes, if known.
    pub segment_size: Option<u32>,
    /// Minimum time for which it has made no progress, in nanoseconds: that of its timeouts.
    pub stuck_ns: u64,
}

/// The event that a socket without progress waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum StuckOn {
    /// An answer to its SYN or its SYN,ACK.
    Handshake,
    /// A process that accepts it.
    Accept,
    /// Room at the other end.
    Window,
    /// An ACK of what it has sent several times.
    Ack,
}

impl SocketReport {
    /// Returns what the socket waits for; `None` if it makes progress.
    pub fn stuck(&self) -> Option<StuckOn> {
        use TcpState::{CloseWait, Closing, Established, FinWait1, LastAck, SynRecv, SynSent};
        match self.state {
            SynSent | SynRecv => (self.retransmissions > 0).then_some(StuckOn::Handshake),
            Established | CloseWait if self.unaccepted => Some(StuckOn::Accept),
            Established | CloseWait | FinWait1 | LastAck | Closing if self.window_closed => Some(StuckOn::Window),
            Established | CloseWait | FinWait1 | LastAck | Closing => {
                (self.retransmissions > 0).then_some(StuckOn::Ack)
            }
            _ => None,
        }
    }
}
