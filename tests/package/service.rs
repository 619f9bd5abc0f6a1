//! The service: a run that nobody watches, for as long as the system runs.

use std::net::{Ipv4Addr, SocketAddr};

use serde_json::Value;
use tcptrace_tests::{Ends, LIMIT, eventually, is_type, number, text};

use crate::machine::Machine;

/// A machine with the package whose service traces this port.
#[track_caller]
fn installed(port: u16) -> Machine {
    let machine = Machine::boot();
    machine.install();
    assert!(!machine.try_run("systemctl is-enabled tcptrace").status.success(), "it is off until somebody asks for it");
    assert!(!machine.try_run("systemctl is-active tcptrace").status.success());
    options(&machine, &format!("-p {port}"));
    machine
}

fn options(machine: &Machine, options: &str) {
    machine.run(&format!("echo 'TCPTRACE_OPTIONS=\"{options}\"' >/etc/default/tcptrace"));
}

/// A property of the service, as systemd tells it.
#[track_caller]
fn property(machine: &Machine, name: &str) -> String {
    machine.run(&format!("systemctl show --property={name} --value tcptrace")).trim().to_owned()
}

/// The recordings that there are, the oldest first.
#[track_caller]
fn recordings(machine: &Machine) -> Vec<String> {
    machine.run("ls -tr /var/log/tcptrace").lines().map(str::to_owned).collect()
}

/// The recording, where there is one and no other.
#[track_caller]
fn only_recording(machine: &Machine) -> String {
    let [file] =
        <[String; 1]>::try_from(recordings(machine)).unwrap_or_else(|files| panic!("one recording: {files:?}"));
    file
}

/// The records in a recording.
#[track_caller]
fn records(machine: &Machine, file: &str) -> Vec<Value> {
    let text = machine.run(&format!("cat /var/log/tcptrace/{file}"));
    text.lines().map(|line| serde_json::from_str(line).expect("JSON lines")).collect()
}

