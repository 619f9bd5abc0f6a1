//! The command line and its help texts. [`Options`] are the settings that result.
//!
//! The manual page and the shell completions are generated from it (`examples/manual.rs`).

mod choices;
mod combinations;
mod environment;
mod leaks;
mod options;
mod ring_size;
#[cfg(test)]
mod tests;
mod values;

use std::{
    ffi::{OsStr, OsString},
    net::SocketAddr,
    num::{NonZeroU32, NonZeroU64},
    path::PathBuf,
    time::Duration,
};

use clap::{
    ArgAction, Args, CommandFactory as _, Parser, Subcommand,
    builder::{PathBufValueParser, TypedValueParser},
    error::{ContextKind, ContextValue},
};

pub use self::{
    choices::Choices,
    environment::{DEFAULT_COLUMNS, Environment},
    leaks::Leaks,
    options::{Options, Verbosity, is_binary},
    ring_size::{RingSize, RingSizeError},
    values::{Attach, Color, Compression, OutputFormat, Segments},
};
use crate::{otlp::Endpoint, sink::RotateAt};
use tcptrace_core::filter::{Emit, Only};

const EXAMPLES: &str = "\
Examples:
  tcptrace -p 443 --only failed          connections to or from port 443 that fail
  tcptrace -p 443 -o list                a line for each connection when it ends
  tcptrace --remote-port 5432 -c 1       one connection from this host to a PostgreSQL server
  tcptrace --host 10.0.0.0/8 -i eth0     one network on one interface
  tcptrace --unit nginx --container web  whatever nginx.service or the container web talks to
  tcptrace -p 80 --json --emit state     socket state changes as JSON lines, for other programs
  tcptrace --duration 1m -w trace.jsonl  trace for a minute and record it
  tcptrace --fail-on reset -- make test  run a command, with exit status 3 if a connection was reset
  tcptrace -r trace.jsonl -p 443         read the recording, port 443 only
  tcptrace -r web.jsonl db.jsonl         merge the recordings of two hosts
  sudo tcptrace top                      watch connections: those that hang come first
  sudo tcptrace leaks                    sockets that nobody closes, by process
  sudo tcptrace doctor                   check what tracing lacks on this host

Data goes to stdout, messages go to stderr. A line on stderr that starts with `tcptrace: tracing` says that everything \
is attached.

Exit status: 0 success, also when interrupted; 1 failure, and the message says what to do; 2 wrong usage. With a command: \
that of the command, or 3 if --fail-on matched.";

/// Shows how every TCP connection of this host is set up and torn down
///
/// It reports each socket state change and each segment that opens or closes a connection, in order, with the process
/// behind it. It only observes: traffic is never changed, and nothing stays attached when it exits. It needs root, or
/// the capabilities CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN.
#[derive(Clone, Debug, Parser)]
#[command(name = "tcptrace", version, after_help = EXAMPLES, max_term_width = 120)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true, subcommand_value_name = "TASK")]
pub struct Cli {
    /// A task other than tracing or reading.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Options that `tcptrace top` takes too.
    #[command(flatten)]
    pub choices: Choices,

    /// Format of the data on stdout [default: timeline]
    #[arg(short, long, value_name = "FORMAT", help_heading = "Output", value_enum)]
    pub output: Option<OutputFormat>,

    /// Short for --output json
    #[arg(long, help_heading = "Output")]
    pub json: bool,

    /// Types of records to write to stdout as JSON [default: all]
    ///
    /// A comma-separated list of state, segment, handshake, close and stalled. Owners and hints belong to state, ICMP
    /// errors and dropped segments to segment, socket reports and evicted connections to stalled; start, existing, lost
    /// and end records are always written. It affects neither --write, nor the numbers of connections, nor any count.
    #[arg(long, value_name = "LIST", help_heading = "Output")]
    pub emit: Option<Emit>,

