//! Of a recording, connections and segments can be chosen as of a live trace.

use std::{
    fs,
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use tcptrace_tests::{Ends, Netns, Tracer, Veth, binary, is_type, receive, send};

use super::{loopback, play, replay};

#[test]
fn of_every_segment_those_that_matter_can_be_chosen_later() {
    let netns = Netns::new();
    let ends = loopback(&netns, 4913);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("trace.jsonl");
    let tracer = Tracer::start(&netns, &["-p", "4913", "--segments", "all", "-w", path.to_str().expect("UTF-8")]);
    let connection = ends.open();
    for _ in 0..20 {
        send(&connection.client, 100);
        receive(&connection.server, 100);
    }
    ends.close_in_four(connection);
    let trace = tracer.stop();
    let count = |text: &str, kind: &str| text.lines().filter(|line| line.contains(kind)).count();
    let (all, control) = (replay(&path, &["--segments", "all"]), replay(&path, &[]));
    assert_eq!(count(&all, r#""type":"segment""#), trace.of_type("segment").len());
    assert_eq!(count(&control, r#""type":"segment""#), 7);
    let verdicts = |text: &str| -> Vec<String> {
        let is_verdict = |line: &&str| line.contains(r#""type":"handshake""#) || line.contains(r#""type":"close""#);
        text.lines().filter(is_verdict).map(str::to_owned).collect()
    };
    assert_eq!(verdicts(&all), verdicts(&control));
    assert_eq!(verdicts(&all), verdicts(&fs::read_to_string(&path).expect("the file is there")));
}

#[test]
fn what_was_printed_is_read_from_a_pipe_and_filtered() {
    let netns = Netns::new();
    let tracer = Tracer::start(&netns, &["-p", "4920-4922"]);
    let left_open = play(&netns, 4920, &tracer);
    let trace = tracer.stop();
    drop(left_open);
    let printed: String = trace.records.iter().map(|record| format!("{record}\n")).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("printed.jsonl");
    fs::write(&path, printed).expect("a file can be written");
    for (arguments, connections) in [
        (&[][..], 8),
        (&["-6"], 1),
        (&["-p", "4921"], 1),
        (&["--remote-port", "4920"], 6),
        (&["--local-port", "4922"], 1),
        (&["--host", "::1"], 1),
        (&["-i", "lo"], 8),
        (&["-c", "2"], 2),
    ] {
        let mut command = Command::new(binary());
        let file = fs::File::open(&path).expect("the file is there");
        let run = command.args(["-r", "-", "--json"]).args(arguments).stdin(file).stderr(Stdio::null()).output();
        let text = String::from_utf8(run.expect("it runs").stdout).expect("UTF-8");
        let end: Value = serde_json::from_str(text.lines().last().expect("lines")).expect("JSON");
        assert_eq!(end["connections"], connections, "{arguments:?}: {text}");
    }
}

/// Between two namespaces, a recording has each segment once, on its way out, and yet both ends are local.
#[test]
fn filters_on_one_end_keep_both_directions_between_namespaces() {
    let (left, right) = (Netns::new(), Netns::new());
    let veth = Veth::between(&left, &right, 0);
    let ends = Ends::between(&left, &right, veth.right_v4(4924));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("trace.jsonl");
    let recorded = ["-w", path.to_str().expect("UTF-8"), "--netns", left.name(), "--netns", right.name()];
    let tracer = Tracer::start(&left, &recorded);
    ends.close_in_four(ends.open());
    tracer.stop();
    for option in ["--remote-port", "--local-port"] {
        let read = replay(&path, &[option, "4924"]);
        let records: Vec<Value> = read.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let of_type = |kind| records.iter().filter(move |record| is_type(record, kind));
        let opened: Vec<Value> =
            of_type("handshake").map(|opened| json!([opened["kind"], opened["missing"]])).collect();
        assert_eq!(opened, [json!(["three_way", []])], "{option}: {read}");
        let closes = of_type("close").map(|close| json!([close["kind"], close["initiator"], close["missing"]]));
        assert_eq!(closes.collect::<Vec<_>>(), [json!(["four_segment", "client", ["states"]])], "{option}: {read}");
        assert_eq!(of_type("segment").count(), 7, "{option}: {read}");
    }
}
