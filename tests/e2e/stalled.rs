//! Connections that make no progress although no event shows it: the kernel's reports of their sockets.

use std::{
    io::Write as _,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    process::{Command, Stdio},
};

use rustix::process::Signal;
use serde_json::{Value, json};
use tcptrace_tests::{
    Actor, Connection, Ends, LIMIT, Lines, Netns, Process, Tracer, binary, is_type, number, send, text, wait_tracing,
};

use crate::namespaces::wait_covered;

const PORT: u16 = 4971;

fn ends(netns: &Netns) -> Ends {
    Ends::on(netns, SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)))
}

fn start(netns: &Netns) -> Tracer {
    Tracer::start(netns, &["-p", &PORT.to_string()])
}

/// Drops the segments that the client of a connection sends from now on.
fn cut(netns: &Netns, connection: &Connection) {
    let from = connection.client_address().port();
    netns.nft(&format!(
        "add table ip t; add chain ip t in {{ type filter hook input priority 0; }}; add rule ip t in tcp sport {from} drop"
    ));
}

/// Writes until the kernel accepts no more; returns the number of bytes.
fn fill(stream: &TcpStream) -> u64 {
    stream.set_nonblocking(true).expect("a socket can be non-blocking");
    let (chunk, mut written) = ([b'x'; 65536], 0);
    while let Ok(count) = (&mut &*stream).write(&chunk) {
        written += count as u64;
    }
    written
}

/// Waits for the first record of a stall of a connection, and returns it.
#[track_caller]
fn first_stall(tracer: &Tracer, what: &str) -> Value {
    let mut found = None;
    tracer.wait_until(what, |records| {
        found = records.iter().find(|record| is_type(record, "stalled")).cloned();
        found.is_some()
    });
    found.expect("it was waited for")
}

/// Returns the seconds from `since` to the record.
fn after(stalled: &Value) -> f64 {
    const DAY: f64 = 86_400.0;
    let time = |field: &str| -> f64 {
        let clock = text(stalled, field).get(11..29).expect("a time with nine digits");
        clock.split(':').map(|part| part.parse::<f64>().expect("a number")).fold(0.0, |sum, part| sum * 60.0 + part)
    };
    (time("time") - time("since")).rem_euclid(DAY)
}

/// A trace whose stdout is a list.
fn list(netns: &Netns) -> (Process, Lines<String>) {
    let mut command = Command::new(binary());
    command.args(["-p", &PORT.to_string(), "-o", "list"]).env("LC_ALL", "C.UTF-8");
    let mut process = netns.start(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()));
    let (lines, log) = (Lines::read(process.stdout(), |line| line), Lines::read(process.stderr(), |line| line));
    wait_tracing(&log);
    (process, lines)
}

#[test]
fn data_into_a_black_hole_is_told_with_its_timeouts_live_and_from_the_recording() {
    let netns = Netns::new();
    let ends = ends(&netns);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("trace.jsonl");
    let path = path.to_str().expect("UTF-8");
    let tracer = Tracer::start(&netns, &["-p", &PORT.to_string(), "-w", path]);
    let connection = ends.open();
    cut(&netns, &connection);
    send(&connection.client, 14);
    let stalled = first_stall(&tracer, "unacknowledged data");
    assert!(text(&stalled, "summary").starts_with("14 B of the client are not acknowledged after "), "{stalled}");
    let words = " retransmission timeouts; netfilter on this host dropped ";
    assert!(text(&stalled, "summary").contains(words), "{stalled}");
    assert_eq!(
        [&stalled["waiting_for"], &stalled["turn"], &stalled["unacked_bytes"]],
        [&json!("data_ack"), &json!("network"), &json!(14)]
    );
    assert!(number(&stalled, "retransmissions") >= 2 && after(&stalled) > 0.999, "{stalled}");
    assert_eq!(stalled["state"], json!({"client": "ESTABLISHED", "server": "ESTABLISHED"}));
    let trace = tracer.stop();
    assert!(!trace.of_type("report").is_empty(), "the recording has what the kernel told");
    let replayed = netns.output(Command::new(binary()).args(["-r", path, "--json"]));
    let replayed: Vec<Value> = replayed.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let words = |records: &[Value]| -> Vec<Value> {
        records.iter().filter(|record| is_type(record, "stalled") || is_type(record, "report")).cloned().collect()
    };
    let live: Vec<Value> = trace.of_type("report").into_iter().chain(trace.of_type("stalled")).cloned().collect();
    assert_eq!(words(&replayed).len(), live.len());
    assert!(words(&replayed).iter().all(|record| live.contains(record)), "{replayed:#?} {live:#?}");
}

