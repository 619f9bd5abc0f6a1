//! Verdicts on exchanges that no two real stacks would have: a real socket at one end, a scripted peer at the other. Each is
//! judged twice: live, and from a capture of the same segments.

mod deferred;
mod opening;
mod script;
mod stage;
mod synchronised;
mod without_a_socket;

use std::{path::Path, process::Command};

use serde_json::Value;
use tcptrace_tests::{Tracer, binary, output, raw_pcap, verdicts};

use self::stage::{Packet, Stage};

/// The port of the first script; each has two of its own.
const FIRST_PORT: u16 = 6001;

/// A script and its expected verdicts.
struct Case {
    /// A short description, shown on failure.
    name: &'static str,
    script: &'static str,
    /// The verdict on each connection, as [`verdicts`] writes it.
    right: &'static [&'static str],
    /// The verdicts on the capture, if they differ: it does not contain the kernel's reasons.
    captured: Option<&'static [&'static str]>,
}

/// The kernel's server has accepted the peer's connection.
const ACCEPTED: &str = "< S 0; > S.; < . 1/0/1; accept";

/// Plays all scripts beside one tracer, and compares the verdicts on each.
#[track_caller]
fn check(cases: &[Case], sysctls: &[(&str, &str)]) {
    let mut stage = Stage::new(sysctls);
    let start = |segments| Tracer::start(&stage.netns, &["--host", "10.8.0.9", "--segments", segments]);
    let tracers = ["all", "control"].map(start);
    let ports = (FIRST_PORT..).step_by(2);
    let captures: Vec<_> = cases
        .iter()
        .zip(ports.clone())
        .map(|(case, port)| stage.play(port, &case.script.replace("ACCEPTED", ACCEPTED)))
        .collect();
    for tracer in &tracers {
        tracer.wait_until("every verdict", |records| {
            cases.iter().zip(ports.clone()).all(|(case, port)| {
                let verdicts = verdicts(records, port);
                verdicts.iter().zip(case.right).all(|(verdicts, right)| is_whole(verdicts, right))
                    && verdicts.len() >= case.right.iter().filter(|right| !UNTIL_THE_END.contains(right)).count()
            })
        });
    }
    let [all, control] = tracers.map(Tracer::stop);
    stage.clear();
    let folder = tempfile::tempdir().expect("a folder");
    let mut wrong = String::new();
    for ((case, port), packets) in cases.iter().zip(ports).zip(&captures) {
        let captured = read(&folder.path().join("capture.pcap"), packets);
        let right = case.captured.unwrap_or(case.right);
        for (how, verdicts, right) in [
            ("live", verdicts(&all.records, port), strings(case.right)),
            ("capture", verdicts(&captured, port), strings(right)),
            // Without the data in between, the numbers of bytes may be unknown.
            (
                "live, without data",
                without_bytes(&verdicts(&control.records, port)),
                without_bytes(&strings(case.right)),
            ),
        ] {
            if verdicts != right {
                wrong += &format!("{}, {how}: {verdicts:#?}, should be {right:#?}\n", case.name);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|&words| words.to_owned()).collect()
}

/// Returns verdicts without the last word of each close.
fn without_bytes(verdicts: &[String]) -> Vec<String> {
    let short = |verdict: &String| match verdict.rsplit_once(' ') {
        Some((rest, _)) if verdict.contains(';') => rest.to_owned(),
        _ => verdict.clone(),
    };
    verdicts.iter().map(short).collect()
}

/// Records that are written only when tracing ends.
const UNTIL_THE_END: [&str; 1] = ["unanswered"];

/// Returns true if a verdict has as many records as the expected one; unfinished connections are reported at the end.
fn is_whole(verdicts: &str, right: &str) -> bool {
    right.contains("unfinished") || verdicts.matches(';').count() >= right.matches(';').count()
}

/// Returns the records of `-r` for a capture of these packets.
#[track_caller]
fn read(file: &Path, packets: &[Packet]) -> Vec<Value> {
    std::fs::write(file, raw_pcap(packets)).expect("a file can be written");
    let lines = output(Command::new(binary()).arg("--json").arg("-r").arg(file));
    lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Waits until a connection between two ports has its expected records.
#[track_caller]
fn wait_verdicts(tracer: &Tracer, server: u16, right: &[&str]) {
    tracer.wait_until("the verdicts", |records| verdicts(records, server) == right);
}
