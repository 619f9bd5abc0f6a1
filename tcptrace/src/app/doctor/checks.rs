//! The checks, each with its remedy.

use std::{fs, io};

use anyhow::Result;
use caps::{Capability, CapsHashSet};
use rustix::{
    process::{Resource, getrlimit},
    system::uname,
};

use super::{
    live::{SEGMENTS, STATES, Seen},
    report::{
        Report,
        Verdict::{Limited, Missing, Ok as Fine},
    },
};
use crate::{
    bpf::{Survey, has_tcx},
    causes::with_causes,
    host_clock,
    pid_namespace::{self, PidNamespace},
    preflight::{self, KernelRelease},
    socket_owners,
};
use tcptrace_core::text::Escaped;

/// Rights that the kernel withholds even from root.
const LOCKDOWN: &str = "/sys/kernel/security/lockdown";

/// Maps do not count against the limit of locked memory any more.
const MAPS_UNLIMITED: KernelRelease = KernelRelease { major: 5, minor: 11 };

/// Findings that take loaded programs.
const NOT_TOLD: &str = "not known, since no program could be loaded";

/// The tracepoint, as far as a mounted tracefs shows it.
const TRACEPOINT: &str = "/sys/kernel/tracing/events/sock/inet_sock_set_state";

/// The consequences of missing BTF.
const WITHOUT_BTF: &str =
    "no network namespaces, errors, evidence and hints; a kernel with CONFIG_DEBUG_INFO_BTF=y has it";

/// The kernel as it is, whoever asks.
pub(super) fn host(report: &mut Report) {
    match preflight::check_kernel() {
        Ok(_) => report.add(Fine, "kernel", format!("Linux {}", Escaped(uname().release().to_bytes()))),
        Err(error) => report.add(Missing, "kernel", error.to_string()),
    }
    match fs::read_to_string(LOCKDOWN) {
        Ok(text) => lockdown(report, chosen(&text).unwrap_or("none")),
        Err(_) => report.add(Fine, "lockdown", format!("{LOCKDOWN} is not there to tell; the live check decides")),
    }
    let survey = Survey::of_types();
    match &survey {
        Ok(_) => report.add(Fine, "BTF", "the kernel describes its types"),
        Err(error) => report.add(Limited, "BTF", format!("{}: {WITHOUT_BTF}", with_causes(error))),
    }
    tracepoint(report, &survey);
    hints(report, &survey);
    memory(report);
}

/// The word in brackets: `none [integrity] confidentiality`.
fn chosen(text: &str) -> Option<&str> {
    text.split_once('[')?.1.split_once(']').map(|(word, _)| word)
}

fn lockdown(report: &mut Report, mode: &str) {
    match mode {
        "confidentiality" => report.add(
            Missing,
            "lockdown",
            "confidentiality: programs may not read the kernel's memory; boot with lockdown=integrity or without Secure Boot",
        ),
        mode => report.add(Fine, "lockdown", mode),
    }
}

fn tracepoint(report: &mut Report, survey: &io::Result<Survey>) {
    let mounted = fs::exists(TRACEPOINT).unwrap_or_default();
    let (verdict, text) = match survey {
        Ok(Survey { states: true, .. }) => (Fine, "raw sock:inet_sock_set_state, which needs no tracefs"),
        Ok(_) => (Limited, "sock:inet_sock_set_state is not among the kernel's types; the live check decides"),
        Err(_) if mounted => (Limited, "sock:inet_sock_set_state by tracefs, since there is no BTF"),
        Err(_) => (
            Limited,
            "sock:inet_sock_set_state by tracefs, which is not mounted: for the moment it takes that is done, with \
             CAP_SYS_ADMIN; or `mount -t tracefs tracefs /sys/kernel/tracing`",
        ),
    };
    report.add(verdict, "tracepoint", text);
}

fn hints(report: &mut Report, survey: &io::Result<Survey>) {
    let (verdict, text) = match survey {
        Ok(Survey { hints, .. }) if hints.is_empty() => {
            (Limited, "the kernel has none of the tracepoints: fewer causes of resets are known".to_owned())
        }
        Ok(Survey { hints, reasons: true, .. }) => (Fine, format!("{}, with reasons for resets", hints.join(", "))),
        Ok(Survey { hints, reasons: false, .. }) => {
            (Limited, format!("{}, without reasons for resets: they come with Linux 6.10", hints.join(", ")))
        }
        Err(_) => (Limited, "none without BTF".to_owned()),
    };
    report.add(verdict, "hints", text);
}

fn memory(report: &mut Report) {
    let limit = getrlimit(Resource::Memlock).current;
    let old = preflight::check_kernel().is_ok_and(|release| release < MAPS_UNLIMITED);
    let may_raise = preflight::effective().is_ok_and(|has| has.contains(&Capability::CAP_SYS_RESOURCE));
    match limit {
        Some(bytes) if old && !may_raise => report.add(
            Limited,
            "locked memory",
            format!("{} KiB, against which maps count before Linux 5.11: `ulimit -l unlimited`", bytes / 1024),
        ),
        _ => report.add(Fine, "locked memory", "no limit that matters"),
    }
}

