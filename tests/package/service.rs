//! The service: an unattended run as long as the system is up.

mod failures;

use std::net::{Ipv4Addr, SocketAddr};

use serde_json::Value;
use tcptrace_tests::{Ends, LIMIT, eventually, http_get, is_type, number, text};

use crate::machine::Machine;

/// Boots a machine with the package whose service traces this port.
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

/// Adds the settings for recording to the service's options.
fn recorded_by(machine: &Machine, options: &str) {
    machine.run(&format!("echo 'TCPTRACE_RECORD=\"{options}\"' >>/etc/default/tcptrace"));
}

/// The recording that the service writes.
const RECORDING: &str = "trace.ttr";

/// Returns a property of the service, as reported by systemd.
#[track_caller]
fn property(machine: &Machine, name: &str) -> String {
    machine.run(&format!("systemctl show --property={name} --value tcptrace")).trim().to_owned()
}

/// Returns the existing recordings, the oldest first.
#[track_caller]
fn recordings(machine: &Machine) -> Vec<String> {
    machine.run("ls -tr /var/log/tcptrace").lines().map(str::to_owned).collect()
}

/// Returns the records in a recording, as far as it is written.
#[track_caller]
fn records(machine: &Machine, file: &str) -> Vec<Value> {
    let text = machine.try_run(&format!("tcptrace --json -r /var/log/tcptrace/{file}")).stdout;
    let text = String::from_utf8(text).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON lines")).collect()
}

/// Returns the numbers of the connections whose close is in a recording.
#[track_caller]
fn closed(machine: &Machine, file: &str) -> Vec<u64> {
    let records = records(machine, file);
    records.iter().filter(|record| is_type(record, "close")).map(|close| number(close, "conn")).collect()
}