    /// Also write every record to FILE
    ///
    /// As JSON lines or, if its name ends in .ttr, as a binary recording, which is smaller and cheaper to write; with
    /// --output none, tcptrace does nothing else. If the name ends in .pcapng, segments become packets for Wireshark and
    /// tcpdump, and all other records journal entries, which Wireshark shows between the packets. The file is created
    /// with mode 0600, or emptied if it exists. SIGHUP reopens it by name, for log rotation.
    #[arg(
        short,
        long,
        value_name = "FILE",
        help_heading = "Output",
        value_parser = PathBufValueParser::new().try_map(values::file)
    )]
    pub write: Option<PathBuf>,

    /// Start a new file of --write at this size or age, such as 100MB or 1h
    ///
    /// The previous file gets a number: trace.ttr becomes trace.000001.ttr. Each file can be read on its own.
    #[arg(long, value_name = "SIZE|TIME", help_heading = "Output", value_parser = values::rotation, requires = "write", conflicts_with = "read")]
    pub rotate: Option<RotateAt>,

    /// Keep at most N numbered files, and remove older ones
    #[arg(long, value_name = "N", help_heading = "Output", value_parser = values::files, requires = "rotate")]
    pub keep: Option<NonZeroU32>,

    /// Compress the binary recording of --write
    #[arg(long, value_name = "METHOD", help_heading = "Output", value_enum, requires = "write")]
    pub compress: Option<Compression>,

    /// Serve metrics for Prometheus at this address
    ///
    /// Counts and durations of handshakes and closes at http://ADDR:PORT/metrics, in Prometheus' text format, as OpenMetrics,
    /// or as protocol buffers with native histograms. A port alone listens on 127.0.0.1 only. Every connection is counted,
    /// including those that --only and --emit leave out.
    #[arg(long, value_name = "[ADDR:]PORT", help_heading = "Output", value_parser = values::socket_address, conflicts_with = "read")]
    pub metrics: Option<SocketAddr>,

    /// Export to an OpenTelemetry collector by OTLP over HTTP
    ///
    /// A span for each handshake and each connection, a log record for each failure and each stall, and the metrics of
    /// --metrics go to URL/v1/traces, URL/v1/logs and URL/v1/metrics, such as http://127.0.0.1:4318. Headers, certificates
    /// and compression come from OpenTelemetry's environment variables. Every connection is exported, including those
    /// that --only and --emit leave out. With --read, the file is exported.
    #[arg(long, value_name = "URL", help_heading = "Output")]
    pub otlp: Option<Endpoint>,

    /// Print the JSON Schema of the JSON lines and exit
    #[arg(long, help_heading = "Output")]
    pub json_schema: bool,

    /// Stop after N connections have ended
    ///
    /// With --only, only connections that are shown count.
    #[arg(short, long, value_name = "N", help_heading = "Limits", value_parser = values::count)]
    pub count: Option<NonZeroU64>,

    /// Stop after this time, such as 500ms, 10s or 5m
    ///
    /// With --read, it is measured in the time of the file.
    #[arg(long, value_name = "TIME", help_heading = "Limits", value_parser = values::duration)]
    pub duration: Option<Duration>,

    /// More messages on stderr; -vv for all of them
    #[arg(short, long, help_heading = "Messages", action = ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,

    /// Only errors on stderr
    #[arg(short, long, help_heading = "Messages")]
    pub quiet: bool,

    /// Exit with status 3 if the command had one of these connections
    ///
    /// The words are those of --only, for example: --fail-on reset.
    #[arg(long, value_name = "LIST", help_heading = "Command", value_parser = values::OnlyParser, hide_possible_values = true)]
    pub fail_on: Vec<Only>,

    /// Run this command, and trace its connections and those of its children
    ///
    /// It runs as the user who called sudo, and keeps stdin and stdout: the trace goes to stderr, or with --write to a
    /// file. SIGINT, SIGTERM, SIGHUP and SIGQUIT are passed on. The exit status is that of the command: 128 and the
    /// number of the signal if a signal killed it, 126 if it cannot be run, 127 if it does not exist.
    #[arg(last = true, value_name = "COMMAND", help_heading = "Command", conflicts_with_all = ["read", "count", "duration"])]
    pub command_line: Vec<OsString>,
}

