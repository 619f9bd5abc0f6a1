//! Listeners shared by several processes: only its close shows which of them accepted a connection.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    os::fd::OwnedFd,
    process::{Command, Stdio},
};

use serde_json::json;
use tcptrace_tests::{Actor, Netns, SOME, TRAFFIC_LIMIT, Traffic, assert_record, but, endpoint, eventually, text};

use super::{Plain, start, wait_verdicts};

/// Number of connections, enough for each process to get some where the kernel distributes them.
const COUNT: usize = 40;

pub(super) fn traffic() -> Command {
    Command::new(env!("CARGO_BIN_EXE_tt-traffic"))
}

/// Starts a worker that serves a listener held by others, too.
#[track_caller]
pub(crate) fn worker(netns: &Netns, listener: &TcpListener) -> Traffic {
    let copy = OwnedFd::from(listener.try_clone().expect("a listener can be duplicated"));
    let worker = Traffic::start(netns, traffic().arg("work").stdin(Stdio::from(copy)));
    worker.wait_ready();
    worker
}

/// Ends servers once they have served `count` clients between them; returns the process ID and the clients of each server.
#[track_caller]
pub(crate) fn served(servers: Vec<Traffic>, count: usize) -> Vec<(u32, Vec<SocketAddr>)> {
    // A line for each client, after the one that reports that the server is ready.
    let served = || servers.iter().map(|server| server.count() - 1).sum::<usize>();
    eventually("the word of the servers", TRAFFIC_LIMIT, || served() == count);
    let address = |line: String| line.parse().expect("an address");
    let lines = |server: Traffic| server.kill().into_iter().filter(|line| line != "ready").map(address).collect();
    servers.into_iter().map(|server| (server.id(), lines(server))).collect()
}

/// Plays clients of servers that were started by `serve`, before tracing begins or after it. No handshake can name the
/// server that will accept the connection, but every close does. Returns the number of clients of each server.
fn check(port: u16, serve_first: bool, serve: impl FnOnce(&Netns, SocketAddr) -> Vec<Traffic>) -> Vec<usize> {
    let netns = Netns::new();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let (tracer, servers) = if serve_first {
        let servers = serve(&netns, address);
        (start(&netns, &[port]), servers)
    } else {
        let tracer = start(&netns, &[port]);
        (tracer, serve(&netns, address))
    };
    let client = Actor::new(&netns, "tt-client");
    for _ in 0..COUNT {
        let stream = client.connect(address);
        client.run(move || ask(stream));
    }
    wait_verdicts(&tracer, &netns, COUNT, COUNT);
    let trace = tracer.stop();
    let served = served(servers, COUNT);
    let counts: Vec<_> = served.iter().map(|(_, clients)| clients.len()).collect();
    let verdicts = trace.verdicts(&netns);
    assert_eq!(verdicts.len(), COUNT);
    for connection in verdicts {
        let client = endpoint(connection.handshake, "client").expect("an endpoint");
        let server = served.iter().find(|(_, clients)| clients.contains(&client)).expect("it was served").0;
        let plain = Plain { bytes: (REQUEST.len(), 0), ..Plain::new(&netns, client, address) };
        assert_record(
            connection.handshake,
            &but(plain.handshake(), json!({ "server": { "pid": null, "comm": null, "thread": null } })),
        );
        let close = connection.close.expect("a close");
        assert!(["three_segment", "four_segment"].contains(&text(close, "kind")), "{close}");
        let by_one = json!({
            "kind": SOME, "server": { "pid": server, "comm": "tt-traffic", "thread": null }, "summary": ["closed by the client, "],
        });
        assert_record(close, &but(plain.close(), by_one));
    }
    counts
}

/// No bytes up, none down, and the client closes.
const REQUEST: &[u8] = b"\0\0\0\0\0\0\0\0c";

fn ask(mut stream: TcpStream) {
    std::io::Write::write_all(&mut stream, REQUEST).expect("a request can be sent");
    tcptrace_tests::close(stream);
}

#[test]
fn a_port_that_processes_share() {
    let counts = check(4833, false, |netns, address| {
        let listen = |_| Traffic::start(netns, traffic().args(["listen", &address.to_string()]));
        let servers: Vec<_> = (0..2).map(listen).collect();
        servers.iter().for_each(Traffic::wait_ready);
        servers
    });
    // The kernel chooses by the client's port.
    assert!(!counts.contains(&0), "{counts:?}");
}

#[test]
fn a_listener_that_workers_inherited() {
    check(4834, true, |netns, address| {
        let listener = netns.run(|| TcpListener::bind(address)).expect("a free port");
        (0..2).map(|_| worker(netns, &listener)).collect()
    });
}
