//! The names of clsact filters. A filter outlives a process that is killed, so its name identifies the tracer that owns it.

use std::{
    fmt::{self, Display, Formatter},
    fs,
    os::unix::fs::MetadataExt as _,
};

use rustix::{
    io::Errno,
    process::{Pid, test_kill_process},
};

use crate::procfs::stat::ProcessStat;

/// The beginning of every name.
const PREFIX: &str = "tcptrace-";

/// The end of the name if a tcptrace created the qdisc that the filter is on.
const MADE_QDISC: &str = "+q";

/// Identifies a tracer process uniquely until reboot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct TracerId {
    pid: u32,
    /// Start time in clock ticks since boot, because PIDs are reused.
    started: u64,
    scope: Scope,
}

/// The namespaces that a PID and a start time refer to, by inode number; 0 if unknown.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Scope {
    pid: u64,
    /// 0 also on kernels without time namespaces.
    time: u64,
}

impl TracerId {
    /// Identifies this process.
    pub(crate) fn this_process() -> Self {
        let pid = std::process::id();
        let inode = |namespace| fs::metadata(format!("/proc/self/ns/{namespace}")).map_or(0, |file| file.ino());
        // In the `/proc` of another PID namespace the same PID is another process.
        let own_proc = fs::read_link("/proc/self").is_ok_and(|link| link.as_os_str() == pid.to_string().as_str());
        match ProcessStat::of(pid).filter(|_| own_proc) {
            Some(stat) => Self { pid, started: stat.started, scope: Scope { pid: inode("pid"), time: inode("time") } },
            None => Self { pid, started: 0, scope: Scope::default() },
        }
    }

    /// The PID in the process's own namespace.
    pub(crate) fn pid(self) -> u32 {
        self.pid
    }

    /// Returns whether the process has certainly ended. One of another namespace cannot be checked and counts as running.
    pub(crate) fn has_ended(self) -> bool {
        let scope = Self::this_process().scope;
        if scope.pid == 0 || self.scope != scope {
            return false;
        }
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else { return false };
        // Signal 0 also reaches processes that a `/proc` mounted with `hidepid` hides.
        if test_kill_process(pid) == Err(Errno::SRCH) {
            return true;
        }
        ProcessStat::of(self.pid).is_some_and(|stat| stat.started != self.started || "ZX".contains(stat.state))
    }
}

/// The name of a filter: `tcptrace-PID-START-PIDNS-TIMENS`, followed by `+q` if a tcptrace created the qdisc.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct FilterName {
    /// The tracer that owns the filter.
    pub(crate) owner: TracerId,
    /// A tcptrace, this one or another, created the qdisc, and the last one to leave must remove it.
    pub(crate) made_qdisc: bool,
}

impl FilterName {
    /// Parses a filter's name; none if it is not one of tcptrace's.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let rest = name.strip_prefix(PREFIX)?;
        let (numbers, made_qdisc) = rest.strip_suffix(MADE_QDISC).map_or((rest, false), |numbers| (numbers, true));
        let mut numbers = numbers.split('-');
        let pid = numbers.next()?.parse().ok()?;
        let mut next = || numbers.next()?.parse().ok();
        let (started, scope) = (next()?, Scope { pid: next()?, time: next()? });
        let parsed = Self { owner: TracerId { pid, started, scope }, made_qdisc };
        // Numbers written otherwise, such as with a sign, are not tcptrace's.
        (parsed.to_string() == name).then_some(parsed)
    }
}

impl Display for FilterName {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let TracerId { pid, started, scope } = self.owner;
        let end = if self.made_qdisc { MADE_QDISC } else { "" };
        write!(f, "{PREFIX}{pid}-{started}-{}-{}{end}", scope.pid, scope.time)
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_name_is_read_as_it_was_written() {
        for made_qdisc in [false, true] {
            let name = FilterName { owner: TracerId::this_process(), made_qdisc };
            assert_eq!(FilterName::parse(&name.to_string()), Some(name));
        }
        let written = "tcptrace-77-56789-4026531836-4026531834+q";
        assert_eq!(FilterName::parse(written).expect("a name").to_string(), written);
    }

    #[test]
    fn names_of_others_are_none_of_ours() {
        let others = [
            "",
            "tcptrace",
            "tcptrace-",
            "tcptrace-77",
            "tcptrace-77-1-2",
            "tcptrace-77-1-2-3-4",
            "tcptrace-77-1-2-3+",
            "tcptrace-77-1-2-3+q+q",
            "tcptrace-+77-1-2-3",
            "tcptrace-077-1-2-3",
            "tcptrace-4294967296-1-2-3",
            "tcptrace--77-1-2-3",
            " tcptrace-77-1-2-3",
            "tcptrace_egress",
            "bytecode",
        ];
        for name in others {
            assert_eq!(FilterName::parse(name), None, "{name}");
        }
    }

    #[test]
    fn a_process_has_ended_when_it_was_killed_and_before_anybody_waits_for_it() {
        let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().expect("cat can be started");
        let started = ProcessStat::of(child.id()).expect("it runs").started;
        let owner = TracerId { pid: child.id(), started, ..TracerId::this_process() };
        assert!(!owner.has_ended());
        child.kill().expect("a child can be killed");
        // It stays a zombie until it is waited for.
        let pid = Pid::from_child(&child);
        let options = rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT;
        rustix::process::waitid(rustix::process::WaitId::Pid(pid), options).expect("it ends");
        assert!(owner.has_ended());
        child.wait().expect("it has ended");
        assert!(owner.has_ended());
    }

    #[test]
    fn another_process_by_the_same_number_is_not_the_owner() {
        let own = TracerId::this_process();
        assert!(!own.has_ended());
        assert!(TracerId { started: own.started - 1, ..own }.has_ended());
    }

    #[test]
    fn nobody_can_tell_of_another_namespace() {
        let own = TracerId::this_process();
        let elsewhere = |scope| TracerId { started: own.started - 1, scope, ..own };
        assert!(!elsewhere(Scope { pid: own.scope.pid + 1, ..own.scope }).has_ended());
        assert!(!elsewhere(Scope { time: own.scope.time + 1, ..own.scope }).has_ended());
        assert!(!elsewhere(Scope::default()).has_ended());
    }
}
