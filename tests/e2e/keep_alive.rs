//! Keep-alive probes of a real kernel: they and their answers are marked as such, and nothing else is.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::Command,
    time::Duration,
};

use serde_json::Value;
use socket2::{SockRef, TcpKeepalive};
use tcptrace_tests::{
    Capture, Ends, Netns, Trace, Tracer, assert_opened, binary, is_type, line_of, number, output, receive, send, text,
};

const ROUNDS: usize = 2;

/// The output of `tcptrace -r` for a file.
fn read(file: &Path, arguments: &[&str]) -> String {
    output(Command::new(binary()).args(["--segments", "all", "-r"]).arg(file).args(arguments).env("LC_ALL", "C.UTF-8"))
}

fn is_probe(record: &Value) -> bool {
    is_type(record, "segment") && record["note"] == "keep_alive"
}

/// Returns the segments with a note, in a few words.
fn noted(records: &[Value], port: u16) -> Vec<String> {
    let segments = records.iter().filter(|record| is_type(record, "segment") && !record["note"].is_null());
    segments.map(|segment| format!("{} {}", line_of(segment, port), text(segment, "note"))).collect()
}

#[test]
fn an_idle_client_asks_and_the_server_answers() {
    const PORT: u16 = 4961;
    let netns = Netns::new();
    let ends = Ends::on(&netns, SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
    let folder = tempfile::tempdir().expect("a folder");
    let [recorded, captured] = ["trace.jsonl", "trace.pcap"].map(|name| folder.path().join(name));
    let path = recorded.to_str().expect("UTF-8");
    let tracer = Tracer::start(&netns, &["-p", &PORT.to_string(), "--segments", "all", "-w", path]);
    let capture = Capture::start(&netns, "lo", &format!("tcp port {PORT}"), &captured);
    let connection = ends.open();
    // Bytes that are sent and acknowledged one by one are not probes.
    for _ in 0..3 {
        send(&connection.client, 1);
        receive(&connection.server, 1);
    }
    let often = TcpKeepalive::new().with_time(Duration::from_secs(1)).with_interval(Duration::from_secs(1));
    SockRef::from(&connection.client).set_tcp_keepalive(&often).expect("a socket can ask");
    tracer.wait_until("the probes", |records| records.iter().filter(|record| is_probe(record)).count() >= ROUNDS);
    SockRef::from(&connection.client).set_keepalive(false).expect("a socket need not ask");
    ends.close_in_four(connection);
    tracer.wait_for("the close", |record| is_type(record, "close"));
    let trace = tracer.stop();
    let seen = trace.segments(&netns, PORT).len();
    capture.finish(seen);

    // As many rounds as there was time for.
    let rounds = trace.records.iter().filter(|record| is_probe(record)).count();
    let round = ["client . 3:3 ack 1 keep_alive", "server . 1:1 ack 4 keep_alive_answer"];
    let expected = round.repeat(rounds);
    assert_eq!(noted(&trace.records, PORT), expected, "{:#?}", trace.records);
    check(&trace);

    // A recording and a capture give the same result.
    let records =
        |text: String| -> Vec<Value> { text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect() };
    assert_eq!(noted(&records(read(&captured, &["--json"])), PORT), expected);
    let replayed = read(&recorded, &["--json"]);
    assert_eq!(noted(&records(replayed.clone()), PORT), expected);
    let written = fs::read_to_string(&recorded).expect("the file is there");
    let segments = |text: &str| {
        text.lines().filter(|line| line.contains(r#""type":"segment""#)).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(segments(&replayed), segments(&written));

    for (arguments, probe, answer) in [
        (&["-o", "events"][..], "length 0 (keep-alive probe)\n", "length 0 (answers the keep-alive probe)\n"),
        (&["-o", "timeline"], " keep-alive probe ", " answers it "),
    ] {
        let text = read(&captured, arguments);
        assert_eq!([probe, answer].map(|words| text.matches(words).count()), [rounds; 2], "{text}");
    }
}

/// Asserts that it was closed in order, and that nothing was sent twice.
#[track_caller]
fn check(trace: &Trace) {
    let [handshake] = trace.of_type("handshake")[..] else { panic!("one handshake: {:#?}", trace.records) };
    assert_opened(handshake);
    let [close] = trace.of_type("close")[..] else { panic!("one close: {:#?}", trace.records) };
    assert_eq!((text(close, "kind"), number(&close["bytes"], "client_to_server")), ("four_segment", 3), "{close}");
    trace.nothing_lost();
}