fn loopback(machine: &Machine, port: u16) -> Ends {
    Ends::on(&machine.netns, SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

/// Waits until a recording has the close of so many connections.
#[track_caller]
fn wait_closes(machine: &Machine, file: &str, count: usize) {
    eventually("the closes", LIMIT, || {
        records(machine, file).iter().filter(|record| is_type(record, "close")).count() == count
    });
}

/// Waits until the service has ended by itself, and runs again.
#[track_caller]
fn wait_restarted(machine: &Machine) {
    eventually("the service runs again", LIMIT, || {
        property(machine, "NRestarts") != "0" && property(machine, "ActiveState") == "active"
    });
}

/// Has settings of the service, by these lines, instead of the package's.
fn override_settings(machine: &Machine, lines: &str) {
    let folder = "/etc/systemd/system/tcptrace.service.d";
    machine.run(&format!(
        "mkdir {folder} && printf '[Service]\n{lines}\n' >{folder}/test.conf && systemctl daemon-reload"
    ));
}

#[test]
fn it_records_from_the_moment_it_is_started_until_it_is_stopped() {
    let machine = installed(4982);
    let ends = loopback(&machine, 4982);
    // Returns when the service says that it is ready.
    machine.run("systemctl start tcptrace");
    assert!(property(&machine, "StatusText").contains("tracing"), "{}", property(&machine, "StatusText"));
    ends.close_in_four(ends.open());
    machine.run("systemctl stop tcptrace");
    assert_eq!(property(&machine, "Result"), "success");

    let file = &only_recording(&machine);
    let attributes = machine.run(&format!("stat --format '%U:%G %a' /var/log/tcptrace /var/log/tcptrace/{file}"));
    assert_eq!(attributes, "tcptrace:tcptrace 750\ntcptrace:tcptrace 600\n");
    let recorded = records(&machine, file);
    let (Some(start), Some(end)) = (recorded.first(), recorded.last()) else { panic!("an empty recording") };
    assert!(is_type(start, "start") && text(start, "filter").contains("4982"), "{start}");
    assert!(is_type(end, "end"), "{end}");
    assert_eq!((number(end, "events"), number(end, "lost")), (10 + 7, 0));
    let close = recorded.iter().find(|record| is_type(record, "close")).expect("the connection was closed");
    assert_eq!(text(close, "kind"), "four_segment");
    // A line of text is no longer than the terminal is wide.
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let told = words(&machine.run(&format!("tcptrace -r /var/log/tcptrace/{file}")));
    assert!(told.contains(&words(text(close, "summary"))), "{told}");
}

#[test]
fn it_has_no_rights_but_those_that_the_manual_names() {
    let machine = installed(4983);
    machine.run("systemctl start tcptrace");
    let status = machine.run("cat /proc/$(systemctl show --property=MainPID --value tcptrace)/status");
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.expect("the kernel writes this line").trim().to_owned()
    };
    let user = machine.run("id --user tcptrace");
    assert_eq!(field("Uid").split_whitespace().next(), Some(user.trim()));
    assert_eq!((field("NoNewPrivs").as_str(), field("Seccomp").as_str()), ("1", "2"));
    let set = |name| u64::from_str_radix(&field(name), 16).expect("a hexadecimal number");
    let bit = |capability: u32| 1_u64 << capability;
    // By their numbers in linux/capability.h.
    let (net_admin, bpf) = (bit(12), bit(39));
    assert_eq!(set("CapEff"), net_admin | bpf);
    let (search, ptrace, perfmon) = (bit(2), bit(19), bit(38));
    assert_eq!(set("CapBnd"), net_admin | bpf | search | ptrace | perfmon);
}

#[test]
fn logrotate_takes_the_file_away_and_nothing_is_lost() {
    let machine = installed(4984);
    let ends = loopback(&machine, 4984);
    machine.run("systemctl start tcptrace");
    let file = &only_recording(&machine);
    ends.close_in_four(ends.open());
    wait_closes(&machine, file, 1);

    machine.run("logrotate --force /etc/logrotate.d/tcptrace");
    let moved = format!("{file}.1");
    eventually("a new file", LIMIT, || recordings(&machine).contains(file));
    assert_eq!(recordings(&machine).len(), 2);
    ends.close_in_four(ends.open());
    // With the file where it was, it is continued.
    machine.run("systemctl reload tcptrace");
    let starts = |records: &[Value]| records.iter().filter(|record| is_type(record, "start")).count();
    eventually("a second start", LIMIT, || starts(&records(&machine, file)) == 2);
    machine.run("systemctl stop tcptrace");

    let (old, new) = (records(&machine, &moved), records(&machine, file));
    let closed = |records: &[Value]| -> Vec<u64> {
        records.iter().filter(|record| is_type(record, "close")).map(|close| number(close, "conn")).collect()
    };
    assert_eq!((closed(&old), closed(&new)), (vec![1], vec![2]));
    assert!(is_type(&old[0], "start") && is_type(&new[0], "start"));
    assert_eq!((starts(&old), starts(&new)), (1, 2));
    let end = new.last().expect("a recording that was ended");
    assert_eq!((number(end, "events"), number(end, "lost")), (2 * 17, 0));
}

#[test]
fn a_run_that_is_killed_is_followed_by_another_and_its_recording_is_kept() {
    let machine = installed(4985);
    override_settings(&machine, "RestartSec=0");
    let ends = loopback(&machine, 4985);
    machine.run("systemctl start tcptrace");
    let first = &only_recording(&machine);
    ends.close_in_four(ends.open());
    wait_closes(&machine, first, 1);
    machine.run("systemctl kill --signal=KILL tcptrace");
    wait_restarted(&machine);
    ends.close_in_four(ends.open());
    machine.run("systemctl stop tcptrace");
    let files = recordings(&machine);
    let [same, second] = files.as_slice() else { panic!("two recordings: {files:?}") };
    assert_eq!(same, first);
    for file in [first, second] {
        assert_eq!(records(&machine, file).iter().filter(|record| is_type(record, "close")).count(), 1);
    }
    let together = format!("cd /var/log/tcptrace && cat {first} {second} | tcptrace -r - --json --emit close");
    let told = machine.run(&together);
    assert_eq!(told.matches(r#""type":"start""#).count(), 2, "two runs: {told}");
    assert_eq!(told.matches(r#""conn":1,"#).count(), 2, "{told}");
}

#[test]
fn a_wrong_option_is_told_once_and_not_tried_again() {
    let machine = installed(4986);
    options(&machine, "--port nonsense");
    assert!(!machine.try_run("systemctl start tcptrace").status.success());
    assert_eq!((property(&machine, "ExecMainStatus"), property(&machine, "NRestarts")), ("2".into(), "0".into()));
    assert_eq!(property(&machine, "ActiveState"), "failed");
    let journal = machine.run("journalctl --sync && journalctl --unit tcptrace --output cat");
    assert!(journal.contains("nonsense"), "{journal}");
    assert_eq!(recordings(&machine), [""; 0]);
}

#[test]
fn a_run_that_hangs_is_ended_and_followed_by_another() {
    let machine = installed(4987);
    override_settings(&machine, "WatchdogSec=2\nRestartSec=0");
    machine.run("systemctl start tcptrace");
    let first = property(&machine, "MainPID");
    machine.run("systemctl kill --signal=STOP tcptrace");
    wait_restarted(&machine);
    assert_ne!(property(&machine, "MainPID"), first);
    assert!(recordings(&machine).len() > 1);
}

#[test]
fn a_full_disk_is_waited_for() {
    let machine = installed(4988);
    machine.run("mount -t tmpfs -o size=4096,uid=$(id -u tcptrace),mode=750 tmpfs /var/log/tcptrace");
    let ends = loopback(&machine, 4988);
    machine.run("systemctl start tcptrace");
    ends.repeat(20);
    eventually("the journal tells that there is no room", LIMIT, || {
        machine.run("journalctl --sync && journalctl --unit tcptrace --output cat").contains("there is no room for")
    });
    machine.run("mount -o remount,size=1M /var/log/tcptrace");
    let file = only_recording(&machine);
    eventually("a connection is recorded", LIMIT, || {
        ends.close_in_four(ends.open());
        machine.run(&format!("cat /var/log/tcptrace/{file}")).contains(r#""type":"close""#)
    });
    machine.run("systemctl stop tcptrace");
    let left_out = |record: &Value| is_type(record, "lost") && record["source"] == "output";
    assert!(records(&machine, &file).iter().any(left_out), "what had no room is counted");
    assert_eq!(property(&machine, "NRestarts"), "0", "the same run goes on");
}

#[test]
fn it_works_where_the_kernel_does_not_describe_its_types() {
    let machine = installed(4989);
    options(&machine, "-p 4989 --no-btf");
    let ends = loopback(&machine, 4989);
    machine.run("systemctl start tcptrace");
    ends.close_in_four(ends.open());
    machine.run("systemctl stop tcptrace");
    let file = &only_recording(&machine);
    assert!(records(&machine, file).iter().any(|record| is_type(record, "close")));
}

#[test]
fn what_grows_large_is_taken_away_within_a_minute() {
    let machine = installed(4990);
    let active = |unit| machine.try_run(&format!("systemctl is-active {unit}")).status.success();
    assert!(!active("tcptrace-rotate.timer"));
    machine.run("systemctl start tcptrace");
    assert!(active("tcptrace-rotate.timer"));
    let file = &only_recording(&machine);
    // What the timer starts each time.
    machine.run("systemctl start tcptrace-rotate.service");
    assert_eq!(recordings(&machine), [file.as_str()], "it is not large");
    machine.run("sed --in-place 's/maxsize 100M/maxsize 100/' /etc/logrotate.d/tcptrace");
    machine.run("systemctl start tcptrace-rotate.service");
    eventually("a new file", LIMIT, || recordings(&machine).contains(file));
    assert_eq!(recordings(&machine).len(), 2);
    machine.run("systemctl stop tcptrace");
    assert!(!active("tcptrace-rotate.timer"));
}
