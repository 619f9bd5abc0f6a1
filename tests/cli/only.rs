//! One failed connection among many: `--only`, `-o list`, `-o none` and the summary.

use std::{fs, net::SocketAddr, path::PathBuf, process::Command};

use serde_json::Value;
use tcptrace_tests::{ACK, FIN, RST, SYN, binary, tcp_packet};
use tempfile::TempDir;

use crate::{run, wrong_usage};

const PUSH: u8 = 0x08;

/// Number of connections.
const MANY: u16 = 428;

/// Port of the client whose connection the server resets.
const FAILS: u16 = 20_199;

/// A capture of [`MANY`] connections of one client, of which one is reset after its request.
pub(crate) struct Many(TempDir);

impl Many {
    pub(crate) fn new() -> Self {
        let mut file = [0xa1b2_c3d4_u32.to_le_bytes(), [2, 0, 4, 0]].concat();
        file.extend([0, 0, 65535, 101].map(u32::to_le_bytes).concat());
        let server: SocketAddr = "192.0.2.2:80".parse().expect("an endpoint");
        for index in 0..MANY {
            let client = SocketAddr::new([192, 0, 2, 1].into(), 20_000 + index);
            let end = if client.port() == FAILS {
                vec![(false, RST | ACK, 1, 11, 0)]
            } else {
                vec![(true, FIN | ACK, 11, 1, 0), (false, FIN | ACK, 1, 12, 0), (true, ACK, 12, 2, 0)]
            };
            let begin = [
                (true, SYN, 0, 0, 0),
                (false, SYN | ACK, 0, 1, 0),
                (true, ACK, 1, 1, 0),
                (true, PUSH | ACK, 1, 1, 10),
                (false, ACK, 1, 11, 0),
            ];
            for (step, (by_client, flags, seq, ack, length)) in (0..).zip(begin.into_iter().chain(end)) {
                let (from, to) = if by_client { (client, server) } else { (server, client) };
                let isn = 1_000 + 10_000 * u32::from(index);
                let ack = if flags & ACK == 0 { 0 } else { isn + ack };
                let packet = tcp_packet(from, to, flags, (isn + seq, ack), &[], &vec![b'x'; length]);
                let size = u32::try_from(packet.len()).expect("a packet is short");
                let micros = u32::from(index) * 5_000 + step * 10;
                let (second, micros) = (1_700_000_000 + micros / 1_000_000, micros % 1_000_000);
                file.extend([second, micros, size, size].map(u32::to_le_bytes).concat());
                file.extend(packet);
            }
        }
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("many.pcap"), file).expect("a file can be written");
        Self(folder)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Returns stdout and stderr of a successful run.
    fn read(&self, arguments: &[&str]) -> (String, String) {
        let mut command = Command::new(binary());
        command.arg("-r").arg(self.path("many.pcap")).args(arguments).env("LC_ALL", "C.UTF-8").env("TZ", "UTC");
        let (code, stdout, stderr) = run(&mut command);
        assert_eq!(code, Some(0), "{stderr}");
        (stdout, stderr)
    }

    fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let (stdout, _) = self.read(&[&["--json"], arguments].concat());
        stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

#[test]
fn the_one_that_fails_is_shown_whole_and_the_others_are_counted() {
    let many = Many::new();
    let (stdout, stderr) = many.read(&["--only", "failed"]);
    assert!(stdout.lines().count() < 40, "{stdout}");
    for part in
        ["#200 ", "three-way handshake, established", "SYN,ACK", "reset by the server", "RST,ACK", "427 left out"]
    {
        assert!(stdout.contains(part), "`{part}` is not in: {stdout}");
    }
    assert!(!stdout.contains("#199 ") && !stdout.contains("#201 "), "{stdout}");
    assert!(stderr.contains("1 of 428 connections shown, 427 left out (--only failed)"), "{stderr}");
    let verdicts: Vec<_> = stderr.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
    assert_eq!(
        verdicts,
        [
            ["tcptrace:", "1", "reset", "192.0.2.1", "→", "192.0.2.2:80"],
            ["tcptrace:", "427", "three_segment", "192.0.2.1", "→", "192.0.2.2:80"],
        ]
    );
}

#[test]
fn json_holds_all_records_of_the_chosen_connections_or_those_of_emit() {
    let many = Many::new();
    let all = many.json(&[]);
    let chosen = many.json(&["--only", "reset"]);
    let of_it: Vec<_> = all.iter().filter(|record| record["conn"] == 200).collect();
    assert_eq!(chosen.iter().filter(|record| record["conn"] != Value::Null).collect::<Vec<_>>(), of_it);
    assert_eq!((chosen[0]["type"].as_str(), chosen.len()), (Some("start"), of_it.len() + 2));
    let end = &chosen[chosen.len() - 1];
    assert_eq!((&end["type"], &end["connections"], &end["left_out"]), (&"end".into(), &428.into(), &427.into()));
    assert_eq!(all[all.len() - 1]["left_out"], Value::Null, "nothing is left out without --only");
    let verdicts = many.json(&["--only", "reset", "--emit", "close"]);
    assert_eq!(verdicts.iter().map(|record| &record["type"]).collect::<Vec<_>>(), ["start", "close", "end"]);
}

#[test]
fn the_file_gets_everything_whatever_is_shown() {
    let many = Many::new();
    let whole = many.path("whole.jsonl");
    many.read(&["-o", "none", "-w", whole.to_str().expect("UTF-8")]);
    let chosen = many.path("chosen.jsonl");
    let (stdout, _) = many.read(&["--only", "failed", "-o", "none", "-w", chosen.to_str().expect("UTF-8")]);
    assert_eq!(stdout, "", "none is nothing");
    assert_eq!(fs::read(&chosen).expect("it is there"), fs::read(&whole).expect("it is there"));
}

#[test]
fn a_list_has_a_line_for_each_connection_in_columns() {
    let many = Many::new();
    let (stdout, stderr) = many.read(&["-o", "list"]);
    assert_eq!(stderr, "", "a program that reads text from a file needs no summary");
    let lines: Vec<_> = stdout.lines().filter(|line| line.contains(" #")).collect();
    assert_eq!(lines.len(), usize::from(MANY));
    let failed = lines[199];
    for part in
        ["22:13:20.995", "#200", "192.0.2.1:20199 ", "→ 192.0.2.2:80 ", "10 B →", "0 B ←", "reset by the server"]
    {
        assert!(failed.contains(part), "`{part}` is not in: {failed}");
    }
    let column = |line: &str| line.find('→');
    assert!(
        lines[99..].iter().all(|line| column(line) == column(failed)),
        "aligned once the numbers have three digits"
    );
    let (stdout, _) = many.read(&["-o", "list", "--only", "!three_segment"]);
    assert_eq!(stdout.lines().filter(|line| line.contains(" #")).count(), 1, "{stdout}");
}

#[test]
fn count_counts_what_is_shown() {
    let many = Many::new();
    let records = many.json(&["--only", "reset", "-c", "1"]);
    // A second after the reset, when its close is over, others have begun.
    let connections = records[records.len() - 1]["connections"].as_u64().expect("a number");
    assert!((200..428).contains(&connections), "it stops behind the first that fails: {connections}");
}

#[test]
fn what_is_slow_is_a_question_of_the_option() {
    let many = Many::new();
    let shown = |arguments: &[&str]| {
        let (stdout, _) = many.read(&[&["-o", "list", "--only", "slow"], arguments].concat());
        stdout.lines().filter(|line| line.contains(" #")).count()
    };
    assert_eq!((shown(&[]), shown(&["--slow", "20us"]), shown(&["--slow", "21us"])), (0, 428, 0));
}

#[test]
fn unknown_words_are_wrong_usage_and_the_known_ones_are_listed() {
    for words in ["fail", "failed,nothing", "!", ""] {
        wrong_usage(&[&format!("--only={words}")], "--only");
    }
    let (_, _, stderr) = run(Command::new(binary()).args(["--only", "resets"]));
    for word in ["'resets'", "failed", "stalled", "slow", "refused", "four_segment", "unread_data"] {
        assert!(stderr.contains(word), "`{word}` is not in: {stderr}");
    }
    wrong_usage(&["--slow", "soon"], "soon");
}

#[test]
fn what_goes_with_a_command_and_what_does_not() {
    wrong_usage(&["--"], "there is no command after --");
    wrong_usage(&["--fail-on", "reset"], "--fail-on needs a command");
    wrong_usage(&["--fail-on", "resets", "--", "true"], "resets");
    for options in [["-c", "1"], ["--duration", "1s"], ["-r", "trace.jsonl"]] {
        wrong_usage(&[options[0], options[1], "--", "true"], options[0]);
    }
}

#[test]
fn each_connection_is_a_sequence_diagram() {
    let (stdout, _) = Many::new().read(&["--only", "failed", "-o", "mermaid"]);
    let expected = [
        "```mermaid\nsequenceDiagram\n    title connection ",
        "\n    participant c as 192.0.2.1:20199\n    participant s as 192.0.2.2:80\n",
        "    c->>s: +0.000 ms SYN seq ",
        "    s->>c: +0.010 ms SYN,ACK seq ",
        "    Note over c,s: three-way handshake, established in ",
        "    s->>c: +0.050 ms RST,ACK seq 1 ack 11 ",
        "    Note over c,s: reset by the server",
        "\n```\n",
    ];
    let mut rest = stdout.as_str();
    for words in expected {
        rest = rest.split_once(words).unwrap_or_else(|| panic!("`{words}` is not at its place in:\n{stdout}")).1;
    }
    assert_eq!(rest, "", "one diagram: {stdout}");
    assert!(!stdout.contains(['#', ';']), "{stdout}");
}
