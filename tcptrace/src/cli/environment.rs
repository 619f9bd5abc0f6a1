//! The part of the environment that affects the output.

use std::{
    env,
    ffi::OsString,
    io::{self, IsTerminal},
};

/// Environment variables and terminals that affect the output.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Environment {
    /// `NO_COLOR` is set and not empty.
    pub no_color: bool,
    /// stdout is a terminal and `TERM` is not `dumb`.
    pub terminal: bool,
    /// stdout or stderr is a terminal of any kind, so that somebody may be watching.
    pub watched: bool,
    /// stderr is a terminal.
    pub messages_watched: bool,
    /// The character encoding of the locale is UTF-8.
    pub utf8: bool,
    /// Width of text in columns; none if stdout is a terminal, whose width may change.
    pub columns: Option<u16>,
}

/// Width of text in columns if neither a terminal nor `COLUMNS` determines it.
pub const DEFAULT_COLUMNS: u16 = 100;

impl Environment {
    /// Reads the environment variables, and the types of stdout and stderr.
    ///
    /// With `to_stderr`, data goes to stderr, too.
    pub fn read(to_stderr: bool) -> Self {
        let (stdout, stderr) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        let data = if to_stderr { stderr } else { stdout };
        Self { watched: data || stderr, messages_watched: stderr, ..Self::of(|name| env::var_os(name), data) }
    }

    /// Creates it from the variables that `variable` looks up; `terminal`: stdout is a terminal.
    fn of(variable: impl Fn(&str) -> Option<OsString>, terminal: bool) -> Self {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        // POSIX: the first of these that is set and not empty decides.
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set).unwrap_or_default();
        let locale = locale.to_string_lossy().to_ascii_lowercase();
        Self {
            no_color: set("NO_COLOR").is_some(),
            terminal: terminal && set("TERM").is_none_or(|term| term != "dumb"),
            watched: terminal,
            messages_watched: false,
            utf8: locale.contains("utf-8") || locale.contains("utf8"),
            columns: (!terminal).then(|| {
                let columns = set("COLUMNS").and_then(|columns| columns.to_str()?.parse().ok());
                columns.filter(|&columns| columns > 0).unwrap_or(DEFAULT_COLUMNS)
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)], terminal: bool) -> Environment {
        let value = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
        Environment::of(value, terminal)
    }

    #[test]
    fn the_first_locale_variable_with_a_value_decides() {
        let utf8 = |variables: &[_]| environment(variables, false).utf8;
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
        assert_eq!(environment(&[("COLUMNS", "132")], true).columns, None);
        assert_eq!(environment(&[("COLUMNS", "132")], false).columns, Some(132));
        for columns in ["", "0", "-1", "wide", "70000"] {
            assert_eq!(environment(&[("COLUMNS", columns)], false).columns, Some(DEFAULT_COLUMNS));
        }
    }

    #[test]
    fn an_empty_no_color_and_a_dumb_terminal_count_as_nothing() {
        assert!(!environment(&[("NO_COLOR", "")], true).no_color);
        assert!(environment(&[("NO_COLOR", "0")], true).no_color);
        assert!(environment(&[("TERM", "xterm")], true).terminal);
        assert!(!environment(&[("TERM", "dumb")], true).terminal);
        assert!(!environment(&[("TERM", "xterm")], false).terminal);
    }
}
