//! Ring → decode → correlate → describe → output: takes each record through all stages, on one thread.

mod recording;

use std::{collections::HashSet, num::NonZeroU32, sync::Arc};

use log::error;

use crate::{
    cgroups::{CgroupNames, Containers},
    command::Sockets,
    host_clock,
    output::{GivenUp, Output},
    procfs::kernel_threads::KernelThreads,
    recorder::Recorder,
};
use tcptrace_core::{
    correlate::{Correlated, Correlator, Totals, Unanswered, Unowned},
    decode::{
        ring::{self, Decoded, doubles::Doubles},
        ttr::{Entry, Interface, Setup},
    },
    describe::Describer,
    event::{
        BootTime, Cgroup, CgroupKey, Direction, Event, Existing, ExistingSocket, Hint, HintName, KernelReasons, Loss,
        LossSource,
    },
    filter::SegmentChoice,
    loss_ledger::LossLedger,
    output_record::{EndOutput, ExistingOutput, Origin, OutputRecord, StartOutput},
    tcp::TcpState,
};

/// All stages between the ring and the sinks.
#[derive(Debug)]
pub struct Pipeline {
    /// Turns what the correlator emits into output records, with names and times.
    pub describer: Describer,
    /// The destinations of output records.
    pub output: Output,
    /// Names of the numbers that this kernel gives as reasons.
    pub reasons: KernelReasons,
    correlator: Correlator,
    max_connections: NonZeroU32,
    ledger: LossLedger,
    /// Recognizes kernel threads where the kernel programs cannot.
    kernel_threads: Option<KernelThreads>,
    /// The sockets of the command, if one is traced.
    pub command: Option<Sockets>,
    /// stdout gets only segments that open or close connections. Not needed live, where the kernel programs select them. The
    /// file of `--write` gets all segments, since verdicts may depend on them.
    control_only: bool,
    /// A socket has begun to listen since this was last cleared.
    pub listened: bool,
    /// The segments of several network namespaces are seen. Where they are not, a segment that comes in by a veth pair belongs
    /// to the connection that is seen from here, whatever socket of another namespace has sent it.
    pub across_namespaces: bool,
    /// Finds the paths of control groups, live.
    pub cgroups: Option<CgroupNames>,
    /// A network namespace has shown that is not in `namespaces`, since this was last cleared.
    pub strange_netns: bool,
    /// The network namespaces that have shown.
    namespaces: HashSet<u32>,
    doubles: Doubles,
    events: u64,
    undecodable: bool,
    /// Somebody needs what the correlator finds out. Otherwise records are recorded and nothing else.
    correlates: bool,
}

impl Pipeline {
    /// A pipeline for live events. `netns` is the inode number of the network namespace whose segments are seen.
    pub fn new(netns: u32, describer: Describer, output: Output, kernel_threads: Option<KernelThreads>) -> Self {
        Self::with(Correlator::new(netns), describer, output, kernel_threads)
    }

    /// A pipeline for the frames of a capture, which holds every segment.
    pub fn of_capture(netns: u32, describer: Describer, output: Output) -> Self {
        let mut pipeline = Self::with(Correlator::new(netns), describer, output, None);
        pipeline.expect_all_segments();
        pipeline.expect_pauses();
        pipeline
    }

    /// A pipeline for recorded events, which have been through a live one before.
    pub fn recorded(netns: u32, describer: Describer, output: Output) -> Self {
        Self::with(Correlator::recorded(netns), describer, output, None)
    }

    /// Forgets all connections and counts: the next run of a recording begins.
    pub fn begin_again(&mut self, netns: u32, describer: Describer) {
        self.begin_again_with(Correlator::recorded(netns), describer);
    }

    /// As [`Self::begin_again`], for the next run of a binary recording, whose events have not been through a correlator.
    /// Only events of which `is_chosen` is true are shown.
    pub fn begin_again_unordered(
        &mut self,
        netns: u32,
        describer: Describer,
        is_chosen: impl Fn(&Event) -> bool + 'static,
    ) {
        let mut correlator = Correlator::new(netns);
        correlator.expect_output_losses();
        correlator.choose(is_chosen);
        self.begin_again_with(correlator, describer);
    }

    fn begin_again_with(&mut self, correlator: Correlator, describer: Describer) {
        self.describer = describer;
        self.correlator = correlator;
        self.correlator.limit(self.max_connections);
        self.ledger = LossLedger::default();
        self.events = 0;
    }

