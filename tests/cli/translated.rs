//! Connections with two sides, before and after an address translation, in a capture that has both: one diagram for each.

use std::{fs, net::SocketAddr, process::Command, time::Duration};

use serde_json::Value;
use tcptrace_tests::{ACK, FIN, RST, SYN, binary, raw_pcap, tcp_packet};
use tempfile::TempDir;

use crate::run;

/// The service that clients connect to, and the pod behind it.
const SERVICE: &str = "10.96.0.10:80";
const POD: &str = "10.244.0.12:8080";

/// A timestamp and two padding bytes: by that and its ISN, the SYN of one side is recognised on the other.
const TIMESTAMP: [u8; 12] = [1, 1, 8, 10, 0, 0, 0, 9, 0, 0, 0, 0];

/// Microseconds from one side to the other.
const APART: u64 = 20;

/// A segment: true if it is the client's, its flags and numbers without the ISNs, and its time in microseconds.
type Step = (bool, u8, u32, u32, u64);

const UNANSWERED: [Step; 2] = [(true, SYN, 0, 0, 0), (true, SYN, 0, 0, 1_000_000)];
const ORDERLY: [Step; 6] = [
    (true, SYN, 0, 0, 200_000_000),
    (false, SYN | ACK, 0, 1, 200_000_200),
    (true, ACK, 1, 1, 200_000_400),
    (true, FIN | ACK, 1, 1, 200_005_000),
    (false, FIN | ACK, 1, 2, 200_005_200),
    (true, ACK, 2, 2, 200_005_400),
];
const REFUSED: [Step; 2] = [(true, SYN, 0, 0, 210_000_000), (false, RST | ACK, 0, 1, 210_000_200)];

/// The ends of connection `number` on the clients' side and on the pod's.
fn ends(number: u16) -> [[SocketAddr; 2]; 2] {
    let client = format!("10.9.0.1:{}", 40_000 + number);
    let node = format!("10.244.0.1:{}", 61_000 + number);
    [[&client, SERVICE], [&node, POD]].map(|side| side.map(|end| end.parse().expect("an endpoint")))
}

/// Writes a capture of connections without an answer, closed in order, and refused.
fn capture() -> (TempDir, String) {
    let mut packets = Vec::new();
    for (steps, number) in [&UNANSWERED[..], &ORDERLY, &REFUSED].into_iter().zip(0..) {
        for &(by_client, flags, seq, ack, at) in steps {
            let isn = 7_000 + 100_000 * u32::from(number);
            let (own, other) = if by_client { (isn, isn + 50_000) } else { (isn + 50_000, isn) };
            // A reset of a SYN has no number of its own.
            let seq = if flags & RST != 0 { 0 } else { own + seq };
            let ack = if flags & ACK == 0 { 0 } else { other + ack };
            for (side, [client, server]) in ends(number).into_iter().enumerate() {
                let (from, to) = if by_client { (client, server) } else { (server, client) };
                let later = if by_client == (side == 0) { 0 } else { APART };
                let packet = tcp_packet(from, to, flags, (seq, ack), if flags == SYN { &TIMESTAMP } else { &[] }, &[]);
                packets.push((Duration::from_secs(1_700_000_000) + Duration::from_micros(at + later), packet));
            }
        }
    }
    packets.sort_by_key(|(at, _)| *at);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("sides.pcap");
    fs::write(&path, raw_pcap(&packets)).expect("a file can be written");
    let path = path.to_str().expect("UTF-8").to_owned();
    (folder, path)
}

/// Returns the output in a format.
#[track_caller]
fn rendered(path: &str, format: &str) -> String {
    let (code, stdout, stderr) = run(Command::new(binary()).args(["-q", "-o", format, "-r", path]));
    assert_eq!((code, stderr.as_str()), (Some(0), ""), "{format}");
    stdout
}

/// Returns the diagrams of Mermaid, without what surrounds them.
fn diagrams(text: &str) -> Vec<&str> {
    text.split("```mermaid\n").skip(1).map(|text| text.split_once("```").expect("its end").0).collect()
}

#[test]
fn mermaid_has_one_diagram_for_both_sides() {
    let (_folder, path) = capture();
    let text = rendered(&path, "mermaid");
    let diagrams = diagrams(&text);
    assert_eq!(diagrams.len(), 3, "{text}");
    for (number, words, syns) in [(0, "unanswered", 2), (1, "closed by the client", 1), (2, "refused", 1)] {
        let [[client, _], [node, _]] = ends(number);
        let own = format!("participant c as {client}\n");
        let diagram = diagrams.iter().find(|diagram| diagram.contains(&own)).unwrap_or_else(|| panic!("{own}: {text}"));
        let translation = format!("Note over c,s: {SERVICE} is {POD} and {client} is {node} in ");
        for (once, count) in [(translation.as_str(), 1), ("participant ", 2), ("c->>s: +", syns)] {
            let found = diagram.lines().filter(|line| line.contains(once) && !line.contains("ACK ")).count();
            assert_eq!(found, count, "{once}: {diagram}");
        }
        assert!(diagram.contains(words) && !diagram.contains("only in"), "{words}: {diagram}");
    }
}

#[test]
fn a_recording_leads_to_the_same_diagrams() {
    let (folder, path) = capture();
    let recording = folder.path().join("sides.jsonl");
    fs::write(&recording, rendered(&path, "json")).expect("a file can be written");
    let recording = recording.to_str().expect("UTF-8");
    for format in ["mermaid", "svg"] {
        assert_eq!(rendered(recording, format), rendered(&path, format), "{format}");
    }
}

#[test]
fn the_page_has_a_line_for_each_connection_with_the_addresses_of_both_sides() {
    let (_folder, path) = capture();
    let page = rendered(&path, "html");
    let (_, data) = page.split_once("type=\"application/json\">\n").expect("the data");
    let (data, _) = data.split_once("</script>").expect("its end");
    let mut lines: Vec<Value> = data.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    lines.sort_by_key(|line| line[0].to_string());
    assert_eq!(lines.len(), 3, "{data}");
    for ((number, verdict), line) in [(0, "unanswered"), (1, "three_segment"), (2, "refused")].into_iter().zip(&lines) {
        let [[client, _], [node, _]] = ends(number);
        let first = 2 * u64::from(number) + 1;
        assert_eq!(line[0], serde_json::json!([first, first + 1]), "{line}");
        assert_eq!((&line[2], &line[3]), (&format!("{client} = {node}").into(), &format!("{SERVICE} = {POD}").into()));
        assert_eq!(line[5], verdict, "{line}");
    }
}

#[test]
fn the_picture_has_the_ladders_of_the_text() {
    let (_folder, path) = capture();
    let translation = format!("{SERVICE} is {POD}");
    let [picture, text] = ["svg", "timeline"].map(|format| rendered(&path, format).matches(&translation).count());
    assert!(text > 0, "the text names it");
    assert_eq!(picture, text);
}
