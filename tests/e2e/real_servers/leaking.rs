//! A client that does not close connections that its server has closed.

use std::process::{Command, Stdio};

use rustix::process::Signal;
use tcptrace_tests::{LIMIT, Lines, binary};

use super::{hosts::Hosts, program::Server, watch::Watch};

/// Sends three requests, each on another connection, and does not close these.
const LEAK: &str = "import http.client, sys, time
kept = []
for _ in range(3):
    kept.append(http.client.HTTPConnection(sys.argv[1], int(sys.argv[2])))
    kept[-1].request('GET', '/')
    kept[-1].getresponse().read()
sys.stdin.read()";

#[test]
fn a_client_that_leaks_before_and_after_the_start() {
    const PORT: u16 = 5141;
    let hosts = Hosts::new();
    let at = hosts.at(PORT);
    let _nginx = Server::nginx(&hosts.server, at, &format!("listen {at}; keepalive_timeout 1s;"));
    let watch = Watch::start(&hosts.client, PORT);
    let mut command = Command::new("python3");
    command.args(["-c", LEAK, &at.ip().to_string(), &PORT.to_string()]).stdin(Stdio::piped());
    let mut leaking = hosts.client.start(&mut command);
    let name = format!("python3[{}]", leaking.id());
    for number in ["#1 ", "#2 ", "#3 "] {
        watch.wait_line(&[number, &name, "stalled: the server closed its side; the client has not: CLOSE_WAIT"]);
    }
    watch.stop().assert_advice(
        "the client's program: why does it not close its socket? There, `tcptrace leaks` lists all such sockets",
    );

    let leaks = hosts.client.output(Command::new(binary()).args(["leaks", "-p", &PORT.to_string()]));
    let heading = format!("{name}   3 in CLOSE_WAIT (the other end has closed, the process has not), the oldest for ");
    assert!(leaks.starts_with(&heading), "{leaks}");
    let there = format!("  3 in CLOSE_WAIT: {name}, the oldest for ");
    let mut command = Command::new(binary());
    command.args(["--netns", "own", "-p", &PORT.to_string()]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut tracer = hosts.client.start(&mut command);
    let lines = Lines::read(tracer.stdout(), |line| line);
    lines.wait_until("those that are there", LIMIT, |lines| lines.iter().any(|line| line.contains(&there)));
    tracer.signal(Signal::INT);
    assert!(tracer.wait(LIMIT).success());
    leaking.close_stdin();
    assert!(leaking.wait(LIMIT).success());
}
