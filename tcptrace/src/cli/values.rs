//! Types and parsers of the values of single options.

use std::{
    fmt::{self, Display, Formatter},
    net::{Ipv4Addr, SocketAddr},
    num::{NonZeroU32, NonZeroU64},
    path::{Path, PathBuf},
    time::Duration,
};

use bytesize::ByteSize;
use clap::{
    Arg, Command, ValueEnum,
    builder::{PossibleValue, StringValueParser, TypedValueParser},
};
use thiserror::Error;

use crate::sink::RotateAt;
use tcptrace_core::filter::{Only, only_words};

/// Format of the data on stdout.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum OutputFormat {
    /// A ladder diagram of each handshake and each close: segments between the ends, states beside them
    #[default]
    Timeline,
    /// One line per event, as it happens
    Events,
    /// JSON lines
    Json,
    /// One line per connection when it ends, with its verdict in words
    List,
    /// A self-contained page with a table and the ladder of each connection
    Html,
    /// Sequence diagrams for Mermaid, one per connection, in Markdown
    Mermaid,
    /// A picture of the ladders, for a few connections
    Svg,
    /// Nothing, for --write, --metrics and --otlp
    None,
}

/// Writes its word on the command line.
impl Display for OutputFormat {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Timeline => "timeline",
            Self::Events => "events",
            Self::Json => "json",
            Self::List => "list",
            Self::Html => "html",
            Self::Mermaid => "mermaid",
            Self::Svg => "svg",
            Self::None => "none",
        })
    }
}

/// The segments to show.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum Segments {
    /// Segments that open and close connections, and their acknowledgments
    #[default]
    Control,
    /// Every TCP header
    All,
    /// No segments, socket states only
    None,
}

/// Compression of a binary recording.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Compression {
    /// Zstandard (RFC 8878)
    Zstd,
}

/// When to use colors.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum Color {
    /// When stdout is a terminal
    #[default]
    Auto,
    /// Also in files and pipes
    Always,
    /// Not even on a terminal
    Never,
}

/// A way of attaching to interfaces.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum Attach {
    /// TCX if the kernel has it, clsact otherwise
    #[default]
    Auto,
    /// TCX links, which end with the process; since Linux 6.6
    Tcx,
    /// Filters of the clsact queueing discipline
    Clsact,
}

/// An invalid value.
#[derive(Debug, Error)]
pub(super) enum ValueError {
    #[error("'{}' is not a number of connections: give a whole number from 1", .0.escape_debug())]
    Count(String),
    #[error("'{}' is not a number of connections to remember: give a whole number from 1 to {MAX_CONNECTIONS_LIMIT}", .0.escape_debug())]
    MaxConnections(String),
    #[error("'{}' is not a number of files: give a whole number from 1", .0.escape_debug())]
    Files(String),
    #[error("'{}' is neither a size nor a time: give a number with its unit, such as 100MB or 1h", .0.escape_debug())]
    Rotation(String),
    #[error("'{}' is too little for a file: give at least 64KiB or 1s", .0.escape_debug())]
    SmallRotation(String),
    #[error("'{}' is not a length of time: give a number with its unit, such as 500ms, 10s or 5m", .0.escape_debug())]
    Duration(String),
    #[error("'{}' is too short: give a length of time above 0, such as 500ms, 10s or 5m", .0.escape_debug())]
    NoDuration(String),
    #[error(
        "'{}' cannot be the name of an interface: give one of 1 to 15 bytes without spaces, '/' and ':', such as eth0",
        .0.escape_debug()
    )]
    Interface(String),
    #[error("'{}' cannot be a network namespace: give own, all, a name of `ip netns`, a PID or a path", .0.escape_debug())]
    Netns(String),
    #[error("'{}' is not an address to listen on: give a port, or an address and a port, such as 9464 or [::1]:9464", .0.escape_debug())]
    Address(String),
    #[error("'{}' is not a process ID: give whole numbers from 1, such as 801,6980", .0.escape_debug())]
    Pid(String),
    #[error("'{}' is not a user of this host: give names of users, or numbers from 0", .0.escape_debug())]
    User(String),
    #[error("'-' is not stdout here: give --json for JSON lines on stdout, or ./- for a file of that name")]
    Stdout,
}

/// Parses an address to listen on; a port alone stands for 127.0.0.1.
pub(super) fn socket_address(text: &str) -> Result<SocketAddr, ValueError> {
    let port = |text: &str| Some(SocketAddr::from((Ipv4Addr::LOCALHOST, text.parse().ok()?)));
    text.parse().ok().or_else(|| port(text)).ok_or_else(|| ValueError::Address(text.to_owned()))
}

/// Parses a number of connections, from 1.
pub(super) fn count(text: &str) -> Result<NonZeroU64, ValueError> {
    text.parse().map_err(|_| ValueError::Count(text.to_owned()))
}

