//! The command line without tracing: wrong usage, missing privileges, and tasks that need no privileges.

mod captures;
mod dissected;
mod documents;
mod kinds;
mod leaks;
mod memory;
mod merged;
mod only;
mod otlp;
mod pcapng;
mod progress;
mod recordings;
mod stderr;
mod top;
mod translated;

use std::{
    os::unix::process::CommandExt,
    process::{Command, Output},
};

use tcptrace_tests::{PublicCopy, binary};

/// ID of the user nobody.
const NOBODY: u32 = 65534;

fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.output().expect("the program can be started");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (status.code(), text(stdout), text(stderr))
}

/// Asserts that `arguments` are refused as wrong usage, with a message that names the problem.
#[track_caller]
fn wrong_usage(arguments: &[&str], named: &str) {
    let (code, stdout, stderr) = run(Command::new(binary()).args(arguments));
    assert_eq!((code, stdout.as_str()), (Some(2), ""), "{arguments:?}: {stderr}");
    let first = stderr.lines().next().unwrap_or_default();
    assert!(first.contains(named), "{arguments:?}: `{named}` is not named: {stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
}

/// Asserts that `arguments` are valid but fail, with one line that contains all of these words.
#[track_caller]
fn cannot(arguments: &[&str], named: &[&str]) {
    assert!(rustix::process::geteuid().is_root(), "without root this test would only see that: run `cargo xtask test`");
    let (code, stdout, stderr) = run(Command::new(binary()).args(arguments));
    assert_eq!((code, stdout.as_str()), (Some(1), ""), "{arguments:?}: {stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.starts_with("tcptrace: "), "{stderr}");
    assert!(named.iter().all(|word| stderr.contains(word)), "{named:?} are not all in: {stderr}");
}

#[test]
fn a_bad_port_is_wrong_usage() {
    for option in ["--port", "--local-port", "--remote-port"] {
        for port in ["0", "70000", "80-", "-80", "a", "90-80", "", "80,,81", "80,0", "1-65536", "80 81"] {
            wrong_usage(&[&format!("{option}={port}")], option);
        }
    }
    wrong_usage(&["-p", "90-80"], "90-80");
    wrong_usage(&["-p", "70000"], "70000");
}

#[test]
fn a_bad_address_is_wrong_usage() {
    for host in ["10.0.0.0/33", "10.0.0.256", "fd00::/129", "fd00:::1", "example.com", "10.0.0.0/", ""] {
        wrong_usage(&[&format!("--host={host}")], "--host");
    }
    wrong_usage(&["--host", "10.0.0.0/33"], "10.0.0.0/33");
}

#[test]
fn a_bad_ring_buffer_size_is_wrong_usage() {
    for size in ["3MiB", "0", "1", "16MiX", "-1", "16777217"] {
        wrong_usage(&[&format!("--ring-buffer={size}")], "--ring-buffer");
    }
}

#[test]
fn other_bad_values_are_wrong_usage() {
    for (arguments, named) in [
        (["--segments", "some"], "some"),
        (["-o", "xml"], "xml"),
        (["--color", "maybe"], "maybe"),
        (["--duration", "soon"], "soon"),
        (["-c", "few"], "few"),
        (["--attach", "nowhere"], "nowhere"),
        (["--json", "--no-such-option"], "--no-such-option"),
        (["--json", "stray"], "stray"),
    ] {
        wrong_usage(&arguments, named);
    }
}

#[test]
fn help_and_version_need_no_privileges_and_no_more_than_stdout() {
    for option in ["--help", "-h", "--version"] {
        let (code, stdout, stderr) = run(Command::new(binary()).arg(option));
        assert_eq!((code, stderr.as_str()), (Some(0), ""));
        assert!(stdout.contains("tcptrace"), "{stdout}");
    }
    let (_, help, _) = run(Command::new(binary()).arg("--help"));
    for option in [
        "--port",
        "--local-port",
        "--remote-port",
        "--host",
        "--interface",
        "--only",
        "--slow",
        "--fail-on",
        "--output",
        "--json",
        "--write",
        "--segments",
        "--count",
        "--duration",
        "--absolute-seq",
        "--ring-buffer",
        "--color",
    ] {
        assert!(help.contains(option), "{option} is not in the help: {help}");
    }
}

#[test]
fn the_schema_is_json() {
    let (code, stdout, stderr) = run(Command::new(binary()).arg("--json-schema"));
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let schema: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
    jsonschema::validator_for(&schema).expect("a JSON Schema");
}

fn by_nobody(copy: &PublicCopy) -> Command {
    let mut command = Command::new(copy.path());
    command.uid(NOBODY).gid(NOBODY);
    command
}

#[test]
fn without_root_it_names_the_capabilities_that_are_missing() {
    assert!(rustix::process::geteuid().is_root(), "only root can become nobody: run `cargo xtask test`");
    let copy = PublicCopy::new();
    let (code, stdout, stderr) = run(by_nobody(&copy).args(["-p", "80"]));
    assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    for word in ["tcptrace: ", "CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN", "sudo"] {
        assert!(stderr.contains(word), "`{word}` is not in: {stderr}");
    }
}

#[test]
fn without_root_doctor_names_what_is_missing_and_what_works() {
    assert!(rustix::process::geteuid().is_root(), "only root can become nobody: run `cargo xtask test`");
    let (code, stdout, stderr) = run(by_nobody(&PublicCopy::new()).arg("doctor"));
    assert_eq!((code, stderr.as_str()), (Some(1), ""), "{stdout}");
    let verdict = |what: &str| {
        let mut lines = stdout.lines().filter(|line| line.get(9..).is_some_and(|text| text.starts_with(what)));
        let line = lines.next().unwrap_or_else(|| panic!("{what} is not in: {stdout}"));
        (line.split_whitespace().next().expect("a verdict"), line)
    };
    for capability in ["CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN"] {
        let (word, line) = verdict(capability);
        assert!(word == "missing" && line.contains("sudo tcptrace"), "{line}");
    }
    for capability in ["CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH"] {
        assert_eq!(verdict(capability).0, "limited", "{stdout}");
    }
    assert_eq!(verdict("kernel").0, "ok", "{stdout}");
    let (word, line) = verdict("live check");
    assert!(word == "missing" && line.contains("CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN"), "{line}");
}

#[test]
fn doctor_takes_no_options_and_is_none() {
    wrong_usage(&["doctor", "-p", "80"], "-p");
    wrong_usage(&["doctor", "twice"], "twice");
    wrong_usage(&["-p", "80", "doctor"], "doctor");
}

#[test]
fn an_interface_that_does_not_exist_is_named() {
    cannot(&["-i", "nonexistent0"], &["nonexistent0"]);
}

#[test]
fn a_file_in_a_folder_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("missing/trace.jsonl");
    cannot(&["-w", path.to_str().expect("UTF-8")], &["missing/trace.jsonl"]);
}

#[test]
fn a_link_is_not_followed_to_the_file_that_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let (target, link) = (folder.path().join("precious"), folder.path().join("link.jsonl"));
    std::fs::write(&target, "precious").expect("a file");
    std::os::unix::fs::symlink(&target, &link).expect("a link");
    cannot(&["-w", link.to_str().expect("UTF-8")], &["link.jsonl"]);
    assert_eq!(std::fs::read_to_string(target).expect("still there"), "precious");
}

#[test]
fn a_folder_cannot_be_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("UTF-8");
    cannot(&["-w", path], &[path]);
}
