//! `tcptrace leaks` with recordings: what they cannot tell is said.

use std::{fs, process::Command};

use tcptrace_tests::binary;

use crate::run;

/// A start, and sockets that were there by then.
const BEGIN: &str = concat!(
    r#"{"type":"start","time":"2026-11-30T07:11:01.747576756Z","boot_ns":9000000000,"schema":2,"version":"0.1.0","#,
    r#""hostname":"vm","kernel":"6.18.44","netns":4026532591,"interfaces":["lo"],"segments":"control","filter":"","#,
    r#""began_ns":9000000000}"#,
    "\n",
    r#"{"type":"existing","time":"2026-11-30T07:11:01.695843546Z","boot_ns":8900000000,"sockets":9,"groups":["#,
    r#"{"state":"CLOSE_WAIT","count":6,"processes":[],"container":null,"oldest_at_least_ns":410520000000},"#,
    r#"{"state":"ESTABLISHED","count":3,"processes":[],"container":null,"oldest_at_least_ns":null}],"#,
    r#""summary":"9 sockets were there when tracing began: 6 in CLOSE_WAIT, 3 in ESTABLISHED"}"#,
    "\n",
);

/// The verdict on a connection whose events were left out by `--emit`.
const VERDICT: &str = concat!(
    r#"{"type":"close","time":"2026-11-30T07:11:02.747576756Z","boot_ns":9900000000,"conn":1,"kind":"unfinished"}"#,
    "\n"
);

fn leaks(recording: &str, arguments: &[&str]) -> (String, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("trace.jsonl");
    fs::write(&path, recording).expect("it can be written");
    let (code, stdout, stderr) = run(Command::new(binary()).args(["leaks", "-r"]).arg(path).args(arguments));
    assert_eq!(code, Some(0), "{stderr}");
    (stdout, stderr)
}

#[test]
fn what_was_there_when_a_recording_began_is_counted() {
    let (stdout, stderr) = leaks(BEGIN, &[]);
    assert_eq!(stdout, "");
    assert!(stderr.contains("6 sockets were in one of these states when the recording began"), "{stderr}");
    assert!(stderr.contains("the recording shows no socket that matches"), "{stderr}");
}

#[test]
fn a_recording_of_verdicts_alone_holds_no_sockets() {
    let (_, stderr) = leaks(&[BEGIN, VERDICT].concat(), &["--json"]);
    assert!(stderr.contains("it holds verdicts, but no events that tell of sockets"), "{stderr}");
}
