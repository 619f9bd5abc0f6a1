//! The binary recording of `--write FILE.ttr`: the input of the pipeline, in its order.
//!
//! Little work is done per record, and nothing waits: blocks are compressed and written by the thread of the sink.

mod compression;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;

pub use self::compression::zstd;
use crate::sink::{Held, Offer, Reopen, Reopening, Sink};
use tcptrace_core::{
    decode::ttr::{Entry, Interface, Setup, Writer},
    describe::Describer,
    event::{BootTime, Cgroup, CgroupKey, LossCounts, LossSource},
    output_record::{OutputRecord, StartOutput},
    render::{Json, Render as _},
    wall_clock::WallClock,
};

/// Bytes of entries after which a block is ended.
const BLOCK: usize = 256 << 10;

/// Time after which a block is ended, whatever its size. Together with the time until the sink makes it survive a crash of
/// the host, this is a second.
const MAX_AGE: Duration = Duration::from_millis(400);

/// Writes a binary recording.
#[derive(Debug)]
pub struct Recorder {
    writer: Writer,
    /// Destination of the blocks.
    pub sink: Sink,
    setup: Setup,
    start: Option<StartOutput>,
    interfaces: BTreeMap<(u32, u32), Interface>,
    /// Control groups that this file names.
    cgroups: HashSet<CgroupKey>,
    /// The last comparison of the clocks in the file.
    clock: Option<(BootTime, i64)>,
    /// The kernel's counts of lost records, according to the file.
    totals: LossCounts,
    /// Time at which the block got its first entry.
    since: Option<BootTime>,
    /// True if records have come since the last [`Entry::Time`].
    time_passes: bool,
    /// Number of records left out that no block reports yet, and of those that the current block reports.
    unreported: u64,
    reporting: u64,
}

impl Recorder {
    /// Creates a recorder to a sink that makes blocks. `mask` is a random number.
    pub fn new(sink: Sink, mask: u64) -> Self {
        Self {
            writer: Writer::new(mask),
            sink,
            setup: Setup::default(),
            start: None,
            interfaces: BTreeMap::new(),
            cgroups: HashSet::new(),
            clock: None,
            totals: LossCounts::default(),
            since: None,
            time_passes: false,
            unreported: 0,
            reporting: 0,
        }
    }

    /// Begins the recording, before any record.
    pub fn begin(&mut self, start: StartOutput, setup: Setup, describer: &Describer, now: BootTime) {
        (self.start, self.setup) = (Some(start), setup);
        self.introduce(describer, now);
        self.end_introduction();
    }

    /// Writes a record of the ring.
    pub fn record(&mut self, record: &[u8], at: BootTime) {
        if self.writer.record(record) {
            self.since.get_or_insert(at);
            self.time_passes = true;
        }
    }

    /// Writes an entry.
    pub fn entry(&mut self, entry: &Entry, at: BootTime) {
        self.writer.entry(entry);
        self.since.get_or_insert(at);
    }

    /// Writes a record as a line of JSON.
    pub fn line(&mut self, record: &OutputRecord, at: BootTime) {
        let mut line = Vec::new();
        Json.render(record, &mut line);
        self.entry(&Entry::Line(line), at);
    }

    /// Names an interface, and says whether it is a bridge whose ports are watched.
    pub fn interface(&mut self, interface: Interface, now: BootTime) {
        let place = (interface.netns.unwrap_or(0), interface.index);
        if self.start.is_some() && self.interfaces.get(&place) != Some(&interface) {
            self.entry(&Entry::Interface(interface.clone()), now);
        }
        self.interfaces.insert(place, interface);
    }

    /// Forgets a removed interface, which later files do not name.
    pub fn forget_interface(&mut self, netns: Option<u32>, index: u32) {
        self.interfaces.remove(&(netns.unwrap_or(0), index));
    }

    /// Returns true if this file names the control group.
    pub fn knows_cgroup(&self, key: CgroupKey) -> bool {
        self.cgroups.contains(&key)
    }

    /// Names a control group.
    pub fn cgroup(&mut self, key: CgroupKey, cgroup: &Arc<Cgroup>, at: BootTime) {
        self.entry(&Entry::Cgroup(key, Arc::clone(cgroup)), at);
        if self.cgroups.len() >= MAX_CGROUPS {
            self.cgroups.clear();
        }
        self.cgroups.insert(key);
    }

