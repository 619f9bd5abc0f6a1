//! Ring → decode → connection → describe → output: what happens to each record, in one place and on one thread.

use std::num::NonZeroU32;

use log::error;

use crate::{
    host_clock,
    output::{GivenUp, Output},
    procfs::kernel_threads::KernelThreads,
    sink::Reopening,
};
use tcptrace_core::{
    correlate::{Correlated, Correlator, Totals, Unanswered, Unowned},
    decode::ring,
    describe::Describer,
    event::{BootTime, Event, HintName, Loss, LossSource, reset_reason::ResetReasons},
    filter::SegmentChoice,
    loss_ledger::LossLedger,
    output_record::{EndOutput, OutputRecord, StartOutput},
    tcp::TcpState,
};

/// Everything between the ring and the sinks.
#[derive(Debug)]
pub struct Pipeline {
    /// Names and times.
    pub describer: Describer,
    /// Destinations.
    pub output: Output,
    /// What the numbers of reasons mean that this kernel gives for resets.
    pub reset_reasons: ResetReasons,
    connections: Correlator,
    max_connections: NonZeroU32,
    ledger: LossLedger,
    /// Where the kernel programs cannot tell kernel threads, they are told here.
    kernel_threads: Option<KernelThreads>,
    /// Whether only those segments are shown that open and close connections; live, the kernel programs have chosen them.
    /// The file of `--write` has them all, since what is said of a connection may rest on them.
    pub control_only: bool,
    /// Something has begun to listen.
    pub listened: bool,
    events: u64,
    undecodable: bool,
}

impl Pipeline {
    /// An empty pipeline. `netns` is the namespace whose segments are seen.
    pub fn new(netns: u32, describer: Describer, output: Output, kernel_threads: Option<KernelThreads>) -> Self {
        Self::with(Correlator::new(netns), describer, output, kernel_threads)
    }

    /// An empty pipeline for the frames of a capture, of which all come.
    pub fn of_capture(netns: u32, describer: Describer, output: Output) -> Self {
        let mut connections = Correlator::new(netns);
        connections.expect_all_segments();
        Self::with(connections, describer, output, None)
    }

    /// An empty pipeline for events that have been through one before.
    pub fn recorded(netns: u32, describer: Describer, output: Output) -> Self {
        Self::with(Correlator::recorded(netns), describer, output, None)
    }

    /// Forgets everything: another run begins, with events that have been through a pipeline before.
    pub fn begin_again(&mut self, netns: u32, describer: Describer) {
        self.describer = describer;
        self.connections = Correlator::recorded(netns);
        self.connections.limit(self.max_connections);
        self.ledger = LossLedger::default();
        self.events = 0;
    }

    fn with(
        connections: Correlator,
        describer: Describer,
        output: Output,
        kernel_threads: Option<KernelThreads>,
    ) -> Self {
        Self {
            describer,
            output,
            reset_reasons: ResetReasons::default(),
            connections,
            max_connections: NonZeroU32::MAX,
            ledger: LossLedger::default(),
            kernel_threads,
            control_only: false,
            listened: false,
            events: 0,
            undecodable: false,
        }
    }

    /// Every segment of every connection comes.
    pub fn expect_all_segments(&mut self) {
        self.connections.expect_all_segments();
    }

    /// Remembers no more than this many connections.
    pub fn limit(&mut self, most: NonZeroU32) {
        self.max_connections = most;
        self.connections.limit(most);
    }

    /// Takes a record from the ring.
    pub fn take(&mut self, bytes: &[u8]) {
        self.events += 1;
        let mut decoded = match ring::decode(bytes, &self.reset_reasons) {
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
            if let Some(threads) = &mut self.kernel_threads {
                change.task = change.task.filter(|task| !threads.contains(task));
            }
        }
        let event = &decoded.event;
        if let Some(loss) = self.ledger.carried(decoded.source, decoded.lost, event.at()) {
            self.handle(&Event::Loss(loss));
        }
        self.handle(event);
    }

    /// Takes what is known otherwise than from the ring.
    pub fn learn(&mut self, event: &Event) {
        self.handle(event);
    }

    /// From now on [`Self::poll_unowned`] and [`Self::poll_unanswered`] are called.
    pub fn want_owners(&mut self) {
        self.connections.want_owners();
    }

    /// The next accepted connection whose owner is worth to be asked for.
    pub fn poll_unowned(&mut self, now: BootTime) -> Option<Unowned> {
        self.connections.poll_unowned(now)
    }

