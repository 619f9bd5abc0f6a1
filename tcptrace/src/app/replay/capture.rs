//! Replays a capture, which holds segments and ICMP errors only.

use std::{
    fmt::{self, Display, Formatter},
    io::Read,
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use log::warn;
use rustix::system::uname;

use super::{Progress, Replay};
use crate::{
    app::stdout_format,
    cli::{Options, Segments},
    pipeline::Pipeline,
};
use tcptrace_core::{
    SCHEMA,
    correlate::NO_NAMESPACE,
    decode::capture::{Counters, Frames, Layers, Unread},
    describe::Describer,
    event::BootTime,
    output_record::StartOutput,
};

/// Reads a capture to its end.
///
/// # Errors
/// When it cannot be read to its end; all records before the error are written first.
pub(super) fn replay<R: Read>(
    mut frames: Frames<R>,
    name: String,
    options: &Options,
    progress: Progress,
) -> Result<ExitCode> {
    let output = stdout_format::open(options)?.patient();
    let mut pipeline = Pipeline::of_capture(NO_NAMESPACE, Describer::of_capture(), output);
    pipeline.limit(options.max_connections);
    pipeline.control_only = options.segments == Segments::Control;
    let mut replay = Replay::new(options, name, progress, pipeline);
    let mut named = 0;
    let mut outcome = Ok(());
    while let Some(framed) = frames.next() {
        let framed = match framed {
            Ok(framed) => framed,
            Err(error) => {
                outcome = Err(error).with_context(|| replay.name.clone());
                break;
            }
        };
        for (index, interface) in (1..).zip(frames.interfaces()).skip(named) {
            replay.pipeline.describer.name_interface(None, index, &interface.name);
            named += 1;
        }
        let words = |layers: &Layers| layers.iter().map(|layer| layer.to_string()).collect();
        replay.pipeline.describer.name_encapsulations(frames.encapsulations(), words);
        if replay.times.is_none() {
            replay.start(framed.event.at());
        }
        let interface = frames.interfaces().get(framed.interface as usize).map(|interface| interface.name.as_str());
        let enough = !framed.copy && replay.take(&framed.event, interface).is_break();
        replay.has_read(frames.counters().bytes, frames.is_dry());
        if enough {
            break;
        }
    }
    let last = replay.last();
    if replay.times.is_none() {
        replay.start(last);
    }
    replay.pipeline.end(last);
    replay.progress.finish();
    if !replay.options.filter.who.is_empty() {
        let (name, who) = (&replay.name, &replay.options.filter.who);
        warn!("{name}: a capture holds no processes, so no connection matches {who}");
    }
    report(&frames.counters(), &frames.unread(), &replay.name);
    replay.finish(outcome)
}

impl Replay<'_> {
    fn start(&mut self, at: BootTime) {
        let start = StartOutput {
            stamp: self.pipeline.describer.stamp(at),
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION"),
            hostname: uname().nodename().to_string_lossy().into_owned(),
            kernel: None,
            netns: None,
            interfaces: vec![self.name.clone()],
            segments: self.options.segments.into(),
            filter: self.options.filter.to_string(),
            began_ns: None,
        };
        self.pipeline.start(start);
    }
}

/// Logs which frames could not be used.
fn report(counters: &Counters, unread: &[(Unread, u64)], name: &str) {
    if counters.short > 0 {
        warn!("{name}: {} frames are cut off before the end of the TCP header; raise the snap length", counters.short);
    }
    if counters.untimed > 0 {
        let (untimed, frames) = (counters.untimed, counters.frames);
        warn!(
            "{name}: {untimed} of {frames} frames have no time: they get that of the frame before, and durations mean nothing"
        );
    }
    if counters.backwards > 0 {
        warn!("{name}: {} frames are older than the frame before them", counters.backwards);
    }
    if counters.lost > 0 {
        warn!("{name}: {} frames were dropped by the capturing program", counters.lost);
    }
    if counters.copies > 0 {
        let (copies, frames) = (counters.copies, counters.frames);
        warn!(
            "{name}: {copies} of {frames} frames are copies of a frame before, as a mirror port makes them: counted once"
        );
    }
    let read = counters.segments + counters.icmp_errors;
    let damaged = counters.skipped.interface;
    let left = counters.frames.saturating_sub(read + damaged);
    if left > 0 && !unread.is_empty() {
        warn!("{name}: {left} of {} frames were not read: {}", counters.frames, Kinds(unread));
    }
}

/// Kinds that are named in the line; the rest are counted together.
const NAMED: usize = 8;

/// Kinds of frames with how many there were.
struct Kinds<'a>(&'a [(Unread, u64)]);

impl Display for Kinds<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (index, (kind, count)) in self.0.iter().take(NAMED).enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{count} × {kind}")?;
        }
        let others: u64 = self.0.iter().skip(NAMED).map(|&(_, count)| count).sum();
        if others > 0 {
            write!(f, ", {others} × other kinds")?;
        }
        Ok(())
    }
}
