//! What follows when a run of the service fails, or its disk is full.

use serde_json::Value;
use tcptrace_tests::{LIMIT, eventually, is_type};

use super::{RECORDING, closed, installed, loopback, options, property, recordings, records, wait_closes};
use crate::machine::Machine;

/// Waits until the service has ended on its own, and runs again.
#[track_caller]
fn wait_restarted(machine: &Machine) {
    eventually("the service runs again", LIMIT, || {
        property(machine, "NRestarts") != "0" && property(machine, "ActiveState") == "active"
    });
}

/// Overrides the package's settings of the service by these lines.
fn override_settings(machine: &Machine, lines: &str) {
    let folder = "/etc/systemd/system/tcptrace.service.d";
    machine.run(&format!(
        "mkdir {folder} && printf '[Service]\n{lines}\n' >{folder}/test.conf && systemctl daemon-reload"
    ));
}

#[test]
fn a_run_that_is_killed_is_followed_by_another_and_its_recording_is_kept() {
    let machine = installed(4985);
    override_settings(&machine, "RestartSec=0");
    let ends = loopback(&machine, 4985);
    machine.run("systemctl start tcptrace");
    ends.close_in_four(ends.open());
    wait_closes(&machine, RECORDING, 1);
    machine.run("systemctl kill --signal=KILL tcptrace");
    wait_restarted(&machine);
    ends.close_in_four(ends.open());
    machine.run("systemctl stop tcptrace");
    const FIRST: &str = "trace.000001.ttr";
    assert_eq!(recordings(&machine), [FIRST, RECORDING]);
    for file in [FIRST, RECORDING] {
        assert_eq!(closed(&machine, file).len(), 1);
    }
    let together = format!("cd /var/log/tcptrace && cat {FIRST} {RECORDING} | tcptrace -r - --json --emit close");
    let text = machine.run(&together);
    assert_eq!(text.matches(r#""type":"start""#).count(), 2, "two runs: {text}");
    assert_eq!(text.matches(r#""conn":1,"#).count(), 2, "{text}");
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
    eventually("the journal reports that there is no room", LIMIT, || {
        machine.run("journalctl --sync && journalctl --unit tcptrace --output cat").contains("there is no room for")
    });
    machine.run("mount -o remount,size=1M /var/log/tcptrace");
    eventually("a connection is recorded", LIMIT, || {
        ends.close_in_four(ends.open());
        !closed(&machine, RECORDING).is_empty()
    });
    machine.run("systemctl stop tcptrace");
    let left_out = |record: &Value| is_type(record, "lost") && record["source"] == "output";
    assert!(records(&machine, RECORDING).iter().any(left_out), "what had no room is counted");
    assert_eq!(property(&machine, "NRestarts"), "0", "the same run goes on");
}