    /// The next connection whose SYN was sent again, and whose listener is worth to be asked for.
    pub fn poll_unanswered(&mut self) -> Option<Unanswered> {
        self.connections.poll_unanswered()
    }

    /// Takes what the kernel has counted as lost.
    pub fn count_losses(&mut self, totals: &[(LossSource, u64)], now: BootTime) {
        for &(source, total) in totals {
            if let Some(loss) = self.ledger.counted(source, total, now) {
                self.handle(&Event::Loss(loss));
            }
        }
    }

    /// When [`Self::handle_timeout`] should be called at the latest.
    pub fn poll_timeout(&self) -> Option<BootTime> {
        [self.connections.poll_timeout(), self.output.poll_timeout()].into_iter().flatten().min()
    }

    /// Lets time pass.
    pub fn handle_timeout(&mut self, now: BootTime) {
        self.pass(|connections, emit| connections.handle_timeout(now, emit));
        self.output.handle_timeout(now);
    }

    /// Hands on what has been written.
    pub fn flush(&mut self) {
        let given_up = self.output.flush();
        self.give_up(given_up);
    }

    /// Writes an entry of the tracer's own.
    pub fn write(&mut self, entry: &OutputRecord) {
        let given_up = self.output.write(entry);
        self.give_up(given_up);
    }

    /// Writes the first entry.
    pub fn start(&mut self, start: StartOutput) {
        if !self.control_only {
            return self.write(&OutputRecord::Start(start));
        }
        let all = StartOutput { segments: SegmentChoice::All, ..start.clone() };
        let mut given_up = self.output.write_stdout(&OutputRecord::Start(start));
        given_up += self.output.write_file(&OutputRecord::Start(all));
        self.give_up(given_up);
    }

    /// Opens the file of `--write` again, if there is one.
    pub fn reopen_file(&mut self, start: &OutputRecord) -> Option<Reopening> {
        let (given_up, reopening) = self.output.reopen_file(start);
        self.give_up(given_up);
        reopening
    }

    /// How many connections there have been.
    pub fn totals(&self) -> Totals {
        self.connections.totals()
    }

    /// Events taken from the ring, and records lost.
    pub fn counts(&self) -> (u64, u64) {
        (self.events, self.ledger.total() + self.connections.state_gaps())
    }

    /// Takes an event of a capture or a recording.
    pub fn replay(&mut self, event: &Event) {
        match event {
            Event::Loss(loss) => {
                let _reported_then = self.ledger.add(loss.source, loss.count);
            }
            // Found out, not seen.
            Event::Owner(_) | Event::Listener(_) => {}
            Event::Hint(hint) if hint.name == HintName::AcceptQueue => {}
            _ => self.events += 1,
        }
        self.handle(event);
    }

    /// No more events will come; it is `now`.
    pub fn end(&mut self, now: BootTime) {
        self.pass(|connections, emit| connections.finish(now, emit));
        let totals = self.totals();
        let (events, lost) = self.counts();
        let end = EndOutput {
            stamp: self.describer.stamp(now),
            connections: totals.numbered,
            open: totals.open(),
            evicted: totals.evicted,
            events,
            lost,
        };
        self.write(&OutputRecord::End(end));
    }

    fn handle(&mut self, event: &Event) {
        self.pass(|connections, emit| connections.handle_event(event, emit));
    }

    fn pass<F>(&mut self, step: F)
    where
        F: FnOnce(&mut Correlator, &mut dyn FnMut(Correlated)),
    {
        let Self { connections, describer, output, control_only, .. } = self;
        let mut given_up = GivenUp::default();
        step(connections, &mut |placed| {
            let hidden = *control_only && matches!(&placed, Correlated::Segment(segment) if !segment.control);
            if !hidden {
                if output.wants(&placed) {
                    given_up += output.write(&describer.entry(placed));
                }
            } else if output.has_file() {
                given_up += output.write_file(&describer.entry(placed));
            }
        });
        self.give_up(given_up);
    }

    /// Counts what readers were too slow for, and says so in the output itself, where it is missing.
    fn give_up(&mut self, given_up: GivenUp) {
        let source = LossSource::Output;
        let total = self.ledger.add(source, given_up.stdout + given_up.file);
        if !self.output.has_losses_to_tell() {
            return;
        }
        let at = host_clock::now();
        let describer = &mut self.describer;
        self.output.tell_losses(|count| describer.entry(Correlated::Loss(Loss { at, source, count, total })));
    }
}