/// The rights of this process.
pub(super) fn capabilities(report: &mut Report) {
    let effective = match preflight::effective() {
        Ok(effective) => effective,
        Err(error) => return report.add(Missing, "capabilities", with_causes(&error)),
    };
    let missing = preflight::missing(&effective, true);
    for (capability, name, purpose) in [
        (Capability::CAP_BPF, "CAP_BPF", "to load programs"),
        (Capability::CAP_PERFMON, "CAP_PERFMON", "to read sockets and to use tracepoints"),
        (Capability::CAP_NET_ADMIN, "CAP_NET_ADMIN", "to see segments"),
    ] {
        if missing.contains(&capability) {
            report.add(Missing, name, format!("{purpose}: {}", preflight::advice(preflight::user())));
        } else {
            report.add(Fine, name, purpose);
        }
    }
    of_processes(report, &effective);
}

/// The capabilities for looking at other users' processes.
const FOR_PROCESSES: [(Capability, &str); 2] =
    [(Capability::CAP_SYS_PTRACE, "CAP_SYS_PTRACE"), (Capability::CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH")];

fn of_processes(report: &mut Report, effective: &CapsHashSet) {
    for (capability, name) in FOR_PROCESSES {
        if effective.contains(&capability) {
            report.add(Fine, name, "to look for the owners of sockets");
        } else {
            let text = "to look for the owners of sockets: without, other users' processes are known by their own acts \
                        alone; run it as root, or add cap_sys_ptrace,cap_dac_read_search to setcap's list";
            report.add(Limited, name, text);
        }
    }
}

/// How programs are attached and run.
pub(super) fn programs(report: &mut Report, seen: Option<&Seen>) {
    drops(report, &Survey::of_types(), seen.map(|seen| seen.tells_drops));
    match has_tcx() {
        Some(true) => report.add(Fine, "TC", "TCX links, which end with the process"),
        Some(false) => report.add(
            Limited,
            "TC",
            "no TCX, which comes with Linux 6.6: clsact filters instead, which SIGKILL leaves behind",
        ),
        None => report.add(Limited, "TC", NOT_TOLD),
    }
    match seen.map(|seen| seen.compiled) {
        Some(Some(true)) => report.add(Fine, "JIT", "programs are compiled to machine code"),
        Some(Some(false)) => {
            report.add(
                Limited,
                "JIT",
                "programs are interpreted, which costs more: `sysctl net.core.bpf_jit_enable=1`",
            );
        }
        Some(None) => report.add(Limited, "JIT", "the kernel does not tell"),
        None => report.add(Limited, "JIT", NOT_TOLD),
    }
    match seen.map(|seen| seen.counts_skipped) {
        Some(true) => report.add(Fine, "loss", "full buffers and skipped runs are both counted"),
        Some(false) => {
            report.add(
                Limited,
                "loss",
                "full buffers are counted, skipped runs are not: the kernel counts them from 5.12 on",
            );
        }
        None => report.add(Limited, "loss", NOT_TOLD),
    }
}

/// The program of dropped segments; `attached` is none where no program could be loaded.
fn drops(report: &mut Report, survey: &io::Result<Survey>, attached: Option<bool>) {
    let (verdict, text) = match (survey, attached) {
        (Err(_), _) => (Limited, "dropped segments are not told: none without BTF".to_owned()),
        (Ok(Survey { drops: Err(lack), .. }), _) => {
            (Limited, format!("dropped segments are not told: {lack}; reasons for skb:kfree_skb come with Linux 5.17"))
        }
        (Ok(Survey { drops: Ok(reasons), .. }), Some(true)) => {
            (Fine, format!("raw skb:kfree_skb, with {reasons} reasons for dropping a segment"))
        }
        (Ok(_), Some(false)) => (
            Limited,
            "dropped segments are not told: the kernel refused the program at skb:kfree_skb; a trace with -v says why"
                .to_owned(),
        ),
        (Ok(_), None) => (Limited, NOT_TOLD.to_owned()),
    };
    report.add(verdict, "drops", text);
}

/// Checks that owners of sockets can be found.
pub(super) fn processes(report: &mut Report) {
    match socket_owners::snapshot(host_clock::now()) {
        Ok(snapshot) if snapshot.lacks_owners(|_| true) => {
            let allowed = preflight::effective()
                .is_ok_and(|effective| FOR_PROCESSES.iter().all(|(capability, _)| effective.contains(capability)));
            report.add(Limited, "processes", hidden_owners(allowed));
        }
        Ok(_) if PidNamespace::of_proc().is_some_and(|namespace| !namespace.is_first()) => {
            report.add(Limited, "processes", pid_namespace::NOTICE);
        }
        Ok(snapshot) => {
            report.add(Fine, "processes", format!("the owners of {} sockets are found", snapshot.sockets.len()));
        }
        Err(error) => report.add(Limited, "processes", with_causes(&error)),
    }
}

/// Why owners of sockets are hidden; `allowed`: the capabilities for looking at them are there.
fn hidden_owners(allowed: bool) -> &'static str {
    if allowed {
        "the owners of some sockets are not found: their processes are outside of this container (PID or user namespace), \
         or /proc is mounted with hidepid; run tcptrace on the host"
    } else {
        "the owners of some sockets are not found, for lack of the capabilities above"
    }
}

/// The result of the connection that was traced.
pub(super) fn live(report: &mut Report, seen: &Result<Seen>) {
    const WHAT: &str = "live check";
    let Seen { segments, states, lost, skipped, incomplete_before, .. } = match seen {
        Ok(seen) => seen,
        Err(error) => return report.add(Missing, WHAT, format!("{error:#}")),
    };
    let counted = format!("{segments} segments, {states} state changes");
    let (verdict, text) = match (*segments, *states, *lost) {
        (SEGMENTS.., STATES.., 0) if *incomplete_before == 0 => (Fine, format!("{counted}, nothing lost")),
        (SEGMENTS.., STATES.., 0) => {
            let tried = incomplete_before + 1;
            let text = format!(
                "{counted}, nothing lost; {incomplete_before} of {tried} connections lacked events that nobody counted"
            );
            (Limited, text)
        }
        (_, 0, _) => (Missing, format!("{counted}: the tracepoint sock:inet_sock_set_state stays silent")),
        (0, _, _) => (
            Missing,
            format!(
                "{counted}: a TC program of somebody else may run first and keep them; `tc filter show dev lo egress`"
            ),
        ),
        (_, _, 0) => {
            (Missing, format!("{counted}, where {SEGMENTS} and {STATES} were to be seen, and nothing counted as lost"))
        }
        (_, _, lost) => {
            (Limited, format!("{counted}, {lost} lost: this host is busy; a filter and a larger --ring-buffer help"))
        }
    };
    let skipped = if skipped.is_empty() { String::new() } else { format!("; skipped meanwhile: {skipped}") };
    report.add(verdict, WHAT, format!("{text}{skipped}"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bpf::Skipped;

    #[test]
    fn the_mode_of_lockdown_is_the_one_in_brackets() {
        assert_eq!(chosen("none [integrity] confidentiality\n"), Some("integrity"));
        assert_eq!(chosen("[none] integrity confidentiality\n"), Some("none"));
        assert_eq!(chosen("none"), None);
    }

    #[test]
    fn what_was_seen_decides() {
        let works = |segments, states, lost| {
            let mut report = Report::default();
            live(&mut report, &Ok(Seen { segments, states, lost, ..Seen::default() }));
            (report.works(), report.to_string().contains("limited"))
        };
        assert_eq!(works(7, 10, 0), (true, false));
        let mut report = Report::default();
        let skipped = Skipped::of([0, 0, 1, 0, 0, 0, 2]);
        live(&mut report, &Ok(Seen { segments: 7, states: 10, skipped, ..Seen::default() }));
        let expected = "nothing lost; skipped meanwhile: 1 fragment without a TCP header, 2 unreadable sockets\n";
        assert!(report.works() && report.to_string().ends_with(expected), "{report}");
        assert_eq!(works(8, 10, 0), (true, false));
        let mut report = Report::default();
        live(&mut report, &Ok(Seen { segments: 7, states: 10, incomplete_before: 1, ..Seen::default() }));
        let expected = "nothing lost; 1 of 2 connections lacked events that nobody counted\n";
        assert!(report.works() && report.to_string().contains("limited"), "{report}");
        assert!(report.to_string().ends_with(expected), "{report}");
        assert_eq!(works(5, 10, 2), (true, true));
        assert_eq!(works(5, 10, 0), (false, false));
        assert_eq!(works(0, 10, 3), (false, false));
        assert_eq!(works(7, 0, 0), (false, false));
        let mut report = Report::default();
        live(&mut report, &Err(anyhow::anyhow!("no").context("why")));
        assert!(!report.works() && report.to_string().ends_with("why: no\n"));
    }

    #[test]
    fn what_dropped_segments_lack_is_said() {
        let of = |drops: Result<usize, String>, attached| {
            let mut report = Report::default();
            let survey = Survey { states: true, hints: Vec::new(), reasons: true, drops };
            super::drops(&mut report, &Ok(survey), attached);
            report.to_string()
        };
        let lacks = of(Err("the tracepoint kfree_skb has other arguments than expected".to_owned()), Some(false));
        assert!(lacks.contains("limited") && lacks.contains("kfree_skb has other arguments") && lacks.contains("5.17"));
        assert!(of(Ok(80), Some(true)).contains("raw skb:kfree_skb, with 80 reasons"));
        let refused = of(Ok(80), Some(false));
        assert!(refused.contains("limited") && refused.contains("refused"), "{refused}");
        assert!(of(Ok(80), None).contains(NOT_TOLD));
    }

    #[test]
    fn capabilities_that_are_there_are_not_said_to_be_lacking() {
        assert!(!hidden_owners(true).contains("capabilit") && !hidden_owners(true).contains("CAP_"));
        assert!(hidden_owners(false).contains("capabilities above"));
    }
}
