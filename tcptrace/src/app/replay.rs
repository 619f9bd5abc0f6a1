//! Reading of captures and recordings, with the same output as that of a live trace.

mod ahead;
mod between;
mod binary;
mod capture;
mod contents;
mod event_filter;
mod halves;
mod merge;
pub(super) mod open_sockets;
mod progress;
mod reading;
mod recording;
mod run;
mod source;
mod zstd;

use std::{
    ops::ControlFlow,
    path::Path,
    process::ExitCode,
    sync::mpsc::{Receiver, RecvTimeoutError},
    time::Duration,
};

use anyhow::{Context as _, Result};

pub(super) use self::merge::merge;
use self::{between::Between, contents::Contents, progress::Progress, source::Source};
use super::{FLUSH_TIMEOUT, export, stdout_format, summary, top::Session};
use crate::{
    cli::{Options, Verbosity},
    otlp::{self, Exporter},
    output::Output,
    pipeline::Pipeline,
    privileges::{Duty, reduce, reduce_to_opening},
};
use tcptrace_core::{
    decode::capture::Capture,
    event::{BootTime, Event},
};

/// Time for which the reader of an output may be idle at the end of a file, before the rest of the output is given up.
const PATIENT_FLUSH_TIMEOUT: Duration = Duration::from_secs(3600);

/// Interval at which a user's keys are handled.
const PATIENCE: Duration = Duration::from_millis(100);

/// Number of events after which to check whether the output has a reader.
const OUTPUT_CHECK_INTERVAL: u64 = 1024;

/// Reads a capture or a recording to its end.
///
/// # Errors
/// When it cannot be read, or not to its end; in that case all records before the error are written first.
pub(super) fn run(path: &Path, options: &Options, session: Option<&mut Session>) -> Result<ExitCode> {
    reduce_to_opening()?;
    let source = Source::open(path)?;
    source.check_is_not(options.write.as_deref())?;
    let exporter = export::start(options, otlp::Source::Recording)?;
    // The file may come from anybody, so rights are dropped before it is parsed.
    if options.write.is_none() {
        reduce(Duty::Replay);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _context = runtime.enter();
    read(source, options, session, Destination::Chosen(exporter.map(Box::new)))
}

/// Destinations of the records of a file.
#[derive(Debug)]
enum Destination {
    /// The output that the options ask for, with the exporter of `--otlp`.
    Chosen(Option<Box<Exporter>>),
    /// Another output, for a file that is merged with others.
    Merged(Box<Output>),
}

/// Reads a file to its end.
fn read(
    source: Source,
    options: &Options,
    session: Option<&mut Session>,
    destination: Destination,
) -> Result<ExitCode> {
    let Source { name, file, size } = source;
    let contents = Contents::new(file).with_context(|| format!("{name} cannot be read"))?;
    // The size of a compressed file's contents is unknown.
    let size = size.filter(|_| contents.is_plain());
    let progress = Progress::new(
        &name,
        size,
        options.verbosity > Verbosity::Quiet && matches!(destination, Destination::Chosen(_)),
    );
    match tcptrace_core::decode::capture::open(contents).with_context(|| name.clone())? {
        Capture::Frames(frames) => capture::replay(*frames, name, options, session, progress, destination),
        Capture::Json(input) => {
            let recording = tcptrace_core::decode::recording::Recording::new(input);
            recording::replay(recording, name, options, session, progress, destination)
        }
        Capture::Ttr(input) => {
            let reader = tcptrace_core::decode::ttr::Reader::new(input);
            binary::replay(reader, name, options, session, progress, destination)
        }
    }
}

/// Opens the output that a file is read into, and gives up the rights that this takes.
fn open_output(options: &Options, session: Option<&Session>, destination: Destination) -> Result<Output> {
    match destination {
        Destination::Merged(output) => Ok(*output),
        Destination::Chosen(exporter) => {
            let output = stdout_format::open(options, session)?.patient();
            // By now the file of `--write` is open. The threads that start from here on have no rights either.
            if options.write.is_some() {
                reduce(Duty::Replay);
            }
            // The user at the terminal looks at records while they are read, on this thread.
            let mut output = if session.is_some() { output } else { output.rendered_apart()? };
            if let Some(exporter) = exporter {
                output.export_by(*exporter);
            }
            Ok(output)
        }
    }
}

/// The state of reading a file.
#[derive(Debug)]
struct Replay<'a> {
    options: &'a Options,
    name: String,
    progress: Progress,
    pipeline: Pipeline,
    /// The user at the terminal, with `tcptrace top`.
    session: Option<&'a mut Session>,
    /// Time at which the run began, if the file states it.
    began: BootTime,
    /// Times of the first and of the latest event of this run.
    times: Option<(BootTime, BootTime)>,
    /// Connections of this run between two namespaces.
    between: Between,
    /// Number of connections that ended in earlier runs of a recording.
    ended: u64,
    events: u64,
}

