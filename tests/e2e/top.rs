//! `tcptrace top` live: a connection appears, stalls and ends on the screen, and in its ladder.

use std::{
    net::{Ipv4Addr, Shutdown, SocketAddr},
    process::{Command, Stdio},
};

use rustix::process::Signal;
use tcptrace_tests::{Console, Ends, LIMIT, Netns, Process, binary, eventually, full_terminal, send, tcx_programs};

const PORT: u16 = 4969;

#[test]
fn a_connection_comes_stalls_and_ends_on_the_screen() {
    let netns = Netns::new();
    let ends = Ends::on(&netns, SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
    let mut command = Command::new(binary());
    command.args(["top", "-p", &PORT.to_string(), "--netns", "own"]);
    let mut console = netns.run(|| Console::start(&mut command, 120, 24));
    console.wait("it is attached", |screen| screen.contains("showing 0 of 0: all; by state"));

    let connection = ends.open();
    let server = format!("→ 127.0.0.1:{PORT}");
    let screen = console.wait("an open connection", |screen| screen.contains("tcptrace top: 1 open, 0 stalled"));
    let screen = if screen.contains(">ESTABLISHED") {
        screen
    } else {
        console.wait("its state", |screen| screen.contains(">ESTABLISHED"))
    };
    assert!(screen.contains(&server), "{screen}");

    console.press("\r");
    send(&connection.client, 18);
    connection.client.shutdown(Shutdown::Write).expect("a connected socket can be shut down");
    console.wait("the ladder goes on", |screen| screen.contains("FIN") && screen.contains("the server's turn"));
    console.press("q");
    console.wait("it stalls", |screen| screen.contains("1 stalled") && screen.contains(">unfinished"));

    console.press("\r");
    drop(connection);
    console.wait("the ladder ends", |screen| screen.contains("Esc back") && screen.contains("→ CLOSE"));
    console.press("q");
    console.wait("it has ended", |screen| screen.contains("0 open, 0 stalled") && !screen.contains("unfinished"));
    console.press("q");
    assert_eq!(console.finish(), Some(0));
}

#[test]
fn a_connection_that_was_there_is_listed_before_anything_happens() {
    const PORT: u16 = 4988;
    let netns = Netns::new();
    let ends = Ends::on(&netns, SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
    let connection = ends.open();
    let client = connection.client_address();
    let mut command = Command::new(binary());
    command.args(["top", "-p", &PORT.to_string(), "--netns", "own"]);
    let mut console = netns.run(|| Console::start(&mut command, 120, 24));
    // Both its sockets are one connection.
    let screen = console.wait("it is listed", |screen| screen.contains("tcptrace top: 1 open, 0 stalled"));
    assert!(screen.contains(">ESTABLISHED") && screen.contains(&client.to_string()), "{screen}");
    assert!(screen.contains("showing 1 of 1") && !screen.contains('#'), "{screen}");
    console.press("\r");
    console.wait("there is no ladder yet", |screen| screen.contains("It was there when tracing began"));
    console.press("q");
    ends.close_in_four(connection);
    let ended = console.wait("it has ended", |screen| screen.contains("0 open, 0 stalled"));
    assert!(ended.contains("showing 1 of 1") && ended.contains("#1 "), "{ended}");
    console.press("q");
    assert_eq!(console.finish(), Some(0));
}

/// A terminal that is stopped, or hangs with its connection, delays neither tracing nor its end.
#[test]
fn a_terminal_that_takes_no_output_holds_nothing_up() {
    const PORT: u16 = 4970;
    let netns = Netns::new();
    let (_nobody_reads, terminal) = full_terminal();
    let mut command = Command::new(binary());
    command.args(["top", "-p", &PORT.to_string(), "--netns", "own", "--attach", "tcx"]);
    let end = || Stdio::from(terminal.try_clone().expect("a descriptor"));
    command.stdin(end()).stdout(end()).stderr(Stdio::null()).env("TERM", "xterm");
    let mut process = netns.run(|| Process::spawn(&mut command));
    eventually("it is attached", LIMIT, || tcx_programs(&netns, "lo").1 > 0);
    let ends = Ends::on(&netns, SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
    ends.close_in_four(ends.open());
    process.signal(Signal::TERM);
    assert_eq!(process.wait(LIMIT).code(), Some(0));
    assert_eq!(tcx_programs(&netns, "lo"), (0, 0));
}