    fn with(
        correlator: Correlator,
        describer: Describer,
        output: Output,
        kernel_threads: Option<KernelThreads>,
    ) -> Self {
        Self {
            describer,
            output,
            reasons: KernelReasons::default(),
            correlator,
            max_connections: NonZeroU32::MAX,
            ledger: LossLedger::default(),
            kernel_threads,
            command: None,
            control_only: false,
            listened: false,
            across_namespaces: false,
            cgroups: None,
            strange_netns: false,
            namespaces: HashSet::default(),
            doubles: Doubles::default(),
            events: 0,
            undecodable: false,
            correlates: true,
        }
    }

    /// Sets whether only segments that open or close connections are shown, of all that come. Then a verdict says nothing that
    /// the others alone tell, so that a recording of what is shown leads to the same one.
    pub fn show_control_only(&mut self, only: bool) {
        self.control_only = only;
        self.correlator.hide_data(only);
    }

    /// Tells the correlator that every segment comes, and not only those that open and close connections.
    pub fn expect_all_segments(&mut self) {
        self.correlator.expect_all_segments();
    }

    /// Names an interface. `netns` is the inode number of its namespace; `tells_netns` says that events tell theirs. `bridge`
    /// says that it is a bridge whose ports are watched.
    pub fn name_interface(&mut self, netns: u32, tells_netns: bool, index: u32, name: &str, bridge: bool) {
        self.describer.name_interface(tells_netns.then_some(netns), index, name);
        self.correlator.set_bridge(netns, index, bridge);
        if let Some(recorder) = &mut self.output.recorder {
            let netns = tells_netns.then_some(netns);
            let interface = Interface { netns, index, bridge: Some(bridge), name: name.to_owned() };
            recorder.interface(interface, host_clock::now());
        }
    }

    /// Names an interface as a binary recording does; `own` is the recorded tracer's namespace.
    pub fn name_recorded_interface(&mut self, interface: &Interface, own: u32) {
        let Interface { netns, index, bridge, name } = interface;
        self.describer.name_interface(*netns, *index, name);
        if let Some(bridge) = bridge {
            self.correlator.set_bridge(netns.unwrap_or(own), *index, *bridge);
        }
    }

    /// Compares the host's clocks again.
    pub fn compare_clocks(&mut self) {
        host_clock::compare(&mut self.describer.clock);
        if let Some(recorder) = &mut self.output.recorder {
            recorder.compare(&self.describer.clock, host_clock::now());
        }
    }

    /// Tells the correlator that every segment is seen in one place.
    pub fn expect_one_place(&mut self) {
        self.correlator.expect_one_place();
    }

    /// Tells the correlator that the events are those of a capture.
    pub fn expect_pauses(&mut self) {
        self.correlator.expect_pauses();
    }

    /// Declares that nobody recorded when the following events happened.
    pub fn lose_times(&mut self) {
        self.correlator.lose_times();
        self.describer.lose_times();
    }

    /// Tells the correlator that no segment comes.
    pub fn expect_no_segments(&mut self) {
        self.correlator.expect_no_segments();
    }

    /// Names a control group of a recording, before the first event that has its key.
    pub fn name_cgroup(&mut self, key: CgroupKey, cgroup: Arc<Cgroup>) {
        self.correlator.name_cgroup(key, cgroup);
    }

    /// A network namespace is gone: its inode number may become another's.
    pub fn forget_netns(&mut self, netns: u32) {
        self.namespaces.remove(&netns);
        self.describer.forget_namespace(netns);
    }

    /// Notes that these interfaces of a network namespace are traced from `at` on, and the name of that, if it has one.
    pub fn cover_netns(&mut self, at: BootTime, netns: u32, name: Option<Arc<str>>, interfaces: Vec<String>) {
        let record = self.describer.cover_namespace(at, netns, name, interfaces);
        if let Some(recorder) = &mut self.output.recorder {
            recorder.line(&record, host_clock::now());
        }
        self.write(&record);
    }

    /// Sets the largest number of connections to remember.
    pub fn limit(&mut self, most: NonZeroU32) {
        self.max_connections = most;
        self.correlator.limit(most);
    }

    /// Handles a record from the ring. A record that cannot be decoded is counted and otherwise ignored; the first one is
    /// logged.
    pub fn take(&mut self, bytes: &[u8]) {
        if self.doubles.is_double(bytes) {
            return;
        }
        self.events += 1;
        if self.output.recorder.is_some() {
            self.record(bytes);
        }
        if !self.correlates {
            return;
        }
        let mut decoded = match ring::decode(bytes, &self.reasons) {
            Ok(decoded) => decoded,
            Err(error) => {
                if !self.undecodable {
                    error!("{error}: the kernel programs are not those of this build");
                    self.undecodable = true;
                }
                return;
            }
        };
        if let Event::State(change) = &mut decoded.event {
            self.listened |= change.new == TcpState::Listen;
            self.strange_netns |= change.netns.is_some_and(|netns| self.namespaces.insert(netns));
            if let Some(threads) = &mut self.kernel_threads {
                change.task = change.task.filter(|task| !threads.contains(task));
            }
            if let Some(sockets) = &mut self.command {
                sockets.note(bytes, change);
            }
            // With a binary recording that has been done.
            if let Some(key) = change.cgroup
                && self.output.recorder.is_none()
                && !self.correlator.knows_cgroup(key)
            {
                self.find_cgroup(key, change.at);
            }
        }
        self.prepare(&mut decoded);
        self.handle(&decoded.event);
    }

