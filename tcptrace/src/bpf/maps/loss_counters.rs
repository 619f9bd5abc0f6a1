//! Counts of events that the kernel programs could not deliver.

use std::io;

use aya::maps::{Array, MapData};
use tcptrace_ebpf::{LOST_SEGMENT, LOST_STATE};

use crate::bpf::kernel::program_info::ProgramInfo;
use tcptrace_core::event::LossSource;

/// Reads the kernel's counters of lost records and skipped runs.
pub struct LossCounters {
    lost: Array<MapData, u64>,
    /// The programs whose skipped runs count.
    programs: Vec<ProgramInfo>,
}

impl std::fmt::Debug for LossCounters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LossCounters").finish_non_exhaustive()
    }
}

impl LossCounters {
    pub(in crate::bpf) fn new(lost: Array<MapData, u64>) -> Self {
        Self { lost, programs: Vec::new() }
    }

    /// Makes the skipped runs of these programs count, too.
    pub fn watch(&mut self, programs: impl IntoIterator<Item = ProgramInfo>) {
        self.programs.extend(programs);
    }

    /// Reads the number of events that each source has lost since the programs were loaded.
    ///
    /// # Errors
    /// When the kernel does not let the counters be read.
    pub fn read(&self) -> io::Result<[(LossSource, u64); 3]> {
        Ok([
            (LossSource::State, self.lost.get(&LOST_STATE, 0).map_err(io::Error::other)?),
            (LossSource::Segment, self.lost.get(&LOST_SEGMENT, 0).map_err(io::Error::other)?),
            (LossSource::Recursion, self.skipped()?),
        ])
    }

    /// Returns the number of skipped runs; 0 if this kernel does not count them.
    fn skipped(&self) -> io::Result<u64> {
        self.programs.iter().map(|program| Ok(program.skipped_runs()?.unwrap_or(0))).sum()
    }
}
