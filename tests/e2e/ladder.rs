//! The default text: a block for each handshake and each close, as real traffic makes them.

use std::{
    net::{Ipv4Addr, SocketAddr},
    process::{Command, Stdio},
};

use rustix::process::Signal;
use tcptrace_tests::{Ends, LIMIT, Lines, Netns, binary, process_name, receive, receive_end, send, wait_tracing};

/// The blocks between blank lines that begin with the number of a connection.
fn blocks(lines: &[String]) -> Vec<&[String]> {
    let paragraphs = lines.split(String::is_empty);
    paragraphs.filter(|lines| lines.first().is_some_and(|line| line.starts_with('#'))).collect()
}

/// Returns the states and flags in the rows of a block, in order.
fn story(block: &[String]) -> Vec<String> {
    let rows = block.iter().filter(|line| line.trim_start().starts_with('+'));
    rows.map(|row| {
        let words: Vec<_> = row.split_whitespace().collect();
        match words.iter().position(|&word| word == "→") {
            Some(at) => format!("{} → {}", words[at - 1], words[at + 1]),
            None => {
                let from = if row.contains('├') { "client" } else { "server" };
                let shaft = words.iter().position(|word| word.ends_with("──") || word.ends_with("◀─"));
                format!("{from} {}", words[shaft.expect("an arrow") + 1])
            }
        }
    })
    .collect()
}

#[test]
fn each_phase_is_a_block_and_an_unfinished_close_says_whose_turn_it_is() {
    const PORT: u16 = 4391;
    let netns = Netns::new();
    let ends = Ends::on(&netns, SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
    let mut command = Command::new(binary());
    command.args(["-p", &PORT.to_string()]).env("LC_ALL", "C.UTF-8").env("COLUMNS", "100");
    let mut process = netns.start(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()));
    let (lines, log) = (Lines::read(process.stdout(), |line| line), Lines::read(process.stderr(), |line| line));
    wait_tracing(&log);

    // Two at the same time, which must not mix.
    let (first, second) = (ends.open(), ends.open());
    send(&first.client, 22);
    receive(&first.server, 22);
    let end = first.client_address();
    ends.server.close(first.server);
    receive_end(&first.client);
    ends.close_in_four(second);
    let shown = |lines: &[String], what: &str| blocks(lines).concat().iter().any(|line| line.contains(what));
    lines.wait_until("an unfinished close", LIMIT, |lines| {
        shown(lines, "unfinished: the server closed its side; the client has not: CLOSE_WAIT")
    });
    lines.look(|lines| assert!(!shown(lines, "closed by the server"), "{lines:#?}"));
    ends.client.close(first.client);
    lines.wait_until("a finished close", LIMIT, |lines| shown(lines, "closed by the server"));
    process.signal(Signal::INT);
    assert!(process.wait(LIMIT).success());

    let lines = lines.finish();
    let blocks = blocks(&lines);
    let of = |number: &str| -> Vec<_> { blocks.iter().copied().filter(|block| block[0].starts_with(number)).collect() };
    let ([handshake, unfinished, close], [_, _]) = (&of("#1 ")[..], &of("#2 ")[..]) else { panic!("{lines:#?}") };
    assert_eq!(blocks.len(), 5, "{lines:#?}");
    assert!(lines.iter().all(|line| line.chars().count() <= 100 || line.contains(" -- ")), "{lines:#?}");
    assert!(handshake[0].starts_with(&format!(
        "#1 {end} {}[{}] → 127.0.0.1:{PORT}",
        process_name(),
        std::process::id()
    )));
    assert_eq!(
        story(handshake),
        [
            "CLOSE → SYN_SENT",
            "client SYN",
            "server SYN,ACK",
            "SYN_SENT → ESTABLISHED",
            "client ACK",
            "LISTEN → SYN_RECV",
            "SYN_RECV → ESTABLISHED"
        ]
    );
    let half = [
        "ESTABLISHED → FIN_WAIT1",
        "server FIN,ACK",
        "ESTABLISHED → CLOSE_WAIT",
        "client ACK",
        "FIN_WAIT1 → FIN_WAIT2",
        "FIN_WAIT2 → CLOSE",
    ];
    assert_eq!(story(unfinished), half);
    let rest = ["CLOSE_WAIT → LAST_ACK", "client FIN,ACK", "server ACK", "LAST_ACK → CLOSE"];
    assert_eq!(story(close), [&half[..], &rest].concat());
}
