//! Replay of a binary recording: its records pass the same stages as in a live trace.

use std::{cell::RefCell, collections::HashMap, io::Read, ops::ControlFlow, process::ExitCode, rc::Rc};

use anyhow::{Context as _, Result};
use log::{debug, warn};

use super::{
    Destination, Progress, Replay,
    ahead::{self, Batch, Source},
    event_filter, open_output,
};
use crate::{app::top::Session, cli::Options, pipeline::Pipeline};
use tcptrace_core::{
    correlate::NO_NAMESPACE,
    decode::{
        recording::Namespace,
        ttr::{Counters, Interface, Item, Reader, TtrError},
    },
    describe::Describer,
    event::Event,
};

/// Reads a binary recording to its end.
///
/// # Errors
/// When it cannot be read to its end; everything before the error is written first.
pub(super) fn replay<R: Read + Send + 'static>(
    mut reader: Reader<R>,
    name: String,
    options: &Options,
    session: Option<&mut Session>,
    progress: Progress,
    destination: Destination,
) -> Result<ExitCode> {
    // Read before the output is opened, which empties the file of `--write`.
    let first = reader.next().transpose().with_context(|| name.clone())?;
    let output = open_output(options, session.as_deref(), destination)?;
    let mut pipeline = Pipeline::recorded(NO_NAMESPACE, Describer::of_recording(), output);
    pipeline.limit(options.max_connections);
    let mut reading = Reading {
        replay: Replay::new(options, name, progress, pipeline, session)?,
        interfaces: Names::default(),
        namespaces: HashMap::new(),
        open: false,
        netns: NO_NAMESPACE,
        filter: String::new(),
        undecodable: 0,
    };
    let ahead = ahead::start(Items { first, reader })?;
    let mut outcome = Ok(());
    while let Some(Batch { mut items, state, dry, error }) = reading.replay.next(&ahead.batches)? {
        let enough = items.drain(..).try_for_each(|item| reading.take(item)).is_break();
        ahead.reuse(items);
        reading.replay.has_read(state.bytes, dry);
        if enough {
            break;
        }
        if let Some(error) = error {
            outcome = Err(error).with_context(|| reading.replay.name.clone());
        }
    }
    reading.end().finish(outcome)
}

/// The names of interfaces, by namespace (0 if unknown) and index.
type Names = Rc<RefCell<HashMap<(u32, u32), String>>>;

/// The state of reading a binary recording.
struct Reading<'a> {
    replay: Replay<'a>,
    interfaces: Names,
    /// The network namespaces whose interfaces are traced.
    namespaces: HashMap<u32, Namespace>,
    /// True if a run has begun and not ended.
    open: bool,
    /// Inode number of the recorded tracer's network namespace.
    netns: u32,
    /// The filter of the run, in words.
    filter: String,
    undecodable: u64,
}

impl<'a> Reading<'a> {
    /// Handles an item. Breaks when no more are wanted.
    fn take(&mut self, item: Item) -> ControlFlow<()> {
        let replay = &mut self.replay;
        let last = replay.last();
        let pipeline = &mut replay.pipeline;
        match item {
            Item::Start(start) if start.goes_on => replay.note(start.moment),
            Item::Start(start) => {
                if self.open {
                    pipeline.end(last);
                }
                self.interfaces = Names::default();
                self.namespaces.clear();
                let chosen = chosen(replay.options, Rc::clone(&self.interfaces));
                replay.begin_with(&start, |pipeline, netns, describer| {
                    pipeline.begin_again_unordered(netns, describer, chosen);
                });
                self.filter = start.filter;
                self.netns = start.netns.unwrap_or(NO_NAMESPACE);
                self.open = true;
            }
            Item::Setup(setup) => pipeline.across_namespaces = setup.across_namespaces,
            Item::Existing(existing) => replay.take_existing(existing, &self.filter),
            Item::Namespace(namespace) => {
                let Namespace { moment, netns, name, interfaces } = namespace.clone();
                // Repeated in every file of a rotation.
                if self
                    .namespaces
                    .insert(netns, namespace)
                    .is_none_or(|known| (&known.name, &known.interfaces) != (&name, &interfaces))
                {
                    pipeline.cover_netns(moment.at, netns, name, interfaces);
                }
            }
            Item::End(moment) => {
                pipeline.end(moment.at);
                self.open = false;
            }
            Item::Interface(interface) => {
                pipeline.name_recorded_interface(&interface, self.netns);
                let Interface { netns, index, name, .. } = interface;
                self.interfaces.borrow_mut().insert((netns.unwrap_or(0), index), name);
            }
            Item::Cgroup(key, cgroup) => pipeline.name_cgroup(key, cgroup),
            Item::Clock(moment) => replay.note(moment),
            Item::Time(at) => pipeline.handle_timeout(at),
            Item::Record(mut decoded) => {
                pipeline.prepare(&mut decoded);
                return replay.take_chosen(&decoded.event);
            }
            Item::Undecodable => self.undecodable += 1,
            Item::Total(at, source, total) => pipeline.count_losses(&[(source, total)], at),
            Item::LeftOut(at, count) => pipeline.replay_left_out(count, at),
            Item::LookedUp(event) => pipeline.learn(&event),
        }
        ControlFlow::Continue(())
    }

    /// Ends the last run, if it has no end of its own.
    fn end(self) -> Replay<'a> {
        let Self { mut replay, open, undecodable, .. } = self;
        if open {
            debug!("{}: no end record was read", replay.name);
            replay.pipeline.end(replay.last());
        }
        replay.progress.finish();
        if undecodable > 0 {
            warn!("{}: {undecodable} records cannot be decoded", replay.name);
        }
        replay.warn_about_interfaces();
        replay
    }
}

/// Returns a predicate for the events that the options choose, by the names of interfaces as they become known.
fn chosen(options: &Options, names: Names) -> impl Fn(&Event) -> bool + 'static {
    let options = options.clone();
    move |event| {
        let place = match event {
            Event::Segment(segment) => Some((segment.netns, segment.ifindex)),
            Event::Icmp(error) => Some((error.netns, error.ifindex)),
            Event::Drop(dropped) => dropped.ifindex.map(|index| (dropped.netns, index)),
            _ => None,
        };
        let names = names.borrow();
        let name =
            place.and_then(|(netns, index)| names.get(&(netns.unwrap_or(0), index)).or_else(|| names.get(&(0, index))));
        event_filter::is_chosen(event, name.map(String::as_str), false, &options)
    }
}

/// The items, decoded on another thread.
struct Items<R: Read> {
    /// The first one, which has already been read.
    first: Option<Item>,
    reader: Reader<R>,
}

impl<R: Read + Send + 'static> Source for Items<R> {
    type Item = Item;
    type State = Counters;
    type Error = TtrError;

    fn next(&mut self) -> Option<Result<Item, TtrError>> {
        self.first.take().map(Ok).or_else(|| self.reader.next())
    }

    fn is_dry(&self) -> bool {
        self.reader.is_dry()
    }

    fn state(&mut self) -> Counters {
        self.reader.counters()
    }
}
