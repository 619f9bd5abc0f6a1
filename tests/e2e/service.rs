//! The service manager of a service: the notifications that it gets, and its absence.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use rustix::{
    process::Signal,
    time::{ClockId, clock_gettime},
};
use serde_json::Value;
use tcptrace_tests::{
    Attached, Ends, LIMIT, Lines, Netns, Process, PublicCopy, ServiceManager, Tracer, binary, is_type, output,
    tcx_programs, wait_tracing,
};

use crate::privileges::{NEEDED, as_nobody, folder_of_nobody};

/// Twice the tracer's tick, in microseconds.
const WATCHDOG: &str = "2000000";

fn loopback(netns: &Netns, port: u16) -> Ends {
    Ends::on(netns, SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

fn command(port: u16, manager: &str) -> Command {
    let mut command = Command::new(binary());
    command.args(["--json", "-p", &port.to_string()]).env("NOTIFY_SOCKET", manager);
    command
}

/// Returns the lines on stderr that are the same on every host: not every host shows the owners of all sockets.
fn said(log: &[String]) -> Vec<&str> {
    let elsewhere = |line: &&str| !line.starts_with("tcptrace: the owners of some sockets stay unknown");
    log.iter().map(String::as_str).filter(elsewhere).collect()
}

fn records(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).expect("the file is there");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON lines")).collect()
}

/// CLOCK_MONOTONIC, in microseconds.
fn monotonic() -> u128 {
    Duration::try_from(clock_gettime(ClockId::Monotonic)).expect("a positive time").as_micros()
}

/// Checks the whole life of a service. `others`: settings that make the watchdog another process's.
fn check(netns: &Netns, mut manager: ServiceManager, port: u16, others: Option<&str>) {
    let ends = loopback(netns, port);
    let folder = tempfile::tempdir().expect("a folder");
    let (path, old) = (folder.path().join("trace.jsonl"), folder.path().join("old.jsonl"));
    let mut command = command(port, manager.name());
    command.env("WATCHDOG_USEC", WATCHDOG).arg("-w").arg(&path);
    if let Some(pid) = others {
        command.env("WATCHDOG_PID", pid);
    }
    let tracer = Tracer::launch(netns, &mut command);
    let status = format!("STATUS=tracing on lo; filter: port {port}; ");
    let first = manager.wait_for("READY=1").to_owned();
    assert_eq!(first, format!("READY=1\n{status}0 connections, 0 still open; 0 events, 0 lost"));
    // From the readiness notification on, no connection is missed.
    ends.repeat(1);
    manager.wait_for("; 1 connection, 0 still open; 17 events, 0 lost");

    fs::rename(&path, &old).expect("a file can be renamed");
    let before = monotonic();
    tracer.signal(Signal::HUP);
    let reloading = manager.wait_for("RELOADING=1").to_owned();
    let time = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect("a time");
    assert!((before..=monotonic()).contains(&time.parse().expect("a number")), "{time}");
    manager.wait_for("READY=1");
    assert!(path.exists(), "who waits for the end of the reload finds the new file");
    assert_eq!(records(&old).iter().filter(|record| is_type(record, "close")).count(), 1);
    let trace = tracer.stop_with(Signal::TERM);
    assert_eq!(trace.about(netns, port).len(), 17);
    assert_eq!(said(&trace.log).len(), 2, "what is traced and the sum: {:#?}", trace.log);

    let messages = manager.finish();
    let is_watchdog = |message: &&String| *message == "WATCHDOG=1";
    // Every second, and it took more than one until the status changed.
    assert_eq!(messages.iter().filter(is_watchdog).count() > 2, others.is_none(), "{messages:#?}");
    let states: Vec<_> = messages.iter().filter(|message| !is_watchdog(message)).map(String::as_str).collect();
    let [ready, statuses @ .., reload, reloaded, stopping] = states.as_slice() else { panic!("{states:#?}") };
    assert_eq!([*ready, *reload, *reloaded, *stopping], [first.as_str(), &reloading, "READY=1", "STOPPING=1"]);
    assert!(statuses.iter().all(|message| message.starts_with(&status)), "{statuses:#?}");
    assert!([1, 2].contains(&statuses.len()), "only what is news, and seldom: {statuses:#?}");
}

#[test]
fn a_service_manager_at_a_path_is_told_when_it_is_ready_reloads_lives_and_stops() {
    let netns = Netns::new();
    let folder = tempfile::tempdir().expect("a folder");
    check(&netns, ServiceManager::at(&folder.path().join("notify")), 4481, None);
}

#[test]
fn one_with_an_abstract_name_is_told_the_same_but_nothing_of_a_watchdog_of_others() {
    let netns = Netns::new();
    let manager = ServiceManager::of(&netns);
    check(&netns, manager, 4482, Some("1"));
}

#[test]
fn a_manager_that_cannot_be_told_is_complained_of_once_and_does_not_matter() {
    let netns = Netns::new();
    let ends = loopback(&netns, 4483);
    let folder = tempfile::tempdir().expect("a folder");
    let stuck = ServiceManager::at(&folder.path().join("notify"));
    stuck.fill();
    let gone = folder.path().join("gone");
    for name in [stuck.name(), gone.to_str().expect("UTF-8"), "@", "vsock:2:1"] {
        let tracer = Tracer::start_command(&netns, command(4483, name).env("WATCHDOG_USEC", WATCHDOG));
        ends.repeat(1);
        // A manager that does not read delays nothing, including the end.
        let trace = tracer.stop_with(Signal::TERM);
        assert_eq!(trace.about(&netns, 4483).len(), 17, "{name}");
        let said = said(&trace.log);
        let complaints = said.iter().filter(|line| line.contains("service manager")).count();
        assert_eq!((complaints, said.len()), (1, 3), "{said:#?}");
    }
}

/// Starts it as a unit would, with its stderr.
fn start_service(netns: &Netns, copy: &PublicCopy, manager: &ServiceManager, path: &Path) -> (Process, Lines<String>) {
    let mut command = as_nobody();
    command.args(["--no-new-privs", "--inh-caps", &format!("-all,{NEEDED}"), "--ambient-caps", NEEDED, "--"]);
    command.arg(copy.path()).args(["--json", "--emit", "handshake,close", "-p", "4484", "-w"]).arg(path);
    command.env("NOTIFY_SOCKET", manager.name()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut process = netns.start(&mut command);
    let log = Lines::read(process.stderr(), |line| line);
    (process, log)
}

#[test]
fn a_service_of_another_user_writes_files_that_are_rotated_and_read_back_and_leaves_nothing() {
    let netns = Netns::new();
    let before = (Attached::to(&netns, "lo"), tcx_programs(&netns, "lo"));
    let ends = loopback(&netns, 4484);
    let copy = PublicCopy::new();
    let folder = folder_of_nobody();
    let (path, old) = (folder.path().join("trace.jsonl"), folder.path().join("trace.jsonl.1"));
    let mut manager = ServiceManager::of(&netns);
    let (mut service, log) = start_service(&netns, &copy, &manager, &path);
    manager.wait_for("READY=1");
    ends.repeat(1);
    // Events that are still in the ring buffer would go to the new file.
    manager.wait_for("; 1 connection, 0 still open; 17 events, 0 lost");
    fs::rename(&path, &old).expect("a file can be renamed");
    service.signal(Signal::HUP);
    manager.wait_for("RELOADING=1");
    manager.wait_for("READY=1");
    ends.repeat(1);
    service.signal(Signal::TERM);
    assert!(service.wait(LIMIT).success());
    // A journal shows each line unchanged.
    let log = log.finish();
    let said = said(&log);
    assert_eq!(said.first(), Some(&"tcptrace: tracing on lo; filter: port 4484"), "{log:#?}");
    assert_eq!(said.len(), 2, "{log:#?}");
    assert!(said[1].starts_with("tcptrace: 2 connections, 0 still open; 34 events, 0 lost; traced for "), "{log:#?}");
    assert!(log.iter().all(|line| !line.contains(char::is_control)), "{log:#?}");

    let read = |path: &Path| {
        // Reading a file sends no readiness notification.
        let mut command = Command::new(binary());
        let text = output(command.args(["--json", "-r"]).arg(path).env("NOTIFY_SOCKET", manager.name()));
        text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON lines")).collect::<Vec<_>>()
    };
    for path in [&old, &path] {
        let written = records(path);
        assert!(is_type(&written[0], "start"), "{written:#?}");
        let closes =
            |records: &[Value]| records.iter().filter(|record| is_type(record, "close")).cloned().collect::<Vec<_>>();
        assert_eq!((closes(&written).len(), closes(&read(path)).len()), (1, 1), "{written:#?}");
    }
    assert!(is_type(records(&path).last().expect("an end"), "end"));
    assert_eq!(before, (Attached::to(&netns, "lo"), tcx_programs(&netns, "lo")));

    // Once more, with everything as before.
    let (mut service, log) = start_service(&netns, &copy, &manager, &path);
    wait_tracing(&log);
    manager.wait_for("READY=1");
    service.signal(Signal::TERM);
    assert!(service.wait(LIMIT).success());
    assert_eq!(before, (Attached::to(&netns, "lo"), tcx_programs(&netns, "lo")));
    assert_eq!(manager.finish().last().map(String::as_str), Some("STOPPING=1"));
}
