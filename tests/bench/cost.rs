//! The cost of tracing to the traffic: the same load without and with a tool.

use std::path::Path;

use crate::{
    Options,
    load::Load,
    report::Report,
    tool::Tool,
    turns::Watcher::{self, EmptyPrograms},
};

/// Segments that open, close or reset a connection.
const CONTROL: &str = "tcp[tcpflags] & (tcp-syn|tcp-fin|tcp-rst) != 0";

/// Connections that open and close flat out.
pub(crate) fn connections(options: &Options, scratch: &Path, report: &mut Report) {
    report.section(
        "Connections flat out",
        "As many pairs of a client and a server as processors open and close connections over loopback, so that all are \
         busy. The server closes first: 10 state changes and 7 segments each. Added: the processors' time for each \
         connection, which is processors / traced rate − processors / untraced rate; beside it what the \
         tool's own process used, which goes on for a moment after the load. Files are in memory.",
    );
    let watchers = [
        EmptyPrograms,
        Watcher::Tool(Tool::tcptrace(&["--json"])),
        Watcher::Tool(Tool::tcptrace(&["--json", "--emit", "handshake,close"])),
        Watcher::Tool(Tool::tcptrace(&["--json", "--segments", "none"])),
        Watcher::Tool(Tool::tcptrace(&["--only", "failed"])),
        Watcher::Tool(Tool::tcptrace(&["-o", "list"])),
        Watcher::Tool(Tool::tcptrace(&["-o", "none", "--metrics", "9464"])),
        Watcher::Tool(Tool::tcptrace(&[])),
        Watcher::Tool(Tool::tcptrace(&["--only", "all"])),
        Watcher::Tool(Tool::tcptrace(&["-w", "FILE"])),
        Watcher::Tool(Tool::tcptrace(&["-w", "FILE.ttr", "-o", "none"])),
        Watcher::Tool(Tool::tcptrace(&["-w", "FILE.ttr", "--compress", "zstd", "-o", "none"])),
        Watcher::Tool(Tool::tcpdump(&[], CONTROL)),
        Watcher::Tool(Tool::tcpdump(&["-s", "96"], "tcp")),
        Watcher::Tool(Tool::tcpdump_text()),
        Watcher::Tool(Tool::tcpstates()),
        Watcher::Tool(Tool::tcplife()),
    ];
    table(Load::Connections, "connection", &watchers, options, scratch, report);
}

/// One byte to and fro.
pub(crate) fn ping_pong(options: &Options, scratch: &Path, report: &mut Report) {
    report.section(
        "One byte to and fro",
        "One connection over loopback, both ends on one processor. With each round trip two data segments pass, which \
         tcptrace does not record unless it is told to. Added: what a round trip takes longer.",
    );
    let watchers = [
        EmptyPrograms,
        Watcher::Tool(Tool::tcptrace(&["--json"])),
        Watcher::Tool(Tool::tcptrace(&["--json", "--segments", "all"])),
        Watcher::Tool(Tool::tcpdump(&[], CONTROL)),
        Watcher::Tool(Tool::tcpdump(&["-s", "96"], "tcp")),
    ];
    table(Load::PingPong, "round trip", &watchers, options, scratch, report);
}

fn table(load: Load, unit: &str, watchers: &[Watcher], options: &Options, scratch: &Path, report: &mut Report) {
    let (added, process) = (format!("added per {unit}, µs"), format!("its process per {unit}, µs"));
    let bytes = format!("written per {unit}, bytes");
    let headings = ["", "kept, %", &added, &process, &bytes, "untraced, per s", "traced, per s", "lost in all rounds"];
    report.headings(&headings);
    let is_wanted = |watcher: &&Watcher| options.only.as_ref().is_none_or(|text| watcher.name().contains(text));
    for watcher in watchers.iter().filter(is_wanted) {
        report.row(&match watcher.measure(load, options, scratch) {
            Ok(turns) => vec![
                watcher.name(),
                format!("{:.1}", turns.kept.times(100.0)),
                format!("{:.2}", turns.added),
                turns.process.map_or_else(|| "none".to_owned(), |process| format!("{process:.2}")),
                turns.bytes.map_or_else(|| "none".to_owned(), |bytes| format!("{bytes:.0}")),
                turns.untraced.to_string(),
                turns.traced.to_string(),
                turns.lost.map_or_else(|| "not told".to_owned(), |lost| lost.to_string()),
            ],
            Err(why) => vec![watcher.name(), why],
        });
    }
}