    /// Notes the kernel's count of lost records.
    pub fn total(&mut self, source: LossSource, total: u64, at: BootTime) {
        let last = std::mem::replace(self.totals.of_mut(source), total);
        if total != last {
            self.entry(&Entry::Total(at, source, total), at);
        }
    }

    /// Notes that no later record is older than `at`.
    pub fn time(&mut self, at: BootTime) {
        if std::mem::take(&mut self.time_passes) {
            self.entry(&Entry::Time(at), at);
        }
    }

    /// Notes the offset between the clocks, if it has changed.
    pub fn compare(&mut self, clock: &WallClock, now: BootTime) {
        if let Some(latest) = clock.latest()
            && self.clock != Some(latest)
        {
            self.clock = Some(latest);
            self.entry(&Entry::Clock(latest.0, latest.1), now);
        }
    }

    /// Returns the time by which [`Self::flush`] has something to do; `None` if nothing waits.
    pub fn due(&self) -> Option<BootTime> {
        self.since.map(|since| since + MAX_AGE)
    }

    /// Returns true if the block is large enough to be ended.
    pub fn is_full(&self) -> bool {
        self.writer.len() >= BLOCK || self.writer.is_full()
    }

    /// Ends the block if it is large or old enough. Returns the number of records left out.
    pub fn flush(&mut self, describer: &Describer, now: BootTime) -> u64 {
        let lost = self.sink.take_lost();
        self.unreported += lost.records + lost.reported.sum();
        let due = self.due().is_some_and(|due| due <= now);
        let dropped = if self.is_full() || due { self.end_block() } else { 0 };
        if self.unreported > 0 {
            // The names and counts in the records left out are missing, too.
            if let Some(start) = &mut self.start {
                start.stamp = describer.stamp(now);
            }
            self.introduce(describer, now);
            self.entry(&Entry::LeftOut(now, self.unreported), now);
            for (source, total) in self.totals.present() {
                self.entry(&Entry::Total(now, source, total), now);
            }
            self.reporting += std::mem::take(&mut self.unreported);
        }
        lost.records + dropped
    }

    /// Hands the block to the sink, if it is not empty. Returns the number of records left out.
    pub fn end_block(&mut self) -> u64 {
        self.since = None;
        if self.writer.is_empty() {
            return 0;
        }
        let records = self.writer.records();
        let reporting = std::mem::take(&mut self.reporting);
        let spare = self.sink.input.spare().unwrap_or_default();
        let content = Bytes::from(self.writer.take(spare));
        match self
            .sink
            .input
            .try_write(content, Held { records, reported: LossCounts::of(LossSource::Output, reporting) })
        {
            Offer::Full => {
                self.unreported += records + reporting;
                records
            }
            Offer::Accepted | Offer::Ended => 0,
        }
    }

    /// Begins another file, which can be read on its own. Returns the number of records left out.
    pub fn reopen(
        &mut self,
        how: Reopen,
        start: StartOutput,
        describer: &Describer,
        now: BootTime,
    ) -> (u64, Reopening) {
        let dropped = self.end_block();
        let reopening = self.sink.reopen(how);
        self.start = Some(start);
        self.introduce(describer, now);
        self.end_introduction();
        (dropped, reopening)
    }

    /// Hands on the first block of a file separately: a file that is cut off in the next one still identifies its run.
    fn end_introduction(&mut self) {
        let _has_no_records = self.end_block();
    }

    /// Writes the facts that a reader needs before any record.
    fn introduce(&mut self, describer: &Describer, now: BootTime) {
        self.clock = None;
        self.cgroups.clear();
        if let Some(start) = self.start.clone() {
            self.line(&OutputRecord::Start(start), now);
        }
        self.entry(&Entry::Setup(self.setup.clone()), now);
        self.compare(&describer.clock, now);
        for interface in self.interfaces.values().cloned().collect::<Vec<_>>() {
            self.entry(&Entry::Interface(interface), now);
        }
        for namespace in describer.covered_namespaces(now) {
            self.line(&namespace, now);
        }
    }
}

/// Maximum number of control groups remembered as named.
const MAX_CGROUPS: usize = 1 << 16;
