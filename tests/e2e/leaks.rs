//! Sockets that wait for their process or for the other end: those that existed before tracing, and `tcptrace leaks`.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddr},
    process::{Command, Stdio},
};

use rustix::process::Signal;
use serde_json::{Value, json};
use tcptrace_tests::{
    Actor, Connection, Ends, LIMIT, Lines, Netns, PublicCopy, TRAFFIC_LIMIT, Tracer, binary, endpoint, eventually,
    is_type, process_name, send, text, wait_tracing,
};

const PORT: u16 = 4961;

/// A user who may not inspect others' processes.
const NOBODY: u32 = 65534;

fn ends(netns: &Netns) -> Ends {
    Ends::on(netns, SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)))
}

/// Opens connections whose clients send 18 bytes and close, which the server ignores.
fn leak(netns: &Netns, ends: &Ends, count: usize) -> Vec<Connection> {
    let open = |_| {
        let connection = ends.open();
        send(&connection.client, 18);
        connection.client.shutdown(std::net::Shutdown::Write).expect("a connected socket can be shut down");
        connection
    };
    let connections = (0..count).map(open).collect();
    let in_state = |state: &str| netns.output(Command::new("ss").args(["-Htan", "state", state])).lines().count();
    eventually("all ends know it", TRAFFIC_LIMIT, || {
        in_state("fin-wait-2") == count && in_state("close-wait") == count
    });
    connections
}

/// State, both ends and the PIDs of a socket.
type Socket = (String, SocketAddr, SocketAddr, BTreeSet<u64>);

fn by_ss(netns: &Netns) -> BTreeSet<Socket> {
    let states = ["close-wait", "fin-wait-1", "fin-wait-2", "last-ack", "syn-recv"];
    let mut command = Command::new("ss");
    command.arg("-Htanp");
    for state in states {
        command.args(["state", state]);
    }
    let line = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        let address = |at: usize| words[at].parse().unwrap_or_else(|_| panic!("an address in {line}"));
        let pids = line.split("pid=").skip(1).map(|rest| {
            let digits = rest.split(|character: char| !character.is_ascii_digit()).next();
            digits.and_then(|digits| digits.parse().ok()).expect("a PID")
        });
        let state = words[0].replace('-', "_").replace("FIN_WAIT_", "FIN_WAIT");
        (state, address(3), address(4), pids.collect())
    };
    netns.output(&mut command).lines().map(line).collect()
}

