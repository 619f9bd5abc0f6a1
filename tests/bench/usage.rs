//! The processor time and memory of a process, as the kernel counts them.

use std::{
    fs,
    mem::MaybeUninit,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// The resources that a command used from its start to its end.
#[derive(Clone, Copy)]
pub(crate) struct Usage {
    pub(crate) elapsed: Duration,
    /// The processors' time, of all threads, the kernel's on its behalf included.
    pub(crate) processors: Duration,
    /// Largest resident memory, in KiB.
    pub(crate) most_memory: u64,
}

/// Runs a command to its end, which has to be well, and throws away what it writes.
pub(crate) fn run(command: &mut Command) -> Usage {
    let began = Instant::now();
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // Not waited for by the standard library, which does not ask what it has used.
    let child = command.spawn().map(|child| child.id());
    let child = child.unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"));
    let pid = libc::pid_t::try_from(child).expect("process ids are positive");
    let (mut status, mut usage) = (0, MaybeUninit::<libc::rusage>::zeroed());
    // SAFETY: both outlive the call. The child is ours, and nobody else waits for it.
    let waited = unsafe { libc::wait4(pid, &raw mut status, 0, usage.as_mut_ptr()) };
    let elapsed = began.elapsed();
    assert!(waited == pid && status == 0, "{command:?} ended with status {status:#x}");
    // SAFETY: the kernel has filled it in, and all zeroes would be valid too.
    let usage = unsafe { usage.assume_init() };
    Usage {
        elapsed,
        processors: duration(usage.ru_utime) + duration(usage.ru_stime),
        most_memory: u64::try_from(usage.ru_maxrss).unwrap_or_default(),
    }
}

fn duration(time: libc::timeval) -> Duration {
    Duration::from_secs(time.tv_sec.unsigned_abs()) + Duration::from_micros(time.tv_usec.unsigned_abs())
}

/// User space is told of hundredths of a second, whatever the kernel counts in (USER_HZ).
pub(crate) const TICKS_PER_SECOND: f64 = 100.0;

/// Clock ticks that a running process has used so far.
pub(crate) fn ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process that runs has statistics");
    ticks_in(&stat).unwrap_or_else(|| panic!("no times: {stat}"))
}

/// utime and stime of proc_pid_stat(5). The second field is a name, which may hold anything, a parenthesis included.
fn ticks_in(stat: &str) -> Option<u64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use tcptrace_tests::kibibytes;

    use super::*;

    #[test]
    fn times_stand_behind_the_name() {
        assert_eq!(ticks_in("7 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 40 2 0 0 20"), Some(42));
        assert_eq!(ticks_in("7 (short) S 1"), None);
    }

    #[test]
    fn memory_is_found_by_its_whole_name() {
        let status = "Name:\tx\nVmRSSX:\t   1 kB\nVmRSS:\t   5124 kB\nRssAnon:\t  12 kB\n";
        assert_eq!(kibibytes(status, "VmRSS"), Some(5124));
        assert_eq!(kibibytes(status, "RssAnon"), Some(12));
        assert_eq!(kibibytes(status, "Rss"), None);
    }
}
