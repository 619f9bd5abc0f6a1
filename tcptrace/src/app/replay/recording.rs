//! Replays a recording, which holds all events of a trace, with the times and names of the recorded host.

use std::{io::Read, ops::ControlFlow, process::ExitCode, sync::Arc};

use anyhow::{Context as _, Result};
use log::{debug, warn};

use super::{
    Destination, Progress, Replay,
    ahead::{self, Batch, Source, new_ones},
    open_output,
};
use crate::{app::top::Session, cli::Options, pipeline::Pipeline};
use tcptrace_core::{
    SCHEMA,
    correlate::NO_NAMESPACE,
    decode::recording::{Counters, Moment, Namespace, Record, Recorded, Recording, RecordingError, Start},
    describe::Describer,
    event::{Cgroup, CgroupKey, Event, Existing},
    filter::{Filter, SegmentChoice},
    output_record::StartOutput,
};

/// Reads a recording to its end.
///
/// # Errors
/// When it cannot be read to its end; all records before the error are written first.
pub(super) fn replay<R: Read + Send + 'static>(
    mut recording: Recording<R>,
    name: String,
    options: &Options,
    session: Option<&mut Session>,
    progress: Progress,
    destination: Destination,
) -> Result<ExitCode> {
    // Read the first record before the output is opened, which empties the file of `--write`.
    let first = recording.next().transpose().with_context(|| name.clone())?;
    let mut pipeline = Pipeline::recorded(
        NO_NAMESPACE,
        Describer::of_recording(),
        open_output(options, session.as_deref(), destination)?,
    );
    pipeline.limit(options.max_connections);
    let mut reading = Reading::new(Replay::new(options, name, progress, pipeline, session)?);
    let batches = ahead::start(Records { first, ..Records::from(recording) })?;
    let mut counters = Counters::default();
    let mut outcome = Ok(());
    while let Some(Batch { items, state, dry, error }) = reading.replay.next(&batches)? {
        reading.names.extend(state.names);
        counters = state.counters;
        let enough = items.into_iter().try_for_each(|record| reading.take(record)).is_break();
        reading.replay.has_read(counters.bytes, dry);
        if enough {
            break;
        }
        if let Some(error) = error {
            outcome = Err(error).with_context(|| reading.replay.name.clone());
        }
    }
    let replay = reading.end();
    report(&counters, &replay);
    replay.finish(outcome)
}

/// The state of reading a recording.
struct Reading<'a> {
    replay: Replay<'a>,
    /// Those of the records so far.
    names: Names,
    /// Number of interfaces and of control groups that this run's pipeline knows.
    named: usize,
    grouped: usize,
    /// A run has begun and not ended.
    open: bool,
    /// The filter of the run, in words.
    filter: String,
}

impl<'a> Reading<'a> {
    fn new(replay: Replay<'a>) -> Self {
        Self { replay, names: Names::default(), named: 0, grouped: 0, open: false, filter: String::new() }
    }

    /// Handles a record. Breaks when no more are wanted.
    fn take(&mut self, record: Record) -> ControlFlow<()> {
        let replay = &mut self.replay;
        match record {
            Record::Start(start) if start.goes_on => replay.note(start.moment),
            Record::Start(start) => {
                if self.open {
                    replay.pipeline.end(replay.last());
                }
                replay.begin(&start);
                self.filter = start.filter;
                (self.named, self.grouped, self.open) = (0, 0, true);
            }
            Record::Existing(existing) => replay.take_existing(existing, &self.filter),
            Record::Namespace(Namespace { moment, netns, name, interfaces }) => {
                replay.note(moment);
                replay.pipeline.cover_netns(moment.at, netns, name, interfaces);
            }
            Record::Event(recorded) => return self.take_event(&recorded),
            Record::End(moment) => {
                replay.note(moment);
                replay.pipeline.end(moment.at);
                self.open = false;
            }
        }
        ControlFlow::Continue(())
    }

    fn take_event(&mut self, Recorded { event, wall }: &Recorded) -> ControlFlow<()> {
        let Self { replay, names, named, grouped, .. } = self;
        for (key, cgroup) in names.cgroups.iter().skip(*grouped) {
            replay.pipeline.name_cgroup(*key, Arc::clone(cgroup));
            *grouped += 1;
        }
        replay.pipeline.describer.name_encapsulations(&names.encapsulations, Vec::clone);
        for (index, interface) in (1..).zip(&names.interfaces).skip(*named) {
            replay.pipeline.describer.name_interface(None, index, interface);
            *named += 1;
        }
        let index = passed(event).and_then(|number| number.checked_sub(1));
        let interface = index.and_then(|index| names.interfaces.get(index as usize));
        replay.note(Moment { at: event.at(), wall: *wall });
        replay.take(event, interface.map(String::as_str))
    }

    /// Ends the last run, if it has no end of its own.
    fn end(self) -> Replay<'a> {
        let Self { mut replay, open, .. } = self;
        if open {
            debug!("{}: no end record was read", replay.name);
            replay.pipeline.end(replay.last());
        }
        replay.progress.finish();
        replay
    }
}

