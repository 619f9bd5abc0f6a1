//! A thousand connections that are open at the same time, through servers in processes of their own.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr, TcpListener},
};

use serde_json::{Value, json};
use tcptrace_tests::{ANY, Netns, Traffic, assert_record, but, endpoint, is_type, number, text};

use super::{
    Plain,
    listeners::{served, traffic, worker},
    start, states_of, wait_verdicts,
};

const PORT: u16 = 4835;
const COUNT: usize = 1000;
const WORKERS: usize = 3;

/// The bytes that the client sends on a connection.
struct Asked {
    bytes: (usize, usize),
    closer: String,
}

impl Asked {
    fn read(line: &str) -> (SocketAddr, Self) {
        let words: Vec<&str> = line.split(' ').collect();
        let [client, up, down, closer] = words.as_slice() else { panic!("{line}") };
        let number = |text: &str| text.parse().expect("a number");
        let asked = Self { bytes: (number(up), number(down)), closer: (*closer).to_owned() };
        (client.parse().expect("an address"), asked)
    }

    /// Returns the close, by its differences from that of a plain connection; `server` is the process that served it, `kind`
    /// that of the close.
    fn close(&self, plain: &Plain<'_>, server: u32, kind: &str) -> Value {
        let active = || ["ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT"];
        let passive = || ["ESTABLISHED", "CLOSE_WAIT", "LAST_ACK", "CLOSE"];
        let reset = || ["ESTABLISHED", "CLOSE"].as_slice();
        let end = |first, states: &[&str]| states_of(true, &[&[first], states].concat());
        let segments = match kind {
            "three_segment" => "three segments",
            _ => "four segments",
        };
        let process = json!({ "pid": server, "comm": "tt-traffic", "thread": null });
        let how = match self.closer.as_str() {
            "reset" => json!({
                "kind": "reset", "reset": { "by": "client", "cause": "linger" }, "time_wait": null,
                // The server's socket was gone before its process could close it.
                "server": { "pid": ANY, "comm": ANY, "thread": ANY }, "half_close_ns": null, "half_closed_bytes": null,
                "retransmissions": { "client": null, "server": null },
                "states": { "client": end("SYN_SENT", reset()), "server": end("SYN_RECV", reset()) },
                "summary": ["reset by the client: it closed with SO_LINGER 0; "],
            }),
            "client" => json!({
                "kind": kind, "server": process, "summary": [format!("closed by the client, {segments}; ")],
            }),
            "server" => json!({
                "kind": kind, "server": process, "initiator": "server", "time_wait": "server",
                "states": { "client": end("SYN_SENT", &passive()), "server": end("SYN_RECV", &active()) },
                "summary": [format!("closed by the server, {segments}; ")],
            }),
            other => panic!("{other} closes nothing"),
        };
        but(plain.close(), how)
    }
}

#[test]
fn a_thousand_connections_at_once() {
    // The kernel skips a program that an interrupt hits in the middle of itself, so this test would cause losses in others.
    let netns = Netns::alone();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    let listener = netns.run(|| listen(address));
    let workers: Vec<_> = (0..WORKERS).map(|_| worker(&netns, &listener)).collect();
    let tracer = start(&netns, &[PORT]);
    let clients = Traffic::start(&netns, traffic().args(["connect", &address.to_string(), &COUNT.to_string()]));
    let client_process = clients.id();
    let asked: HashMap<_, _> = clients.finish().iter().map(|line| Asked::read(line)).collect();
    wait_verdicts(&tracer, &netns, COUNT, COUNT);
    let trace = tracer.stop();
    let served: HashMap<SocketAddr, u32> = served(workers, COUNT)
        .into_iter()
        .flat_map(|(process, clients)| clients.into_iter().map(move |client| (client, process)))
        .collect();
    assert_eq!((asked.len(), served.len()), (COUNT, COUNT));

    trace.nothing_lost();
    let counts = ["connections", "open", "evicted"].map(|field| number(trace.end(), field));
    assert_eq!(counts, [COUNT as u64, 0, 0]);
    let [handshakes, closes] = ["handshake", "close"].map(|kind| trace.of_type(kind));
    assert_eq!((handshakes.len(), closes.len()), (COUNT, COUNT));
    let place = |wanted: &dyn Fn(&Value) -> bool| trace.records.iter().position(wanted);
    let last_opened = trace.records.iter().rposition(|record| is_type(record, "handshake"));
    let first_closed = place(&|record| is_type(record, "state") && record["old"] == "ESTABLISHED");
    assert!(last_opened < first_closed, "all were open before any closed");

    let closes: HashMap<u64, &Value> = closes.into_iter().map(|close| (number(close, "conn"), close)).collect();
    for handshake in handshakes {
        let client = endpoint(handshake, "client").expect("an endpoint");
        let (asked, server) = (&asked[&client], served[&client]);
        let plain = Plain { bytes: asked.bytes, ..Plain::new(&netns, client, address) };
        let by = |process: u32| json!({ "pid": process, "comm": "tt-traffic", "thread": null });
        // The accepting process is unknown at that time.
        let processes = json!({ "client": by(client_process), "server": { "pid": ANY, "comm": ANY, "thread": ANY } });
        right_or_null(handshake, server);
        assert_record(handshake, &but(plain.handshake(), processes));

        let close = closes[&number(handshake, "conn")];
        let kind = text(close, "kind");
        assert!(["three_segment", "four_segment", "reset"].contains(&kind), "{close}");
        right_or_null(close, server);
        let expected = but(asked.close(&plain, server, kind), json!({ "client": by(client_process) }));
        assert_record(close, &expected);
    }
    let closers: Vec<_> = asked.values().map(|asked| asked.closer.as_str()).collect();
    for closer in ["client", "server", "reset"] {
        assert!(closers.contains(&closer), "{closer} closes some");
    }
}

/// The process of the server's end may be unknown, but a wrong one must not be named.
#[track_caller]
fn right_or_null(record: &Value, server: u32) {
    let named = &record["server"]["pid"];
    assert!(named.is_null() || *named == server, "{server} served it: {record}");
}

/// A listener with room for all of them.
fn listen(at: SocketAddr) -> TcpListener {
    let socket = socket2::Socket::new(socket2::Domain::for_address(at), socket2::Type::STREAM, None);
    let socket = socket.expect("a socket can be made");
    socket.bind(&at.into()).expect("a free port");
    socket.listen(i32::try_from(COUNT).expect("it fits")).expect("a bound socket can listen");
    socket.into()
}
