//! The records and the names of a recording, read ahead.

use std::{io::Read, sync::Arc};

use crate::app::replay::ahead::{Source, new_ones};
use tcptrace_core::{
    decode::recording::{Counters, Record, Recording, RecordingError},
    event::{Cgroup, CgroupKey},
};

/// The records of a recording, and the numbers of names already delivered.
pub(super) struct Records<R> {
    recording: Recording<R>,
    /// The first record, which has already been read.
    first: Option<Record>,
    interfaces: usize,
    encapsulations: usize,
    cgroups: usize,
}

impl<R> Records<R> {
    /// Creates it for a recording whose first record has been read.
    pub(super) fn new(recording: Recording<R>, first: Option<Record>) -> Self {
        Self { recording, first, interfaces: 0, encapsulations: 0, cgroups: 0 }
    }
}

/// Names in the order of their numbers.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) interfaces: Vec<String>,
    pub(super) encapsulations: Vec<Vec<String>>,
    pub(super) cgroups: Vec<(CgroupKey, Arc<Cgroup>)>,
}

impl Names {
    pub(super) fn extend(&mut self, new: Self) {
        self.interfaces.extend(new.interfaces);
        self.encapsulations.extend(new.encapsulations);
        self.cgroups.extend(new.cgroups);
    }
}

/// The state after a record.
pub(super) struct State {
    /// Names that are new.
    pub(super) names: Names,
    pub(super) counters: Counters,
}

impl<R: Read + Send + 'static> Source for Records<R> {
    type Item = Record;
    type State = State;
    type Error = RecordingError;

    fn next(&mut self) -> Option<Result<Record, RecordingError>> {
        self.first.take().map(Ok).or_else(|| self.recording.next())
    }

    fn is_dry(&self) -> bool {
        self.recording.is_dry()
    }

    fn state(&mut self) -> State {
        let Self { recording, interfaces, encapsulations, cgroups, .. } = self;
        let names = Names {
            interfaces: new_ones(recording.interfaces(), interfaces),
            encapsulations: new_ones(recording.encapsulations(), encapsulations),
            cgroups: new_ones(recording.cgroups(), cgroups),
        };
        State { names, counters: recording.counters() }
    }
}
