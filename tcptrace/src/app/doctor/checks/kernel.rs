//! Properties of the kernel that do not depend on the caller's rights: version, lockdown, types, tracepoints, limits.

use std::{fs, io};

use caps::Capability;
use rustix::{
    process::{Resource, getrlimit},
    system::uname,
};
use tcptrace_core::text::Escaped;

use crate::{
    app::doctor::report::{
        Report,
        Verdict::{Limited, Missing, Ok as Fine},
    },
    bpf::Survey,
    causes::with_causes,
    preflight::{self, KernelRelease},
};

/// Rights that the kernel withholds even from root.
const LOCKDOWN: &str = "/sys/kernel/security/lockdown";

/// Since this version, maps no longer count against the limit of locked memory.
const MAPS_UNLIMITED: KernelRelease = KernelRelease { major: 5, minor: 11 };

/// The tracepoint, if a mounted tracefs shows it.
const TRACEPOINT: &str = "/sys/kernel/tracing/events/sock/inet_sock_set_state";

/// The consequences of missing BTF.
const WITHOUT_BTF: &str =
    "no network namespaces, errors, evidence and hints; a kernel with CONFIG_DEBUG_INFO_BTF=y has it";

/// Reports the properties of the kernel.
pub(in crate::app::doctor) fn host(report: &mut Report) {
    match preflight::check_kernel() {
        Ok(_) => report.add(Fine, "kernel", format!("Linux {}", Escaped(uname().release().to_bytes()))),
        Err(error) => report.add(Missing, "kernel", error.to_string()),
    }
    match fs::read_to_string(LOCKDOWN) {
        Ok(text) => lockdown(report, chosen(&text).unwrap_or("none")),
        Err(_) => report.add(Fine, "lockdown", format!("{LOCKDOWN} does not exist; the live check decides")),
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

/// Returns the word in brackets: `none [integrity] confidentiality`.
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
            "sock:inet_sock_set_state by tracefs, which is not mounted: tcptrace mounts it for a moment, with \
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mode_of_lockdown_is_the_one_in_brackets() {
        assert_eq!(chosen("none [integrity] confidentiality\n"), Some("integrity"));
        assert_eq!(chosen("[none] integrity confidentiality\n"), Some("none"));
        assert_eq!(chosen("none"), None);
    }
}
