//! `-o events`: a line per event, with segments in tcpdump's notation.

use std::{
    net::{Ipv4Addr, SocketAddr},
    process::{Command, Stdio},
};

use rustix::process::Signal;
use tcptrace_tests::{
    Connection, Ends, LIMIT, Lines, Netns, Tcpdump, binary, process_name, receive, send, wait_tracing,
};

/// Returns the lines of `tcptrace -o events` with these options about one connection, and those of tcpdump.
fn printed(port: u16, options: &[&str], tcpdumps_options: &[&str]) -> (Vec<String>, Vec<String>) {
    let netns = Netns::new();
    let ends = Ends::on(&netns, SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let mut command = Command::new(binary());
    command.args(["-o", "events", "--color", "never", "--segments", "all", "-p", &port.to_string()]).args(options);
    command.env("LC_ALL", "C.UTF-8").stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = netns.start(&mut command);
    let (lines, log) = (Lines::read(process.stdout(), |line| line), Lines::read(process.stderr(), |line| line));
    wait_tracing(&log);
    let tcpdump = Tcpdump::start_with(&netns, "lo", tcpdumps_options, &format!("tcp port {port}"));
    let Connection { client, server } = ends.open();
    send(&client, 33);
    receive(&server, 33);
    send(&server, 29);
    receive(&client, 29);
    ends.close_in_four(Connection { client, server });
    process.signal(Signal::INT);
    assert!(process.wait(LIMIT).success());
    (lines.finish(), tcpdump.finish_text(11))
}

/// Returns the parts of tcpdump-style lines from `Flags [` on, sorted: tcpdump taps sent and received segments at different
/// places, so their order may differ.
fn headers(lines: &[String]) -> Vec<&str> {
    let mut headers: Vec<_> = lines.iter().filter_map(|line| line.find("Flags [").map(|at| &line[at..])).collect();
    headers.sort_unstable();
    headers
}

#[test]
fn segments_read_as_in_tcpdump_and_each_event_has_its_line() {
    let (ours, theirs) = printed(4381, &[], &[]);
    assert_eq!(headers(&ours), headers(&theirs));
    let count = |pattern: &str| ours.iter().filter(|line| line.contains(pattern)).count();
    assert_eq!((count("Flags ["), count(" → ")), (11, 10), "{ours:#?}");
    // One for the start, one for the end, and a sentence each for the handshake and the close. Owners of sockets may be
    // reported, too, and other namespaces that are covered by now.
    let others = count(" owner  ") + count(" tracing network namespace ");
    assert_eq!(ours.len() - others, 1 + 11 + 10 + 2 + 1, "{ours:#?}");
    for change in ["CLOSE → SYN_SENT", "ESTABLISHED → FIN_WAIT1"] {
        let line = ours.iter().find(|line| line.contains(change)).expect("every change has a line");
        assert!(
            line.contains(" thread tt-client")
                && line.contains(process_name())
                && line.contains(&std::process::id().to_string()),
            "{line}"
        );
    }
}

#[test]
fn sequence_numbers_are_absolute_on_demand_as_in_tcpdump() {
    let (ours, theirs) = printed(4382, &["-S"], &["-S"]);
    assert_eq!(headers(&ours), headers(&theirs));
}
