//! The memory use of a process.

use std::fs;

/// Returns a value of `/proc/PID/status` in KiB, such as `VmRSS`.
#[track_caller]
pub fn memory(process: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("a process that runs has a status");
    kibibytes(&status, name).unwrap_or_else(|| panic!("no {name}: {status}"))
}

/// Returns the value of this name in such a text.
pub fn kibibytes(status: &str, name: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    value.trim().strip_suffix(" kB")?.parse().ok()
}
