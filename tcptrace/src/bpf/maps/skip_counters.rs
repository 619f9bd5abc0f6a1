//! Numbers of frames that the kernel programs skipped, by reason.

use std::{
    fmt::{self, Display, Formatter},
    io,
};

use aya::maps::{MapData, PerCpuArray};
use tcptrace_ebpf::Skip;

/// Reads the kernel programs' counters of what they skipped.
pub struct SkipCounters(PerCpuArray<MapData, u64>);

impl fmt::Debug for SkipCounters {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("SkipCounters").finish_non_exhaustive()
    }
}

impl SkipCounters {
    /// Opens the counters and reads them once: aya then reads the number of processors from `/sys`, which this thread
    /// may not do later, and caches it.
    pub(in crate::bpf) fn new(map: PerCpuArray<MapData, u64>) -> io::Result<Self> {
        let counters = Self(map);
        counters.read()?;
        Ok(counters)
    }

    /// Reads the counts of skipped frames since the programs were loaded, on all processors together.
    ///
    /// # Errors
    /// When the kernel does not let the counters be read.
    pub fn read(&self) -> io::Result<Skipped> {
        let Self(map) = self;
        let mut counts = [0; Skip::ALL.len()];
        for (count, reason) in counts.iter_mut().zip(Skip::ALL) {
            *count = map.get(&reason.index(), 0).map_err(io::Error::other)?.iter().sum();
        }
        Ok(Skipped(counts))
    }
}

/// Numbers of frames and socket events that were skipped, by reason. A frame counts once on each interface that it
/// passes. Segments that the filter excludes, or that `--segments` does not ask for, are not among them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Skipped([u64; Skip::ALL.len()]);

impl Skipped {
    /// Creates it from counts in the order of [`Skip::ALL`].
    #[cfg(test)]
    pub(crate) fn of(counts: [u64; Skip::ALL.len()]) -> Self {
        Self(counts)
    }

    /// Returns true if nothing was skipped.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|count| *count == 0)
    }
}

/// Writes the counts in words: `3 frames without IP, 1 fragment without a TCP header`, or `nothing`.
impl Display for Skipped {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(counts) = self;
        let mut separator = "";
        for (count, reason) in counts.iter().zip(Skip::ALL).filter(|(count, _)| **count > 0) {
            let (one, many) = words(reason);
            write!(f, "{separator}{count} {}", if *count == 1 { one } else { many })?;
            separator = ", ";
        }
        if separator.is_empty() { f.write_str("nothing") } else { Ok(()) }
    }
}

/// Returns the kind of frame skipped for this reason, in the singular and in the plural.
fn words(reason: Skip) -> (&'static str, &'static str) {
    match reason {
        Skip::NotIp => ("frame without IP", "frames without IP"),
        Skip::NotTcp => ("datagram without TCP", "datagrams without TCP"),
        Skip::Fragment => ("fragment without a TCP header", "fragments without a TCP header"),
        Skip::ExtensionHeaders => {
            ("datagram with too many extension headers", "datagrams with too many extension headers")
        }
        Skip::Malformed => ("malformed header", "malformed headers"),
        Skip::Truncated => ("truncated header", "truncated headers"),
        Skip::Unreadable => ("unreadable socket", "unreadable sockets"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_skipped_is_told_with_its_reasons() {
        assert_eq!(Skipped::default().to_string(), "nothing");
        assert!(Skipped::default().is_empty());
        let skipped = Skipped([3, 1, 1, 0, 0, 2, 0]);
        let expected =
            "3 frames without IP, 1 datagram without TCP, 1 fragment without a TCP header, 2 truncated headers";
        assert_eq!(skipped.to_string(), expected);
        assert!(!skipped.is_empty());
    }

    #[test]
    fn every_reason_has_words_of_its_own() {
        let mut all: Vec<_> = Skip::ALL.into_iter().flat_map(|reason| <[_; 2]>::from(words(reason))).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 2 * Skip::ALL.len());
    }
}