#[test]
fn a_receiver_that_does_not_read_is_told() {
    let netns = Netns::new();
    let ends = ends(&netns);
    let tracer = start(&netns);
    let connection = ends.open();
    let written = fill(&connection.client);
    let stalled = first_stall(&tracer, "a closed window");
    let waiting = number(&stalled, "unacked_bytes");
    assert!(waiting > 0 && waiting < written, "{stalled}: {written}");
    let sentence = format!("the server's receive window is closed; {waiting} B of the client wait for it");
    assert_eq!(text(&stalled, "summary"), sentence);
    assert_eq!([&stalled["waiting_for"], &stalled["turn"]], [&json!("window"), &json!("server")]);
    tracer.stop();
}

#[test]
fn what_no_process_accepts_is_told() {
    let netns = Netns::new();
    let ends = ends(&netns);
    let tracer = start(&netns);
    let _waiting = ends.client.connect(ends.address);
    let stalled = first_stall(&tracer, "a connection that nobody accepts");
    assert_eq!(text(&stalled, "summary"), "no process of the server has accepted it: it waits in the accept queue");
    assert_eq!([&stalled["waiting_for"], &stalled["turn"]], [&json!("accept"), &json!("server")]);
    assert!(after(&stalled) > 0.999, "{stalled}");
    tracer.stop();
}

/// As in a container.
#[test]
fn what_no_process_accepts_in_another_namespace_is_told() {
    let own = Netns::new();
    let pod = own.another();
    let ends = ends(&pod);
    let tracer = Tracer::start(&own, &["-p", &PORT.to_string(), "--netns", pod.name()]);
    wait_covered(&pod, "lo");
    let _waiting = ends.client.connect(ends.address);
    let stalled = first_stall(&tracer, "a connection that nobody accepts");
    assert_eq!(text(&stalled, "summary"), "no process of the server has accepted it: it waits in the accept queue");
    assert_eq!([&stalled["waiting_for"], &stalled["turn"]], [&json!("accept"), &json!("server")]);
    tracer.stop();
}

#[test]
fn what_its_client_leaves_in_the_accept_queue_is_told() {
    let netns = Netns::new();
    let ends = ends(&netns);
    let tracer = start(&netns);
    ends.client.close(ends.client.connect(ends.address));
    tracer.wait_for("that nobody has accepted it", |record| {
        is_type(record, "stalled")
            && text(record, "summary")
                == "the client closed its side; the server has not: CLOSE_WAIT; \
                    no process of the server has accepted it: it waits in the accept queue"
            && record["waiting_for"] == json!("accept")
    });
    tracer.stop();
}

#[test]
fn a_full_accept_queue_is_told_of_who_waits_in_it_and_of_who_does_not_get_in() {
    let netns = Netns::new();
    let server = Actor::new(&netns, "tt-server");
    let client = Actor::new(&netns, "tt-client");
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    // One more than the backlog may wait.
    let listener = server.listen_with(address, 0, |_| {});
    let tracer = start(&netns);
    let first = client.connect(address);
    tracer.wait_state("ESTABLISHED", address, first.local_addr().expect("it is connected"));
    let second = client.begin_connect(address);
    for words in ["it waits in the accept queue", "the server's accept queue is full (1 of 0)"] {
        tracer.wait_for(words, |record| is_type(record, "stalled") && text(record, "summary").contains(words));
    }
    let trace = tracer.stop();
    let of = |words: &str| {
        let stalled = trace.of_type("stalled").into_iter().find(|record| text(record, "summary").contains(words));
        number(stalled.expect("it was seen"), "conn")
    };
    assert_ne!(of("it waits in the accept queue"), of("accept queue is full"));
    drop((first, second, listener));
}

#[test]
fn a_firewall_that_forgets_a_connection_from_before_is_told_in_the_list() {
    let netns = Netns::new();
    let ends = ends(&netns);
    let connection = ends.open();
    let (mut process, lines) = list(&netns);
    cut(&netns, &connection);
    send(&connection.client, 14);
    let ends = format!("{} ", connection.client_address());
    lines.wait_until("the stall", LIMIT, |lines| {
        lines.iter().any(|line| {
            line.contains("#1 ")
                && line.contains(&ends)
                && line.contains("stalled: 14 B of the client are not acknowledged after ")
        })
    });
    process.signal(Signal::INT);
    assert!(process.wait(LIMIT).success());
}

#[test]
fn a_client_whose_syns_a_firewall_holds_is_told_how_often_it_has_tried() {
    let netns = Netns::new();
    netns.nft(&format!(
        "add table ip t; add chain ip t out {{ type filter hook output priority 0; }}; add rule ip t out tcp dport {PORT} drop"
    ));
    let client = Actor::new(&netns, "tt-client");
    let (mut process, lines) = list(&netns);
    let socket = client.begin_connect(SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
    lines.wait_until("the stall", LIMIT, |lines| {
        lines.iter().any(|line| line.contains("stalled: waiting for the client's SYN, which was not seen to leave"))
    });
    process.signal(Signal::INT);
    assert!(process.wait(LIMIT).success());
    drop(socket);
}