/// Tasks other than tracing and reading.
#[derive(Clone, Debug, PartialEq, Subcommand)]
pub enum Command {
    /// Check what tracing needs on this host, and say how to get what is missing
    ///
    /// Each line says `ok`, `limited` (tracing works, but shows less) or `missing` (tracing does not work), and how to
    /// fix that. The last line is about a loopback connection that is made and traced as a test. This needs the same
    /// privileges as tracing; without them it says which ones are missing.
    ///
    /// Exit status: 0 tracing works here; 1 it does not.
    Doctor {
        /// First remove what killed tracers have left: filters on interfaces, control groups of commands
        #[arg(long)]
        clean: bool,
    },
    /// List sockets that wait for their process or for the other end, by process
    ///
    /// These are the sockets in CLOSE_WAIT, FIN_WAIT1, FIN_WAIT2, LAST_ACK and SYN_RECV, the longest in their state
    /// first. Ages are exact from a recording. Live, the kernel gives a minimum age in CLOSE_WAIT and FIN_WAIT2, and
    /// none in other states. It needs no privileges; without them, the processes of other users stay unknown.
    Leaks(Leaks),
    /// List connections on the terminal as they come, stall and end
    ///
    /// Stalled connections come first. Keys: arrows, j, k, PgUp, PgDn, Home, End move; Enter shows the ladder of a
    /// connection, Esc goes back; / filters by the words of --only; f shows failures only; s orders by the next column,
    /// r reverses; w writes the verdicts on the listed connections to a new file tcptrace-top-N.jsonl in the current
    /// folder; Ctrl-Z suspends; q quits. At most 4,096 connections are kept: those that ended first are dropped first. It
    /// needs the same privileges as tracing; with --read it needs none.
    Top(Top),
}

/// The options of `tcptrace top`.
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Top {
    /// The options that it shares with tracing.
    #[command(flatten)]
    pub choices: Choices,
}

impl Cli {
    /// Parses the arguments of this process. Exits with status 2 and a message if they are wrong, and with status 0 and
    /// the requested text on `--help` and `--version`.
    pub fn from_env() -> Self {
        Self::from_args(std::env::args_os()).unwrap_or_else(|error| error.exit())
    }

    /// Parses arguments, the first of which is the program's name.
    ///
    /// # Errors
    /// Wrong usage; `--help` and `--version` are reported the same way. The error contains the message to print and the
    /// exit status.
    pub fn from_args<A: Into<OsString> + Clone>(args: impl IntoIterator<Item = A>) -> Result<Self, clap::Error> {
        let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
        let cli =
            Self::try_parse_from(&args).map_err(|error| with_tips(error, args.get(1).map(OsString::as_os_str)))?;
        cli.check_combinations(args.last().map(OsString::as_os_str))?;
        Ok(cli)
    }
}

/// Replaces clap's tips on an unexpected argument where another helps: after `--` comes a command here, not a value.
fn with_tips(mut error: clap::Error, first: Option<&OsStr>) -> clap::Error {
    let Some(ContextValue::String(unexpected)) = error.get(ContextKind::InvalidArg) else { return error };
    let command = Cli::command();
    let tip = if let Some(task) = command.find_subcommand(unexpected) {
        Some(format!("a task comes before its options: tcptrace {} [OPTIONS]", task.get_name()))
    } else if unexpected.starts_with('-') || first.is_some_and(|first| command.find_subcommand(first).is_some()) {
        None
    } else {
        let tasks: Vec<_> = command.get_subcommands().map(clap::Command::get_name).collect();
        let tasks = tasks.join(", ");
        Some(format!("the tasks are {tasks}; a file to read comes after -r, a command to run and trace after --"))
    };
    error.remove(ContextKind::Suggested);
    if let Some(tip) = tip {
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![tip.into()]));
    }
    error
}
