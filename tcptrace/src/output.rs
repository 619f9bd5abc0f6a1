//! Where entries go: rendered, then to stdout and to the file of `--write`, without ever waiting for a reader.

use std::{ops::AddAssign, sync::LazyLock, time::Duration};

use bytes::Bytes;
use jiff::tz::TimeZone;
use log::error;

use crate::{
    cli::{COLUMNS, Emit, Options, Output as Form},
    sink::{BUDGET, End, Finish, Offer, Reopening, Sink, SinkError},
};
use tcptrace_core::{
    correlate::Correlated,
    event::BootTime,
    output_record::OutputRecord,
    render::{Drawing, Events, Json, Render, Timeline},
};

/// Bytes gathered before they are handed on, unless the ring runs empty first.
const CHUNK: usize = 256 << 10;

/// Bytes that there is room for: lines are not broken where a chunk is full.
const ROOM: usize = CHUNK + (8 << 10);

/// The time zone of this host, or that of the environment variable `TZ`.
static TIME_ZONE: LazyLock<TimeZone> = LazyLock::new(TimeZone::system);

/// What stdout is called in messages.
const STDOUT: &str = "stdout";

/// One destination: how entries look there, and what is gathered for it.
struct Destination {
    render: Box<dyn Render>,
    emit: Emit,
    sink: Sink,
    gathered: Vec<u8>,
    entries: u64,
    /// Entries that were given up, and how many of these what is gathered tells of.
    untold: u64,
    telling: u64,
    /// Waits for its reader.
    patient: bool,
}

impl Destination {
    fn new(render: Box<dyn Render>, emit: Emit, sink: Sink) -> Self {
        Self {
            render,
            emit,
            sink,
            gathered: Vec::with_capacity(ROOM),
            entries: 0,
            untold: 0,
            telling: 0,
            patient: false,
        }
    }

    /// Returns how many entries had to be given up.
    fn write(&mut self, entry: &OutputRecord) -> u64 {
        if !self.emit.contains(kind(entry)) {
            return 0;
        }
        self.render.render(entry, &mut self.gathered);
        self.entries += 1;
        if self.gathered.len() >= CHUNK { self.flush() } else { 0 }
    }

    /// Returns how many entries had to be given up.
    fn flush(&mut self) -> u64 {
        if self.gathered.is_empty() {
            return 0;
        }
        let bytes = if self.gathered.len() < CHUNK / 2 {
            // What waits for its reader takes no more memory than is counted for it.
            let bytes = Bytes::copy_from_slice(&self.gathered);
            self.gathered.clear();
            bytes
        } else {
            let empty = self.sink.spare().unwrap_or_else(|| Vec::with_capacity(ROOM));
            Bytes::from(std::mem::replace(&mut self.gathered, empty))
        };
        let entries = std::mem::take(&mut self.entries);
        let telling = std::mem::take(&mut self.telling);
        match if self.patient { self.sink.write(bytes) } else { self.sink.try_write(bytes) } {
            Offer::Full => {
                self.untold += entries + telling;
                entries
            }
            // What an ended sink does not take is no loss: nobody is there to miss it, or its error has been told.
            Offer::Accepted | Offer::Ended => 0,
        }
    }

    /// Writes a report of what was given up here and has not been told yet, which `report` makes of the number. It is no
    /// entry that could be missed itself: if it is given up, the next one tells the same.
    fn tell_losses(&mut self, report: impl FnOnce(u64) -> OutputRecord) {
        if self.untold > 0 {
            let entry = report(self.untold);
            self.telling += std::mem::take(&mut self.untold);
            self.render.render(&entry, &mut self.gathered);
        }
    }
}

/// How many entries had to be given up because a reader is too slow.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[must_use = "what is given up has to be counted"]
pub struct GivenUp {
    /// On stdout.
    pub stdout: u64,
    /// In the file.
    pub file: u64,
}

impl AddAssign for GivenUp {
    fn add_assign(&mut self, more: Self) {
        self.stdout += more.stdout;
        self.file += more.file;
    }
}

/// All destinations.
pub struct Output {
    stdout: Destination,
    file: Option<Destination>,
    failed: bool,
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output").field("file", &self.file.is_some()).finish_non_exhaustive()
    }
}