/// The records of a recording, and how many of their names have been delivered.
struct Records<R> {
    recording: Recording<R>,
    /// The first record, which has been read already.
    first: Option<Record>,
    interfaces: usize,
    encapsulations: usize,
    cgroups: usize,
}

impl<R> From<Recording<R>> for Records<R> {
    fn from(recording: Recording<R>) -> Self {
        Self { recording, first: None, interfaces: 0, encapsulations: 0, cgroups: 0 }
    }
}

/// Names in the order of their numbers.
#[derive(Debug, Default)]
struct Names {
    interfaces: Vec<String>,
    encapsulations: Vec<Vec<String>>,
    cgroups: Vec<(CgroupKey, Arc<Cgroup>)>,
}

impl Names {
    fn extend(&mut self, new: Self) {
        self.interfaces.extend(new.interfaces);
        self.encapsulations.extend(new.encapsulations);
        self.cgroups.extend(new.cgroups);
    }
}

/// The state after a record.
struct State {
    /// Those that are new.
    names: Names,
    counters: Counters,
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

/// The index of the interface that the segment of an event passed.
fn passed(event: &Event) -> Option<u32> {
    match event {
        Event::Segment(segment) => Some(segment.ifindex),
        Event::Icmp(error) => Some(error.ifindex),
        Event::Drop(dropped) => dropped.ifindex,
        Event::State(_) | Event::Hint(_) | Event::Owner(_) | Event::Listener(_) | Event::Report(_) | Event::Loss(_) => {
            None
        }
    }
}

impl Replay<'_> {
    /// Notes a pair of boot and wall clock times of the recorded host.
    pub(super) fn note(&mut self, moment: Moment) {
        if moment.wall.is_known() {
            self.pipeline.describer.clock.note(moment.at, moment.wall);
        } else {
            self.pipeline.lose_times();
        }
    }

    /// Tells which sockets were there at the beginning of a run with this filter, in words. Which of them match another filter
    /// is not recorded.
    pub(super) fn take_existing(&mut self, existing: Existing, recorded: &str) {
        let filter = &self.options.filter;
        if *filter == Filter::default() || filter.to_string() == recorded {
            self.pipeline.replay_existing(existing);
        }
    }

    /// Logs that a filter on interfaces chooses less than live, if there is one.
    pub(super) fn warn_about_interfaces(&self) {
        if !self.options.filter.interfaces.is_empty() {
            warn!(
                "{}: a recording does not tell a socket's interface: --interface applies to segments only",
                self.name
            );
        }
    }

    /// Begins a run of the recording. The start record names the recorded host, and the filters of then and now.
    fn begin(&mut self, start: &Start) {
        self.begin_with(start, Pipeline::begin_again);
    }

    /// As [`Self::begin`], with another way to forget the run before it.
    pub(super) fn begin_with(&mut self, start: &Start, begin_again: impl FnOnce(&mut Pipeline, u32, Describer)) {
        // With a choice, what has ended is counted across runs already.
        if self.pipeline.output.chosen().is_none() {
            self.ended += self.pipeline.ended();
        }
        (self.began, self.times) = (start.moment.at, None);
        let describer = if start.capture { Describer::of_capture() } else { Describer::of_recording() };
        begin_again(&mut self.pipeline, start.netns.unwrap_or(NO_NAMESPACE), describer);
        if start.capture {
            self.pipeline.expect_pauses();
        }
        let wanted = SegmentChoice::from(self.options.segments);
        if start.segments == SegmentChoice::All {
            self.pipeline.expect_all_segments();
        }
        if start.segments.min(wanted) == SegmentChoice::None {
            self.pipeline.expect_no_segments();
        }
        self.note(start.moment);
        self.pipeline.show_control_only((start.segments, wanted) == (SegmentChoice::All, SegmentChoice::Control));
        let start = StartOutput {
            stamp: self.pipeline.describer.stamp(start.moment.at),
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION"),
            hostname: start.hostname.clone(),
            kernel: start.kernel.clone(),
            netns: start.netns,
            interfaces: start.interfaces.clone(),
            segments: start.segments.min(wanted),
            filter: both(&start.filter, &self.options.filter),
            began_ns: start.began_ns,
            run: start.run.clone(),
        };
        self.pipeline.start(start);
    }
}

/// The filter of the recording and that of reading it, as one text.
fn both(recorded: &str, filter: &Filter) -> String {
    let words = [recorded, &filter.to_string()];
    let mut words: Vec<&str> = words.into_iter().filter(|words| !words.is_empty()).collect();
    words.dedup();
    words.join(" and ")
}

/// Logs which records could not be used, and which options do not apply.
fn report(counters: &Counters, replay: &Replay<'_>) {
    let name = &replay.name;
    if counters.backwards > 0 {
        warn!("{name}: {} records are older than a record before them", counters.backwards);
    }
    if counters.events == 0 && counters.verdicts > 0 {
        warn!("{name}: it holds verdicts, but no events to derive them from; record without --emit");
    }
    if counters.unknown > 0 {
        debug!("{name}: {} records of types that this build does not know were skipped", counters.unknown);
    }
    replay.warn_about_interfaces();
}
