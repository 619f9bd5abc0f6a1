//! Scenarios played on a real kernel, with everything that the tracer must report about them.

pub(crate) mod closing;
mod opening;
pub(crate) mod shapes;

use std::{
    io::{ErrorKind, Read as _},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

use socket2::SockRef;
use tcptrace_tests::{Connection, Ends, Netns, Tracer, is_type, send, text};

/// Traces everything at a port inside `netns`.
#[track_caller]
fn start(netns: &Netns, port: u16) -> Tracer {
    Tracer::start(netns, &["-p", &port.to_string()])
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Drops incoming packets that match the condition. The tracer has seen them leave by then.
#[track_caller]
fn drop_at_input(netns: &Netns, condition: &str) {
    netns.nft(&format!("table ip t {{ chain c {{ type filter hook input priority 0; {condition} drop; }}; }}"));
}

/// Waits until `count` segments with these flags have been sent.
#[track_caller]
fn wait_segments(tracer: &Tracer, flags: &str, count: usize) {
    tracer.wait_until(&format!("{count} segments with {flags}"), |records| {
        records.iter().filter(|record| is_type(record, "segment") && text(record, "flags") == flags).count() >= count
    });
}

/// Plays an exchange until `play` says that a FIN carried the ACK of the other one, five times at most: the kernel delays
/// that ACK by 40 ms, within which an end on a busy machine may not close.
#[track_caller]
pub(crate) fn until_in_time(play: impl Fn() -> bool) {
    assert!((0..5).any(|_| play()), "no FIN came in time");
}

/// Waits until this many connections inside `netns` have a handshake record, and this many a close.
#[track_caller]
pub(crate) fn wait_verdicts(tracer: &Tracer, netns: &Netns, handshakes: usize, closes: usize) {
    tracer.wait_until(&format!("{handshakes} handshakes and {closes} closes"), |records| {
        let here =
            |kind| records.iter().filter(move |record| is_type(record, kind) && record["netns"] == netns.inode());
        here("handshake").count() >= handshakes && here("close").count() >= closes
    });
}

/// The client sends 14 bytes, and the server closes without reading them, with SO_LINGER 0: a reset, after which the client
/// closes.
#[track_caller]
pub(crate) fn abort_unread(ends: &Ends, connection: Connection) {
    send(&connection.client, 14);
    connection.server.peek(&mut [0; 14]).expect("data to come");
    SockRef::from(&connection.server).set_linger(Some(Duration::ZERO)).expect("a socket can linger");
    ends.server.close(connection.server);
    receive_reset(&connection.client);
    ends.client.close(connection.client);
}

/// Waits for the other end's reset.
#[track_caller]
pub(crate) fn receive_reset(mut stream: &TcpStream) {
    assert_eq!(stream.read(&mut [0]).expect_err("a reset").kind(), ErrorKind::ConnectionReset);
}
