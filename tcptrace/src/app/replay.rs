//! Reading a capture: the same records as live, without a kernel.

use std::{
    fs::File,
    io::{self, Read},
    net::IpAddr,
    path::Path,
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use log::warn;
use rustix::system::uname;

use super::FLUSH;
use crate::{
    capture::{self, Capture, Counters, Frames},
    cli::{Options, Segments},
    connections::NO_NAMESPACE,
    describe::Describer,
    entry::{Entry, SCHEMA, SegmentChoice, StartEntry},
    event::{BootTime, Direction, Endpoint, Event},
    filter::{Ends, Filter},
    output::Output,
    pipeline::Pipeline,
    text::Escaped,
};

/// How long readers of the output may take: there is no hurry as there is live.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Reads a capture to its end.
///
/// # Errors
/// When it cannot be read, or not to its end: then everything before is printed first.
pub(super) fn run(path: &Path, options: &Options) -> Result<ExitCode> {
    let name = if path.as_os_str() == "-" { "stdin".to_owned() } else { shown(path) };
    let reader: Box<dyn Read> = if path.as_os_str() == "-" {
        Box::new(io::stdin().lock())
    } else {
        Box::new(File::open(path).with_context(|| format!("{name} cannot be opened"))?)
    };
    let frames = match capture::open(reader).with_context(|| name.clone())? {
        Capture::Frames(frames) => *frames,
        Capture::Json(_) => bail!("{name} holds JSON lines, which cannot be read back: give a pcap or pcapng file"),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _context = runtime.enter();
    replay(frames, &name, options)
}

fn replay(mut frames: Frames<Box<dyn Read>>, name: &str, options: &Options) -> Result<ExitCode> {
    let describer = Describer::of_capture();
    let mut pipeline = Pipeline::new(NO_NAMESPACE, describer, Output::open(options)?, None);
    pipeline.control_only = options.segments == Segments::Control;
    let mut named = 0;
    let mut times: Option<(BootTime, BootTime)> = None;
    let mut outcome = Ok(());
    while let Some(framed) = frames.next() {
        let framed = match framed {
            Ok(framed) => framed,
            Err(error) => {
                outcome = Err(error).with_context(|| name.to_owned());
                break;
            }
        };
        for (index, interface) in (1..).zip(frames.interfaces()).skip(named) {
            pipeline.describer.name_interface(index, &interface.name);
            named += 1;
        }
        let interface = frames.interfaces().get(framed.interface as usize).map(|interface| interface.name.as_str());
        let at = framed.event.at();
        let (first, last) = *times.get_or_insert_with(|| {
            pipeline.write(&Entry::Start(start(&pipeline, &options.filter, name, at)));
            (at, at)
        });
        times = Some((first, last.max(at)));
        if options.duration.is_some_and(|duration| u128::from(at.since(first)) > duration.as_nanos()) {
            break;
        }
        if matches(&options.filter, &framed.event, interface) && wanted(&framed.event, options.segments) {
            pipeline.replay(&framed.event);
        }
        if options.count.is_some_and(|most| pipeline.totals().ended >= most.get()) {
            break;
        }
    }
    let last = times.map_or(BootTime::default(), |(_, last)| last);
    if times.is_none() {
        pipeline.write(&Entry::Start(start(&pipeline, &options.filter, name, last)));
    }
    pipeline.end(last);
    report(&frames.counters(), name);
    let fine = pipeline.output.finish(if outcome.is_ok() { PATIENCE } else { FLUSH });
    outcome?;
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// With no segments at all there is nothing to see in a capture but what ICMP says.
fn wanted(event: &Event, segments: Segments) -> bool {
    segments != Segments::None || !matches!(event, Event::Segment(_))
}

fn start(pipeline: &Pipeline, filter: &Filter, name: &str, at: BootTime) -> StartEntry {
    StartEntry {
        stamp: pipeline.describer.stamp(at),
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION"),
        hostname: uname().nodename().to_string_lossy().into_owned(),
        kernel: None,
        netns: None,
        interfaces: vec![name.to_owned()],
        segments: SegmentChoice::Control,
        filter: filter.to_string(),
    }
}

/// Does the event match, as it would have live?
fn matches(filter: &Filter, event: &Event, interface: Option<&str>) -> bool {
    let wanted =
        filter.interfaces.is_empty() || interface.is_some_and(|name| filter.interfaces.iter().any(|w| w == name));
    let end = |end: Endpoint| -> (IpAddr, u16) { (end.addr, end.port) };
    // What comes in is for a socket here, what goes out is from one; an ICMP error is about what went the other way.
    let (src, dst, direction) = match event {
        Event::Segment(segment) => (end(segment.src), end(segment.dst), segment.direction),
        Event::Icmp(error) => (end(error.dst), end(error.src), error.direction),
        Event::State(_) | Event::Loss(_) => return wanted,
    };
    let holds = match direction {
        Some(Direction::Out) => filter.matches(src, dst, Ends::LocalIsFirst),
        Some(Direction::In) => filter.matches(dst, src, Ends::LocalIsFirst),
        None => filter.matches(src, dst, Ends::Either),
    };
    wanted && holds
}

/// Says what of the capture was of no use.
fn report(counters: &Counters, name: &str) {
    if counters.short > 0 {
        warn!("{name}: {} frames are cut before the end of the TCP header: capture more of each", counters.short);
    }
    if counters.backwards > 0 {
        warn!("{name}: {} frames are older than the frame before them", counters.backwards);
    }
    if counters.lost > 0 {
        warn!("{name}: {} frames were lost by the program that made it", counters.lost);
    }
    let useless = counters.skipped.link_type + counters.skipped.interface;
    if useless > 0 {
        warn!("{name}: {useless} frames of interfaces with an unsupported link type were passed over");
    }
}

fn shown(path: &Path) -> String {
    Escaped(path.as_os_str().as_encoded_bytes()).to_string()
}