impl<'a> Replay<'a> {
    fn new(
        options: &'a Options,
        name: String,
        progress: Progress,
        pipeline: Pipeline,
        mut session: Option<&'a mut Session>,
    ) -> Result<Self> {
        if let Some(session) = session.as_deref_mut() {
            session.open(true)?;
            session.set_activity("reading");
        }
        Ok(Self {
            options,
            name,
            progress,
            pipeline,
            session,
            began: BootTime::default(),
            times: None,
            between: Between::new(options.max_connections),
            ended: 0,
            events: 0,
        })
    }

    /// Returns the next batch of the file; `None` at its end, or if the user has quit.
    fn next<B>(&mut self, batches: &Receiver<B>) -> Result<Option<B>> {
        let Some(session) = self.session.as_deref_mut() else { return Ok(batches.recv().ok()) };
        loop {
            if session.turn(&self.pipeline, None)? {
                return Ok(None);
            }
            match batches.recv_timeout(PATIENCE) {
                Ok(batch) => return Ok(Some(batch)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
            }
        }
    }

    /// Lets the user examine the records, if there is one.
    fn linger(&mut self) -> Result<()> {
        let Some(session) = self.session.as_deref_mut() else { return Ok(()) };
        session.set_activity("");
        while !session.turn(&self.pipeline, None)? {
            session.wait(PATIENCE);
        }
        session.close();
        Ok(())
    }

    /// Handles an event whose segment passed `interface`. Breaks if `--duration` or `--count` is reached, or the output has
    /// no reader any more.
    fn take(&mut self, event: &Event, interface: Option<&str>) -> ControlFlow<()> {
        for syn in self.between.revealed(event) {
            self.take_if(&syn, true)?;
        }
        let between = self.between.has(event, &self.options.filter);
        let is_chosen = |between| event_filter::is_chosen(event, interface, between, self.options);
        let chosen = is_chosen(between);
        if !chosen {
            self.between.wait(event, || is_chosen(true));
        }
        self.take_if(event, chosen)
    }

    /// Like [`Self::take`], for events whose filters are applied later.
    fn take_chosen(&mut self, event: &Event) -> ControlFlow<()> {
        self.take_if(event, true)
    }

    fn take_if(&mut self, event: &Event, chosen: bool) -> ControlFlow<()> {
        let at = event.at();
        let (first, last) = self.times.map_or((at, at), |(first, last)| (first, last.max(at)));
        let limit = self.options.duration.map(|duration| duration.as_nanos());
        if limit.is_some_and(|limit| u128::from(at.since(first)) > limit) {
            return ControlFlow::Break(());
        }
        self.times = Some((first, last));
        if chosen {
            self.pipeline.replay(event);
        }
        self.events += 1;
        let enough = self.options.count.is_some_and(|limit| self.ended + self.pipeline.ended() >= limit.get());
        if enough || (self.events.is_multiple_of(OUTPUT_CHECK_INTERVAL) && self.pipeline.output.is_over()) {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    /// Updates the progress: `bytes` have been read in all. If the input is dry and must be waited for, the rendered output
    /// is handed to the sinks.
    fn has_read(&mut self, bytes: u64, dry: bool) {
        self.progress.has_read(bytes);
        if dry {
            self.pipeline.flush();
        }
    }

    /// Returns the latest time of an event in this run, or that of its beginning.
    fn last(&self) -> BootTime {
        self.times.map_or(self.began, |(_, last)| last)
    }

    /// Writes the rest and returns the exit status. `outcome` is the result of reading.
    fn finish(mut self, outcome: Result<()>) -> Result<ExitCode> {
        self.linger()?;
        let timeout = if outcome.is_ok() { PATIENT_FLUSH_TIMEOUT } else { FLUSH_TIMEOUT };
        // Without a selection everything was shown, and a summary is unnecessary.
        let summary = if self.options.only.is_some() || self.options.summarizes_files {
            summary::lines(&self.pipeline, self.options)
        } else {
            Vec::new()
        };
        let complete = self.pipeline.into_output().finish(timeout);
        outcome?;
        summary::print(&summary, self.options);
        Ok(if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
