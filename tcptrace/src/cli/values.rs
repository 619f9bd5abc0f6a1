//! Values of single options.

use std::{
    fmt::{self, Display, Formatter},
    num::{NonZeroU32, NonZeroU64},
    path::{Path, PathBuf},
    time::Duration,
};

use clap::ValueEnum;
use thiserror::Error;

/// How data is written on stdout.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum Output {
    /// A ladder for each handshake and each close: states beside the ends, segments between them
    #[default]
    Timeline,
    /// A line for each event as it happens
    Events,
    /// JSON lines
    Json,
}

/// The word that stands for it on the command line.
impl Display for Output {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Timeline => "timeline",
            Self::Events => "events",
            Self::Json => "json",
        })
    }
}

/// Which segments are recorded.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum Segments {
    /// Those that open and close connections, and their acknowledgements
    #[default]
    Control,
    /// Every TCP header
    All,
    /// Socket states alone
    None,
}

/// When to use colors.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum Color {
    /// When stdout is a terminal
    #[default]
    Auto,
    /// Also into files and pipes
    Always,
    /// Not even on a terminal
    Never,
}

/// How to attach to interfaces.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum Attach {
    /// The best that the kernel can do
    #[default]
    Auto,
    /// TCX links, which go away with the process; from Linux 6.6
    Tcx,
    /// Filters of the clsact queueing discipline
    Clsact,
}

/// Why a value is refused.
#[derive(Debug, Error)]
pub(super) enum ValueError {
    #[error("'{}' is not a number of connections: give a whole number from 1", .0.escape_debug())]
    Count(String),
    #[error("'{}' is not a number of connections to remember: give a whole number from 1 to {MOST_CONNECTIONS}", .0.escape_debug())]
    Connections(String),
    #[error("'{}' is not a length of time: give a number with its unit, such as 500ms, 10s or 5m", .0.escape_debug())]
    Duration(String),
    #[error("'{}' is no time at all: give a length of time above 0, such as 500ms, 10s or 5m", .0.escape_debug())]
    NoDuration(String),
    #[error(
        "'{}' cannot be the name of an interface: give one of 1 to 15 bytes without spaces, '/' and ':', such as eth0",
        .0.escape_debug()
    )]
    Interface(String),
    #[error("'-' is not stdout here: give --json for JSON lines on stdout, or ./- for a file of that name")]
    Stdout,
}

/// A number of connections.
pub(super) fn count(text: &str) -> Result<NonZeroU64, ValueError> {
    text.parse().map_err(|_| ValueError::Count(text.to_owned()))
}

/// Connections that are remembered where nothing else is asked for.
pub(crate) const MAX_CONNECTIONS: NonZeroU32 = NonZeroU32::new(1_000_000).expect("more than none");

/// The highest limit that can be asked for.
const MOST_CONNECTIONS: u32 = 1 << 30;

/// A number of connections to remember.
pub(super) fn connections(text: &str) -> Result<NonZeroU32, ValueError> {
    let number: Option<NonZeroU32> = text.parse().ok();
    number.filter(|number| number.get() <= MOST_CONNECTIONS).ok_or_else(|| ValueError::Connections(text.to_owned()))
}

/// A length of time above 0.
pub(super) fn duration(text: &str) -> Result<Duration, ValueError> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err(ValueError::NoDuration(text.to_owned())),
        Ok(duration) => Ok(duration),
        Err(_) => Err(ValueError::Duration(text.to_owned())),
    }
}

/// A name by the kernel's rules for interfaces (`dev_valid_name`).
pub(super) fn interface(name: &str) -> Result<String, ValueError> {
    let forbidden = |byte: u8| byte.is_ascii_whitespace() || matches!(byte, 0x0b | b'/' | b':');
    match name {
        "." | ".." => Err(ValueError::Interface(name.to_owned())),
        _ if (1..16).contains(&name.len()) && !name.bytes().any(forbidden) => Ok(name.to_owned()),
        _ => Err(ValueError::Interface(name.to_owned())),
    }
}

/// A path that is not `-`: other programs write to stdout then.
pub(super) fn file(path: PathBuf) -> Result<PathBuf, ValueError> {
    if path == Path::new("-") { Err(ValueError::Stdout) } else { Ok(path) }
}