    /// Removes from a decoded record what does not hold here, and handles the loss that it shows.
    pub fn prepare(&mut self, decoded: &mut Decoded) {
        if let Event::Segment(segment) = &mut decoded.event
            && !self.across_namespaces
            && segment.direction == Some(Direction::In)
        {
            segment.socket = None;
        }
        if let Some(loss) = self.ledger.carried(decoded.source, decoded.lost, decoded.event.at()) {
            self.handle(&Event::Loss(loss));
        }
    }

    /// Tells which sockets were there when tracing began, each with the ID of its control group; nothing if there were none.
    pub fn tell_existing(&mut self, sockets: impl Iterator<Item = (ExistingSocket, Option<u64>)>, at: BootTime) {
        let mut containers = Containers::new(self.cgroups.as_mut());
        let named = sockets
            .map(|(socket, cgroup)| ExistingSocket { container: cgroup.and_then(|id| containers.of(id)), ..socket });
        let existing = Existing::of(at, named);
        self.replay_existing(existing);
    }

    /// Writes the record of sockets that were there when tracing began, if there were any.
    pub fn replay_existing(&mut self, existing: Existing) {
        if existing.sockets > 0 {
            let stamp = self.describer.stamp(existing.at);
            let record = OutputRecord::Existing(ExistingOutput::new(stamp, existing));
            if let Some(recorder) = &mut self.output.recorder {
                recorder.line(&record, host_clock::now());
            }
            self.write(&record);
        }
    }

    /// Handles an event that did not come through the ring.
    pub fn learn(&mut self, event: &Event) {
        if let Some(recorder) = &mut self.output.recorder {
            recorder.entry(&Entry::LookedUp(*event), host_clock::now());
        }
        self.handle(event);
    }

    /// Enables [`Self::poll_unowned`] and [`Self::poll_unanswered`], which from now on have to be polled.
    pub fn want_owners(&mut self) {
        self.correlator.want_owners();
    }

    /// The next accepted connection whose owner should be looked up.
    pub fn poll_unowned(&mut self, now: BootTime) -> Option<Unowned> {
        self.correlator.poll_unowned(now)
    }

    /// The next connection whose SYN was retransmitted and whose listener should be looked up.
    pub fn poll_unanswered(&mut self) -> Option<Unanswered> {
        self.correlator.poll_unanswered()
    }

    /// Reports records lost since the last call. `totals` are the kernel's counts of lost records since the start.
    pub fn count_losses(&mut self, totals: &[(LossSource, u64)], now: BootTime) {
        for &(source, total) in totals {
            if let Some(recorder) = &mut self.output.recorder {
                recorder.total(source, total, now);
            }
            if let Some(loss) = self.ledger.counted(source, total, now) {
                self.handle(&Event::Loss(loss));
            }
        }
    }

    /// The time by which [`Self::handle_timeout`] should be called; none if nothing waits.
    pub fn poll_timeout(&self) -> Option<BootTime> {
        let recorder = self.output.recorder.as_ref().and_then(Recorder::due);
        [self.correlator.poll_timeout(), recorder].into_iter().flatten().min()
    }

    /// Handles all timers that are due at `now`.
    pub fn handle_timeout(&mut self, now: BootTime) {
        if let Some(recorder) = &mut self.output.recorder {
            recorder.time(now);
        }
        self.pass(|correlator, emit| correlator.handle_timeout(now, emit));
    }

    /// Hands what has been rendered to the sinks.
    pub fn flush(&mut self) {
        self.output.note(self.correlator.totals());
        let given_up = self.output.flush();
        self.give_up(given_up);
        self.flush_recorder();
    }

    /// Writes an output record that does not come from the correlator.
    pub fn write(&mut self, record: &OutputRecord) {
        let given_up = self.output.write(record);
        self.give_up(given_up);
    }

