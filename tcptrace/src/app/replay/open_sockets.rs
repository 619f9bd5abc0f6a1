//! The sockets that are open at the end of a recording.

use std::{io::Read, path::Path, sync::Arc, time::Duration};

use anyhow::{Context as _, Result, bail};
use log::warn;

use super::{Source, contents::Contents, event_filter};
use crate::privileges::{Duty, reduce, reduce_to_opening};
use tcptrace_core::{
    correlate::{Correlator, NO_NAMESPACE, OpenSocket},
    decode::{
        capture::Capture,
        recording::{Moment, Record, Recording, Start},
        ttr::{Item, Reader},
    },
    describe::Describer,
    event::{BootTime, Event, Existing},
    filter::Filter,
    output_record::Stamp,
    render::LEAK_STATES,
};

/// Returns the sockets that are open when a recording ends, and the time of its end. Of a recording with several runs, the
/// last one counts.
///
/// # Errors
/// When it cannot be read to its end, or is a capture.
pub(in crate::app) fn at_end(path: &Path, filter: &Filter) -> Result<(Vec<OpenSocket>, Stamp, BootTime)> {
    reduce_to_opening()?;
    let Source { name, file, .. } = Source::open(path)?;
    // The file may come from anybody, so rights are dropped before it is parsed.
    reduce(Duty::Replay);
    let contents = Contents::new(file).with_context(|| format!("{name} cannot be read"))?;
    let mut run = Run::new(filter);
    let only_verdicts = match tcptrace_core::decode::capture::open(contents).with_context(|| name.clone())? {
        Capture::Json(input) => read(Recording::new(input), &mut run).with_context(|| name.clone())?,
        Capture::Ttr(input) => read_binary(Reader::new(input), &mut run).with_context(|| name.clone())?,
        Capture::Frames(_) => bail!("{name} is a capture, which holds no sockets: give a recording of --write"),
    };
    if only_verdicts {
        warn!("{name}: it holds verdicts, but no events that tell of sockets; record without --emit");
    }
    if run.before > 0 {
        let (noun, verb) = if run.before == 1 { ("socket", "was") } else { ("sockets", "were") };
        warn!(
            "{name}: {} {noun} {verb} in one of these states when the recording began; what has no event in it is not listed",
            run.before
        );
    }
    Ok((run.correlator.open_sockets(), run.describer.stamp(run.last), run.last))
}

/// Reads JSON lines. Returns true if they hold verdicts, but no events.
fn read(mut recording: Recording<impl Read>, run: &mut Run<'_>) -> Result<bool> {
    let mut grouped = 0;
    while let Some(record) = recording.next().transpose()? {
        match record {
            Record::Start(start) => {
                if run.begin(&start, Correlator::recorded) {
                    grouped = 0;
                }
            }
            Record::Existing(existing) => run.existing(&existing),
            Record::Namespace(_) => {}
            Record::Event(recorded) => {
                for (key, cgroup) in recording.cgroups().iter().skip(grouped) {
                    run.correlator.name_cgroup(*key, Arc::clone(cgroup));
                    grouped += 1;
                }
                run.describer.clock.note(recorded.event.at(), recorded.wall);
                run.event(&recorded.event);
            }
            Record::End(moment) => run.end(moment),
        }
    }
    let counters = recording.counters();
    Ok(counters.events == 0 && counters.verdicts > 0)
}

/// Reads a binary recording. It always holds events.
fn read_binary(reader: Reader<impl Read>, run: &mut Run<'_>) -> Result<bool> {
    for item in reader {
        match item? {
            Item::Start(start) => {
                run.begin(&start, Correlator::new);
            }
            Item::Existing(existing) => run.existing(&existing),
            Item::Cgroup(key, cgroup) => run.correlator.name_cgroup(key, cgroup),
            Item::Clock(moment) => run.describer.clock.note(moment.at, moment.wall),
            Item::Record(decoded) => run.event(&decoded.event),
            Item::LookedUp(event) => run.event(&event),
            Item::Time(at) => run.correlator.handle_timeout(at, &mut |_| {}),
            Item::End(moment) => run.end(moment),
            // None of these is about a socket.
            Item::Setup(_)
            | Item::Namespace(_)
            | Item::Interface(_)
            | Item::Undecodable
            | Item::Total(..)
            | Item::LeftOut(..) => {}
        }
    }
    // The records of the last moments may still wait to be put in order.
    run.correlator.handle_timeout(run.last + Duration::from_secs(1), &mut |_| {});
    Ok(false)
}

/// The last run of a recording, as far as it was read.
struct Run<'a> {
    filter: &'a Filter,
    correlator: Correlator,
    describer: Describer,
    /// Time of the last event.
    last: BootTime,
    /// Number of sockets that were in one of the states when it began.
    before: u64,
}

impl<'a> Run<'a> {
    fn new(filter: &'a Filter) -> Self {
        let correlator = Correlator::recorded(NO_NAMESPACE);
        Self { filter, correlator, describer: Describer::of_recording(), last: BootTime::default(), before: 0 }
    }

    /// Begins a run with a correlator for its network namespace. Returns false if the last one goes on in another file.
    fn begin(&mut self, start: &Start, correlator: fn(u32) -> Correlator) -> bool {
        if !start.goes_on {
            *self = Self {
                correlator: correlator(start.netns.unwrap_or(NO_NAMESPACE)),
                describer: if start.capture { Describer::of_capture() } else { Describer::of_recording() },
                last: start.moment.at,
                ..Self::new(self.filter)
            };
        }
        self.describer.clock.note(start.moment.at, start.moment.wall);
        !start.goes_on
    }

    fn existing(&mut self, existing: &Existing) {
        let waiting = existing.groups.iter().filter(|group| LEAK_STATES.contains(&group.state));
        self.before = waiting.fold(0, |sum: u64, group| sum.saturating_add(group.count));
    }

    fn event(&mut self, event: &Event) {
        self.last = self.last.max(event.at());
        if event_filter::matches(self.filter, event, None, false) {
            self.correlator.handle_event(event, &mut |_| {});
        }
    }

    fn end(&mut self, Moment { at, wall }: Moment) {
        self.describer.clock.note(at, wall);
        self.last = self.last.max(at);
        self.correlator.handle_timeout(at, &mut |_| {});
    }
}
