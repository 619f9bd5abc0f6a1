//! The reason of a close: idle time, the end of a process, and data that was not read or never sent.

use std::{
    io::Read as _,
    process::{Command, Stdio},
};

use rustix::process::Signal;
use serde_json::Value;
use tcptrace_tests::{Ends, LIMIT, Netns, Process, TRAFFIC_LIMIT, Trace, eventually, number, receive_end, text};

use super::{loopback, start, wait_verdicts};

/// Starts a shell in `netns` that connects, with the socket as its descriptor 3, and runs `script`.
fn client(netns: &Netns, port: u16, script: &str) -> Process {
    let mut bash = Command::new("bash");
    bash.args(["-c", &format!("exec 3<>/dev/tcp/127.0.0.1/{port}; {script}")]);
    netns.start(bash.stdin(Stdio::null()).stdout(Stdio::null()))
}

/// A field in objects within each other.
fn field<'a>(close: &'a Value, path: &[&str]) -> &'a Value {
    path.iter().fold(close, |value, &key| &value[key])
}

#[track_caller]
fn assert_says(trace: &Trace, netns: &Netns, words: &[&str]) {
    let summary = text(trace.closed(netns), "summary");
    assert!(words.iter().all(|word| summary.contains(word)), "{words:?} in {summary}");
}

#[test]
fn a_client_that_gives_up_waiting_was_idle() {
    const PORT: u16 = 4781;
    let netns = Netns::new();
    let tracer = start(&netns, PORT);
    let ends = Ends::on(&netns, loopback(PORT));
    let mut bash = client(&netns, PORT, "printf hello >&3; read -t 1.2 -u 3; exit 3");
    let mut server = ends.server.accept(&ends.listener);
    server.read_exact(&mut [0; 5]).expect("the client sends");
    receive_end(&server);
    assert_eq!(bash.wait(LIMIT).code(), Some(3));
    ends.server.close(server);
    wait_verdicts(&tracer, &netns, 1, 1);
    let trace = tracer.stop();
    let close = trace.closed(&netns);
    let idle = number(close, "idle_ns");
    assert!((1_150_000_000..60_000_000_000).contains(&idle), "{idle}");
    assert_eq!(field(close, &["client", "exit"]), &serde_json::json!({ "signal": null, "code": 3 }));
    assert_eq!(field(close, &["server", "exit"]), &Value::Null);
    assert_eq!(field(close, &["data_retransmissions", "client"]).as_u64(), Some(0));
    for time in ["handshake_ns", "smoothed_ns", "min_ns"] {
        let time = field(close, &["rtt", time]).as_u64().expect("it was measured");
        assert!((1..10_000_000_000).contains(&time), "{time}");
    }
    let said = ["idle for ", ", then closed by the client", "; its process was exiting with status 3"];
    assert_says(&trace, &netns, &said);
}

#[test]
fn data_behind_a_closed_window_is_never_sent() {
    const PORT: u16 = 4782;
    let netns = Netns::new();
    let tracer = start(&netns, PORT);
    let ends = Ends::on(&netns, loopback(PORT));
    let mut head = client(&netns, PORT, "exec head --bytes=100000000 /dev/zero >&3");
    let server = ends.server.accept(&ends.listener);
    let ports = (server.peer_addr().expect("it has a peer").port(), ends.address.port());
    let mut before = None;
    eventually("a full send buffer behind a closed window", TRAFFIC_LIMIT, || {
        let (waiting, closed) = queued(&netns, ports);
        let full = closed && waiting > Some(100_000) && waiting == before;
        before = waiting;
        full
    });
    head.signal(Signal::KILL);
    head.wait(LIMIT);
    eventually("the socket of a process that is gone", TRAFFIC_LIMIT, || {
        ends.client.socket_state(ports.0, ports.1).as_deref() == Some(super::FIN_WAIT1)
    });
    ends.server.close(server);
    wait_verdicts(&tracer, &netns, 1, 1);
    let trace = tracer.stop();
    let close = trace.closed(&netns);
    // Equal to the Send-Q of ss: the window is closed, so nothing was in flight.
    assert_eq!(field(close, &["client", "unsent_bytes"]).as_u64(), before);
    assert!(field(close, &["server", "unread_bytes"]).as_u64() > Some(0), "{close}");
    assert_eq!(field(close, &["client", "exit", "signal"]).as_u64(), Some(9));
    let said = [
        "reset by the server: it closed with ",
        " bytes unread; the client's process was killed by signal 9",
        "; the client had ",
        " unsent behind a closed window",
    ];
    assert_says(&trace, &netns, &said);
}

/// Returns the number of bytes in the socket's send queue, and whether it probes a window of 0, both from ss, which shows no
/// window then.
fn queued(netns: &Netns, (local, remote): (u16, u16)) -> (Option<u64>, bool) {
    let filter = format!("sport = {local} and dport = {remote}");
    let listed = netns.output(Command::new("ss").args(["-Htnoi", &filter]));
    let waiting = listed.split_whitespace().nth(2).and_then(|bytes| bytes.parse().ok());
    (waiting, listed.contains("timer:(persist") && !listed.contains(" snd_wnd:"))
}
