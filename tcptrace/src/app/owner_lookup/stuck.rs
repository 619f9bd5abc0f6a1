//! Reports of sockets that make no progress, as events.

use std::time::Duration;

use crate::{
    host_clock::nanoseconds,
    socket_owners::{Socket, TcpInfo},
};
use tcptrace_core::{
    event::{BootTime, Event, SocketReport},
    filter::{Ends, Filter},
    tcp::TcpState,
};

/// Returns the reports about those of the sockets that match the filter. `netns` is the inode number of their network namespace,
/// unless it is the tracer's own.
pub(in crate::app) fn reports(
    netns: Option<u32>,
    sockets: &[Socket],
    asked: BootTime,
    filter: &Filter,
    now: BootTime,
) -> impl Iterator<Item = Event> {
    let matches = |socket: &&Socket| filter.matches(socket.local, socket.remote, Ends::LocalIsFirst);
    sockets.iter().filter(matches).map(move |socket| Event::Report(report(socket, netns, asked, now)))
}

fn report(socket: &Socket, netns: Option<u32>, asked: BootTime, at: BootTime) -> SocketReport {
    let info = socket.info.as_ref();
    let window_closed = info.is_some_and(|info| (info.probes > 0 || info.backoff > 0) && info.send_window == Some(0));
    SocketReport {
        at,
        asked,
        netns,
        conn_netns: None,
        local: socket.local,
        remote: socket.remote,
        state: socket.state,
        unaccepted: socket.inode.is_none() && matches!(socket.state, TcpState::Established | TcpState::CloseWait),
        unacked_bytes: socket.unacknowledged,
        acked_bytes: info.map(|info| info.bytes_acked),
        retransmissions: u32::from(info.map_or(socket.retransmits, |info| info.retransmits)),
        window_closed,
        segment_size: info.map(|info| info.send_mss),
        stuck_ns: info.map_or(0, |info| nanoseconds(timeouts(info, window_closed))),
    }
}

/// Returns the time that the timeouts so far have taken: each was twice as long as the one before, up to a limit that makes
/// the actual time longer.
fn timeouts(info: &TcpInfo, window_closed: bool) -> Duration {
    let doubled = u32::from(info.backoff).min(16);
    // The stored timeout of window probes is not doubled.
    let first = if window_closed { info.rto } else { info.rto / (1 << doubled) };
    first.saturating_mul((1 << doubled) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(backoff: u8, rto_ms: u64) -> TcpInfo {
        TcpInfo {
            retransmits: backoff,
            probes: 0,
            backoff,
            rto: Duration::from_millis(rto_ms),
            send_mss: 1448,
            last_data_sent: Duration::ZERO,
            last_data_received: Duration::ZERO,
            last_ack_received: Duration::ZERO,
            bytes_acked: 0,
            unsent: 0,
            send_window: Some(1),
        }
    }

    #[test]
    fn the_timeouts_are_added_up() {
        // 200 ms, 400 ms and 800 ms have passed, and the timer is at 1.6 s.
        assert_eq!(timeouts(&info(3, 1600), false), Duration::from_millis(1400));
        assert_eq!(timeouts(&info(0, 200), false), Duration::ZERO);
        assert_eq!(timeouts(&info(3, 200), true), Duration::from_millis(1400));
        // At the limit of 120 s.
        assert!(timeouts(&info(15, 120_000), false) < Duration::from_secs(240));
        assert!(timeouts(&info(u8::MAX, 120_000), false) < Duration::from_secs(240));
    }
}
