//! The contents of `/proc/PID/stat` (proc_pid_stat(5)).

use std::fs;

/// The fields of `/proc/PID/stat` that are used here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct ProcessStat {
    /// Field 3, the state: `Z` is a zombie, `X` is dead.
    pub(crate) state: char,
    /// Field 4: its parent.
    pub(crate) parent: u32,
    /// Field 9: the kernel's `PF_` flags (include/linux/sched.h).
    pub(crate) flags: u64,
    /// Field 22: start time in clock ticks since boot.
    pub(crate) started: u64,
}

impl ProcessStat {
    /// Reads the fields of a process; `None` if there is no such process or it may not be inspected.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        Self::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Parses the line. The name that precedes the fields may contain anything, including parentheses.
    fn parse(stat: &str) -> Option<Self> {
        let (_name, fields) = stat.rsplit_once(") ")?;
        let mut fields = fields.split(' ');
        let state = fields.next()?.chars().next()?;
        let parent = fields.next()?.parse().ok()?;
        let flags = fields.nth(4)?.parse().ok()?;
        let started = fields.nth(12)?.parse().ok()?;
        Some(Self { state, parent, flags, started })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_fields_behind_any_name() {
        let fields = "R 1 77 77 0 -1 4194304 90 0 0 0 1 2 0 0 20 0 1 0 56789 1000 200";
        let stat = ProcessStat { state: 'R', parent: 1, flags: 4_194_304, started: 56_789 };
        for name in ["sh", "a b", "a) (b) c"] {
            assert_eq!(ProcessStat::parse(&format!("77 ({name}) {fields}")), Some(stat), "{name}");
        }
        assert_eq!(ProcessStat::parse("77 (cut"), None);
        assert_eq!(ProcessStat::parse("77 (cut) R 1 77 77 0 -1 4194304 90"), None);
    }

    #[test]
    fn this_process_runs_and_number_0_is_none() {
        let own = ProcessStat::of(std::process::id()).expect("this process");
        assert!(own.started > 0 && "RS".contains(own.state), "{own:?}");
        assert_eq!(ProcessStat::of(0), None);
    }
}
