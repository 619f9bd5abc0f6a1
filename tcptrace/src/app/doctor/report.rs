//! The lines of the report.

use std::fmt::{self, Display, Formatter};

use anstyle::{AnsiColor, Style};

/// The meaning of a finding for tracing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// Fully supported.
    Ok,
    /// Tracing works, but shows less or costs more.
    Limited,
    /// Tracing does not work.
    Missing,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Limited => "limited",
            Self::Missing => "missing",
        }
    }

    fn look(self) -> Style {
        match self {
            Self::Ok => AnsiColor::Green.on_default(),
            Self::Limited => AnsiColor::Yellow.on_default(),
            Self::Missing => AnsiColor::Red.on_default().bold(),
        }
    }
}

#[derive(Debug)]
struct Line {
    verdict: Verdict,
    what: &'static str,
    text: String,
}

/// The findings in the order in which they are printed: a line for each, with its remedy.
#[derive(Debug, Default)]
pub(super) struct Report(Vec<Line>);

impl Report {
    /// Adds a line.
    pub(super) fn add(&mut self, verdict: Verdict, what: &'static str, text: impl Into<String>) {
        self.0.push(Line { verdict, what, text: text.into() });
    }

    /// Returns true if tracing works.
    pub(super) fn works(&self) -> bool {
        self.0.iter().all(|line| line.verdict != Verdict::Missing)
    }
}

/// Writes colours, which the caller strips where they are not wanted.
impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let width = self.0.iter().map(|line| line.what.len()).max().unwrap_or_default();
        for Line { verdict, what, text } in &self.0 {
            let look = verdict.look();
            writeln!(f, "{look}{:<7}{look:#}  {what:<width$}  {text}", verdict.word())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_stand_below_each_other_and_one_thing_missing_is_enough() {
        let mut report = Report::default();
        report.add(Verdict::Ok, "a", "fine");
        report.add(Verdict::Limited, "longer", "less");
        assert!(report.works());
        report.add(Verdict::Missing, "b", "do this");
        assert!(!report.works());
        let text = anstream::adapter::strip_str(&report.to_string()).to_string();
        assert_eq!(text, "ok       a       fine\nlimited  longer  less\nmissing  b       do this\n");
    }
}