/// Default of `--max-connections`.
pub(crate) const DEFAULT_MAX_CONNECTIONS: NonZeroU32 = NonZeroU32::new(1_000_000).expect("above 0");

/// Maximum of `--max-connections`.
const MAX_CONNECTIONS_LIMIT: u32 = 1 << 30;

/// Parses a number of connections to remember, from 1 to [`MAX_CONNECTIONS_LIMIT`].
pub(super) fn connections(text: &str) -> Result<NonZeroU32, ValueError> {
    let number: Option<NonZeroU32> = text.parse().ok();
    number
        .filter(|number| number.get() <= MAX_CONNECTIONS_LIMIT)
        .ok_or_else(|| ValueError::MaxConnections(text.to_owned()))
}

/// Parses a number of files, from 1.
pub(super) fn files(text: &str) -> Result<NonZeroU32, ValueError> {
    text.parse().map_err(|_| ValueError::Files(text.to_owned()))
}

/// Minimum size and age of a file before another is begun.
const MIN_ROTATION: (u64, Duration) = (64 << 10, Duration::from_secs(1));

/// Parses a size or a time. A unit that ends in B is one of bytes; so are K, M and G, while m is a minute.
pub(super) fn rotation(text: &str) -> Result<RotateAt, ValueError> {
    let is_size = text.ends_with(['B', 'K', 'M', 'G', 'T']) || text.bytes().all(|byte| byte.is_ascii_digit());
    let at = if is_size {
        text.parse().ok().map(|ByteSize(bytes)| RotateAt::Size(bytes))
    } else {
        humantime::parse_duration(text).ok().map(RotateAt::Age)
    };
    match at {
        Some(RotateAt::Size(bytes)) if bytes < MIN_ROTATION.0 => Err(ValueError::SmallRotation(text.to_owned())),
        Some(RotateAt::Age(age)) if age < MIN_ROTATION.1 => Err(ValueError::SmallRotation(text.to_owned())),
        at => at.ok_or_else(|| ValueError::Rotation(text.to_owned())),
    }
}

/// Parses a length of time above 0, such as `500ms`.
pub(super) fn duration(text: &str) -> Result<Duration, ValueError> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err(ValueError::NoDuration(text.to_owned())),
        Ok(duration) => Ok(duration),
        Err(_) => Err(ValueError::Duration(text.to_owned())),
    }
}

/// Parses a list of words for connections, and offers the words to shell completions.
#[derive(Clone, Copy, Debug)]
pub(super) struct OnlyParser;

impl TypedValueParser for OnlyParser {
    type Value = Only;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &std::ffi::OsStr) -> Result<Only, clap::Error> {
        StringValueParser::new().try_map(|text| text.parse::<Only>()).parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(only_words().iter().map(|word| PossibleValue::new(*word))))
    }
}

/// Checks a name against the kernel's rules for interfaces (`dev_valid_name` in net/core/dev.c).
pub(super) fn interface(name: &str) -> Result<String, ValueError> {
    let forbidden = |byte: u8| byte.is_ascii_whitespace() || matches!(byte, 0x0b | b'/' | b':');
    match name {
        "." | ".." => Err(ValueError::Interface(name.to_owned())),
        _ if (1..16).contains(&name.len()) && !name.bytes().any(forbidden) => Ok(name.to_owned()),
        _ => Err(ValueError::Interface(name.to_owned())),
    }
}

/// Checks that the name of a namespace is not empty.
pub(super) fn netns(name: &str) -> Result<String, ValueError> {
    if name.is_empty() || name.contains('\0') { Err(ValueError::Netns(name.to_owned())) } else { Ok(name.to_owned()) }
}

/// Parses a process ID.
pub(super) fn pid(text: &str) -> Result<u32, ValueError> {
    // The kernel's PIDs are signed (pid_t).
    let number: Option<i32> = text.trim().parse().ok();
    let number = number.filter(|&number| number > 0).and_then(|number| u32::try_from(number).ok());
    number.ok_or_else(|| ValueError::Pid(text.to_owned()))
}

/// Returns the ID of a user, given as a number or by name.
pub(super) fn uid(text: &str) -> Result<u32, ValueError> {
    let name = text.trim();
    // The last number stands for no user (`INVALID_UID`).
    let number = name.parse().ok().filter(|&number: &u32| number != u32::MAX);
    let named = || nix::unistd::User::from_name(name).ok().flatten().map(|user| user.uid.as_raw());
    number.or_else(named).ok_or_else(|| ValueError::User(text.to_owned()))
}

/// Checks that a path is not `-`, which means stdout to other programs.
pub(super) fn file(path: PathBuf) -> Result<PathBuf, ValueError> {
    if path == Path::new("-") { Err(ValueError::Stdout) } else { Ok(path) }
}
