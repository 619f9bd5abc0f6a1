//! Ring → decode → correlate → describe → output: every record passes all stages on one thread.

mod host;
mod interfaces;
mod live;
mod recording;
mod replay;

use std::{collections::HashSet, num::NonZeroU32, sync::Arc};

use self::interfaces::NamedInterfaces;
use crate::{
    cgroups::CgroupNames,
    command::Sockets,
    host_clock,
    output::{GivenUp, Output},
    procfs::kernel_threads::KernelThreads,
    recorder::Recorder,
};
use tcptrace_core::{
    correlate::{Correlated, Correlator, Totals},
    decode::{ring::doubles::Doubles, ttr::Setup},
    describe::Describer,
    event::{BootTime, Event, KernelReasons, Loss, LossSource},
    filter::{SegmentChoice, StatesOf},
    loss_ledger::LossLedger,
    output_record::{EndOutput, Origin, OutputRecord, StartOutput},
};

/// All stages between the ring and the sinks.
#[derive(Debug)]
pub struct Pipeline {
    /// Converts the correlator's output to output records, with names and times.
    pub describer: Describer,
    /// The destinations of output records.
    pub output: Output,
    /// Names of this kernel's reasons by their numbers.
    pub reasons: KernelReasons,
    correlator: Correlator,
    max_connections: NonZeroU32,
    ledger: LossLedger,
    /// Recognizes kernel threads where the kernel programs cannot.
    kernel_threads: Option<KernelThreads>,
    /// The sockets of the command, if one is traced.
    pub command: Option<Sockets>,
    /// True if stdout gets only segments that open or close connections. Not needed live, where the kernel programs select
    /// them. The file of `--write` gets all segments, since verdicts may depend on them.
    control_only: bool,
    /// True if a socket has begun to listen since this was last cleared.
    pub listened: bool,
    /// True if the segments of several network namespaces are seen. Otherwise a segment that comes in through a veth pair
    /// belongs to the connection that is seen in this namespace, whichever socket of another namespace has sent it.
    pub across_namespaces: bool,
    /// Finds the paths of control groups, live.
    pub cgroups: Option<CgroupNames>,
    /// True if a network namespace that is not in `namespaces` has appeared since this was last cleared.
    pub strange_netns: bool,
    /// The interfaces that have a name.
    interfaces: NamedInterfaces,
    /// The network namespaces that have appeared.
    namespaces: HashSet<u32>,
    /// Recognizes a state change that both programs at its tracepoint have recorded.
    doubles: Doubles,
    /// Number of events so far.
    events: u64,
    /// True once it has been logged that a record could not be decoded.
    undecodable: bool,
    /// True if records are correlated, for an output that needs verdicts. Otherwise they are only recorded.
    correlates: bool,
}

impl Pipeline {
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
            interfaces: NamedInterfaces::default(),
            namespaces: HashSet::default(),
            doubles: Doubles::default(),
            events: 0,
            undecodable: false,
            correlates: true,
        }
    }

    /// Declares that every segment comes, and not only those that open and close connections.
    pub fn expect_all_segments(&mut self) {
        self.correlator.expect_all_segments();
    }

    /// Declares that no segment comes.
    pub fn expect_no_segments(&mut self) {
        self.correlator.expect_no_segments();
    }

    /// Declares the sockets whose state changes come; `None` for both ends of every connection.
    pub fn expect_states_of(&mut self, choice: Option<StatesOf>) {
        self.correlator.expect_states_of(choice);
    }

    /// Sets the maximum number of connections to remember.
    pub fn limit(&mut self, most: NonZeroU32) {
        self.max_connections = most;
        self.correlator.limit(most);
    }

    fn handle(&mut self, event: &Event) {
        if !self.correlates {
            return;
        }
        self.pass(|correlator, emit| correlator.handle_event(event, emit));
    }

    /// Returns the time by which [`Self::handle_timeout`] should be called; `None` if nothing waits.
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
                if !output.take_unshown(&correlated, describer) && output.wants(&correlated) {
                    given_up += output.write(describer.entry(correlated));
                }
            } else {
                given_up += output.write_file(&describer.entry(correlated));
            }
        });
        self.give_up(given_up);
    }

    /// Writes the start record.
    pub fn start(&mut self, start: StartOutput) {
        let setup = Setup { across_namespaces: self.across_namespaces, reasons: self.reasons.clone() };
        if let Some(recorder) = &mut self.output.recorder {
            recorder.begin(start.clone(), setup, &self.describer, host_clock::now());
        }
        // The host of a capture is unknown.
        let host = start.stamp.boot_ns.map(|_| Arc::from(&*start.hostname));
        self.describer.set_origin(Origin { host, run: start.run.clone() });
        if !self.control_only {
            return self.write(OutputRecord::Start(start));
        }
        let all = StartOutput { segments: SegmentChoice::All, ..start.clone() };
        let mut given_up = self.output.write_stdout(&OutputRecord::Start(start));
        given_up += self.output.write_file(&OutputRecord::Start(all));
        self.give_up(given_up);
    }

    /// Writes an output record that does not come from the correlator.
    pub fn write(&mut self, record: OutputRecord) {
        let given_up = self.output.write(record);
        self.give_up(given_up);
    }

    /// Hands the rendered output to the sinks.
    pub fn flush(&mut self) {
        self.output.note(self.correlator.totals());
        let given_up = self.output.flush();
        self.give_up(given_up);
        self.flush_recorder();
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
        self.write(end);
    }

    /// Counts the records dropped because of a slow reader, and reports them in the output that lacks them.
    fn give_up(&mut self, given_up: GivenUp) {
        self.ledger.add(LossSource::Output, given_up.stdout + given_up.file);
        if !self.output.has_unreported_losses() {
            return;
        }
        let at = host_clock::now();
        let (describer, ledger) = (&mut self.describer, &mut self.ledger);
        self.output.report_losses(|source, count| {
            let total = ledger.of(source);
            describer.entry(Correlated::Loss(Loss { at, source, count, total, placed: false }))
        });
    }

    /// Returns counts of connections since the start.
    pub fn totals(&self) -> Totals {
        self.correlator.totals()
    }

    /// Returns the number of connections that have ended and are shown.
    pub fn ended(&self) -> u64 {
        self.output.chosen().map_or_else(|| self.totals().ended, |(_, ended)| ended)
    }

    /// Returns the numbers of events seen and of records lost since the start.
    pub fn counts(&self) -> (u64, u64) {
        (
            self.events.saturating_sub(self.correlator.unchosen()),
            self.ledger.total().saturating_add(self.correlator.uncounted_losses()),
        )
    }
}
