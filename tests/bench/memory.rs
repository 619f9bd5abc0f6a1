//! The memory that tcptrace needs for an open connection.

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
            "{} connections over loopback, opened one after the other, both ends in this host: by how much tcptrace's resident \
             memory (`VmRSS`) has grown, once it does not grow any more, for each of them.",
            options.open
        ),
    );
    report.headings(&["", "bytes per connection", "in all, MiB", "lost"]);
    for arguments in [&["--json", "--emit", "handshake,close"][..], &[]] {
        let tool = Tool::tcptrace(arguments);
        progress(&tool.command_line());
        report.row(&row(&tool, options, scratch));
    }
}

fn row(tool: &Tool, options: &Options, scratch: &Path) -> Vec<String> {
    let netns = Netns::to_measure_in();
    let running = tool.start(&netns, scratch).expect("tcptrace is always there");
    let memory = || tcptrace_tests::memory(running.id(), "VmRSS");
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
    let lost = running.stop(options.open).lost.as_ref().map(Lost::to_string).unwrap_or_default();
    // State changes are seen in all namespaces: the next tracer is not to see how these connections end.
    drop(load);
    netns.settle();
    // Both stay far below 2^52.
    let per_connection = (after.saturating_sub(before) * 1024) as f64 / options.open as f64;
    let all = after as f64 / 1024.0;
    vec![code(&tool.command_line()), format!("{per_connection:.0}"), format!("{all:.0}"), lost]
}