fn leaks(netns: &Netns, arguments: &[&str]) -> Vec<Value> {
    let scope: &[&str] =
        if arguments.iter().any(|argument| ["-r", "--netns"].contains(argument)) { &[] } else { &["--netns", "own"] };
    let lines = netns.output(Command::new(binary()).args(["leaks", "--json"]).args(scope).args(arguments));
    lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn socket(leak: &Value) -> Socket {
    let pids = leak["processes"].as_array().expect("processes").iter().map(|process| process["pid"].as_u64());
    let end = |end: &str| endpoint(leak, end).expect("an end");
    (text(leak, "state").to_owned(), end("local"), end("remote"), pids.map(|pid| pid.expect("a PID")).collect())
}

fn count(leaks: &[Value], state: &str) -> usize {
    leaks.iter().filter(|leak| leak["state"] == state).count()
}

#[test]
fn leaks_are_those_that_ss_lists() {
    let netns = Netns::new();
    let ends = ends(&netns);
    let _connections = leak(&netns, &ends, 3);
    // One whose FIN never arrives, and one whose handshake does not complete.
    let silent = ends.open();
    let from = silent.client_address().port();
    netns.nft(&format!(
        "add table ip t; add chain ip t in {{ type filter hook input priority 0; }}; \
         add rule ip t in tcp sport {from} drop; add rule ip t in tcp dport {PORT} tcp flags ack / syn,ack,fin drop; \
         add rule ip t in tcp sport {PORT} tcp flags syn,ack / syn,ack drop"
    ));
    ends.client.close(silent.client);
    let another = Actor::new(&netns, "tt-another");
    let _connecting = another.begin_connect(ends.address);
    eventually("a request waits", TRAFFIC_LIMIT, || by_ss(&netns).iter().any(|(state, ..)| state == "SYN_RECV"));

    let leaks_ = leaks(&netns, &[]);
    assert_eq!(leaks_.iter().map(socket).collect::<BTreeSet<_>>(), by_ss(&netns));
    let counts = ["CLOSE_WAIT", "FIN_WAIT2", "FIN_WAIT1", "SYN_RECV", "LAST_ACK"].map(|state| count(&leaks_, state));
    assert_eq!(counts, [3, 3, 1, 1, 0], "{leaks_:#?}");
    for leak in &leaks_ {
        let (state, known) = (text(leak, "state"), leak["age_at_least_ns"].is_u64());
        assert_eq!(known, matches!(state, "CLOSE_WAIT" | "FIN_WAIT2"), "{leak}");
        assert_eq!(leak["unread_bytes"], if state == "CLOSE_WAIT" { 18 } else { 0 }, "{leak}");
        assert_eq!(
            (&leak["netns"], &leak["age_ns"], &leak["unacked_bytes"]),
            (&json!(netns.inode()), &json!(null), &json!(0))
        );
    }
    // As any user, and from outside the namespace.
    assert_eq!(count(&leaks(&netns, &["--local-port", &PORT.to_string()]), "CLOSE_WAIT"), 3);
    assert_eq!(leaks(&netns, &["--remote-port", &PORT.to_string(), "-p", "1"]), [] as [Value; 0]);
    let outside = Netns::another(&netns);
    assert_eq!(count(&leaks(&outside, &["--netns", netns.name(), "-p", &PORT.to_string()]), "CLOSE_WAIT"), 3);
    assert_eq!(leaks(&outside, &[]), [] as [Value; 0]);
    // By default, the sockets of all namespaces are listed; other tests have some on this port.
    let lines = outside.output(Command::new(binary()).args(["leaks", "--json", "-p", &PORT.to_string()]));
    let mut by_default: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    by_default.retain(|leak| leak["netns"] == netns.inode());
    assert_eq!(count(&by_default, "CLOSE_WAIT"), 3, "{lines}");
}

#[test]
fn what_was_there_in_another_namespace_is_told_and_who_listens_there() {
    let netns = Netns::new();
    let ends = ends(&netns);
    let _connections = leak(&netns, &ends, 3);
    let outside = Netns::another(&netns);
    let tracer = Tracer::start(&outside, &["--netns", netns.name(), "-p", &PORT.to_string()]);
    tracer.wait_for("what is there", |record| is_type(record, "existing"));
    let new = ends.open();
    let client = new.client_address().port();
    tracer
        .wait_for("the handshake", |record| is_type(record, "handshake") && record["client"]["port"] == json!(client));
    ends.close_in_four(new);
    let trace = tracer.stop();
    let existing = trace.of_type("existing");
    let [existing] = existing[..] else { panic!("{existing:?}") };
    assert_eq!(existing["sockets"], json!(6), "{existing}");
    let holder = json!([{ "pid": std::process::id(), "comm": process_name() }]);
    for group in existing["groups"].as_array().expect("groups") {
        assert_eq!((&group["count"], &group["processes"]), (&json!(3), &holder), "{existing}");
    }
    let listener = trace.of_type("owner").into_iter().find(|owner| owner["remote"].is_null()).expect("a listener");
    assert_eq!(
        (&listener["netns"], &listener["local"]["port"], &listener["pid"]),
        (&json!(netns.inode()), &json!(PORT), &json!(std::process::id())),
        "{listener}"
    );
    let handshake = trace.of_type("handshake")[0];
    assert_eq!(handshake["server"]["pid"], json!(std::process::id()), "{handshake}");
}

#[test]
fn leaks_are_told_by_process_and_without_root_what_is_missing() {
    let netns = Netns::new();
    let ends = ends(&netns);
    let _connections = leak(&netns, &ends, 12);
    let shown = netns.output(Command::new(binary()).args(["leaks", "--netns", "own"]).env("LC_ALL", "C.UTF-8"));
    let heading = format!(
        "{}[{}]   12 in CLOSE_WAIT (the other end has closed, the process has not), the oldest for ",
        process_name(),
        std::process::id()
    );
    assert!(shown.lines().any(|line| line.starts_with(&heading) && line.ends_with(" at least")), "{shown}");
    assert!(shown.lines().any(|line| line == "    and 2 more, which --json lists"), "{shown}");
    assert!(
        shown
            .lines()
            .any(|line| line.contains(&format!("127.0.0.1:{PORT} ↔ 127.0.0.1:")) && line.ends_with(", 18 B unread"))
    );

    let copy = PublicCopy::new();
    let mut process = netns.start(
        Command::new("setpriv")
            .args([&format!("--reuid={NOBODY}"), &format!("--regid={NOBODY}"), "--clear-groups"])
            .arg(copy.path())
            .arg("leaks")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped()),
    );
    let (lines, log) = (Lines::read(process.stdout(), |line| line), Lines::read(process.stderr(), |line| line));
    assert!(process.wait(LIMIT).success());
    let (lines, log) = (lines.finish(), log.finish());
    assert!(lines.iter().any(|line| line.starts_with("no known process   12 in CLOSE_WAIT")), "{lines:#?}");
    assert!(log.iter().any(|line| line.contains("run as root") && line.contains("cap_sys_ptrace")), "{log:#?}");
}