    /// Writes the start record.
    pub fn start(&mut self, start: StartOutput) {
        let setup = Setup { across_namespaces: self.across_namespaces, reasons: self.reasons.clone() };
        if let Some(recorder) = &mut self.output.recorder {
            recorder.begin(start.clone(), setup, &self.describer, host_clock::now());
        }
        // The host whose capture is read is not known.
        let host = start.stamp.boot_ns.map(|_| Arc::from(&*start.hostname));
        self.describer.set_origin(Origin { host, run: start.run.clone() });
        if !self.control_only {
            return self.write(&OutputRecord::Start(start));
        }
        let all = StartOutput { segments: SegmentChoice::All, ..start.clone() };
        let mut given_up = self.output.write_stdout(&OutputRecord::Start(start));
        given_up += self.output.write_file(&OutputRecord::Start(all));
        self.give_up(given_up);
    }

    /// Counts of connections since the start.
    pub fn totals(&self) -> Totals {
        self.correlator.totals()
    }

    /// Number of connections that have ended, and are shown.
    pub fn ended(&self) -> u64 {
        self.output.chosen().map_or_else(|| self.totals().ended, |(_, ended)| ended)
    }

    /// Number of events seen and of records lost, since the start.
    pub fn counts(&self) -> (u64, u64) {
        (
            self.events.saturating_sub(self.correlator.unchosen()),
            self.ledger.total() + self.correlator.uncounted_losses(),
        )
    }

    /// Records were left out of a recording at this place.
    pub fn replay_left_out(&mut self, count: u64, at: BootTime) {
        let source = LossSource::Output;
        let total = self.ledger.add(source, count);
        self.handle(&Event::Loss(Loss { at, source, count, total, placed: false }));
    }

    /// Handles an event of a capture or a recording.
    pub fn replay(&mut self, event: &Event) {
        match event {
            // One at its place is counted when its connection shows it again.
            Event::Loss(loss) if loss.placed => {}
            Event::Loss(loss) => {
                let _reported_below = self.ledger.add(loss.source, loss.count);
            }
            // Looked up, not observed: they do not count as events.
            Event::Owner(_) | Event::Listener(_) | Event::Report(_) => {}
            Event::Hint(Hint { name: HintName::AcceptQueue | HintName::NatExpired | HintName::NatDeleted, .. }) => {}
            _ => self.events += 1,
        }
        self.handle(event);
    }

    /// Returns the output, when nothing else is to be done: what is known of the connections goes with the process, since
    /// to free a million of them one by one takes longer than to correlate a hundred thousand segments.
    pub fn into_output(self) -> Output {
        std::mem::forget(self.correlator);
        self.output
    }

    /// Finishes all connections at time `now` and writes the end record. No more events may follow.
    pub fn end(&mut self, now: BootTime) {
        self.pass(|correlator, emit| correlator.finish(now, emit));
        let totals = self.totals();
        let (events, lost) = self.counts();
        let end = EndOutput {
            stamp: self.describer.stamp(now),
            connections: totals.numbered,
            open: totals.open(),
            evicted: totals.evicted,
            events,
            lost,
            left_out: None,
        };
        let end = OutputRecord::End(end);
        if let Some(recorder) = &mut self.output.recorder {
            recorder.line(&end, now);
        }
        self.write(&end);
    }

    fn handle(&mut self, event: &Event) {
        if !self.correlates {
            return;
        }
        self.pass(|correlator, emit| correlator.handle_event(event, emit));
    }

    fn pass<F>(&mut self, step: F)
    where
        F: FnOnce(&mut Correlator, &mut dyn FnMut(Correlated)),
    {
        let Self { correlator, describer, output, control_only, command, .. } = self;
        let mut given_up = GivenUp::default();
        step(correlator, &mut |correlated| {
            if let Some(sockets) = command {
                let own = matches!(&correlated, Correlated::State(state) if sockets.contains(state.change.socket));
                output.set_in_scope(own);
            }
            let hidden = *control_only && matches!(&correlated, Correlated::Segment(segment) if !segment.control);
            if !hidden {
                if output.wants(&correlated) {
                    given_up += output.write(&describer.entry(correlated));
                }
            } else if output.has_file() {
                given_up += output.write_file(&describer.entry(correlated));
            }
        });
        self.give_up(given_up);
    }

    /// Counts the records that a slow reader made us drop, and reports them in the output that lacks them.
    fn give_up(&mut self, given_up: GivenUp) {
        let source = LossSource::Output;
        let total = self.ledger.add(source, given_up.stdout + given_up.file);
        if !self.output.has_unreported_losses() {
            return;
        }
        let at = host_clock::now();
        let describer = &mut self.describer;
        self.output
            .report_losses(|count| describer.entry(Correlated::Loss(Loss { at, source, count, total, placed: false })));
    }
}
