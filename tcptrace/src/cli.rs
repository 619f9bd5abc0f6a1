//! The command line: what can be written on it and what its help says. [`Options`] is what comes of it.
//!
//! This module and [`tcptrace_core::filter`] use nothing else of the crate, so that the man page and the completions can be
//! made from them alone.

mod emit;
mod options;
mod ring_size;
#[cfg(test)]
mod tests;
mod values;

use std::{
    ffi::OsString,
    num::{NonZeroU32, NonZeroU64},
    path::PathBuf,
    time::Duration,
};

use clap::{
    ArgAction, CommandFactory, Parser, Subcommand,
    builder::{PathBufValueParser, TypedValueParser},
    error::ErrorKind,
};

pub use self::{
    emit::{Emit, EmitError},
    options::{COLUMNS, Options, Surroundings, Verbosity},
    ring_size::{RingSize, RingSizeError},
    values::{Attach, Color, Output, Segments},
};
use tcptrace_core::filter::{HostSet, PortSet};

const EXAMPLES: &str = "\
Examples:
  tcptrace -p 443                        connections to or from port 443
  tcptrace --remote-port 5432 -c 1       one connection of a client here to a PostgreSQL server
  tcptrace --host 10.0.0.0/8 -i eth0     one network, one interface
  tcptrace -p 80 --json --emit state     for programs: state changes as JSON lines
  tcptrace --duration 1m -w trace.jsonl  watch for a minute and keep the records
  tcptrace -r trace.jsonl -p 443         what the records say of port 443
  sudo tcptrace doctor                   what tracing would lack on this host

Data goes to stdout and everything else to stderr, where a line that starts with `tcptrace: tracing` says that \
everything is attached.

Exit status: 0 fine, also when interrupted; 1 it could not run, the message says what to do; 2 wrong usage.";

/// Shows how every TCP connection of this host is set up and torn down
///
/// It writes down each socket state change and each segment that opens or closes a connection, in order, with the
/// process behind it. It only watches: traffic is never changed, and nothing stays behind when it ends. It needs root,
/// or the capabilities CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN.
#[derive(Clone, Debug, Parser)]
#[command(name = "tcptrace", version, after_help = EXAMPLES, max_term_width = 120)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
pub struct Cli {
    /// What to do instead of tracing or reading.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Only connections with one of these ports at either end
    ///
    /// Ports and ranges with commas between them, as in 80,443,8000-8100. The option may be repeated. All filters have
    /// to hold for a connection to be shown; they are applied in the kernel.
    #[arg(short, long, value_name = "LIST", help_heading = "Filters", allow_negative_numbers = true)]
    pub port: Vec<PortSet>,

    /// Only connections with one of these ports at the end on this host
    #[arg(long, value_name = "LIST", help_heading = "Filters", allow_negative_numbers = true)]
    pub local_port: Vec<PortSet>,

    /// Only connections with one of these ports at the other end
    #[arg(long, value_name = "LIST", help_heading = "Filters", allow_negative_numbers = true)]
    pub remote_port: Vec<PortSet>,

    /// Only connections with one of these addresses at either end
    ///
    /// IPv4 and IPv6 addresses and prefixes with commas between them, as in 192.0.2.1,10.0.0.0/8,::1. Bits behind the
    /// prefix length do not count. The option may be repeated.
    #[arg(long, value_name = "LIST", help_heading = "Filters")]
    pub host: Vec<HostSet>,

    /// Only IPv4, also over IPv6 sockets
    #[arg(short = '4', help_heading = "Filters", conflicts_with = "ipv6")]
    pub ipv4: bool,

    /// Only IPv6
    #[arg(short = '6', help_heading = "Filters")]
    pub ipv6: bool,

    /// Only this interface; may be repeated [default: every one that is up]
    ///
    /// Without it, every interface that is up is watched, also those that come later.
    #[arg(short, long, value_name = "NAME", help_heading = "Filters", value_parser = values::interface)]
    pub interface: Vec<String>,

    /// Which segments to show
    #[arg(long, value_name = "WHICH", help_heading = "Filters", value_enum, default_value_t)]
    pub segments: Segments,

    /// How to write on stdout [default: timeline]
    #[arg(short, long, value_name = "FORM", help_heading = "Output", value_enum)]
    pub output: Option<Output>,

    /// Short for --output json
    #[arg(long, help_heading = "Output")]
    pub json: bool,

    /// Which records go to stdout as JSON [default: all]
    ///
    /// Any of state, segment, handshake and close with commas between them; hints come with states, ICMP errors with
    /// segments. It changes nothing else: neither --write, nor the numbers of connections, nor any count.
    #[arg(long, value_name = "LIST", help_heading = "Output")]
    pub emit: Option<Emit>,

