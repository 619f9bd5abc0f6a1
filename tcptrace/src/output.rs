//! Rendering of output records, and their delivery to the sinks for stdout and the file of `--write`. Live, it never waits
//! for a reader.

mod chunks;
mod counts;
mod destination;
mod ending;
mod needs;
mod rendering;

use std::{
    borrow::Cow, collections::hash_map::RandomState, hash::BuildHasher as _, ops::AddAssign, os::fd::OwnedFd,
    path::Path, sync::Arc,
};

use tcptrace_core::{
    correlate::Totals,
    event::{BootTime, LossSource},
    filter::Emit,
    output_record::OutputRecord,
    render::{Render, Selection},
};

use self::destination::Destination;
pub use self::destination::{Collect, Shown};
use crate::{
    metrics::Metrics,
    otlp::Exporter,
    recorder::Recorder,
    sink::{BUDGET, FileForm, Reopen, Reopening, Sink, SinkError},
};

/// Number of records dropped because a reader is too slow.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[must_use = "dropped records have to be counted"]
pub struct GivenUp {
    /// Records dropped on stdout.
    pub stdout: u64,
    /// Records dropped for the file of `--write`.
    pub file: u64,
}

impl AddAssign for GivenUp {
    fn add_assign(&mut self, more: Self) {
        self.stdout += more.stdout;
        self.file += more.file;
    }
}

/// The file of `--write`.
pub struct FileOutput<'a> {
    /// Its path.
    pub path: &'a Path,
    /// Its form: the blocks of a binary recording, or plain bytes.
    pub form: FileForm,
    /// Renders records, unless it is a binary recording.
    pub render: Box<dyn Render>,
    /// Chooses connections, unless it is a binary recording; `None` for all of them.
    pub selection: Option<Selection>,
}

/// All destinations of output records.
pub struct Output {
    stdout: Destination,
    file: Option<Destination>,
    /// The file, if it is a binary recording: it gets records before they are correlated.
    pub recorder: Option<Recorder>,
    /// Counts the connections of `--fail-on`.
    fail_on: Option<Selection>,
    /// Counts everything for `--metrics`.
    metrics: Option<Arc<Metrics>>,
    /// Exports verdicts for `--otlp`.
    exporter: Option<Exporter>,
    /// True if the records written prove their connection to be the command's.
    in_scope: bool,
    /// True if a write has failed and the error has been logged.
    failed: bool,
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output")
            .field("file", &self.file.is_some())
            .field("recorder", &self.recorder.is_some())
            .finish_non_exhaustive()
    }
}

impl Output {
    /// Opens stdout, which gets the records of `shown`, and the file. Records are dropped if a reader is too slow.
    ///
    /// # Errors
    /// When the file cannot be opened, or a thread for writing cannot be started.
    pub fn open(shown: Shown, file: Option<FileOutput<'_>>) -> Result<Self, SinkError> {
        let stdout = Sink::stdout(BUDGET)?;
        Self::open_to(stdout, shown, file)
    }

    /// Like [`Self::open`], with another sink in place of stdout.
    ///
    /// # Errors
    /// Those of [`Self::open`].
    pub fn open_to(stdout: Sink, shown: Shown, file: Option<FileOutput<'_>>) -> Result<Self, SinkError> {
        let (mut lines, mut recorder) = (None, None);
        if let Some(FileOutput { path, form, render, selection }) = file {
            let is_binary = form.sealer.is_some();
            let sink = Sink::file(path, BUDGET, form)?;
            if is_binary {
                recorder = Some(Recorder::new(sink, RandomState::new().hash_one(path)));
            } else {
                lines = Some(Destination::new(Shown { render, selection, ..Shown::json(Emit::ALL) }, sink));
            }
        }
        Ok(Self { file: lines, recorder, ..Self::to(Destination::new(shown, stdout)) })
    }

    /// Creates an output with stdout as its only destination.
    fn to(stdout: Destination) -> Self {
        Self {
            stdout,
            file: None,
            recorder: None,
            fail_on: None,
            metrics: None,
            exporter: None,
            in_scope: false,
            failed: false,
        }
    }

    /// Makes this output wait for slow readers instead of dropping records.
    pub fn patient(self) -> Self {
        Self { stdout: self.stdout.patient(), file: self.file.map(Destination::patient), ..self }
    }

