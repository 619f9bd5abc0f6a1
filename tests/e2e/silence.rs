//! The notice on a terminal that explains why no event has come.

use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    process::{Command, Stdio},
};

use rustix::process::Signal;
use tcptrace_tests::{Ends, LIMIT, Lines, Netns, Screen, binary, eventually};

/// The beginning of the line.
const NOTHING: &str = "tcptrace: nothing yet: ";

fn loopback(netns: &Netns, port: u16) -> Ends {
    Ends::on(netns, SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

#[test]
fn who_waits_in_vain_learns_what_is_traced_and_what_passes_meanwhile() {
    let netns = Netns::new();
    let others = loopback(&netns, 4452);
    let (mut screen, terminal) = Screen::new();
    let mut command = Command::new(binary());
    command.args(["--json", "-p", "4451"]).stdout(Stdio::null()).stderr(terminal);
    let mut tracer = netns.start(&mut command);
    // The command also has the terminal's other end.
    drop(command);
    eventually("that it traces", LIMIT, || screen.shows("tcptrace: tracing"));
    others.close_in_four(others.open());
    eventually("why nothing shows", LIMIT, || screen.shows(NOTHING));
    tracer.signal(Signal::INT);
    assert!(tracer.wait(LIMIT).success());
    let shown = screen.finish();
    let lines: Vec<_> = shown.lines().filter(|line| line.starts_with(NOTHING)).collect();
    // A connection takes three segments to open it, and four to close it.
    let expected = format!("{NOTHING}tracing on lo; filter: port 4451; meanwhile 7 packets have passed lo");
    assert_eq!(lines, [expected], "{shown}");
}

#[test]
fn who_waits_in_vain_learns_what_was_no_tcp() {
    let netns = Netns::new();
    let (mut screen, terminal) = Screen::new();
    let mut command = Command::new(binary());
    command.args(["--json", "-p", "4455"]).stdout(Stdio::null()).stderr(terminal);
    let mut tracer = netns.start(&mut command);
    drop(command);
    eventually("that it traces", LIMIT, || screen.shows("tcptrace: tracing"));
    let socket = || netns.run(|| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))).expect("a port is free");
    let (sender, receiver) = (socket(), socket());
    let sent = sender.send_to(b"datagram", receiver.local_addr().expect("it is bound"));
    assert_eq!(sent.expect("loopback is up"), 8);
    eventually("why nothing shows", LIMIT, || screen.shows(NOTHING));
    tracer.signal(Signal::INT);
    assert!(tracer.wait(LIMIT).success());
    let shown = screen.finish();
    let said = "meanwhile 1 packet has passed lo; skipped: 1 datagram without TCP";
    assert!(shown.lines().any(|line| line.starts_with(NOTHING) && line.ends_with(said)), "{shown}");
}

#[test]
fn who_sees_something_or_does_not_watch_is_told_nothing() {
    let netns = Netns::new();
    let ends = loopback(&netns, 4453);
    // Longer than the time until the notice.
    let arguments = ["--json", "--duration", "6s", "-p"];
    let (mut screen, terminal) = Screen::new();
    let mut command = Command::new(binary());
    command.args(arguments).arg("4453").stdout(Stdio::null()).stderr(terminal);
    let mut watched = netns.start(&mut command);
    drop(command);
    let mut command = Command::new(binary());
    command.args(arguments).arg("4454").stdout(Stdio::null()).stderr(Stdio::piped());
    let mut unwatched = netns.start(&mut command);
    let log = Lines::read(unwatched.stderr(), |line| line);
    eventually("that it traces", LIMIT, || screen.shows("tcptrace: tracing"));
    ends.close_in_four(ends.open());
    assert!(watched.wait(LIMIT).success() && unwatched.wait(LIMIT).success());
    let shown = screen.finish();
    assert_eq!(shown.lines().count(), 2, "that it traces, and how it ended: {shown}");
    assert_eq!(log.finish().len(), 2);
}
