//! Replay of a capture, which contains only segments and ICMP errors.

use std::{
    fmt::{self, Display, Formatter},
    io::Read,
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use log::warn;
use rustix::system::uname;

use super::{
    Destination, Progress, Replay,
    ahead::{self, Batch, Source, new_ones},
    open_output,
};
use crate::{
    app::top::Session,
    cli::{Options, Segments},
    pipeline::Pipeline,
};
use tcptrace_core::{
    SCHEMA,
    correlate::NO_NAMESPACE,
    decode::capture::{self, CaptureError, Counters, Framed, Interface, Layers, Unread},
    describe::Describer,
    event::{BootTime, Event, SocketOwner},
    output_record::StartOutput,
};

/// Reads a capture to its end.
///
/// # Errors
/// When it cannot be read to its end; all records before the error are written first.
pub(super) fn replay<R: Read + Send + 'static>(
    frames: capture::Frames<R>,
    name: String,
    options: &Options,
    session: Option<&mut Session>,
    progress: Progress,
    destination: Destination,
) -> Result<ExitCode> {
    let output = open_output(options, session.as_deref(), destination)?;
    let mut pipeline = Pipeline::of_capture(NO_NAMESPACE, Describer::of_capture(), output);
    pipeline.limit(options.max_connections);
    if frames.is_of_one_place() {
        pipeline.expect_one_place();
    }
    pipeline.show_control_only(options.segments == Segments::Control);
    let mut replay = Replay::new(options, name, progress, pipeline, session)?;
    let ahead = ahead::start(Frames::from(frames))?;
    let (mut interfaces, mut encapsulations) = (Vec::<Interface>::new(), Vec::<Layers>::new());
    let (mut counters, mut unread) = (Counters::default(), Vec::new());
    let mut names_processes = false;
    let mut outcome = Ok(());
    while let Some(Batch { items, state, dry, error }) = replay.next(&ahead.batches)? {
        for (index, interface) in (interfaces.len() as u32 + 1..).zip(&state.interfaces) {
            replay.pipeline.describer.name_interface(None, index, &interface.name);
        }
        interfaces.extend(state.interfaces);
        encapsulations.extend(state.encapsulations);
        let words = |layers: &Layers| layers.iter().map(|layer| layer.to_string()).collect();
        replay.pipeline.describer.name_encapsulations(&encapsulations, words);
        let enough = items.iter().flatten().any(|Item { event, owner, interface, timed }| {
            if !timed {
                replay.pipeline.lose_times();
            }
            if replay.times.is_none() {
                replay.start(event.at());
            }
            let interface = interfaces.get(*interface as usize).map(|interface| interface.name.as_str());
            if replay.take(event, interface).is_break() {
                return true;
            }
            names_processes |= owner.is_some();
            owner.is_some_and(|owner| replay.take(&Event::Owner(owner), interface).is_break())
        });
        ahead.reuse(items);
        (counters, unread) = (state.counters, state.unread);
        replay.has_read(counters.bytes, dry);
        if enough {
            break;
        }
        if let Some(error) = error {
            outcome = Err(error).with_context(|| replay.name.clone());
        }
    }
    let last = replay.last();
    if replay.times.is_none() {
        replay.start(last);
    }
    replay.pipeline.end(last);
    replay.progress.finish();
    if !names_processes && !replay.options.filter.who.is_empty() {
        let (name, who) = (&replay.name, &replay.options.filter.who);
        warn!("{name}: the capture names no processes, so no connection matches {who}");
    }
    report(&counters, &unread, &replay.name);
    replay.finish(outcome)
}

/// The frames of a capture, and the numbers of names already delivered.
struct Frames<R> {
    frames: capture::Frames<R>,
    interfaces: usize,
    encapsulations: usize,
}

impl<R> From<capture::Frames<R>> for Frames<R> {
    fn from(frames: capture::Frames<R>) -> Self {
        Self { frames, interfaces: 0, encapsulations: 0 }
    }
}

/// An event of a capture.
struct Item {
    event: Event,
    /// The process that sent it.
    owner: Option<SocketOwner>,
    /// Index of the interface of its frame.
    interface: u32,
    /// False if its frame has no time.
    timed: bool,
}

/// The state after a frame.
struct State {
    /// Interfaces that are new.
    interfaces: Vec<Interface>,
    /// Encapsulations that are new.
    encapsulations: Vec<Layers>,
    counters: Counters,
    unread: Vec<(Unread, u64)>,
}

impl<R: Read + Send + 'static> Source for Frames<R> {
    /// `None` for a copy.
    type Item = Option<Item>;
    type State = State;
    type Error = CaptureError;

    fn next(&mut self) -> Option<Result<Self::Item, CaptureError>> {
        let seen = |framed: Framed| {
            let Framed { event, interface, timed, .. } = framed;
            (!framed.copy).then(|| Item { event, owner: framed.sender(), interface, timed })
        };
        Some(self.frames.next()?.map(seen))
    }

    fn is_dry(&self) -> bool {
        self.frames.is_dry()
    }

    fn state(&mut self) -> State {
        let Self { frames, interfaces, encapsulations } = self;
        State {
            interfaces: new_ones(frames.interfaces(), interfaces),
            encapsulations: new_ones(frames.encapsulations(), encapsulations),
            counters: frames.counters(),
            unread: frames.unread(),
        }
    }
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
            states_of: None,
            filter: self.options.filter.to_string(),
            began_ns: None,
            run: None,
        };
        self.pipeline.start(start);
    }
}

/// Logs the frames that could not be used.
fn report(counters: &Counters, unread: &[(Unread, u64)], name: &str) {
    let Counters { short, shortened, untimed, backwards, outliers, lost, copies, frames, .. } = *counters;
    let some = |count: u64, verb: &str, verbs: &str, text: &str| match count {
        0 => {}
        1 => warn!("{name}: 1 frame {verb} {text}"),
        _ => warn!("{name}: {count} frames {verbs} {text}"),
    };
    some(short, "was", "were", "cut too short to be read; raise the snap length");
    let of_all = |count: u64, verb: &str, verbs: &str, text: &dyn Display| {
        if count > 0 {
            let (noun, verb) = (if frames == 1 { "frame" } else { "frames" }, if count == 1 { verb } else { verbs });
            warn!("{name}: {count} of {frames} {noun} {verb} {text}");
        }
    };
    let text = match shortened {
        1 => "shorter than its IP header says: its segment ends with the frame",
        _ => "shorter than their IP header says: their segments end with the frame",
    };
    of_all(shortened, "is", "are", &text);
    let text = "no time: from the first of them on, times and durations are unknown";
    of_all(untimed, "has", "have", &text);
    some(backwards, "is", "are", "older than the frame before");
    let text = "a time far from those around it: that of the frame before is taken";
    of_all(outliers, "has", "have", &text);
    some(lost, "was", "were", "dropped by the capturing program");
    let text = "of an earlier frame, as from a mirror port: each counted once";
    of_all(copies, "is a copy", "are copies", &text);
    let read = counters.segments + counters.icmp_errors;
    let left = frames.saturating_sub(read + counters.skipped.interface);
    if !unread.is_empty() {
        of_all(left, "was", "were", &format_args!("not read: {}", Kinds(unread)));
    }
}

/// Maximum number of kinds named in the message; the rest are counted together.
const NAMED: usize = 8;

/// Kinds of frames, and their numbers.
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
