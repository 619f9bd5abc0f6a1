//! Traffic traced live and read from a capture of it: the results differ only in facts that a capture cannot contain.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, Shutdown, SocketAddr},
    path::Path,
    process::Command,
};

use serde_json::Value;
use tcptrace_tests::{Capture, Connection, Ends, Netns, Tracer, binary, is_type, output, receive_end, send, text};

/// The permitted difference of a field.
#[derive(Clone, Copy, Debug)]
enum Differs {
    /// Only the host knows it: null or absent in a capture.
    Unknown,
    /// Each has its own value, such as a clock, or in pcap the link type as the interface's name: null in both or in
    /// neither.
    Own,
    /// The capture infers the states that segments show.
    Inferred,
    /// The socket proves a cause; a capture contains it only if the segments prove it.
    Proven,
    /// Words, which depend on the fields above.
    Words,
}

/// Facts that a capture cannot contain, by the paths of fields, in every type of record.
const CANNOT_BE_KNOWN: [(&str, Differs); 49] = [
    ("time", Differs::Own),
    ("boot_ns", Differs::Unknown),
    ("host", Differs::Unknown),
    ("run", Differs::Unknown),
    ("started", Differs::Own),
    ("started_ns", Differs::Unknown),
    ("since_start_ns", Differs::Own),
    ("syn_to_synack_ns", Differs::Own),
    ("synack_to_ack_ns", Differs::Own),
    ("half_close_ns", Differs::Own),
    ("duration_ns", Differs::Own),
    ("closed_before_ns", Differs::Own),
    ("connect_ns", Differs::Unknown),
    ("netns", Differs::Unknown),
    ("interface", Differs::Own),
    ("direction", Differs::Unknown),
    ("socket", Differs::Unknown),
    ("evidence", Differs::Unknown),
    ("client.netns", Differs::Unknown),
    ("client.pid", Differs::Unknown),
    ("client.comm", Differs::Unknown),
    ("client.thread", Differs::Unknown),
    ("client.container", Differs::Unknown),
    ("client.unit", Differs::Unknown),
    ("client.cgroup", Differs::Unknown),
    ("server.netns", Differs::Unknown),
    ("server.pid", Differs::Unknown),
    ("server.comm", Differs::Unknown),
    ("server.thread", Differs::Unknown),
    ("server.container", Differs::Unknown),
    ("server.unit", Differs::Unknown),
    ("server.cgroup", Differs::Unknown),
    ("client.uid", Differs::Unknown),
    ("client.exit", Differs::Unknown),
    ("client.unread_bytes", Differs::Unknown),
    ("client.unsent_bytes", Differs::Unknown),
    ("data_retransmissions.client", Differs::Unknown),
    ("server.uid", Differs::Unknown),
    ("server.exit", Differs::Unknown),
    ("server.unread_bytes", Differs::Unknown),
    ("server.unsent_bytes", Differs::Unknown),
    ("data_retransmissions.server", Differs::Unknown),
    ("idle_ns", Differs::Own),
    ("rtt.handshake_ns", Differs::Own),
    ("rtt.smoothed_ns", Differs::Unknown),
    ("rtt.min_ns", Differs::Unknown),
    ("states", Differs::Inferred),
    ("reset.cause", Differs::Proven),
    ("summary", Differs::Words),
];

/// The types of records that result from segments.
const TOLD: [&str; 3] = ["segment", "handshake", "close"];

/// Returns the fields of a record by their paths. `states`, `options` and lists stay whole.
fn fields(record: &Value) -> BTreeMap<String, Value> {
    fn collect(value: &Value, path: &str, all: &mut BTreeMap<String, Value>) {
        match value {
            Value::Object(fields) if !["states", "options", "evidence"].contains(&path) => {
                let name = |field: &str| if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") };
                fields.iter().for_each(|(field, value)| collect(value, &name(field), all));
            }
            _ => drop(all.insert(path.to_owned(), value.clone())),
        }
    }
    let mut all = BTreeMap::new();
    collect(record, "", &mut all);
    all
}

/// Compares a live record with the captured one, and returns the fields that differ but must not.
fn differences(live: &Value, captured: &Value) -> Vec<String> {
    let (mut live, captured) = (fields(live), fields(captured));
    let causes = [&live, &captured].map(|fields| fields.get("reset.cause").cloned());
    for path in captured.keys() {
        live.entry(path.clone()).or_insert(Value::Null);
    }
    let differ = |(path, live): (&String, &Value)| {
        let captured = captured.get(path).unwrap_or(&Value::Null);
        let rule = CANNOT_BE_KNOWN.iter().find(|(known, _)| known == path).map(|&(_, rule)| rule);
        let same = match rule {
            None => live == captured,
            Some(Differs::Unknown) => captured.is_null() || live == captured,
            Some(Differs::Own) => live.is_null() == captured.is_null(),
            Some(Differs::Inferred) => state_names(live) == state_names(captured),
            Some(Differs::Proven) => live == captured || captured == "unknown",
            // If the causes differ, so do the words.
            Some(Differs::Words) => causes[0] != causes[1] || without_numbers(live) == without_numbers(captured),
        };
        (!same).then(|| format!("{path}: live {live}, captured {captured}"))
    };
    live.iter().filter_map(differ).collect()
}

