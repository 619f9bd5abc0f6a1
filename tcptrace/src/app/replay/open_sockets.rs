//! The sockets that are open at the end of a recording.

use std::{path::Path, sync::Arc};

use anyhow::{Context as _, Result, bail};
use log::warn;

use super::{Source, contents::Contents, event_filter};
use crate::privileges::{Duty, reduce, reduce_to_opening};
use tcptrace_core::{
    correlate::{Correlator, NO_NAMESPACE, OpenSocket},
    decode::{
        capture::Capture,
        recording::{Moment, Record, Recording},
    },
    describe::Describer,
    event::BootTime,
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
    let input = match tcptrace_core::decode::capture::open(contents).with_context(|| name.clone())? {
        Capture::Json(input) => input,
        Capture::Frames(_) => bail!("{name} is a capture, which holds no sockets: give a recording of --write"),
        Capture::Ttr(_) => bail!(
            "{name} is a binary recording, and this needs one of JSON lines: convert it with `tcptrace -r FILE.ttr -o none -w \
             FILE.jsonl`"
        ),
    };
    let mut recording = Recording::new(input);
    let mut correlator = Correlator::recorded(NO_NAMESPACE);
    let mut describer = Describer::of_recording();
    let (mut grouped, mut last, mut before) = (0, BootTime::default(), 0);
    while let Some(record) = recording.next().transpose().with_context(|| name.clone())? {
        match record {
            Record::Start(start) => {
                if !start.goes_on {
                    correlator = Correlator::recorded(start.netns.unwrap_or(NO_NAMESPACE));
                    describer = if start.capture { Describer::of_capture() } else { Describer::of_recording() };
                    (grouped, last, before) = (0, start.moment.at, 0);
                }
                describer.clock.note(start.moment.at, start.moment.wall);
            }
            Record::Existing(existing) => {
                let waiting = existing.groups.iter().filter(|group| LEAK_STATES.contains(&group.state));
                before = waiting.fold(0, |sum: u64, group| sum.saturating_add(group.count));
            }
            Record::Namespace(_) => {}
            Record::Event(recorded) => {
                for (key, cgroup) in recording.cgroups().iter().skip(grouped) {
                    correlator.name_cgroup(*key, Arc::clone(cgroup));
                    grouped += 1;
                }
                let at = recorded.event.at();
                describer.clock.note(at, recorded.wall);
                last = last.max(at);
                if event_filter::matches(filter, &recorded.event, None) {
                    correlator.handle_event(&recorded.event, &mut |_| {});
                }
            }
            Record::End(Moment { at, wall }) => {
                describer.clock.note(at, wall);
                last = last.max(at);
                correlator.handle_timeout(at, &mut |_| {});
            }
        }
    }
    let counters = recording.counters();
    if counters.events == 0 && counters.verdicts > 0 {
        warn!("{name}: it holds verdicts, but no events that tell of sockets; record without --emit");
    }
    if before > 0 {
        let (noun, verb) = if before == 1 { ("socket", "was") } else { ("sockets", "were") };
        warn!(
            "{name}: {before} {noun} {verb} in one of these states when the recording began; what has no event in it is not \
             listed"
        );
    }
    Ok((correlator.open_sockets(), describer.stamp(last), last))
}