fn loopback(machine: &Machine, port: u16) -> Ends {
    Ends::on(&machine.netns, SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

/// Waits until a recording has the closes of this many connections.
#[track_caller]
fn wait_closes(machine: &Machine, file: &str, count: usize) {
    eventually("the closes", LIMIT, || closed(machine, file).len() == count);
}

#[test]
fn it_records_from_the_moment_it_is_started_until_it_is_stopped() {
    let machine = installed(4982);
    let ends = loopback(&machine, 4982);
    // Returns when the service reports that it is ready.
    machine.run("systemctl start tcptrace");
    assert!(property(&machine, "StatusText").contains("tracing"), "{}", property(&machine, "StatusText"));
    ends.close_in_four(ends.open());
    machine.run("systemctl stop tcptrace");
    assert_eq!(property(&machine, "Result"), "success");

    assert_eq!(recordings(&machine), [RECORDING]);
    let attributes = machine.run(&format!("stat --format '%U:%G %a' /var/log/tcptrace /var/log/tcptrace/{RECORDING}"));
    assert_eq!(attributes, "tcptrace:tcptrace 750\ntcptrace:tcptrace 600\n");
    let recorded = records(&machine, RECORDING);
    let (Some(start), Some(end)) = (recorded.first(), recorded.last()) else { panic!("an empty recording") };
    assert!(is_type(start, "start") && text(start, "filter").contains("4982"), "{start}");
    assert!(is_type(end, "end"), "{end}");
    assert_eq!((number(end, "events"), number(end, "lost")), (10 + 7, 0));
    let close = recorded.iter().find(|record| is_type(record, "close")).expect("the connection was closed");
    assert_eq!(text(close, "kind"), "four_segment");
    // Lines of text are wrapped to the width of the terminal.
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let ladders = words(&machine.run(&format!("tcptrace -r /var/log/tcptrace/{RECORDING}")));
    assert!(ladders.contains(&words(text(close, "summary"))), "{ladders}");
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
fn a_reload_begins_the_file_again_so_that_it_can_be_moved_away() {
    let machine = installed(4984);
    let ends = loopback(&machine, 4984);
    machine.run("systemctl start tcptrace");
    ends.close_in_four(ends.open());
    wait_closes(&machine, RECORDING, 1);
    machine.run(&format!("cd /var/log/tcptrace && mv {RECORDING} moved.ttr && systemctl reload tcptrace"));
    eventually("a new file", LIMIT, || recordings(&machine).contains(&RECORDING.to_owned()));
    ends.close_in_four(ends.open());
    machine.run("systemctl stop tcptrace");
    // Each file counts its connections from 1.
    assert_eq!((closed(&machine, "moved.ttr"), closed(&machine, RECORDING)), (vec![1], vec![1]));
    let new = records(&machine, RECORDING);
    let end = new.last().expect("a recording that was ended");
    assert!(is_type(&new[0], "start") && is_type(end, "end"), "{new:?}");
    assert_eq!(number(end, "lost"), 0);
}

#[test]
fn it_works_where_the_kernel_does_not_describe_its_types() {
    let machine = installed(4989);
    options(&machine, "-p 4989 --no-btf");
    let ends = loopback(&machine, 4989);
    machine.run("systemctl start tcptrace");
    ends.close_in_four(ends.open());
    machine.run("systemctl stop tcptrace");
    assert_eq!(closed(&machine, RECORDING).len(), 1);
}

#[test]
fn the_oldest_recordings_give_way() {
    let machine = installed(4990);
    recorded_by(&machine, "--write /var/log/tcptrace/trace.ttr --rotate 1s --keep 2 --compress zstd");
    let ends = loopback(&machine, 4990);
    machine.run("systemctl start tcptrace");
    let third = "trace.000003.ttr";
    eventually("a third file that is full", LIMIT, || {
        ends.close_in_four(ends.open());
        recordings(&machine).iter().any(|file| file == third)
    });
    machine.run("systemctl stop tcptrace");
    let files = recordings(&machine);
    assert_eq!(files.len(), 3, "{files:?}");
    assert!(!files.iter().any(|file| file == "trace.000001.ttr"), "{files:?}");
    assert!(!closed(&machine, third).is_empty());
}

#[test]
fn it_can_record_json_lines_of_a_process() {
    let machine = installed(4991);
    options(&machine, "-p 4991 --comm e2e-none");
    recorded_by(&machine, "--write /var/log/tcptrace/trace.jsonl --rotate 100MB --keep 2");
    let ends = loopback(&machine, 4991);
    machine.run("systemctl start tcptrace");
    ends.close_in_four(ends.open());
    machine.run("systemctl stop tcptrace");
    assert_eq!(recordings(&machine), ["trace.jsonl"]);
    let recorded = records(&machine, "trace.jsonl");
    assert!(recorded.first().is_some_and(|record| is_type(record, "start")), "{recorded:?}");
    assert!(!recorded.iter().any(|record| is_type(record, "close")), "another process's: {recorded:?}");
}

#[test]
fn metrics_are_served_to_this_host() {
    let machine = installed(4992);
    options(&machine, "-p 4992 --metrics 127.0.0.1:9464");
    let ends = loopback(&machine, 4992);
    machine.run("systemctl start tcptrace");
    ends.close_in_four(ends.open());
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 9464));
    eventually("a close is counted", LIMIT, || {
        let answer = http_get(&machine.netns, address, "/metrics", "text/plain");
        answer.lines().any(|line| line.contains(r#"kind="four_segment""#) && line.ends_with(" 1"))
    });
    machine.run("systemctl stop tcptrace");
    assert_eq!(property(&machine, "Result"), "success");
}

#[test]
fn what_systemd_can_take_away_from_it_is_taken_away() {
    let machine = installed(4993);
    // The remaining exposure is what tracing needs: capabilities, bpf(), netlink, the host's network and its processes.
    machine.run("systemd-analyze security --no-pager --threshold=24 tcptrace.service");
}

#[test]
fn an_upgrade_keeps_the_recordings_of_a_package_that_used_logrotate() {
    let machine = Machine::boot();
    machine.run(
        "mkdir -p /old/DEBIAN /old/etc/logrotate.d /var/log/tcptrace && cd /old && \
         printf 'Package: tcptrace-ebpf\nVersion: 0.0.1-1\nArchitecture: %s\nMaintainer: nobody <nobody@localhost>\n\
         Description: an earlier version\n' \"$(dpkg --print-architecture)\" >DEBIAN/control && \
         echo /etc/logrotate.d/tcptrace >DEBIAN/conffiles && echo '/var/log/tcptrace/*.jsonl {}' >etc/logrotate.d/tcptrace && \
         dpkg-deb --build /old /old.deb && dpkg --install /old.deb && echo '{}' >/var/log/tcptrace/old.jsonl",
    );
    machine.install();
    assert_eq!(recordings(&machine), ["old.jsonl"]);
    assert!(!machine.try_run("test -e /etc/logrotate.d/tcptrace").status.success(), "nothing rotates what is gone");
    assert_eq!(machine.run("stat --format '%U:%G %a' /var/log/tcptrace"), "tcptrace:tcptrace 750\n");
}
