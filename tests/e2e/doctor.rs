//! `tcptrace doctor` on a host where tracing works.

use std::process::Command;

use tcptrace_tests::{Attached, Netns, Tracer, binary, tcx_programs};

/// Returns verdict, subject and finding of each line.
fn lines(text: &str) -> Vec<(&str, &str, &str)> {
    let line = |line| {
        let (verdict, rest) = str::split_once(line, "  ").expect("two columns");
        let (what, said) = rest.trim_start().split_once("  ").expect("three columns");
        (verdict.trim(), what, said.trim())
    };
    text.lines().map(line).collect()
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