#[test]
fn what_was_there_before_is_told_at_the_start_and_its_close_when_it_comes() {
    let netns = Netns::new();
    let ends = ends(&netns);
    let mut connections = leak(&netns, &ends, 3);
    let folder = tempfile::tempdir().expect("a folder");
    let recording = folder.path().join("trace.jsonl");
    let path = recording.to_str().expect("UTF-8");
    let mut command = Command::new(binary());
    // Other tests have sockets on this port, in namespaces of their own.
    command.args(["-p", &PORT.to_string(), "-o", "list", "-w", path, "--netns", "own"]).env("LC_ALL", "C.UTF-8");
    let mut process = netns.start(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()));
    let (lines, log) = (Lines::read(process.stdout(), |line| line), Lines::read(process.stderr(), |line| line));
    wait_tracing(&log);
    let mentions = |lines: &[String], what: &str| lines.iter().any(|line| line.contains(what));
    let sentence = "6 sockets were there when tracing began: 3 in CLOSE_WAIT, 3 in FIN_WAIT2";
    let group = format!("--   3 in CLOSE_WAIT: {}[{}], the oldest for ", process_name(), std::process::id());
    lines.wait_until("what is there", LIMIT, |lines| mentions(lines, sentence) && mentions(lines, &group));
    let Connection { server, .. } = connections.pop().expect("three were opened");
    let close = format!("127.0.0.1:{PORT} {}[{}]", process_name(), std::process::id());
    ends.server.close(server);
    lines.wait_until("its close", LIMIT, |lines| {
        lines.iter().any(|line| line.contains("#1 ") && line.contains(&close) && line.contains("reset by the server"))
    });
    process.signal(Signal::INT);
    assert!(process.wait(LIMIT).success());
    let shown: Vec<_> = lines.finish().into_iter().filter(|line| line.contains(" -- ")).collect();
    let replayed = netns.output(Command::new(binary()).args(["-r", path, "-o", "list"]).env("LC_ALL", "C.UTF-8"));
    let replayed: Vec<_> = replayed.lines().filter(|line| line.contains(" -- ")).collect();
    assert_eq!(replayed, shown, "what was recorded");
    let of_other = netns.output(Command::new(binary()).args(["-r", path, "-o", "list", "-p", "1"]));
    assert!(!of_other.contains("were there"), "which of them would match is not recorded: {of_other}");
}

#[test]
fn what_was_there_is_told_of_the_chosen_processes_alone() {
    let netns = Netns::new();
    let ends = ends(&netns);
    let _connections = leak(&netns, &ends, 2);
    let own = std::process::id().to_string();
    for (process, sockets) in [(own.as_str(), Some(4)), ("1", None)] {
        let tracer = Tracer::start(&netns, &["-p", &PORT.to_string(), "--pid", process]);
        if sockets.is_some() {
            tracer.wait_for("what is there", |record| is_type(record, "existing"));
        }
        let trace = tracer.stop();
        let told: Vec<_> = trace.of_type("existing").into_iter().map(|record| record["sockets"].as_u64()).collect();
        assert_eq!(told, sockets.map(Some).into_iter().collect::<Vec<_>>(), "--pid {process}");
    }
}

#[test]
fn a_leak_while_tracing_is_found_in_the_recording_with_its_age() {
    check_recorded("trace.jsonl");
}

#[test]
fn a_leak_while_tracing_is_found_in_the_binary_recording_with_its_age() {
    check_recorded("trace.ttr");
}

/// Records leaks to a file of this name, and looks for them there.
fn check_recorded(name: &str) {
    let netns = Netns::new();
    let ends = ends(&netns);
    let folder = tempfile::tempdir().expect("a folder");
    let recording = folder.path().join(name);
    let path = recording.to_str().expect("UTF-8");
    let tracer = Tracer::start(&netns, &["-p", &PORT.to_string(), "-w", path]);
    let _connections = leak(&netns, &ends, 2);
    tracer.wait_until("two stalls", |records| records.iter().filter(|record| is_type(record, "stalled")).count() == 2);
    let trace = tracer.stop();
    assert_eq!(trace.of_type("existing"), [] as [&Value; 0], "there was none");
    let stalled = trace.of_type("stalled")[0];
    assert_eq!((&stalled["waiting_for"], &stalled["turn"]), (&json!("close"), &json!("server")), "{stalled}");
    let leaks = leaks(&netns, &["-r", path]);
    assert_eq!([count(&leaks, "CLOSE_WAIT"), count(&leaks, "FIN_WAIT2"), leaks.len()], [2, 2, 4], "{leaks:#?}");
    for leak in &leaks {
        assert!(leak["age_ns"].as_u64().expect("an age") > 900_000_000 && leak["age_at_least_ns"].is_null(), "{leak}");
        assert_eq!(leak["processes"][0]["pid"], std::process::id(), "{leak}");
        assert!(leak["conn"].is_u64() && leak["unread_bytes"].is_null(), "{leak}");
    }
}
