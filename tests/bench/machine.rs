//! The machine that was measured on, and the versions of the tools.

use std::{fs, process::Command};

use tcptrace_tests::binary;

use crate::tool;

/// Lines of a list.
pub(crate) fn describe() -> Vec<String> {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let model = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "processors of an unknown model".to_owned());
    let memory = field("/proc/meminfo", "MemTotal").unwrap_or_else(|| "unknown".to_owned());
    let mut lines = vec![
        format!("Linux {} on {}, {processors} × {model}, memory {memory}", kernel.trim(), std::env::consts::ARCH),
        first_line(&mut Command::new(binary())).unwrap_or_else(|| "tcptrace".to_owned()),
    ];
    for name in ["tcpdump", "tshark", "tcpstates", "tcplife"] {
        lines.push(match tool::find(name) {
            Some(path) => first_line(&mut Command::new(path)).unwrap_or_else(|| name.to_owned()),
            None => format!("{name}: not installed, not measured"),
        });
    }
    lines
}

/// The version that a program reports.
fn first_line(command: &mut Command) -> Option<String> {
    let output = command.arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().next().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty())
}

/// The first value under this name.
fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let value =
        |line: &str| line.strip_prefix(name)?.trim_start().strip_prefix(':').map(|value| value.trim().to_owned());
    text.lines().find_map(value)
}
