//! Merging of the captures and recordings of several hosts. Each is read on a thread of its own, as if it were the only one,
//! and its finished connections are joined here.

use std::{
    fs::File,
    num::NonZeroUsize,
    path::PathBuf,
    process::ExitCode,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread, vec,
};

use anyhow::{Context as _, Result, anyhow, bail};
use log::warn;

use super::{Destination, FLUSH_TIMEOUT, PATIENT_FLUSH_TIMEOUT, Source, halves, read, reading::Reading};
use crate::{
    app::stdout_format,
    cli::Options,
    output::Output,
    privileges::{Duty, reduce, reduce_to_opening},
};
use tcptrace_core::{
    SCHEMA,
    filter::{Emit, SegmentChoice},
    join::{Joiner, RecordedHost, Room, View},
    output_record::{EndOutput, LostOutput, OutputRecord, Stamp, StartOutput},
};

/// Maximum number of batches by which a thread is ahead of the joiner.
const AHEAD: usize = 4;

/// How many connections wait for the views of other files. Their events take some half a gigabyte at most with the records of
/// segments, and a fifth of that without.
const ROOM: Room =
    Room { connections: NonZeroUsize::new(1 << 16).unwrap(), events: NonZeroUsize::new(1 << 20).unwrap() };

/// A message from a thread that reads a file.
#[derive(Debug)]
pub(super) enum Message {
    /// Its first record.
    Begun(Box<StartOutput>),
    /// A connection is over.
    View(Box<View>),
    /// A connection is over that has events without times.
    Untimed,
    /// Events are missing.
    Lost(LostOutput),
    /// A run in the file is over.
    Ended(EndOutput),
    /// The file has ended, or cannot be read any further.
    Over(Result<()>),
}

/// A file that is being read.
struct Input {
    name: String,
    batches: Receiver<Vec<Message>>,
    /// The messages of the last batch that have not been handled.
    messages: vec::IntoIter<Message>,
    over: bool,
}

impl Input {
    /// Returns the next message, waiting for it; `None` if none follows.
    fn next(&mut self) -> Option<Message> {
        loop {
            if let Some(message) = self.messages.next() {
                return Some(message);
            }
            self.messages = self.batches.recv().ok()?.into_iter();
        }
    }
}

/// Reads the files to their ends.
///
/// # Errors
/// When one cannot be read, or not to its end; when two are parts of one run, or of one capture; and when no connection is in
/// more than one.
pub(in crate::app) fn merge(paths: &[PathBuf], options: &Options) -> Result<ExitCode> {
    let emitted = stdout_format::needs(options);
    let nothing = File::options().write(true).open("/dev/null").context("cannot open /dev/null")?;
    reduce_to_opening()?;
    let sources = paths.iter().map(|path| Source::open(path)).collect::<Result<Vec<_>>>()?;
    // The files may come from anybody, so rights are dropped before they are parsed.
    reduce(Duty::Replay);
    halves::check(&sources)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let _context = runtime.enter();
    let mut inputs = Vec::new();
    for source in sources {
        let name = source.name.clone();
        let (sender, batches) = sync_channel(AHEAD);
        let nothing = nothing.try_clone().context("cannot open /dev/null again")?;
        let options = of_one_file(options);
        thread::Builder::new()
            .name("read".to_owned())
            .spawn(move || run(source, nothing, &options, emitted, &sender))
            .context("cannot start a thread for reading; raise the limit on processes (ulimit -u)")?;
        inputs.push(Input { name, batches, messages: Vec::new().into_iter(), over: false });
    }
    let starts = inputs.iter_mut().map(first).collect::<Result<Vec<_>>>()?;
    check_runs(&inputs, &starts)?;
    let mut merging = Merging::new(
        &inputs,
        &starts,
        stdout_format::open(options, None)?.patient().rendered_apart()?,
        emitted,
        options,
    );
    let outcome = merging.read_all(&mut inputs);
    merging.finish(&inputs, outcome)
}

/// Returns the options for one of the files: records are selected only after they have been joined.
fn of_one_file(options: &Options) -> Options {
    let mut options = options.clone();
    options.only = None;
    options.filter.who = Default::default();
    options.summarizes_files = false;
    options
}

/// Reads a file, on its thread. If the receiver has gone, the process is about to end.
fn run(source: Source, nothing: File, options: &Options, emitted: Emit, sender: &SyncSender<Vec<Message>>) {
    let outcome = (|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let _context = runtime.enter();
        let output = Output::collecting(nothing.into(), Box::new(Reading::new(emitted, sender.clone())))?;
        read(source, options, None, Destination::Merged(Box::new(output.patient()))).map(|_| ())
    })();
    let _gone = sender.send(vec![Message::Over(outcome)]);
}

/// Returns the first record of a file.
fn first(input: &mut Input) -> Result<StartOutput> {
    match input.next() {
        Some(Message::Begun(start)) if start.stamp.time.is_known() => Ok(*start),
        Some(Message::Begun(_)) => Err(untimed(&input.name)),
        Some(Message::Over(Err(error))) => Err(error),
        _ => Err(anyhow!("{}: it holds no events", input.name)),
    }
}

/// Returns the error of a file whose clock cannot be compared with another one.
fn untimed(name: &str) -> anyhow::Error {
    anyhow!("{name}: it has frames without times, by which no other file can be merged with it: read it alone")
}