/// The names of the states of both ends.
fn state_names(states: &Value) -> Vec<Vec<&str>> {
    let names = |end: &str| {
        let stays = states[end].as_array().expect("a list");
        let mut names: Vec<_> = stays.iter().map(|stay| text(stay, "state")).collect();
        // If the kernel has replaced the socket, no state shows that a reset has ended FIN_WAIT2.
        if names.ends_with(&["FIN_WAIT2", "CLOSE"]) {
            names.pop();
        }
        names
    };
    vec![names("client"), names("server")]
}

/// Returns a sentence without its times, which end with their unit.
fn without_numbers(sentence: &Value) -> String {
    let words: Vec<_> = sentence.as_str().expect("a sentence").split_inclusive(' ').collect();
    let is_time = |at: usize| {
        let number = words[at].trim_end().trim_start_matches('(');
        let unit = words.get(at + 1).is_some_and(|unit| unit.starts_with("ms") || unit.starts_with('s'));
        unit && number.parse::<f64>().is_ok()
    };
    (0..words.len()).filter(|&at| !is_time(at)).map(|at| words[at]).collect()
}

/// Plays the traffic on a port and the next one. The last connection is left open by one of its ends.
fn play(ends: &Ends, tracer: &Tracer, port: u16) -> Connection {
    ends.close_in_four(ends.open());
    ends.close_in_three(ends.open());

    ends.close_half_first(ends.open());
    ends.abort(ends.open(), tracer);

    // Data unread.
    let connection = ends.open();
    let remote = connection.client_address();
    send(&connection.client, 14);
    connection.server.peek(&mut [0; 14]).expect("data to come");
    ends.server.close(connection.server);
    tracer.wait_state("CLOSE", remote, ends.address);
    ends.client.close(connection.client);

    // Data for a socket that is closed.
    let connection = ends.open();
    let remote = connection.client_address();
    ends.server.close(connection.server);
    tracer.wait_state("FIN_WAIT2", ends.address, remote);
    send(&connection.client, 300);
    tracer.wait_state("CLOSE", remote, ends.address);
    ends.client.close(connection.client);

    let nobody = SocketAddr::from((Ipv4Addr::LOCALHOST, port + 1));
    ends.client.connect_with(nobody, |_| {}).expect_err("nobody listens");

    let connection = ends.open();
    let (client, server) = (connection.client_address(), connection.server_address());
    connection.client.shutdown(Shutdown::Write).expect("a shutdown");
    receive_end(&connection.server);
    tracer.wait_state("FIN_WAIT2", client, server);
    connection
}

/// Returns the records of these types for a file.
fn read(file: &Path) -> Vec<Value> {
    let text = output(Command::new(binary()).arg("-r").arg(file).args(["--json", "--segments", "all"]));
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn of_type<'a>(records: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    let mut found: Vec<_> = records.iter().filter(|record| is_type(record, kind)).collect();
    // The time of a record depends on the event that it waits for: a state, or a second without a segment.
    if kind != "segment" {
        found.sort_by_key(|record| record["conn"].as_u64());
    }
    found.into_iter()
}

#[test]
fn a_capture_of_the_same_traffic_says_all_that_it_can_know() {
    const PORT: u16 = 4140;
    let netns = Netns::new();
    let folder = tempfile::tempdir().expect("a folder");
    let [recording, pcap] = ["live.jsonl", "captured.pcap"].map(|name| folder.path().join(name));
    let ports = format!("{PORT}-{}", PORT + 1);
    let ends = Ends::on(&netns, SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
    let arguments = ["-p", &ports, "--netns", "own", "--segments", "all", "-w", recording.to_str().expect("UTF-8")];
    let tracer = Tracer::start(&netns, &arguments);
    let capture = Capture::start(&netns, "lo", &format!("tcp portrange {ports}"), &pcap);
    let left_open = play(&ends, &tracer, PORT);
    let trace = tracer.stop();
    capture.finish(trace.of_type("segment").len());
    drop(left_open);
    trace.nothing_lost();

    let [live, captured] = [&recording, &pcap].map(|file| read(file));
    let mut wrong = String::new();
    for kind in TOLD {
        let count = |records| of_type(records, kind).count();
        assert_eq!(count(&live), count(&captured), "{kind}");
        assert!(count(&live) >= 7, "{kind}: {}", count(&live));
        for (live, captured) in of_type(&live, kind).zip(of_type(&captured, kind)) {
            let differences = differences(live, captured);
            if !differences.is_empty() {
                wrong += &format!("{kind} of connection {}: {differences:#?}\n", live["conn"]);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
