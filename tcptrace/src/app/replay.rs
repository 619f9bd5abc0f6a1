//! Reading what was captured or recorded: the same records as live, without a kernel.

mod capture;
mod event_filter;
mod progress;
mod recording;

use std::{
    fs::{File, Metadata},
    io,
    ops::ControlFlow,
    os::{fd::AsFd as _, unix::fs::MetadataExt as _},
    path::Path,
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

use self::progress::Progress;
use super::FLUSH;
use crate::{
    cli::{Options, Verbosity},
    pipeline::Pipeline,
    privileges::{Duty, reduce, reduce_to_opening},
};
use tcptrace_core::{
    decode::capture::Capture,
    event::{BootTime, Event},
    text::Escaped,
};

/// How long readers of the output may take: there is no hurry as there is live.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Events between two looks at whether anybody reads the output still.
const LOOK: u64 = 1024;

/// Reads a capture or a recording to its end.
///
/// # Errors
/// When it cannot be read, or not to its end: then everything before is printed first.
pub(super) fn run(path: &Path, options: &Options) -> Result<ExitCode> {
    reduce_to_opening()?;
    let source = Source::open(path)?;
    source.spare(options.write.as_deref())?;
    // Anybody may have made what is read.
    if options.write.is_none() {
        reduce(Duty::Replay);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _context = runtime.enter();
    let Source { name, file, size } = source;
    let progress = Progress::new(&name, size, options.verbosity > Verbosity::Quiet);
    match tcptrace_core::decode::capture::open(file).with_context(|| name.clone())? {
        Capture::Frames(frames) => capture::replay(*frames, name, options, progress),
        Capture::Json(input) => {
            recording::replay(tcptrace_core::decode::recording::Recording::new(input), name, options, progress)
        }
    }
}

/// What is read.
#[derive(Debug)]
struct Source {
    /// What it is called, escaped.
    name: String,
    file: File,
    /// Bytes, where that is known.
    size: Option<u64>,
}

impl Source {
    fn open(path: &Path) -> Result<Self> {
        let (name, file) = if path.as_os_str() == "-" {
            ("stdin".to_owned(), io::stdin().as_fd().try_clone_to_owned().map(File::from))
        } else {
            (Escaped(path.as_os_str().as_encoded_bytes()).to_string(), File::open(path))
        };
        let file = file.with_context(|| format!("{name} cannot be opened"))?;
        let size = file.metadata().ok().filter(Metadata::is_file).map(|metadata| metadata.len());
        Ok(Self { name, file, size })
    }

    /// The file of `--write` is emptied before anything is read.
    fn spare(&self, written: Option<&Path>) -> Result<()> {
        let Some(written) = written.and_then(|path| path.metadata().ok()).filter(Metadata::is_file) else {
            return Ok(());
        };
        let same = |read: Metadata| (read.dev(), read.ino()) == (written.dev(), written.ino());
        if self.file.metadata().is_ok_and(same) {
            bail!("{} cannot be read and written at once: give --write another file", self.name);
        }
        Ok(())
    }
}

/// A read that goes on.
#[derive(Debug)]
struct Replay<'a> {
    options: &'a Options,
    name: String,
    progress: Progress,
    pipeline: Pipeline,
    /// The first event of this run, and the latest.
    times: Option<(BootTime, BootTime)>,
    /// Connections that ended in runs before this one.
    ended: u64,
    events: u64,
}

impl<'a> Replay<'a> {
    fn new(options: &'a Options, name: String, progress: Progress, pipeline: Pipeline) -> Self {
        // By now the file of `--write` is open too.
        if options.write.is_some() {
            reduce(Duty::Replay);
        }
        Self { options, name, progress, pipeline, times: None, ended: 0, events: 0 }
    }

    /// Takes an event that passed an interface; breaks off when that was enough.
    fn take(&mut self, event: &Event, interface: Option<&str>) -> ControlFlow<()> {
        let at = event.at();
        let (first, last) = self.times.map_or((at, at), |(first, last)| (first, last.max(at)));
        let limit = self.options.duration.map(|duration| duration.as_nanos());
        if limit.is_some_and(|limit| u128::from(at.since(first)) > limit) {
            return ControlFlow::Break(());
        }
        self.times = Some((first, last));
        if event_filter::is_chosen(event, interface, self.options) {
            self.pipeline.replay(event);
        }
        self.events += 1;
        let enough = self.options.count.is_some_and(|most| self.ended + self.pipeline.totals().ended >= most.get());
        if enough || (self.events.is_multiple_of(LOOK) && self.pipeline.output.is_over()) {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    /// So many bytes have been read. Where more has to be waited for, what has been written need not.
    fn has_read(&mut self, bytes: u64, dry: bool) {
        self.progress.has_read(bytes);
        if dry {
            self.pipeline.flush();
        }
    }

    /// The time of the last event.
    fn last(&self) -> BootTime {
        self.times.map_or(BootTime::default(), |(_, last)| last)
    }

    /// Everything has been written; whether it came well.
    fn finish(self, outcome: Result<()>) -> Result<ExitCode> {
        let fine = self.pipeline.output.finish(if outcome.is_ok() { PATIENCE } else { FLUSH });
        outcome?;
        Ok(if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
