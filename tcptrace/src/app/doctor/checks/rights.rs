//! Rights of this process, and whether they suffice to find the owners of sockets.

use caps::{Capability, CapsHashSet};

use crate::{
    app::doctor::report::{
        Report,
        Verdict::{Limited, Missing, Ok as Fine},
    },
    causes::with_causes,
    host_clock,
    pid_namespace::{self, PidNamespace},
    preflight, socket_owners,
};

/// Reports the capabilities of this process.
pub(in crate::app::doctor) fn capabilities(report: &mut Report) {
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

fn of_processes(report: &mut Report, effective: &CapsHashSet) {
    for (capability, name) in preflight::TO_INSPECT {
        if effective.contains(&capability) {
            report.add(Fine, name, "to find the owners of sockets");
        } else {
            let text = "to find the owners of sockets: without it, a process of another user is known only from what it does \
                        itself; run it as root, or add cap_sys_ptrace,cap_dac_read_search to setcap's list";
            report.add(Limited, name, text);
        }
    }
}

/// Checks that owners of sockets can be found.
pub(in crate::app::doctor) fn processes(report: &mut Report) {
    match socket_owners::snapshot(host_clock::now()) {
        Ok(snapshot) if snapshot.lacks_owners(|_| true) => {
            report.add(Limited, "processes", hidden_owners(preflight::may_inspect()));
        }
        Ok(_) if PidNamespace::within_host().is_some() => {
            report.add(Limited, "processes", pid_namespace::NOTICE);
        }
        Ok(snapshot) => {
            report.add(Fine, "processes", format!("the owners of {} sockets are found", snapshot.sockets.len()));
        }
        Err(error) => report.add(Limited, "processes", with_causes(&error)),
    }
}

/// Returns the reason why owners of sockets are hidden; `allowed`: the process has the capabilities for looking at
/// them.
fn hidden_owners(allowed: bool) -> &'static str {
    if allowed {
        "the owners of some sockets are not found: their processes are outside of this container (PID or user namespace), \
         or /proc is mounted with hidepid; run tcptrace on the host"
    } else {
        "the owners of some sockets are not found, for lack of the capabilities above"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_that_are_there_are_not_said_to_be_lacking() {
        assert!(!hidden_owners(true).contains("capabilit") && !hidden_owners(true).contains("CAP_"));
        assert!(hidden_owners(false).contains("capabilities above"));
    }
}
