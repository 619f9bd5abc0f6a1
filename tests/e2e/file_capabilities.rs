//! A program with file capabilities lets its users trace, but do nothing else that they could not do before.

use std::{
    fs::{self, Permissions, set_permissions},
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::{PermissionsExt, chown},
    path::Path,
    process::{Command, Output},
};

use rustix::process::Signal;
use tcptrace_tests::{Ends, LIMIT, Netns, PublicCopy, ServiceManager, Tracer, binary, eventually, output};

use crate::privileges::{as_nobody, folder_of_nobody, rights};

/// The capabilities that tracing needs, and the one that allows writing any file.
const CAPABILITIES: &str = "cap_bpf,cap_perfmon,cap_net_admin,cap_sys_ptrace,cap_dac_read_search,cap_dac_override=ep";

/// The program under test with capabilities, for everybody.
#[track_caller]
fn capable() -> PublicCopy {
    let copy = PublicCopy::new();
    output(Command::new("setcap").arg(CAPABILITIES).arg(copy.path()));
    copy
}

/// Returns another user's command line with these arguments.
fn command(copy: &PublicCopy, arguments: &[&str]) -> Command {
    let mut command = as_nobody();
    command.arg("--").arg(copy.path()).args(arguments);
    command
}

fn refused(output: &Output, words: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(words), "{said}");
}

/// Creates a folder that everybody may search.
fn public_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("an own folder can be opened");
    folder
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[test]
fn its_user_traces_and_is_told_that_it_works() {
    let netns = Netns::new();
    let ends = Ends::on(&netns, SocketAddr::from((Ipv4Addr::LOCALHOST, 4491)));
    let copy = capable();
    let tracer = Tracer::start_command(&netns, &mut command(&copy, &["--json", "-p", "4491"]));
    ends.repeat(1);
    let trace = tracer.stop();
    assert_eq!(trace.about(&netns, 4491).len(), 17);

    let doctor = netns.output(&mut command(&copy, &["doctor"]));
    for name in ["CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN", "CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH", "live check"] {
        assert!(doctor.contains(&format!("ok       {name} ")), "{name}: {doctor}");
    }
}

#[test]
fn its_user_reads_no_file_of_others() {
    let netns = Netns::new();
    let copy = capable();
    let folder = public_folder();
    let path = folder.path().join("trace.jsonl");
    netns.output(Command::new(binary()).args(["-p", "4492", "--netns", "own", "--duration", "1ms", "-w"]).arg(&path));
    let mut read = command(&copy, &["--json", "-r", text(&path)]);
    refused(&read.output().expect("it can be started"), "cannot be opened: Permission denied");
    // Nothing else prevented it.
    set_permissions(&path, Permissions::from_mode(0o644)).expect("root may do that");
    assert_eq!(output(&mut read).lines().count(), 2, "a start and an end");
    set_permissions(folder.path(), Permissions::from_mode(0o700)).expect("root may do that");
    refused(&read.output().expect("it can be started"), "cannot be opened: Permission denied");
}

#[test]
fn its_user_writes_no_file_of_others() {
    let netns = Netns::new();
    let copy = capable();
    let folder = public_folder();
    let (other, inner) = (folder.path().join("other"), folder.path().join("inner"));
    fs::write(&other, "kept").expect("a file");
    fs::create_dir(&inner).expect("a folder");
    set_permissions(&other, Permissions::from_mode(0o600)).expect("root may do that");
    set_permissions(&inner, Permissions::from_mode(0o700)).expect("root may do that");
    for path in [&other, &folder.path().join("new"), &inner.join("new")] {
        let mut write = command(&copy, &["-p", "4493", "--duration", "1ms", "-w", text(path)]);
        let output = netns.run(|| write.output()).expect("it can be started");
        refused(&output, "may not be written to");
    }
    assert_eq!(fs::read_to_string(&other).expect("it is there"), "kept");
    assert_eq!(fs::read_dir(&inner).expect("it is there").count(), 0);
    assert_eq!(fs::read_dir(folder.path()).expect("it is there").count(), 2);
}

#[test]
fn a_folder_that_its_user_has_lost_is_not_written_to_again() {
    let netns = Netns::new();
    let copy = capable();
    let folder = folder_of_nobody();
    let path = folder.path().join("trace.jsonl");
    let arguments = ["--json", "-p", "4494", "-w", text(&path)];
    let tracer = Tracer::start_command(&netns, &mut command(&copy, &arguments));
    eventually("a thread without rights that writes", LIMIT, || {
        rights(tracer.id()).get("write-file").is_some_and(|rights| rights.permitted == 0)
    });
    fs::remove_file(&path).expect("root may do that");
    chown(folder.path(), Some(0), Some(0)).expect("root may take it");
    tracer.signal(Signal::HUP);
    tracer.wait_log("that it cannot be opened", |line| line.contains("cannot be opened again"));
    tracer.signal(Signal::TERM);
    assert_eq!(tracer.exited().status.code(), Some(1));
    assert!(!path.exists());
}

#[test]
fn its_user_tells_no_service_manager_that_could_not_be_told_without() {
    let netns = Netns::new();
    let copy = capable();
    // Only root may search it.
    let folder = tempfile::tempdir().expect("a folder");
    let manager = ServiceManager::at(&folder.path().join("notify"));
    let mut command = command(&copy, &["--json", "-p", "4495"]);
    let tracer = Tracer::start_command(&netns, command.env("NOTIFY_SOCKET", manager.name()));
    let trace = tracer.stop();
    let complaint = |line: &String| line.contains("service manager") && line.contains("Permission denied");
    assert!(trace.log.iter().any(complaint), "{:#?}", trace.log);
    assert!(manager.finish().is_empty());
}
