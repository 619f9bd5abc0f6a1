//! Replays a recording, which holds all events of a trace, with the times and names of the recorded host.

use std::{io::Read, process::ExitCode, sync::Arc};

use anyhow::{Context as _, Result};
use log::{debug, warn};

use super::{Progress, Replay};
use crate::{app::stdout_format, cli::Options, pipeline::Pipeline};
use tcptrace_core::{
    SCHEMA,
    correlate::NO_NAMESPACE,
    decode::recording::{Counters, Moment, Record, Recorded, Recording, Start},
    describe::Describer,
    event::Event,
    filter::Filter,
    filter::SegmentChoice,
    output_record::StartOutput,
};

/// Reads a recording to its end.
///
/// # Errors
/// When it cannot be read to its end; all records before the error are written first.
pub(super) fn replay<R: Read>(
    mut recording: Recording<R>,
    name: String,
    options: &Options,
    progress: Progress,
) -> Result<ExitCode> {
    // Read the first record before the output is opened, which empties the file of `--write`.
    let mut next = recording.next().transpose().with_context(|| name.clone())?;
    let mut pipeline =
        Pipeline::recorded(NO_NAMESPACE, Describer::of_recording(), stdout_format::open(options)?.patient());
    pipeline.limit(options.max_connections);
    let mut replay = Replay::new(options, name, progress, pipeline);
    let (mut named, mut grouped, mut open) = (0, 0, false);
    let mut recorded_filter = String::new();
    let mut outcome = Ok(());
    while let Some(record) = next {
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
                for (key, cgroup) in recording.cgroups().iter().skip(grouped) {
                    replay.pipeline.name_cgroup(*key, Arc::clone(cgroup));
                    grouped += 1;
                }
                replay.pipeline.describer.name_encapsulations(recording.encapsulations(), Vec::clone);
                for (index, interface) in (1..).zip(recording.interfaces()).skip(named) {
                    replay.pipeline.describer.name_interface(None, index, interface);
                    named += 1;
                }
                let index = passed(&event).and_then(|number| number.checked_sub(1));
                let interface = index.and_then(|index| recording.interfaces().get(index as usize));
                replay.note(Moment { at: event.at(), wall });
                if replay.take(&event, interface.map(String::as_str)).is_break() {
                    break;
                }
            }
            Record::End(moment) => {
                replay.note(moment);
                replay.pipeline.end(moment.at);
                open = false;
            }
        }
        replay.has_read(recording.counters().bytes, recording.is_dry());
        next = recording.next().transpose().unwrap_or_else(|error| {
            outcome = Err(error).with_context(|| replay.name.clone());
            None
        });
    }
    if open {
        debug!("{}: no end record was read", replay.name);
        replay.pipeline.end(replay.last());
    }
    replay.progress.finish();
    report(&recording.counters(), &replay);
    replay.finish(outcome)
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
        if self.options.only.is_none() {
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
        self.pipeline.control_only = (start.segments, wanted) == (SegmentChoice::All, SegmentChoice::Control);
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