impl Output {
    /// Opens what the options name.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn open(options: &Options) -> Result<Self, SinkError> {
        let file = match &options.write {
            Some(path) => Some(Destination::new(Box::new(Json), Emit::ALL, Sink::file(path, BUDGET)?)),
            None => None,
        };
        let (render, emit): (Box<dyn Render>, Emit) = match options.output {
            Form::Json => (Box::new(Json), options.emit),
            Form::Timeline => {
                let Options { color, absolute_seq, unicode, .. } = *options;
                let drawing = Drawing { color, absolute_seq, unicode, zone: &TIME_ZONE };
                let columns = options.columns;
                (Box::new(Timeline::new(drawing, move || columns.unwrap_or_else(terminal_columns).into())), Emit::ALL)
            }
            Form::Events => {
                let Options { color, absolute_seq, unicode, .. } = *options;
                (Box::new(Events { color, absolute_seq, unicode, zone: &TIME_ZONE }), Emit::ALL)
            }
        };
        Ok(Self { stdout: Destination::new(render, emit, Sink::stdout(BUDGET)?), file, failed: false })
    }

    /// The same, for whoever has time: it waits for slow readers.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn patient(options: &Options) -> Result<Self, SinkError> {
        let mut output = Self::open(options)?;
        output.stdout.patient = true;
        output.file.iter_mut().for_each(|file| file.patient = true);
        Ok(output)
    }

    /// JSON lines of the types in `emit` to `sink`, which is waited for where it is slow.
    pub fn json(emit: Emit, sink: Sink) -> Self {
        let stdout = Destination { patient: true, ..Destination::new(Box::new(Json), emit, sink) };
        Self { stdout, file: None, failed: false }
    }

    /// When [`Self::handle_timeout`] should be called at the latest.
    pub fn poll_timeout(&self) -> Option<BootTime> {
        [Some(&self.stdout), self.file.as_ref()].into_iter().flatten().filter_map(|to| to.render.poll_timeout()).min()
    }

    /// Writes what has waited long enough by `now`.
    pub fn handle_timeout(&mut self, now: BootTime) {
        for to in [Some(&mut self.stdout), self.file.as_mut()].into_iter().flatten() {
            to.render.handle_timeout(now, &mut to.gathered);
        }
    }

    /// Whether there is a file.
    pub fn has_file(&self) -> bool {
        self.file.is_some()
    }

    /// Whether [`Self::write`] would write the entry of this.
    pub fn wants(&self, placed: &Correlated) -> bool {
        self.has_file() || self.stdout.emit.contains(kind_of_placed(placed))
    }

    /// Writes an entry everywhere. What is given up may be older entries.
    pub fn write(&mut self, entry: &OutputRecord) -> GivenUp {
        GivenUp { stdout: self.stdout.write(entry), ..self.write_file(entry) }
    }

    /// Writes an entry to stdout alone.
    pub fn write_stdout(&mut self, entry: &OutputRecord) -> GivenUp {
        GivenUp { stdout: self.stdout.write(entry), file: 0 }
    }

    /// Writes an entry to the file alone.
    pub fn write_file(&mut self, entry: &OutputRecord) -> GivenUp {
        GivenUp { stdout: 0, file: self.file.as_mut().map_or(0, |file| file.write(entry)) }
    }

    /// Whether a destination has lost what it does not know yet.
    pub fn has_losses_to_tell(&self) -> bool {
        self.stdout.untold > 0 || self.file.as_ref().is_some_and(|file| file.untold > 0)
    }

    /// Writes to each destination what it has lost and does not know yet; `report` makes an entry of the number.
    pub fn tell_losses(&mut self, mut report: impl FnMut(u64) -> OutputRecord) {
        [Some(&mut self.stdout), self.file.as_mut()].into_iter().flatten().for_each(|to| to.tell_losses(&mut report));
    }

    /// Hands on what has been gathered.
    pub fn flush(&mut self) -> GivenUp {
        GivenUp { stdout: self.stdout.flush(), file: self.file.as_mut().map_or(0, Destination::flush) }
    }

    /// Opens the file again, if there is one, which begins with `start`.
    pub fn reopen_file(&mut self, start: &OutputRecord) -> (GivenUp, Option<Reopening>) {
        let Some(file) = &mut self.file else { return (GivenUp::default(), None) };
        let given_up = file.flush();
        let reopening = file.sink.reopen();
        (GivenUp { stdout: 0, file: given_up + file.write(start) }, Some(reopening))
    }

    /// Whether there is nobody left to write for: stdout's reader has gone, or nothing more can be written anywhere. A file
    /// that has failed is the end where stdout is /dev/null, as that of a service.
    pub fn is_over(&self) -> bool {
        let file = self.file.as_ref().map(|file| file.sink.end().is_some());
        match self.stdout.sink.end() {
            Some(End::Closed) => true,
            Some(End::Failed(_)) => file != Some(false),
            None => file == Some(true) && self.stdout.sink.discards(),
        }
    }

    /// Waits until a destination ends by itself; the same as [`Self::is_over`] then. An error is told once and remembered for
    /// the exit status.
    pub async fn ended(&mut self) -> bool {
        let file = async {
            match &mut self.file {
                Some(file) => file.sink.ended().await,
                None => std::future::pending().await,
            }
        };
        let end = tokio::select! {
            end = self.stdout.sink.ended() => end,
            end = file => end,
        };
        self.failed |= tell(&end);
        self.is_over()
    }

    /// Writes what is left, waiting no longer than `deadline` in all. False when something could not be written.
    pub fn finish(self, deadline: Duration) -> bool {
        let Self { mut stdout, file, failed } = self;
        let _counted_already = stdout.flush();
        let mut fine = !failed;
        // The file first: a disk is seldom slow, and a reader that has stopped may take all of the time.
        if let Some(mut file) = file {
            let _counted_already = file.flush();
            fine &= finished(file.sink.finish(deadline / 2), "the file", failed);
        }
        finished(stdout.sink.finish(deadline / 2), STDOUT, failed) && fine
    }
}

