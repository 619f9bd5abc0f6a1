//! Replays a recording, which holds all events of a trace, with the times and names of the recorded host.

use std::{io::Read, process::ExitCode, sync::Arc};

use anyhow::{Context as _, Result};
use log::{debug, warn};

use super::{
    Progress, Replay,
    ahead::{self, Batch, Source},
};
use crate::{app::stdout_format, cli::Options, pipeline::Pipeline};
use tcptrace_core::{
    SCHEMA,
    correlate::NO_NAMESPACE,
    decode::recording::{Counters, Moment, Record, Recorded, Recording, RecordingError, Start},
    describe::Describer,
    event::{Cgroup, CgroupKey, Event},
    filter::Filter,
    filter::SegmentChoice,
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
    progress: Progress,
) -> Result<ExitCode> {
    // Read the first record before the output is opened, which empties the file of `--write`.
    let first = recording.next().transpose().with_context(|| name.clone())?;
    let mut pipeline =
        Pipeline::recorded(NO_NAMESPACE, Describer::of_recording(), stdout_format::open(options)?.patient());
    pipeline.limit(options.max_connections);
    let mut replay = Replay::new(options, name, progress, pipeline);
    let batches = ahead::start(Records { first, ..Records::from(recording) })?;
    let mut names = Names::default();
    let (mut named, mut grouped, mut open) = (0, 0, false);
    let mut recorded_filter = String::new();
    let mut counters = Counters::default();
    let mut outcome = Ok(());
    for Batch { items, state, dry, error } in batches {
        names.extend(state.names);
        counters = state.counters;
        let mut enough = false;
        for record in items {
            match record {
                Record::Start(start) if start.goes_on => replay.note(start.moment),
                Record::Start(start) => {
                    if open {
                        replay.pipeline.end(replay.last());
                    }
                    replay.begin(&start);
                    recorded_filter = start.filter;
                    (named, grouped, open) = (0, 0, true);
                }
                Record::Existing(existing) => {
                    // Which of the sockets match another filter is not recorded.
                    if options.filter == Filter::default() || options.filter.to_string() == recorded_filter {
                        replay.pipeline.replay_existing(existing);
                    }
                }
                Record::Event(Recorded { event, wall }) => {
                    for (key, cgroup) in names.cgroups.iter().skip(grouped) {
                        replay.pipeline.name_cgroup(*key, Arc::clone(cgroup));
                        grouped += 1;
                    }
                    replay.pipeline.describer.name_encapsulations(&names.encapsulations, Vec::clone);
                    for (index, interface) in (1..).zip(&names.interfaces).skip(named) {
                        replay.pipeline.describer.name_interface(None, index, interface);
                        named += 1;
                    }
                    let index = passed(&event).and_then(|number| number.checked_sub(1));
                    let interface = index.and_then(|index| names.interfaces.get(index as usize));
                    replay.note(Moment { at: event.at(), wall });
                    enough = replay.take(&event, interface.map(String::as_str)).is_break();
                }
                Record::End(moment) => {
                    replay.note(moment);
                    replay.pipeline.end(moment.at);
                    open = false;
                }
            }
            if enough {
                break;
            }
        }
        replay.has_read(counters.bytes, dry);
        if let Some(error) = error.filter(|_| !enough) {
            outcome = Err(error).with_context(|| replay.name.clone());
        }
        if enough {
            break;
        }
    }
    if open {
        debug!("{}: no end record was read", replay.name);
        replay.pipeline.end(replay.last());
    }
    replay.progress.finish();
    report(&counters, &replay);
    replay.finish(outcome)
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

/// What is known after a record.
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
        let recording = &self.recording;
        let (interfaces, cgroups) = (recording.interfaces(), recording.cgroups());
        let encapsulations = recording.encapsulations();
        let names = Names {
            interfaces: interfaces.get(self.interfaces..).unwrap_or_default().to_vec(),
            encapsulations: encapsulations.get(self.encapsulations..).unwrap_or_default().to_vec(),
            cgroups: cgroups.get(self.cgroups..).unwrap_or_default().to_vec(),
        };
        let counters = recording.counters();
        (self.interfaces, self.encapsulations, self.cgroups) = (interfaces.len(), encapsulations.len(), cgroups.len());
        State { names, counters }
    }
}

/// The index of the interface that the segment of an event passed.
fn passed(event: &Event) -> Option<u32> {
    match event {
        Event::Segment(segment) => Some(segment.ifindex),
        Event::Icmp(error) => Some(error.ifindex),
        Event::State(_) | Event::Hint(_) | Event::Owner(_) | Event::Listener(_) | Event::Report(_) | Event::Loss(_) => {
            None
        }
    }
}

impl Replay<'_> {
    /// Notes a pair of boot and wall clock times of the recorded host.
    fn note(&mut self, moment: Moment) {
        self.pipeline.describer.clock.note(moment.at, moment.wall);
    }

    /// Begins a run of the recording. The start record names the recorded host, and the filters of then and now.
    fn begin(&mut self, start: &Start) {
        // With a choice, what has ended is counted across runs already.
        if self.pipeline.output.chosen().is_none() {
            self.ended += self.pipeline.ended();
        }
        self.times = None;
        let describer = if start.capture { Describer::of_capture() } else { Describer::of_recording() };
        self.pipeline.begin_again(start.netns.unwrap_or(NO_NAMESPACE), describer);
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
    if !replay.options.filter.interfaces.is_empty() {
        warn!("{name}: a recording does not tell a socket's interface: --interface applies to segments only");
    }
}
