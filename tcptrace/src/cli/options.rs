//! The settings of a run: the command line with the defaults that depend on the environment filled in.

use std::{
    ffi::OsString,
    net::SocketAddr,
    num::{NonZeroU32, NonZeroU64},
    path::{Path, PathBuf},
    time::Duration,
};

use super::{Attach, Cli, Color, Command, Compression, Environment, OutputFormat, Segments};
use crate::{otlp::Endpoint, sink::RotateAt};
use tcptrace_core::{
    event::Family,
    filter::{Emit, Filter, HostSet, Only, PortSet, SegmentChoice, Who},
};

/// The messages that go to stderr.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Verbosity {
    /// Errors only.
    Quiet,
    /// Also warnings, and the beginning and end of tracing.
    #[default]
    Normal,
    /// Also the attachments.
    Verbose,
    /// All messages, and warnings of the libraries.
    Debug,
}

impl From<Segments> for SegmentChoice {
    fn from(segments: Segments) -> Self {
        match segments {
            Segments::None => Self::None,
            Segments::Control => Self::Control,
            Segments::All => Self::All,
        }
    }
}

/// The settings of one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// The connections to trace.
    pub filter: Filter,
    /// The network namespaces to trace, as given; empty for the default.
    pub netns: Vec<String>,
    /// The segments to show.
    pub segments: Segments,
    /// Format of the data on stdout.
    pub output: OutputFormat,
    /// Types of records that go to stdout as JSON.
    pub emit: Emit,
    /// The connections to show on stdout; `None` for all of them.
    pub only: Option<Only>,
    /// Minimum duration of a slow handshake, above 0.
    pub slow: Duration,
    /// The file that gets every record: a binary recording by its name ([`is_binary`]), or JSON lines.
    pub write: Option<PathBuf>,
    /// Condition for beginning another file; `None` for never.
    pub rotate: Option<RotateAt>,
    /// Number of numbered files to keep; `None` for all.
    pub keep: Option<NonZeroU32>,
    /// Compression of a binary recording.
    pub compress: Option<Compression>,
    /// The address on which metrics are served, if they are.
    pub metrics: Option<SocketAddr>,
    /// The collector to export to, if there is one.
    pub otlp: Option<Endpoint>,
    /// The captures or recordings to read instead of tracing this host; `-` is stdin. Several are merged; empty to trace.
    pub read: Vec<PathBuf>,
    /// True to show absolute sequence numbers in text after the handshake, too.
    pub absolute_seq: bool,
    /// True if text on stdout is in color.
    pub color: bool,
    /// True if text on stdout may use characters beyond ASCII.
    pub unicode: bool,
    /// Width of text on stdout in columns; `None` to follow its terminal.
    pub columns: Option<u16>,
    /// The command to run and trace; empty to trace this host.
    pub command: Vec<OsString>,
    /// The connections of the command for which the exit status is 3.
    pub fail_on: Option<Only>,
    /// Number of ended connections after which to stop.
    pub count: Option<NonZeroU64>,
    /// Time after which to stop, above 0.
    pub duration: Option<Duration>,
    /// Size of the ring buffer in bytes: a power of two from 2^12 to 2^30.
    pub ring_buffer: u32,
    /// Maximum number of connections that are remembered.
    pub max_connections: NonZeroU32,
    /// The messages that go to stderr.
    pub verbosity: Verbosity,
    /// True if somebody may be watching a terminal, who is told why no event comes.
    pub watched: bool,
    /// True to print the summary by verdict even when a file has been read without `--only`.
    pub summarizes_files: bool,
    /// True to use the kernel's type information (BTF) if there is any.
    pub btf: bool,
    /// True to use programs that load from sockets, where the kernel allows them.
    pub typed_loads: bool,
    /// Method of attaching to interfaces.
    pub attach: Attach,
    /// True if the connections are listed on the terminal, by `tcptrace top`.
    pub top: bool,
}

impl Cli {
    /// Turns the arguments into settings, with defaults that depend on the environment.
    pub fn into_options(self, environment: Environment) -> Options {
        // `top` excludes all other output options.
        let top = matches!(self.command, Some(Command::Top(_)));
        let choices = match self.command {
            Some(Command::Top(top)) => top.choices,
            _ => self.choices,
        };
        let filter = Filter {
            interfaces: without_repeats(choices.interface),
            who: Who {
                pids: choices.pid,
                comms: choices.comm,
                uids: choices.uid,
                units: choices.unit,
                containers: choices.container,
            },
            ..filter(
                &choices.port,
                &choices.local_port,
                &choices.remote_port,
                &choices.host,
                (choices.ipv4, choices.ipv6),
            )
        };
        let runs_command = !self.command_line.is_empty();
        Options {
            filter,
            netns: without_repeats(choices.netns),
            segments: choices.segments,
            output: if self.json { OutputFormat::Json } else { self.output.unwrap_or_default() },
            emit: self.emit.unwrap_or_default(),
            only: choices.only.into_iter().reduce(Only::and),
            slow: choices.slow,
            write: self.write,
            rotate: self.rotate,
            keep: self.keep,
            compress: self.compress,
            metrics: self.metrics,
            otlp: self.otlp,
            read: choices.read,
            absolute_seq: choices.absolute_seq,
            color: match choices.color {
                Color::Auto => environment.terminal && !environment.no_color,
                Color::Always => true,
                Color::Never => false,
            },
            unicode: environment.utf8,
            columns: environment.columns,
            command: self.command_line,
            fail_on: self.fail_on.into_iter().reduce(Only::and),
            count: self.count,
            duration: self.duration,
            ring_buffer: choices.ring_buffer.bytes(),
            max_connections: choices.max_connections,
            verbosity: match self.verbose {
                _ if self.quiet => Verbosity::Quiet,
                0 => Verbosity::Normal,
                1 => Verbosity::Verbose,
                2.. => Verbosity::Debug,
            },
            watched: environment.watched && !self.quiet && !runs_command && !top,
            summarizes_files: environment.messages_watched,
            btf: !choices.no_btf,
            typed_loads: !choices.no_typed_loads,
            attach: choices.attach,
            top,
        }
    }
}

/// Returns true if a file of this name is written as a binary recording.
pub fn is_binary(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "ttr")
}

/// Returns the filter of these options; `family` is `-4` or `-6`.
pub(super) fn filter(
    port: &[PortSet],
    local_port: &[PortSet],
    remote_port: &[PortSet],
    host: &[HostSet],
    family: (bool, bool),
) -> Filter {
    Filter {
        ports: merged(port, PortSet::merge),
        local_ports: merged(local_port, PortSet::merge),
        remote_ports: merged(remote_port, PortSet::merge),
        hosts: merged(host, HostSet::merge),
        family: match family {
            (true, _) => Some(Family::V4),
            (_, true) => Some(Family::V6),
            _ => None,
        },
        ..Filter::default()
    }
}

/// Returns the union of the sets of a repeated option.
fn merged<T: Clone>(sets: &[T], merge: impl Fn(&mut T, &T)) -> Option<T> {
    sets.iter().cloned().reduce(|mut all, set| {
        merge(&mut all, &set);
        all
    })
}

pub(super) fn without_repeats(names: Vec<String>) -> Vec<String> {
    names.into_iter().fold(Vec::new(), |mut kept, name| {
        if !kept.contains(&name) {
            kept.push(name);
        }
        kept
    })
}