/// Checks that no two files are parts of one run, or the same file.
fn check_runs(inputs: &[Input], starts: &[StartOutput]) -> Result<()> {
    let same = |one: &StartOutput, other: &StartOutput| {
        let by_time = one.began_ns.is_some() && (&one.hostname, one.began_ns) == (&other.hostname, other.began_ns);
        (one.run.is_some() && one.run == other.run) || (by_time && one.netns == other.netns)
    };
    for (index, (one, start)) in inputs.iter().zip(starts).enumerate() {
        for (other, other_start) in inputs.iter().zip(starts).skip(index + 1) {
            if same(start, other_start) {
                bail!(
                    "{} and {} come from one run of tcptrace: join them with `cat`, the older first, and read the result",
                    one.name,
                    other.name
                );
            }
        }
    }
    Ok(())
}

/// The state of merging.
struct Merging {
    joiner: Joiner,
    output: Output,
    events: u64,
    lost: u64,
    open: u64,
    evicted: u64,
    last: Option<Stamp>,
}

impl Merging {
    fn new(inputs: &[Input], starts: &[StartOutput], mut output: Output, emitted: Emit, options: &Options) -> Self {
        let alone = |host: &str| starts.iter().filter(|start| start.hostname == host).count() == 1;
        let recorded = |(input, start): (&Input, &StartOutput)| {
            // A capture does not name its host.
            let known = start.kernel.is_some() && alone(&start.hostname);
            RecordedHost {
                host: if known { start.hostname.as_str() } else { &input.name }.into(),
                began: start.stamp.time,
                all_segments: start.segments == SegmentChoice::All,
            }
        };
        let recorded: Vec<RecordedHost> = inputs.iter().zip(starts).map(recorded).collect();
        let hosts: Vec<&str> = recorded.iter().map(|recorded| &*recorded.host).collect();
        let first = without_boot(starts.iter().map(|start| start.stamp).min_by_key(|stamp| stamp.time));
        let start = first.map(|stamp| StartOutput {
            stamp,
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION"),
            hostname: hosts.join(", "),
            kernel: None,
            netns: None,
            interfaces: inputs.iter().map(|input| input.name.clone()).collect(),
            segments: options.segments.into(),
            states_of: None,
            filter: options.filter.to_string(),
            began_ns: None,
            run: None,
        });
        if let Some(start) = start {
            let _patient = output.write(OutputRecord::Start(start));
        }
        let joiner = Joiner::new(recorded, emitted, ROOM);
        Self { joiner, output, events: 0, lost: 0, open: 0, evicted: 0, last: first }
    }

    /// Reads all files to their ends, or until the output has no reader. Returns the first error.
    fn read_all(&mut self, inputs: &mut [Input]) -> Result<()> {
        let mut outcome = Ok(());
        loop {
            // Reading where the fewest connections wait for the other files keeps few of them in memory.
            let open = inputs.iter_mut().enumerate().filter(|(_, input)| !input.over);
            let Some((file, input)) = open.min_by_key(|(file, _)| self.joiner.waiting(*file)) else { return outcome };
            match input.next() {
                Some(Message::Untimed) => return Err(untimed(&input.name)),
                Some(Message::View(view)) => {
                    let Self { joiner, output, .. } = self;
                    joiner.take(file, view, &mut |record| _ = output.write(record));
                }
                Some(Message::Lost(lost)) => _ = self.output.write(OutputRecord::Lost(lost)),
                Some(Message::Ended(end)) => {
                    self.events += end.events;
                    self.lost = self.lost.saturating_add(end.lost);
                    self.open += end.open;
                    self.evicted += end.evicted;
                    self.last = self.last.into_iter().chain([end.stamp]).max_by_key(|stamp| stamp.time);
                }
                Some(Message::Over(ended)) => {
                    input.over = true;
                    outcome = outcome.and(ended);
                }
                // The next run of a recording.
                Some(Message::Begun(_)) => self.joiner.begin_run(file),
                None => input.over = true,
            }
            if self.output.is_over() {
                return outcome;
            }
        }
    }

    /// Writes the rest, and returns the exit status.
    fn finish(mut self, inputs: &[Input], outcome: Result<()>) -> Result<ExitCode> {
        let Self { joiner, output, .. } = &mut self;
        joiner.finish(&mut |record| _ = output.write(record));
        let (connections, joined) = self.joiner.counts();
        let Self { events, lost, open, evicted, .. } = self;
        if let Some(stamp) = without_boot(self.last) {
            let end = EndOutput { stamp, connections, open, evicted, events, lost, left_out: None };
            let _patient = self.output.write(OutputRecord::End(end));
        }
        let timeout = if outcome.is_ok() { PATIENT_FLUSH_TIMEOUT } else { FLUSH_TIMEOUT };
        let complete = self.output.finish(timeout);
        if self.joiner.given_up() > 0 {
            warn!(
                "{} connections were shown without waiting for the other files, as more than {}, or more than {} of their \
                 events, waited: their parts are shown apart",
                self.joiner.given_up(),
                ROOM.connections,
                ROOM.events
            );
        }
        outcome?;
        // Without a reader of the output, the files are not read to their ends.
        if joined == 0 && inputs.iter().all(|input| input.over) {
            let several = if inputs.len() == 2 { "both" } else { "two of them" };
            let names: Vec<&str> = inputs.iter().map(|input| input.name.as_str()).collect();
            bail!("{}: no connection is in {several}: is one of them from another time?", names.join(", "));
        }
        Ok(if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Returns the wall-clock time only: hosts boot at different times.
fn without_boot(stamp: Option<Stamp>) -> Option<Stamp> {
    stamp.map(|mut stamp| {
        stamp.boot_ns = None;
        stamp
    })
}
