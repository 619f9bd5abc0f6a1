//! The losses that a tool reports.

use std::{
    fmt,
    fs::File,
    io::{self, BufRead as _, BufReader},
    ops::Add,
    path::Path,
};

/// How much was lost, of how much.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Lost {
    pub(crate) count: u64,
    pub(crate) of: u64,
}

impl Lost {
    /// From tcptrace's last line: `tcptrace: 2 connections, 0 still open; 34 events, 0 lost; traced for 1.0 s`.
    pub(crate) fn told_by_tcptrace(log: &[String]) -> Option<Self> {
        let line = log.iter().find(|line| line.starts_with("tcptrace: ") && line.contains(" lost; "))?;
        let (events, lost) = (number_before(line, " events, ")?, number_before(line, " lost; ")?);
        Some(Self { count: lost, of: events + lost })
    }

    /// From tcpdump's last lines: `14 packets received by filter`, `0 packets dropped by kernel`.
    pub(crate) fn told_by_tcpdump(log: &[String]) -> Option<Self> {
        let count = |what: &str| log.iter().find_map(|line| number_before(line, what));
        let lost = count(" packets dropped by kernel").or_else(|| count(" packet dropped by kernel"))?;
        let received = count(" packets received by filter").or_else(|| count(" packet received by filter"))?;
        Some(Self { count: lost, of: received })
    }

    /// From the lines that are there, and those that there should be.
    pub(crate) fn of_lines(printed: u64, expected: u64) -> Self {
        Self { count: expected.saturating_sub(printed), of: expected }
    }
}

/// The lines of a file.
pub(crate) fn count_lines(file: &Path) -> io::Result<u64> {
    let mut file = BufReader::with_capacity(1 << 20, File::open(file)?);
    let mut lines = 0;
    while file.skip_until(b'\n')? > 0 {
        lines += 1;
    }
    Ok(lines)
}

/// The number that ends where `what` begins.
fn number_before(line: &str, what: &str) -> Option<u64> {
    let (before, _) = line.split_once(what)?;
    before.rsplit(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}

impl Add for Lost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { count: self.count + other.count, of: self.of + other.of }
    }
}

/// `0`, or `1200 of 4800 (25 %)`.
impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, of } = *self;
        if count == 0 {
            return write!(f, "0");
        }
        // Counts stay far below 2^52.
        let share = 100.0 * count as f64 / of.max(1) as f64;
        write!(f, "{count} of {of} ({share:.2} %)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn reads_what_tcptrace_says() {
        let log = lines(
            "tcptrace: tracing on lo; filter: everything\n\
             tcptrace: 46032 connections, 2 still open; 460333 events, 249445 lost; traced for 4.2 s",
        );
        assert_eq!(Lost::told_by_tcptrace(&log), Some(Lost { count: 249_445, of: 709_778 }));
        assert_eq!(Lost::told_by_tcptrace(&log[..1]), None);
    }

    #[test]
    fn reads_what_tcpdump_says() {
        let log = lines(
            "tcpdump: listening on lo, link-type EN10MB (Ethernet), snapshot length 262144 bytes\n\
             140 packets captured\n280 packets received by filter\n7 packets dropped by kernel",
        );
        assert_eq!(Lost::told_by_tcpdump(&log), Some(Lost { count: 7, of: 280 }));
        let log = lines("1 packet captured\n1 packet received by filter\n0 packets dropped by kernel");
        assert_eq!(Lost::told_by_tcpdump(&log), Some(Lost { count: 0, of: 1 }));
        assert_eq!(Lost::told_by_tcpdump(&[]), None);
    }

    #[test]
    fn counts_lines() -> io::Result<()> {
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), "one\ntwo\nthree")?;
        assert_eq!(count_lines(file.path())?, 3);
        assert_eq!(Lost::of_lines(3, 10), Lost { count: 7, of: 10 });
        assert_eq!(Lost::of_lines(11, 10), Lost { count: 0, of: 10 });
        Ok(())
    }

    #[test]
    fn is_told_with_its_share() {
        assert_eq!(Lost { count: 0, of: 10 }.to_string(), "0");
        assert_eq!((Lost { count: 1, of: 4 } + Lost { count: 0, of: 4 }).to_string(), "1 of 8 (12.50 %)");
    }
}
