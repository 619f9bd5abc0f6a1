//! Reading a capture: what user space does with what it gets, without a kernel behind it.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;
use tcptrace_tests::{Process, binary, output};

use crate::{
    Options, load,
    report::{Report, code, progress},
    statistics::Spread,
    tool,
    usage::{self, Usage},
};

/// In a command line, the capture.
const CAPTURE: &str = "many.pcap";

/// Reads it with several tools in turn.
pub(crate) fn measure(options: &Options, scratch: &Path, report: &mut Report) {
    let file = scratch.join(CAPTURE);
    let made = output(Command::new(load::program()).args(["capture", &options.captured.to_string()]).arg(&file));
    let made: Value = serde_json::from_str(&made).expect("JSON of tt-load");
    let segments = made["segments"].as_u64().expect("how many segments it has written");
    let bytes = file.metadata().expect("it was written").len();
    report.section(
        "Reading a capture",
        &format!(
            "{} connections, {segments} segments, {:.1} MB, output to /dev/null. Segments per second of the time that it \
             keeps processors busy, of all threads, are those per second and processor.",
            options.captured,
            bytes as f64 / 1e6
        ),
    );
    check(&file, options.captured);
    let commands = [
        ("tcptrace", &["--json", "--emit", "handshake,close", "-r", CAPTURE][..]),
        ("tcptrace", &["--json", "-r", CAPTURE]),
        ("tcptrace", &["-r", CAPTURE]),
        ("tcpdump", &["-r", CAPTURE, "--count", "tcp"]),
        ("tcpdump", &["-nr", CAPTURE]),
        ("tshark", &["-q", "-z", "conv,tcp", "-r", CAPTURE]),
    ];
    let mut usages = commands.map(|_| Vec::new());
    for _ in 0..options.rounds {
        for (usages, (name, arguments)) in usages.iter_mut().zip(commands) {
            let program = if name == "tcptrace" { Some(binary()) } else { tool::find(name) };
            if let Some(program) = program {
                progress(&command_line(name, arguments));
                // Some give up their rights, and then may not look into a folder of root's: they find it where they are.
                usages.push(usage::run(Command::new(program).args(arguments).current_dir(scratch)));
            }
        }
    }
    report.headings(&["", "seconds", "seconds of processors", "segments/s per processor", "peak memory, MiB"]);
    for (usages, (name, arguments)) in usages.iter().zip(commands) {
        report.row(&row(&command_line(name, arguments), usages, segments));
    }
}

fn command_line(name: &str, arguments: &[&str]) -> String {
    format!("{name} {}", arguments.join(" "))
}

/// All of them have to be found, or the time tells nothing. Line by line: what a process has in memory when it starts
/// another counts as the other's.
fn check(file: &Path, connections: u64) {
    let mut command = Command::new(binary());
    command.args(["--json", "--emit", "close", "-r"]).arg(file).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut process = Process::spawn(&mut command);
    let lines = BufReader::new(process.stdout()).lines();
    let end: Value =
        lines.map_while(Result::ok).last().and_then(|line| serde_json::from_str(&line).ok()).expect("an `end`");
    assert_eq!((&end["connections"], &end["open"]), (&connections.into(), &0.into()), "{end}");
}

fn row(command: &str, usages: &[Usage], segments: u64) -> Vec<String> {
    if usages.is_empty() {
        return vec![code(command), "not measured: not installed".to_owned()];
    }
    let processors = || usages.iter().map(|usage| usage.processors.as_secs_f64());
    vec![
        code(command),
        format!("{:.2}", Spread::of(usages.iter().map(|usage| usage.elapsed.as_secs_f64()))),
        format!("{:.2}", Spread::of(processors())),
        Spread::of(processors().map(|seconds| segments as f64 / seconds)).to_string(),
        Spread::of(usages.iter().map(|usage| usage.most_memory as f64 / 1024.0)).to_string(),
    ]
}
