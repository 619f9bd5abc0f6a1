//! Replay of a recording, which contains all events of a trace, with the times and names of the recorded host.

mod records;

use std::{io::Read, ops::ControlFlow, process::ExitCode, sync::Arc};

use anyhow::{Context as _, Result};
use log::{debug, warn};

use self::records::{Names, Records};
use super::{
    Destination, Progress, Replay,
    ahead::{self, Batch},
    open_output,
};
use crate::{app::top::Session, cli::Options, pipeline::Pipeline};
use tcptrace_core::{
    correlate::NO_NAMESPACE,
    decode::recording::{Counters, Moment, Namespace, Record, Recorded, Recording},
    describe::Describer,
    event::Event,
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
    let ahead = ahead::start(Records::new(recording, first))?;
    let mut counters = Counters::default();
    let mut outcome = Ok(());
    while let Some(Batch { mut items, state, dry, error }) = reading.replay.next(&ahead.batches)? {
        reading.names.extend(state.names);
        counters = state.counters;
        let enough = items.drain(..).try_for_each(|record| reading.take(record)).is_break();
        ahead.reuse(items);
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
    /// Names in the records so far.
    names: Names,
    /// Numbers of interfaces and of control groups that this run's pipeline knows.
    named: usize,
    grouped: usize,
    /// True if a run has begun and not ended.
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

/// Returns the index of the interface that the segment of an event passed.
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

/// Logs the records that could not be used, and the options that do not apply.
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
