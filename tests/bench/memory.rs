//! What an open connection takes in tcptrace's memory.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use tcptrace_tests::{Lines, Netns, eventually};

use crate::{
    Options, load,
    lost::Lost,
    report::{Report, code, progress},
    tool::Tool,
    usage,
};

/// How long everything may take.
const LIMIT: Duration = Duration::from_secs(120);

/// Memory that has not grown for so long does not grow any more. Processes are asked for within this time.
const QUIET: Duration = Duration::from_secs(3);

/// Has many connections open at the same time.
pub(crate) fn measure(options: &Options, scratch: &Path, report: &mut Report) {
    report.section(
        "Memory per open connection",
        &format!(
            "{} connections over loopback, both ends in this host, open at the same time; how much tcptrace has grown, once \
             it does not grow any more, by the connections. `RssAnon` is its own memory, `VmRSS` has the ring buffer's pages too.",
            options.open
        ),
    );
    report.headings(&["", "RssAnon, bytes per connection", "VmRSS, bytes per connection", "VmRSS, MiB", "lost"]);
    for arguments in [&["--json", "--emit", "handshake,close"][..], &[]] {
        let tool = Tool::tcptrace(arguments);
        progress(&tool.command_line());
        report.row(&row(&tool, options, scratch));
    }
}

fn row(tool: &Tool, options: &Options, scratch: &Path) -> Vec<String> {
    const KINDS: [&str; 2] = ["RssAnon", "VmRSS"];
    let netns = Netns::to_measure_in();
    let running = tool.start(&netns, scratch).expect("tcptrace is always there");
    let memory = || KINDS.map(|kind| usage::memory(running.id(), kind));
    let before = memory();
    let mut load = netns.start(
        Command::new(load::program())
            .args(["hold", &options.open.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped()),
    );
    let said = Lines::read(load.stdout(), |line| line);
    said.wait_until("ready", LIMIT, |lines| lines.iter().any(|line| line == "ready"));

    let (mut after, mut grown) = (memory(), Instant::now());
    eventually("memory that does not grow any more", LIMIT, || {
        let now = memory();
        if now > after {
            (after, grown) = (now, Instant::now());
        }
        grown.elapsed() >= QUIET
    });
    let per_connection = |kind: usize| {
        let bytes = after[kind].saturating_sub(before[kind]) * 1024;
        format!("{:.0}", bytes as f64 / options.open as f64)
    };
    let resident = after[1] as f64 / 1024.0;
    let lost = running.stop(options.open).as_ref().map(Lost::to_string).unwrap_or_default();
    vec![code(&tool.command_line()), per_connection(0), per_connection(1), format!("{resident:.0}"), lost]
}
