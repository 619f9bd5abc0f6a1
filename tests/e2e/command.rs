//! `tcptrace [OPTIONS] -- COMMAND…`: the connections traced, the user of the command, signals and the exit status.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::{Command, Output, Stdio},
    time::Duration,
};

use rustix::process::{Signal, getpriority_process};
use serde_json::Value;
use socket2::SockRef;
use tcptrace_tests::{Actor, Ends, LIMIT, Lines, Netns, binary, close, eventually, is_type, receive_end, wait_tracing};

/// A user ID that only this test uses.
const SOMEBODY: &str = "23456";

/// A Python program that connects to the port in its argument, and reads to the end.
const CONNECT: &str =
    "import socket,sys\ns=socket.create_connection(('127.0.0.1',int(sys.argv[1])))\nwhile s.recv(99): pass";

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// `tcptrace` with these options and a command.
fn tracer(options: &[&str], command: &[&str]) -> Command {
    let mut tracer = Command::new(binary());
    tracer.args(options).arg("--").args(command).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    tracer.env("LC_ALL", "C.UTF-8").env_remove("SUDO_UID").env_remove("SUDO_GID");
    tracer
}

fn run(netns: &Netns, command: &mut Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = netns.run(|| command.output()).expect("it starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (status.code(), text(stdout), text(stderr))
}

/// Leaves a process behind, shows its PID, and ends.
const LEAVES_ONE_BEHIND: &str = "sleep 600 >/dev/null 2>&1 & echo $!; exit 5";

/// Ends a process that a command has left behind.
#[track_caller]
fn kill(pid: &str) {
    assert!(Command::new("kill").arg(pid).status().expect("kill can be run").success(), "{pid} still runs");
}

/// Accepts connections one after another and closes them, in order or by a reset. The first may come late, since the tracer
/// starts before.
fn serve(netns: &Netns, port: u16, count: usize, reset: bool) -> std::thread::JoinHandle<()> {
    let listener = netns.run(|| TcpListener::bind(loopback(port))).expect("a free port");
    SockRef::from(&listener).set_read_timeout(Some(3 * LIMIT)).expect("SO_RCVTIMEO");
    netns.spawn("tt-server", move || {
        for _ in 0..count {
            let (stream, _) = listener.accept().expect("a connection comes");
            if reset {
                SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("SO_LINGER");
            }
            close(stream);
        }
        close(listener);
    })
}

#[test]
fn the_status_is_that_of_the_command() {
    let netns = Netns::new();
    for (script, status) in [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143), ("kill -KILL $$", 137)] {
        let (code, stdout, stderr) = run(&netns, &mut tracer(&[], &["sh", "-c", &format!("echo out; {script}")]));
        assert_eq!((code, stdout.as_str()), (Some(status), "out\n"), "{script}: {stderr}");
        assert!(stderr.contains("0 connections of the command"), "{stderr}");
    }
    let (code, _, stderr) = run(&netns, &mut tracer(&[], &["/nonexistent/program"]));
    assert!(code == Some(127) && stderr.contains("cannot run /nonexistent/program"), "{code:?} {stderr}");
    let (code, _, stderr) = run(&netns, &mut tracer(&[], &["/etc/passwd"]));
    assert!(code == Some(126) && stderr.contains("cannot run /etc/passwd"), "{code:?} {stderr}");
}

#[test]
fn only_the_connections_of_the_command_and_its_children_are_shown() {
    let netns = Netns::new();
    let serving = serve(&netns, 4701, 2, false);
    let other = Ends::on(&netns, loopback(4702));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("trace.jsonl");
    // One by the command's child and one by a grandchild whose parent has gone, with somebody else's between them. cat ends
    // when the grandchild, which holds the other end of its pipe, has ended.
    let script = format!("python3 -c \"{CONNECT}\" 4701; (python3 -c \"{CONNECT}\" 4701 &) | cat");
    let mut process = netns.start(&mut tracer(&["-w", file.to_str().expect("UTF-8")], &["sh", "-c", &script]));
    let log = Lines::read(process.stderr(), |line| line);
    wait_tracing(&log);
    other.repeat(3);
    assert!(process.wait(LIMIT).success());
    serving.join().expect("it served both");
    let log = log.finish().join("\n");
    assert_eq!(log.matches("three-way handshake, established").count(), 2, "{log}");
    assert!(log.contains("2 connections of the command, 0 still open") && !log.contains("4702"), "{log}");
    let records: Vec<Value> = fs::read_to_string(&file)
        .expect("it is there")
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let closes: Vec<_> = records.iter().filter(|record| is_type(record, "close")).collect();
    assert_eq!(closes.len(), 2, "{closes:#?}");
    assert!(closes.iter().all(|close| close["server"]["port"] == 4701 && close["client"]["comm"] == "python3"));
    let (code, read, _) = run(&netns, Command::new(binary()).args(["-o", "list", "-r"]).arg(&file));
    assert!(code == Some(0) && read.matches("closed by the server").count() == 2, "{read}");
}