    /// Makes a patient output render what goes to stdout on a thread of its own.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn rendered_apart(self) -> Result<Self, SinkError> {
        Ok(Self { stdout: self.stdout.apart()?, ..self })
    }

    /// Writes JSON lines of the types in `emit` to `sink`, and waits for its reader if that is slow.
    pub fn json(emit: Emit, sink: Sink) -> Self {
        Self::to(Destination::new(Shown::json(emit), sink).patient())
    }

    /// Gives every record to `to`, and writes nothing; `nothing` is /dev/null.
    ///
    /// # Errors
    /// When a thread for writing cannot be started.
    pub fn collecting(nothing: OwnedFd, to: Box<dyn Collect>) -> Result<Self, SinkError> {
        Ok(Self::to(Destination::collecting(Sink::stream(nothing, BUDGET)?, to)))
    }

    /// Returns true if there is a file of `--write`.
    pub fn has_file(&self) -> bool {
        self.file.is_some()
    }

    /// Writes a record to all destinations. Returns the number of dropped records, which may be earlier ones.
    pub fn write(&mut self, record: OutputRecord) -> GivenUp {
        if let Some(fail_on) = &mut self.fail_on {
            fail_on.offer(Cow::Borrowed(&record), self.in_scope, &mut |_| {});
        }
        if let Some(metrics) = &self.metrics {
            metrics.count(&record);
        }
        if let Some(exporter) = &mut self.exporter {
            exporter.write(&record, self.in_scope);
        }
        let given_up = self.write_file(&record);
        GivenUp { stdout: self.stdout.write(Cow::Owned(record), self.in_scope), ..given_up }
    }

    /// Writes a record to stdout only.
    pub fn write_stdout(&mut self, record: &OutputRecord) -> GivenUp {
        GivenUp { stdout: self.stdout.write(Cow::Borrowed(record), self.in_scope), file: 0 }
    }

    /// Writes a record to the file only.
    pub fn write_file(&mut self, record: &OutputRecord) -> GivenUp {
        GivenUp {
            stdout: 0,
            file: self.file.as_mut().map_or(0, |file| file.write(Cow::Borrowed(record), self.in_scope)),
        }
    }

    /// Returns true if a destination lacks records or reports of losses and no report there says so yet.
    pub fn has_unreported_losses(&self) -> bool {
        self.stdout.has_unreported_losses() || self.file.as_ref().is_some_and(Destination::has_unreported_losses)
    }

    /// Writes reports of its unreported losses to each destination; `report` makes a record of their number and source.
    pub fn report_losses(&mut self, mut report: impl FnMut(LossSource, u64) -> OutputRecord) {
        [Some(&mut self.stdout), self.file.as_mut()].into_iter().flatten().for_each(|to| to.report_losses(&mut report));
    }

    /// Hands the rendered output to the sinks.
    pub fn flush(&mut self) -> GivenUp {
        GivenUp { stdout: self.stdout.flush(), file: self.file.as_mut().map_or(0, Destination::flush) }
    }

    /// Returns true if the file is large or old enough that another should be begun.
    pub fn is_due_for_rotation(&self, now: BootTime) -> bool {
        self.file_sink().is_some_and(|sink| sink.is_due_for_rotation(now))
    }

    /// Reopens the file, if it is one of JSON lines; its new content begins with `start`.
    pub fn reopen_file(&mut self, how: Reopen, start: &OutputRecord) -> (GivenUp, Option<Reopening>) {
        let Some(file) = &mut self.file else { return (GivenUp::default(), None) };
        let given_up = file.flush();
        let reopening = file.sink.reopen(how);
        // In a chunk of its own, as at the start.
        let given_up = given_up + file.write(Cow::Borrowed(start), false) + file.flush();
        (GivenUp { stdout: 0, file: given_up }, Some(reopening))
    }

    /// Returns the sink of the file.
    fn file_sink(&self) -> Option<&Sink> {
        self.file.as_ref().map(|file| &file.sink).or(self.recorder.as_ref().map(|recorder| &recorder.sink))
    }

    /// Counts every record in `metrics`, whatever the destinations get.
    pub fn count_in(&mut self, metrics: Arc<Metrics>) {
        self.metrics = Some(metrics);
    }

    /// Exports every verdict by `exporter`, whatever the destinations get.
    pub fn export_by(&mut self, exporter: Exporter) {
        self.exporter = Some(exporter);
    }

    /// Notes the numbers of connections for `--metrics` and `--otlp`.
    pub fn note(&self, totals: Totals) {
        if let Some(metrics) = &self.metrics {
            metrics.note(totals);
        }
        if let Some(exporter) = &self.exporter {
            exporter.note(totals);
        }
    }

    /// Sets whether the records written from now on prove their connection to be the command's.
    pub fn set_in_scope(&mut self, in_scope: bool) {
        self.in_scope = in_scope;
    }
}
