//! `tcptrace doctor` on a host where tracing works.

use std::{
    fs::{self, File, FileTimes},
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, SystemTime},
};

use rustix::process::Signal;
use tcptrace_tests::{Attached, LIMIT, Netns, Process, Tracer, binary, eventually, tcx_programs};

/// Returns verdict, subject and finding of each line.
fn lines(text: &str) -> Vec<(&str, &str, &str)> {
    let line = |line| {
        let (verdict, rest) = str::split_once(line, "  ").expect("two columns");
        let (what, said) = rest.trim_start().split_once("  ").expect("three columns");
        (verdict.trim(), what, said.trim())
    };
    text.lines().map(line).collect()
}

/// Returns the folder of a process's control group in the unified hierarchy.
fn group_of(pid: &str) -> PathBuf {
    let mounts = fs::read_to_string("/proc/mounts").expect("there are mounts");
    let mounted = mounts.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let path = fields.next()?;
        (fields.next() == Some("cgroup2")).then_some(path)
    });
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("it runs");
    let path = groups.lines().find_map(|line| line.strip_prefix("0::/"));
    Path::new(mounted.expect("cgroup v2 is mounted")).join(path.expect("it is in a group"))
}

#[test]
fn whoever_may_trace_is_told_so_and_a_connection_proves_it() {
    let netns = Netns::new();
    let before = Attached::to(&netns, "lo");
    // It fails unless the program exits with 0.
    let text = netns.output(Command::new(binary()).arg("doctor"));
    let lines = lines(&text);
    let about: Vec<_> = lines.iter().map(|&(_, what, _)| what).collect();
    let expected = [
        "kernel",
        "lockdown",
        "BTF",
        "tracepoint",
        "hints",
        "locked memory",
        "CAP_BPF",
        "CAP_PERFMON",
        "CAP_NET_ADMIN",
        "CAP_SYS_PTRACE",
        "CAP_DAC_READ_SEARCH",
        "drops",
        "TC",
        "JIT",
        "loss",
        "processes",
        "live check",
    ];
    assert_eq!(about, expected, "{text}");
    assert!(lines.iter().all(|&(verdict, ..)| ["ok", "limited"].contains(&verdict)), "{text}");
    // An earlier connection may have lacked an event if the host kept a program from running.
    let (_, about, said) = lines.last().expect("a line");
    assert!(*about == "live check" && said.starts_with("7 segments, 10 state changes, nothing lost"), "{text}");
    assert!(!text.contains('\x1b'), "colours are for terminals: {text:?}");
    assert_eq!((tcx_programs(&netns, "lo"), Attached::to(&netns, "lo")), ((0, 0), before));
}

#[test]
fn what_a_killed_tracer_left_is_removed_where_that_is_asked_for() {
    let netns = Netns::new();
    let before = Attached::to(&netns, "lo");
    drop(Tracer::start(&netns, &["-p", "4470", "--attach", "clsact"]));
    let left = Attached::to(&netns, "lo");
    assert_ne!(left, before);
    let doctor = |arguments: &[&str]| netns.output(Command::new(binary()).arg("doctor").args(arguments));
    doctor(&[]);
    assert_eq!(Attached::to(&netns, "lo"), left, "who only asks changes nothing");
    for said in ["removed 1 filter on lo and its clsact qdisc", "no killed tcptrace has left filters here"] {
        let text = doctor(&["--clean"]);
        assert!(lines(&text).contains(&("ok", "leftovers", said)), "{text}");
        assert_eq!(Attached::to(&netns, "lo"), before);
    }
}

#[test]
fn the_group_that_a_killed_tracer_made_for_its_command_is_removed_once_it_is_empty() {
    let netns = Netns::new();
    let doctor = || netns.output(Command::new(binary()).args(["doctor", "--clean"]));
    let mut command = Command::new(binary());
    command.args(["-q", "-o", "none", "--", "sh", "-c", "echo $$; exec sleep 600"]).stdout(Stdio::piped());
    let mut tracer = netns.run(|| Process::spawn(&mut command));
    let mut pid = String::new();
    BufReader::new(tracer.stdout()).read_line(&mut pid).expect("the command has begun");
    let pid = pid.trim();
    let group = group_of(pid);
    assert!(group.ends_with(format!("tcptrace-{}", tracer.id())), "{group:?}");
    tracer.signal(Signal::KILL);
    tracer.wait(LIMIT);
    // No tracer has made a group only a moment ago.
    let age = |group: &Path| {
        let old = FileTimes::new().set_modified(SystemTime::now() - Duration::from_secs(120));
        File::open(group).and_then(|group| group.set_times(old)).expect("the test is root");
    };
    age(&group);
    let text = doctor();
    assert!(group.exists() && !text.contains("control group"), "a process is in it: {text}");
    assert!(Command::new("kill").arg(pid).status().expect("kill can be run").success());
    let removed = ("ok", "leftovers", "removed 1 control group made for a command");
    eventually("it is removed", LIMIT, || {
        age(&group);
        lines(&doctor()).contains(&removed)
    });
    assert!(!group.exists());
}

#[test]
fn where_loopback_is_down_it_says_how_to_get_it_up() {
    let netns = Netns::new();
    netns.ip(&["link", "set", "lo", "down"]);
    let output = netns.run(|| Command::new(binary()).arg("doctor").output()).expect("the program can be started");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(1), &b""[..]), "{text}");
    let last = lines(&text).pop().expect("a line");
    assert!(last.0 == "missing" && last.2.contains("`ip link set lo up`"), "{text}");
}

#[test]
fn what_a_capability_is_for_is_said_where_it_lacks() {
    let netns = Netns::new();
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set", "-net_admin,-sys_ptrace", "--"]).arg(binary()).arg("doctor");
    let output = netns.run(|| command.output()).expect("the program can be started");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1), "{text}");
    let not_ok: Vec<_> = lines(&text).into_iter().filter(|&(verdict, ..)| verdict == "missing").collect();
    let about: Vec<_> = not_ok.iter().map(|&(_, what, _)| what).collect();
    assert_eq!(about, ["CAP_NET_ADMIN", "live check"], "{text}");
    assert!(not_ok[0].2.contains("to see segments"), "{text}");
}
