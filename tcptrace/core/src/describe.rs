//! Conversion of correlated events to output records: wall-clock times, interface names, and ICMP meanings.

mod namespaces;
mod observations;
mod verdicts;

use std::{num::NonZeroU16, sync::Arc};

use foldhash::HashMap;

use self::namespaces::Namespaces;
use crate::{
    correlate::Correlated,
    event::BootTime,
    output_record::{EvictedOutput, NamespaceOutput, Origin, OutputRecord, Stamp},
    text::WallTime,
    wall_clock::WallClock,
};

/// Converts events to output records: it knows the clocks and the names of interfaces.
#[derive(Debug, Default)]
pub struct Describer {
    /// Source of wall-clock times.
    pub clock: WallClock,
    /// True if the events come from a capture: their times are wall-clock times already.
    capture: bool,
    /// True if the times of the events were not recorded.
    untimed: bool,
    /// Names by network namespace (0 if unknown) and index.
    interfaces: HashMap<(u32, u32), Arc<str>>,
    namespaces: Namespaces,
    /// Host and run of the events.
    origin: Origin,
    /// Layers of each encapsulation, outermost first; number 1 is the first.
    encapsulations: Vec<Arc<[String]>>,
}

impl Describer {
    /// Creates a describer for live events; `clock` knows the offsets between the host's clocks.
    pub fn live(clock: WallClock) -> Self {
        Self { clock, ..Self::default() }
    }

    /// Creates a describer for events from a capture, whose times are nanoseconds since 1970.
    pub fn of_capture() -> Self {
        Self { capture: true, ..Self::default() }
    }

    /// Creates a describer for recorded events, whose wall-clock times must be given by [`WallClock::note`].
    pub fn of_recording() -> Self {
        Self::default()
    }

    /// Sets or changes the name of an interface.
    pub fn name_interface(&mut self, netns: Option<u32>, index: u32, name: &str) {
        self.interfaces.insert((netns.unwrap_or_default(), index), name.into());
    }

    /// Forgets the name of an interface, of which no more events come.
    pub fn forget_interface(&mut self, netns: Option<u32>, index: u32) {
        self.interfaces.remove(&(netns.unwrap_or_default(), index));
    }

    /// Declares that the times of the following events were not recorded: their records have none.
    pub fn lose_times(&mut self) {
        self.untimed = true;
    }

    /// Sets the host and the run from which the events come.
    pub fn set_origin(&mut self, origin: Origin) {
        self.origin = origin;
    }

    /// Notes that the interfaces of a network namespace are traced from now on, and returns the record of that. `name` is
    /// the name of the namespace in verdicts, if it has one.
    pub fn cover_namespace(
        &mut self,
        at: BootTime,
        netns: u32,
        name: Option<Arc<str>>,
        interfaces: Vec<String>,
    ) -> OutputRecord {
        self.namespaces.cover(at, netns, name.clone(), interfaces.clone());
        OutputRecord::Namespace(NamespaceOutput { stamp: self.stamp(at), netns, netns_name: name, interfaces })
    }

    /// Returns the records of the namespaces traced as of `at`: another file must contain them, too.
    pub fn covered_namespaces(&self, at: BootTime) -> impl Iterator<Item = OutputRecord> {
        let stamp = self.stamp(at);
        let record = move |(netns, netns_name, interfaces)| NamespaceOutput { stamp, netns, netns_name, interfaces };
        self.namespaces.covered().map(record).map(OutputRecord::Namespace)
    }

    /// Notes that a network namespace is gone: its inode number may become that of another one.
    pub fn forget_namespace(&mut self, at: BootTime, netns: u32) {
        self.namespaces.forget(at, netns);
    }

    /// Names the encapsulations that are new in `all`, which holds those of a decoder in the order of their numbers; `layers`
    /// returns the layers of one in words, outermost first.
    pub fn name_encapsulations<E>(&mut self, all: &[E], layers: impl Fn(&E) -> Vec<String>) {
        for new in all.iter().skip(self.encapsulations.len()) {
            self.encapsulations.push(layers(new).into());
        }
    }

    /// Returns the stamp of a time.
    pub fn stamp(&self, at: BootTime) -> Stamp {
        if self.untimed {
            return Stamp { time: WallTime::UNKNOWN, boot_ns: None };
        }
        if self.capture {
            return Stamp { time: WallTime(i64::try_from(at.0).unwrap_or(i64::MAX)), boot_ns: None };
        }
        Stamp { time: self.clock.wall(at), boot_ns: Some(at.0) }
    }

    /// Converts an event or verdict to its output record.
    pub fn entry(&mut self, placed: Correlated) -> OutputRecord {
        match placed {
            Correlated::State(placed) => OutputRecord::State(self.state(&placed)),
            Correlated::Segment(placed) => OutputRecord::Segment(self.segment(&placed)),
            Correlated::Icmp(placed) => OutputRecord::Icmp(self.icmp(&placed)),
            Correlated::Owner(placed) => OutputRecord::Owner(self.owner(&placed)),
            Correlated::Listener(owner) => OutputRecord::Owner(self.listener(&owner)),
            Correlated::Hint(placed) => OutputRecord::Hint(self.hint(&placed)),
            Correlated::Drop(placed) => OutputRecord::Drop(self.dropped(&placed)),
            Correlated::Loss(loss) => OutputRecord::Lost(self.lost(&loss, None)),
            Correlated::StateGap(loss, conn) => OutputRecord::Lost(self.lost(&loss, Some(conn))),
            Correlated::Handshake(record) => OutputRecord::Handshake(self.handshake(record)),
            Correlated::Close(record) => OutputRecord::Close(self.close(record)),
            Correlated::Stalled(record) => OutputRecord::Stalled(self.stalled(record)),
            Correlated::Report(placed) => OutputRecord::Report(self.report(&placed)),
            Correlated::Evicted(evicted) => {
                OutputRecord::Evicted(EvictedOutput { stamp: self.stamp(evicted.at), conn: evicted.conn })
            }
        }
    }

    /// Returns the layers of an encapsulation by its number.
    fn encapsulation(&self, number: Option<NonZeroU16>) -> Option<Arc<[String]>> {
        self.encapsulations.get(usize::from(number?.get()) - 1).cloned()
    }

    /// Returns the name of an interface, or its number if the name is not known.
    fn interface(&mut self, netns: Option<u32>, index: u32) -> Arc<str> {
        let place = (netns.unwrap_or_default(), index);
        if let Some(name) = self.interfaces.get(&place).or_else(|| self.interfaces.get(&(0, index))) {
            return Arc::clone(name);
        }
        let name: Arc<str> = format!("if{index}").into();
        self.interfaces.insert(place, Arc::clone(&name));
        name
    }
}
