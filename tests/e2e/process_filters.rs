//! `--pid`, `--comm`, `--uid`, `--unit` and `--container`: the connections of one process among others, live and recorded.

use std::{
    net::{Ipv4Addr, SocketAddr},
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
};

use serde_json::Value;
use tcptrace_tests::{Ends, LIMIT, Netns, Process, Tracer, is_type, number, receive_end};

/// The user nobody.
const NOBODY: u32 = 65_534;

/// Starts a shell that connects when its stdin ends, and then exits.
fn client(netns: &Netns, port: u16, uid: u32) -> Process {
    let script = format!("read -r; exec 3<>/dev/tcp/127.0.0.1/{port}");
    let mut bash = Command::new("bash");
    netns.start(bash.args(["-c", &script]).uid(uid).stdin(Stdio::piped()))
}

/// Returns the types of the records of connections, and the processes that closed the clients' ends.
fn types_and_pids(records: &[Value]) -> (Vec<&str>, Vec<u64>) {
    let types = records.iter().filter_map(|record| record["type"].as_str());
    let types = types.filter(|kind| !matches!(*kind, "start" | "end" | "owner" | "lost")).collect();
    let closes = records.iter().filter(|record| is_type(record, "close"));
    (types, closes.map(|close| number(&close["client"], "pid")).collect())
}

fn lines(text: &[u8]) -> Vec<Value> {
    let lines = std::str::from_utf8(text).expect("UTF-8").lines();
    lines.map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn the_connections_of_one_process_are_shown_and_recorded_whole() {
    const PORT: u16 = 4921;
    let netns = Netns::new();
    let ends = Ends::on(&netns, SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
    let [mut first, mut second] = [client(&netns, PORT, NOBODY), client(&netns, PORT, 0)];
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let (all, one) = (path("all.jsonl"), path("one.jsonl"));
    let port = PORT.to_string();
    let everything = Tracer::start(&netns, &["-p", &port, "-w", &all]);
    let chosen = Tracer::start(&netns, &["-p", &port, "--pid", &first.id().to_string(), "--uid", "nobody", "-w", &one]);
    for process in [&mut second, &mut first] {
        process.close_stdin();
        let server = ends.server.accept(&ends.listener);
        receive_end(&server);
        assert!(process.wait(LIMIT).success());
        ends.server.close(server);
    }
    everything
        .wait_until("two closes", |records| records.iter().filter(|record| is_type(record, "close")).count() == 2);
    chosen.wait_for("a close", |record| is_type(record, "close"));
    let (everything, chosen) = (everything.stop(), chosen.stop());

    let (types, closers) = types_and_pids(&chosen.records);
    assert_eq!(closers, [u64::from(first.id())]);
    assert_eq!(types.first().zip(types.last()), Some((&"state", &"close")), "{types:?}");
    let counted = |kind: &str| types.iter().filter(|known| **known == kind).count();
    // Every state change of both sockets, and each segment.
    assert_eq!((counted("state"), counted("handshake")), (10, 1), "{types:?}");
    assert!(counted("segment") >= 6, "{types:?}");
    assert_eq!((number(chosen.end(), "connections"), number(chosen.end(), "open")), (1, 0));
    let close = chosen.records.iter().find(|record| is_type(record, "close")).expect("a close");
    assert_eq!((number(&close["client"], "uid"), number(&close["server"], "uid")), (NOBODY.into(), 0));
    assert_eq!(types_and_pids(&everything.records).1.len(), 2);
    // The file has the same records, and no others.
    let file = lines(&std::fs::read(&one).expect("it was written"));
    assert_eq!(types_and_pids(&file), types_and_pids(&chosen.records));

    let both = [u64::from(second.id()), u64::from(first.id())];
    let [pid, nobody] = [first.id().to_string(), NOBODY.to_string()];
    for (arguments, expected) in [
        (&["--pid", &pid][..], &both[1..]),
        (&["--uid", &nobody], &both[1..]),
        (&["--uid", "0", "--comm", "ba?h"], &both[..1]),
        (&["--comm", "wget,bas*"], &both),
        (&["--comm", "wget"], &[]),
        (&["--pid", &pid, "--uid", "0"], &[]),
        (&["--container", "*"], &[]),
        (&["--unit", "no-such-unit"], &[]),
    ] {
        let mut replay = Command::new(tcptrace_tests::binary());
        let replayed = replay.args(["--json", "-r", &all]).args(arguments).output().expect("it can be run");
        let records = lines(&replayed.stdout);
        assert_eq!(types_and_pids(&records).1, expected, "{arguments:?}");
        let start = records[0]["filter"].as_str().expect("words");
        assert!(start.contains(&arguments[1].replace("nobody", &nobody)), "{start}");
    }
}