#[test]
fn fail_on_is_status_3_and_only_where_it_matched() {
    let netns = Netns::new();
    for (port, reset, options, status) in [
        (4711, true, &["--fail-on", "reset"][..], 3),
        (4712, true, &["--fail-on", "linger", "-o", "none"], 3),
        (4713, true, &["--fail-on", "failed,!linger"], 0),
        (4714, false, &["--fail-on", "failed"], 0),
    ] {
        let serving = serve(&netns, port, 1, reset);
        let program = format!("try:\n exec('''{CONNECT}''')\nexcept OSError: pass");
        let (code, stdout, stderr) = run(&netns, &mut tracer(options, &["python3", "-c", &program, &port.to_string()]));
        serving.join().expect("it served");
        assert_eq!((code, stdout.as_str()), (Some(status), ""), "{options:?}: {stderr}");
        let reason = format!("1 connection matches --fail-on {}; the exit status of the command is 0", options[1]);
        assert_eq!(stderr.contains(&reason), status == 3, "{options:?}: {stderr}");
    }
    // A failure of somebody else's connection does not count as one of the command's.
    let serving = serve(&netns, 4715, 1, true);
    let mut process = netns.start(&mut tracer(&["--fail-on", "failed"], &["sleep", "1"]));
    let log = Lines::read(process.stderr(), |line| line);
    wait_tracing(&log);
    let client = Actor::new(&netns, "tt-client");
    let stream = client.connect(loopback(4715));
    serving.join().expect("it served");
    client.close(stream);
    assert_eq!(process.wait(LIMIT).code(), Some(0), "{:?}", log.finish());
}

#[test]
fn the_command_runs_as_the_user_who_called_sudo() {
    let netns = Netns::new();
    let script = "id -u; id -g; id -G; echo $HOME $USER; echo ${SUDO_UID-none}; grep -E 'NoNewPrivs|CapEff' /proc/self/status; nice";
    let mut command = tracer(&[], &["sh", "-c", script]);
    command.env("SUDO_UID", SOMEBODY).env("SUDO_GID", "65534").env("HOME", "/root");
    let (code, stdout, stderr) = run(&netns, &mut command);
    assert_eq!(code, Some(0), "{stderr}");
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!(lines[..5], [SOMEBODY, "65534", "65534", "/", "none"], "{stdout}");
    // The tracer's own priority is not passed on.
    let niceness = getpriority_process(None).expect("a priority").to_string();
    assert_eq!(lines[5..], ["CapEff:\t0000000000000000", "NoNewPrivs:\t0", &niceness], "{stdout}");
    let mut command = tracer(&[], &["sh", "-c", "id -un; id -Gn; echo $HOME $USER"]);
    command.env("SUDO_UID", "1").env("SUDO_GID", "1").env("HOME", "/root");
    let (_, stdout, stderr) = run(&netns, &mut command);
    assert_eq!(stdout, "daemon\ndaemon\n/usr/sbin daemon\n", "{stderr}");
}

#[test]
fn signals_are_passed_on() {
    let netns = Netns::new();
    for (signal, name) in [(Signal::INT, "INT"), (Signal::TERM, "TERM"), (Signal::HUP, "HUP"), (Signal::QUIT, "QUIT")] {
        let script = format!("trap 'echo got {name}; exit 9' {name}; echo ready; while :; do sleep 0.05; done");
        let mut command = tracer(&[], &["sh", "-c", &script]);
        command.env("SUDO_UID", SOMEBODY).env("SUDO_GID", "65534");
        let mut process = netns.start(&mut command);
        let (stdout, log) = (Lines::read(process.stdout(), |line| line), Lines::read(process.stderr(), |line| line));
        stdout.wait_until("the command runs", LIMIT, |lines| lines.iter().any(|line| line == "ready"));
        process.signal(signal);
        assert_eq!(process.wait(LIMIT).code(), Some(9), "{name}: {:?}", log.finish());
        assert_eq!(stdout.finish(), ["ready", &format!("got {name}")]);
    }
}