/// Columns of the terminal that stdout is.
fn terminal_columns() -> u16 {
    terminal_size::terminal_size_of(std::io::stdout()).map_or(COLUMNS, |(columns, _)| columns.0)
}

/// Whether everything was written; a reader that has gone is no failure, one that stopped reading has missed something.
fn finished(finish: Finish, name: &str, told: bool) -> bool {
    match finish {
        Finish::Flushed | Finish::Ended(End::Closed) => true,
        Finish::Ended(end) if !told => !tell(&end),
        Finish::Ended(End::Failed(_)) => false,
        Finish::GivenUp { bytes } => {
            error!("{name} did not take the last {bytes} bytes in time: they are missing, the end record among them");
            // Whoever asked for the end knows whether he still reads; nobody watches a file.
            name == STDOUT
        }
    }
}

/// Says what went wrong; false when nothing did.
fn tell(end: &End) -> bool {
    match end {
        End::Closed => false,
        End::Failed(cause) => {
            error!("{cause}");
            true
        }
    }
}

/// What `--emit` has to name for this to be written: it chooses among the types that make up the bulk, and what frames them
/// always comes.
fn kind(entry: &OutputRecord) -> Emit {
    match entry {
        OutputRecord::State(_) | OutputRecord::Owner(_) | OutputRecord::Hint(_) => Emit::STATE,
        OutputRecord::Segment(_) | OutputRecord::Icmp(_) => Emit::SEGMENT,
        OutputRecord::Handshake(_) => Emit::HANDSHAKE,
        OutputRecord::Close(_) => Emit::CLOSE,
        OutputRecord::Start(_) | OutputRecord::Lost(_) | OutputRecord::End(_) => Emit::NONE,
    }
}

/// The same before it is described.
fn kind_of_placed(placed: &Correlated) -> Emit {
    match placed {
        Correlated::State(_) | Correlated::Owner(_) | Correlated::Listener(_) | Correlated::Hint(_) => Emit::STATE,
        Correlated::Segment(_) | Correlated::Icmp(_) => Emit::SEGMENT,
        Correlated::Handshake(_) => Emit::HANDSHAKE,
        Correlated::Close(_) => Emit::CLOSE,
        Correlated::Loss(_) => Emit::NONE,
    }
}
