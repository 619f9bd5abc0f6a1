//! What the kernel programs could not hand over.

use std::{fs::File, io, os::unix::fs::FileExt as _};

use aya::maps::{Array, MapData};
use tcptrace_ebpf::{LOST_SEGMENT, LOST_STATE};

use crate::event::LossSource;

/// Reads the kernel's counters of lost records and skipped runs.
pub struct LossCounters {
    lost: Array<MapData, u64>,
    /// `/proc/self/fdinfo` of the programs that see sockets, which tells how often the kernel skipped them.
    programs: Vec<File>,
}

impl std::fmt::Debug for LossCounters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LossCounters").finish_non_exhaustive()
    }
}

impl LossCounters {
    pub(super) fn new(lost: Array<MapData, u64>) -> Self {
        Self { lost, programs: Vec::new() }
    }

    /// Counts the skipped runs of these programs too, by their `/proc/self/fdinfo`.
    pub fn watch(&mut self, programs: impl IntoIterator<Item = File>) {
        self.programs.extend(programs);
    }

    /// What each source has lost since the programs were loaded.
    ///
    /// # Errors
    /// When the kernel does not let the counters be read.
    pub fn read(&self) -> io::Result<[(LossSource, u64); 3]> {
        Ok([
            (LossSource::State, self.lost.get(&LOST_STATE, 0).map_err(io::Error::other)?),
            (LossSource::Segment, self.lost.get(&LOST_SEGMENT, 0).map_err(io::Error::other)?),
            (LossSource::Recursion, self.programs.iter().map(skipped).sum::<io::Result<u64>>()?),
        ])
    }
}

/// How often the kernel skipped a program because it was running on that processor already; 0 where it does not count
/// (before 5.12).
fn skipped(fdinfo: &File) -> io::Result<u64> {
    let mut text = [0; 1024];
    let read = fdinfo.read_at(&mut text, 0)?;
    Ok(recursion_misses(text.get(..read).unwrap_or_default()))
}

fn recursion_misses(fdinfo: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(fdinfo);
    let value = text.lines().find_map(|line| line.strip_prefix("recursion_misses:"));
    value.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_prints() {
        let text =
            b"pos:\t0\nflags:\t02000002\nprog_type:\t17\nrun_cnt:\t5\nrecursion_misses:\t203\nverified_insns:\t9\n";
        assert_eq!(recursion_misses(text), 203);
    }

    #[test]
    fn older_kernels_do_not_count() {
        assert_eq!(recursion_misses(b"pos:\t0\nprog_type:\t17\n"), 0);
        assert_eq!(recursion_misses(b"recursion_misses:\tmany\n"), 0);
    }
}