    /// Also write every record to FILE, as JSON lines
    ///
    /// The file is made anew, readable by its owner only. SIGHUP opens it again by its name, for the rotation of logs.
    #[arg(
        short,
        long,
        value_name = "FILE",
        help_heading = "Output",
        value_parser = PathBufValueParser::new().try_map(values::file)
    )]
    pub write: Option<PathBuf>,

    /// In text, show sequence numbers as they are
    ///
    /// By default they count from each end's initial sequence number once that is known.
    #[arg(short = 'S', long, help_heading = "Output")]
    pub absolute_seq: bool,

    /// When to use colors
    ///
    /// `auto` is for terminals, unless the variable NO_COLOR is set.
    #[arg(long, value_name = "WHEN", help_heading = "Output", value_enum, default_value_t)]
    pub color: Color,

    /// Print the JSON Schema of the JSON lines and exit
    #[arg(long, help_heading = "Output")]
    pub json_schema: bool,

    /// Read a capture or a recording instead of tracing this host; - is stdin
    ///
    /// A pcap or pcapng file, of any link type that carries IP, or what --write or --json has written. It takes no
    /// privileges, and all filters apply. What is not in the file stays unknown: of a capture, socket states and processes.
    #[arg(short, long, value_name = "FILE", help_heading = "Input")]
    pub read: Option<PathBuf>,

    /// Stop after N connections have ended
    #[arg(short, long, value_name = "N", help_heading = "Limits", value_parser = values::count)]
    pub count: Option<NonZeroU64>,

    /// Stop after this time, such as 500ms, 10s or 5m
    #[arg(long, value_name = "TIME", help_heading = "Limits", value_parser = values::duration)]
    pub duration: Option<Duration>,

    /// Size of the buffer between kernel and tcptrace, a power of two
    ///
    /// From 4KiB to 1GiB. Records that find it full are counted and reported as lost.
    #[arg(long, value_name = "SIZE", help_heading = "Limits", default_value_t)]
    pub ring_buffer: RingSize,

    /// Remember no more than this many connections
    ///
    /// Mere attempts have an eighth of it. Beyond that they go first, then those that ended longest ago, then those that
    /// have been silent for longest; the end says how many that had not ended were forgotten.
    #[arg(long, value_name = "N", help_heading = "Limits", value_parser = values::connections, default_value_t = values::MAX_CONNECTIONS)]
    pub max_connections: NonZeroU32,

    /// Say more on stderr; twice for everything
    #[arg(short, long, help_heading = "Messages", action = ArgAction::Count, conflicts_with = "quiet")]
    pub verbose: u8,

    /// Say only errors on stderr
    #[arg(short, long, help_heading = "Messages")]
    pub quiet: bool,

    /// Do without the kernel's type information, as on kernels that have none
    #[arg(long, hide = true)]
    pub no_btf: bool,

    /// How to attach to interfaces
    #[arg(long, value_name = "HOW", hide = true, value_enum, default_value_t)]
    pub attach: Attach,
}

/// What there is to do besides tracing and reading.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Subcommand)]
pub enum Command {
    /// Say what this host can do, what is missing and how to get it
    ///
    /// Each line is `ok`, `limited` (tracing works, and shows less) or `missing` (it does not work), with what to do about
    /// it. The last one is about a connection over loopback that is made and traced for it. It needs what tracing needs;
    /// without, it says what that is.
    ///
    /// Exit status: 0 tracing works here; 1 it does not.
    Doctor {
        /// First remove what tracers that were killed have left on interfaces
        #[arg(long)]
        clean: bool,
    },
}

impl Cli {
    /// Reads this process's arguments. With wrong ones it ends the process with status 2 and a message, with `--help`
    /// and `--version` with status 0 and their text.
    pub fn from_env() -> Self {
        Self::from_args(std::env::args_os()).unwrap_or_else(|error| error.exit())
    }

    /// Reads arguments, the program's name first.
    ///
    /// # Errors
    /// What the message to print is, and with which status to exit: help and version are errors too.
    pub fn from_args<A: Into<OsString> + Clone>(args: impl IntoIterator<Item = A>) -> Result<Self, clap::Error> {
        let cli = Self::try_parse_from(args)?;
        match cli.output {
            Some(output) if cli.json && output != Output::Json => Err(Self::command().error(
                ErrorKind::ArgumentConflict,
                format!("--json is short for --output json and cannot be used with --output {output}"),
            )),
            _ => Ok(cli),
        }
    }
}