#[test]
fn what_it_leaves_behind_is_said_and_no_group_stays() {
    let netns = Netns::new();
    let (code, stdout, stderr) = run(&netns, &mut tracer(&[], &["sh", "-c", LEAVES_ONE_BEHIND]));
    kill(stdout.trim());
    assert_eq!(code, Some(5), "{stderr}");
    assert!(
        stderr.contains("the command has ended, but 1 of its processes still runs and is not traced any more"),
        "{stderr}"
    );
    assert!(!stderr.contains("cannot be removed"), "{stderr}");
}

#[test]
fn control_groups_that_the_command_makes_are_its_own() {
    let netns = Netns::new();
    let serving = serve(&netns, 4741, 1, false);
    let tracer_as_command = format!("{} -q -o none -- python3 -c \"{CONNECT}\" 4741", binary().display());
    let (code, _, stderr) = run(&netns, &mut tracer(&["-o", "list"], &["sh", "-c", &tracer_as_command]));
    serving.join().expect("it served");
    assert!(code == Some(0) && stderr.contains("1 connection of the command, 0 still open"), "{code:?} {stderr}");
    assert!(stderr.contains("closed by the server") && !stderr.contains("cannot be removed"), "{stderr}");
}

#[test]
fn control_groups_with_processes_stay_with_whoever_has_made_them() {
    const SCRIPT: &str = "set -e
        group=$(awk '$3 == \"cgroup2\" { print $2; exit }' /proc/mounts)$(sed -n 's/^0:://p' /proc/self/cgroup)
        mkdir $group/inner
        sleep 600 > /dev/null 2>&1 &
        echo $! > $group/inner/cgroup.procs
        echo $! $group";
    let netns = Netns::new();
    let (code, stdout, stderr) = run(&netns, &mut tracer(&["-o", "none"], &["sh", "-c", SCRIPT]));
    let (pid, group) = stdout.trim().split_once(' ').unwrap_or_else(|| panic!("{code:?} {stdout} {stderr}"));
    let inside = fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("it runs");
    kill(pid);
    assert!(inside.lines().any(|line| line.starts_with("0::") && line.ends_with("/inner")), "{inside}");
    assert!(stderr.contains("the control group of the command stays, for those of its"), "{stderr}");
    // The kernel removes a process from its group some time after the signal.
    for folder in [format!("{group}/inner"), group.to_owned()] {
        eventually("an empty group", LIMIT, || fs::remove_dir(&folder).is_ok());
    }
}

#[test]
fn without_btf_the_process_tree_tells() {
    let netns = Netns::new();
    let serving = serve(&netns, 4721, 1, true);
    let program = format!("try:\n exec('''{CONNECT}''')\nexcept OSError: pass");
    let options = ["--no-btf", "-o", "list", "--fail-on", "failed"];
    let (code, _, stderr) = run(&netns, &mut tracer(&options, &["python3", "-c", &program, "4721"]));
    serving.join().expect("it served");
    assert!(stderr.contains("python3[") && stderr.contains("1 connection of the command"), "{stderr}");
    assert_eq!(code, Some(3), "{stderr}");
}

#[test]
fn without_btf_only_what_still_runs_is_left_behind() {
    let netns = Netns::new();
    // The first orphan ends before the command does.
    let script = format!("(true &); sleep 1; {LEAVES_ONE_BEHIND}");
    let (code, stdout, stderr) = run(&netns, &mut tracer(&["--no-btf"], &["sh", "-c", &script]));
    kill(stdout.trim());
    assert_eq!(code, Some(5), "{stderr}");
    assert!(stderr.contains("the command has ended, but 1 of its processes still run"), "{stderr}");
}

#[test]
fn one_that_hangs_is_listed_while_it_does() {
    let netns = Netns::new();
    let (client, server) = (Actor::new(&netns, "tt-client"), Actor::new(&netns, "tt-server"));
    let listener = server.listen(loopback(4731));
    let mut command = Command::new(binary());
    command.args(["-o", "list", "--only", "stalled", "-p", "4731"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = netns.start(&mut command);
    let (lines, log) = (Lines::read(process.stdout(), |line| line), Lines::read(process.stderr(), |line| line));
    wait_tracing(&log);
    let stream = client.connect(loopback(4731));
    let accepted = server.accept(&listener);
    server.close(accepted);
    receive_end(&stream);
    lines.wait_until("a line", LIMIT, |lines| {
        lines.iter().any(|line| line.contains("stalled: ") && line.contains("CLOSE_WAIT"))
    });
    client.close(stream);
    process.signal(Signal::INT);
    assert!(process.wait(LIMIT).success());
    close(listener);
    assert!(lines.finish().iter().any(|line| line.contains("closed by the server")), "and its end, when it comes");
}
