//! What the command line comes to, once the environment is taken into account: plain settings, nothing left to decide.

use std::{
    env,
    ffi::OsString,
    io::{self, IsTerminal},
    num::{NonZeroU32, NonZeroU64},
    path::PathBuf,
    time::Duration,
};

use super::{Attach, Cli, Color, Emit, Output, Segments};
use tcptrace_core::{
    event::Family,
    filter::{Filter, HostSet, PortSet, SegmentChoice},
};

/// How much to say on stderr.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub enum Verbosity {
    /// Errors only.
    Quiet,
    /// Also warnings, and when tracing begins and ends.
    #[default]
    Normal,
    /// Also what is attached where, and how.
    Verbose,
    /// Everything.
    Debug,
}

/// What the environment has to say about output.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Surroundings {
    /// `NO_COLOR` is set and not empty.
    pub no_color: bool,
    /// stdout is a terminal that can do more than plain text.
    pub terminal: bool,
    /// stdout or stderr is a terminal of any kind, so that somebody may be waiting there.
    pub watched: bool,
    /// The locale's characters are UTF-8.
    pub utf8: bool,
    /// How wide text should be; none where stdout is a terminal, which may become wider or narrower.
    pub columns: Option<u16>,
}

/// How wide text is where nothing tells.
pub const COLUMNS: u16 = 100;

impl Surroundings {
    /// Asks this process's environment, stdout and stderr.
    pub fn read() -> Self {
        let (stdout, stderr) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        Self { watched: stdout || stderr, ..Self::of(|name| env::var_os(name), stdout) }
    }

    /// By the environment `variable` reads from, and whether stdout is a terminal.
    fn of(variable: impl Fn(&str) -> Option<OsString>, terminal: bool) -> Self {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        // POSIX: the first of these that is set and not empty decides.
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set).unwrap_or_default();
        let locale = locale.to_string_lossy().to_ascii_lowercase();
        Self {
            no_color: set("NO_COLOR").is_some(),
            terminal: terminal && set("TERM").is_none_or(|term| term != "dumb"),
            watched: terminal,
            utf8: locale.contains("utf-8") || locale.contains("utf8"),
            columns: (!terminal).then(|| {
                let columns = set("COLUMNS").and_then(|columns| columns.to_str()?.parse().ok());
                columns.filter(|&columns| columns > 0).unwrap_or(COLUMNS)
            }),
        }
    }
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

/// Settings of one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// What to trace.
    pub filter: Filter,
    /// Which segments are recorded.
    pub segments: Segments,
    /// How data is written on stdout.
    pub output: Output,
    /// Which records go to stdout as JSON.
    pub emit: Emit,
    /// The file that gets every record.
    pub write: Option<PathBuf>,
    /// The capture or recording to read instead of tracing this host; `-` is stdin.
    pub read: Option<PathBuf>,
    /// In text, sequence numbers are absolute after the handshake too.
    pub absolute_seq: bool,
    /// Text on stdout is in color.
    pub color: bool,
    /// Text on stdout may use characters beyond ASCII.
    pub unicode: bool,
    /// How wide text on stdout should be; none to follow its terminal.
    pub columns: Option<u16>,
    /// Stop after this many connections have ended.
    pub count: Option<NonZeroU64>,
    /// Stop after this time, which is above 0.
    pub duration: Option<Duration>,
    /// Bytes of the ring buffer: a power of two from 2^12 to 2^30.
    pub ring_buffer: u32,
    /// How many connections are remembered at the most.
    pub max_connections: NonZeroU32,
    /// How much to say on stderr.
    pub verbosity: Verbosity,
    /// Somebody waits for what comes, and wants to know why nothing does.
    pub watched: bool,
    /// Use the kernel's type information where there is any.
    pub btf: bool,
    /// How to attach to interfaces.
    pub attach: Attach,
}

impl Cli {
    /// Settles what the command line leaves open.
    pub fn into_options(self, surroundings: Surroundings) -> Options {
        let family = match (self.ipv4, self.ipv6) {
            (true, _) => Some(Family::V4),
            (_, true) => Some(Family::V6),
            _ => None,
        };
        let filter = Filter {
            ports: merged(self.port, PortSet::merge),
            local_ports: merged(self.local_port, PortSet::merge),
            remote_ports: merged(self.remote_port, PortSet::merge),
            hosts: merged(self.host, HostSet::merge),
            family,
            interfaces: without_repeats(self.interface),
        };
        Options {
            filter,
            segments: self.segments,
            output: if self.json { Output::Json } else { self.output.unwrap_or_default() },
            emit: self.emit.unwrap_or_default(),
            write: self.write,
            read: self.read,
            absolute_seq: self.absolute_seq,
            color: match self.color {
                Color::Auto => surroundings.terminal && !surroundings.no_color,
                Color::Always => true,
                Color::Never => false,
            },
            unicode: surroundings.utf8,
            columns: surroundings.columns,
            count: self.count,
            duration: self.duration,
            ring_buffer: self.ring_buffer.bytes(),
            max_connections: self.max_connections,
            verbosity: match self.verbose {
                _ if self.quiet => Verbosity::Quiet,
                0 => Verbosity::Normal,
                1 => Verbosity::Verbose,
                2.. => Verbosity::Debug,
            },
            watched: surroundings.watched && !self.quiet,
            btf: !self.no_btf,
            attach: self.attach,
        }
    }
}

/// The sets of a repeated option as one set.
fn merged<T>(sets: Vec<T>, merge: impl Fn(&mut T, &T)) -> Option<T> {
    sets.into_iter().reduce(|mut all, set| {
        merge(&mut all, &set);
        all
    })
}

fn without_repeats(names: Vec<String>) -> Vec<String> {
    names.into_iter().fold(Vec::new(), |mut kept, name| {
        if !kept.contains(&name) {
            kept.push(name);
        }
        kept
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn surroundings(variables: &[(&str, &str)], terminal: bool) -> Surroundings {
        let value = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
        Surroundings::of(value, terminal)
    }

    #[test]
    fn the_first_locale_variable_with_a_value_decides() {
        let utf8 = |variables: &[_]| surroundings(variables, false).utf8;
        assert!(!utf8(&[]));
        assert!(utf8(&[("LANG", "en_US.UTF-8")]));
        assert!(utf8(&[("LANG", "C.utf8")]));
        assert!(!utf8(&[("LANG", "en_US.ISO-8859-1")]));
        assert!(!utf8(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")]));
        assert!(utf8(&[("LC_ALL", ""), ("LC_CTYPE", "C.UTF-8"), ("LANG", "C")]));
        assert!(!utf8(&[("LC_CTYPE", "POSIX"), ("LANG", "en_US.UTF-8")]));
    }

    #[test]
    fn a_terminal_is_followed_and_anything_else_has_a_width() {
        assert_eq!(surroundings(&[("COLUMNS", "132")], true).columns, None);
        assert_eq!(surroundings(&[("COLUMNS", "132")], false).columns, Some(132));
        for columns in ["", "0", "-1", "wide", "70000"] {
            assert_eq!(surroundings(&[("COLUMNS", columns)], false).columns, Some(COLUMNS));
        }
    }

    #[test]
    fn an_empty_no_color_and_a_dumb_terminal_count_as_nothing() {
        assert!(!surroundings(&[("NO_COLOR", "")], true).no_color);
        assert!(surroundings(&[("NO_COLOR", "0")], true).no_color);
        assert!(surroundings(&[("TERM", "xterm")], true).terminal);
        assert!(!surroundings(&[("TERM", "dumb")], true).terminal);
        assert!(!surroundings(&[("TERM", "xterm")], false).terminal);
    }
}
