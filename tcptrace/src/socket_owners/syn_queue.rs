//! The SYN queue of a listener: requests whose SYN was answered, and that wait for the ACK. The kernel does not report its
//! length, but lists the requests; and it limits their number only if SYN cookies are off (tcp_conn_request of
//! net/ipv4/tcp_input.c).

use std::fs;

use super::sock_diag_reply::Socket;
use tcptrace_core::{event::AcceptQueue, tcp::TcpState};

/// Returns the number of requests above which a listener of the calling thread's network namespace takes none from a host of
/// which it knows nothing, however long its own queue may be; `None` if SYN cookies are on, or that is unknown.
pub(super) fn limit() -> Option<u32> {
    let setting = |name| fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).ok();
    limit_of(&setting("tcp_syncookies")?, &setting("tcp_max_syn_backlog")?)
}

/// Returns that limit by these settings. The last quarter is kept for hosts that have been connected before.
fn limit_of(cookies: &str, max_syn_backlog: &str) -> Option<u32> {
    let most: u32 = max_syn_backlog.trim().parse().ok()?;
    (cookies.trim() == "0").then_some(most - (most >> 2))
}

/// Returns the queue of a listener. `sockets` are all listeners and requests of its namespace: `None` if another listener on the
/// port may have some of the requests.
pub(super) fn of(listener: &Socket, sockets: &[Socket], limit: u32) -> Option<AcceptQueue> {
    let on_port = |socket: &&Socket| socket.local.port == listener.local.port;
    let listeners = sockets.iter().filter(on_port).filter(|socket| socket.state == TcpState::Listen).count();
    let requests = sockets.iter().filter(on_port).filter(|socket| socket.state == TcpState::SynRecv).count();
    let limit = limit.min(listener.queue?.limit);
    (listeners == 1).then(|| AcceptQueue { length: u32::try_from(requests).unwrap_or(u32::MAX), limit })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tcptrace_core::event::Endpoint;

    #[test]
    fn cookies_lift_the_limit() {
        assert_eq!(limit_of("1\n", "128\n"), None);
        assert_eq!(limit_of("2\n", "128\n"), None);
        assert_eq!([limit_of("0\n", "128\n"), limit_of("0\n", "130\n")], [Some(96), Some(98)]);
        assert_eq!([limit_of("", "128"), limit_of("0", "")], [None, None]);
    }

    #[test]
    fn the_requests_are_those_of_the_only_listener_on_the_port() {
        let at = |addr: [u8; 4], port| Endpoint { addr: addr.into(), port };
        let here = at([192, 0, 2, 1], 80);
        let (any, nobody) = (at([0; 4], 80), at([0; 4], 0));
        let limit = 8;
        let queue = Some(AcceptQueue { length: 0, limit });
        let listener = Socket { queue, ..Socket::idle(TcpState::Listen, any, nobody) };
        let request = |port| Socket::idle(TcpState::SynRecv, here, at([192, 0, 2, 7], port));
        let elsewhere = Socket::idle(TcpState::SynRecv, at([192, 0, 2, 1], 81), at([192, 0, 2, 7], 1));
        let mut sockets = vec![listener, request(1), request(2), elsewhere];
        assert_eq!(of(&listener, &sockets, 96), Some(AcceptQueue { length: 2, limit: 8 }));
        assert_eq!(of(&listener, &sockets, 1), Some(AcceptQueue { length: 2, limit: 1 }));
        sockets.push(Socket { queue, ..Socket::idle(TcpState::Listen, here, nobody) });
        assert_eq!(of(&listener, &sockets, 96), None);
    }
}
