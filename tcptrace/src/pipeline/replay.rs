//! Events of a file: the frames of a capture, and recorded events.

use std::sync::Arc;

use super::Pipeline;
use crate::output::Output;
use tcptrace_core::{
    correlate::Correlator,
    decode::ttr::Interface,
    describe::Describer,
    event::{BootTime, Cgroup, CgroupKey, Event, Hint, HintName, Loss, LossSource},
    loss_ledger::LossLedger,
};

impl Pipeline {
    /// Creates a pipeline for the frames of a capture, which contains every segment.
    pub fn of_capture(netns: u32, describer: Describer, output: Output) -> Self {
        let mut pipeline = Self::with(Correlator::new(netns), describer, output, None);
        pipeline.expect_all_segments();
        pipeline.expect_pauses();
        pipeline
    }

    /// Creates a pipeline for recorded events, which have passed a live one before.
    pub fn recorded(netns: u32, describer: Describer, output: Output) -> Self {
        Self::with(Correlator::recorded(netns), describer, output, None)
    }

    /// Forgets all connections and counts, for the next run of a recording.
    pub fn begin_again(&mut self, netns: u32, describer: Describer) {
        self.begin_again_with(Correlator::recorded(netns), describer);
    }

    /// Like [`Self::begin_again`], for the next run of a binary recording, whose events have not passed a correlator. Only
    /// events for which `is_chosen` returns true are shown.
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

    /// Sets whether only segments that open or close connections are shown, of all that come.
    pub fn show_control_only(&mut self, only: bool) {
        self.control_only = only;
        self.correlator.emit_control_only(only && !self.output.has_file());
    }

    /// Sets whether verdicts contain nothing that only the other segments show, as those of a recording without them.
    pub fn hide_data(&mut self, hides: bool) {
        self.correlator.hide_data(hides);
    }

    /// Declares that every segment is seen in one place.
    pub fn expect_one_place(&mut self) {
        self.correlator.expect_one_place();
    }

    /// Declares that the events are those of a capture.
    pub fn expect_pauses(&mut self) {
        self.correlator.expect_pauses();
    }

    /// Declares that the times of the following events were not recorded.
    pub fn lose_times(&mut self) {
        self.correlator.lose_times();
        self.describer.lose_times();
    }

    /// Names a control group of a recording, before the first event that has its key.
    pub fn name_cgroup(&mut self, key: CgroupKey, cgroup: Arc<Cgroup>) {
        self.correlator.name_cgroup(key, cgroup);
    }

    /// Names an interface as a binary recording does; `own` is the recorded tracer's namespace.
    pub fn name_recorded_interface(&mut self, interface: &Interface, own: u32) {
        let Interface { netns, index, bridge, name } = interface;
        self.describer.name_interface(*netns, *index, name);
        if let Some(bridge) = bridge {
            self.correlator.set_bridge(netns.unwrap_or(own), *index, *bridge);
        }
    }

    /// Handles an event of a capture or a recording.
    pub fn replay(&mut self, event: &Event) {
        match event {
            // A loss with a place is counted when its connection shows it again.
            Event::Loss(loss) if loss.placed => {}
            Event::Loss(loss) => {
                let _reported_below = self.ledger.add(loss.source, loss.count);
            }
            // Looked up, not observed: these do not count as events.
            Event::Owner(_) | Event::Listener(_) | Event::Report(_) => {}
            Event::Hint(Hint {
                name: HintName::AcceptQueue | HintName::SynQueue | HintName::NatExpired | HintName::NatDeleted,
                ..
            }) => {}
            _ => self.events += 1,
        }
        self.handle(event);
    }

    /// Notes that records were left out of a recording here.
    pub fn replay_left_out(&mut self, count: u64, at: BootTime) {
        let source = LossSource::Output;
        let total = self.ledger.add(source, count);
        self.handle(&Event::Loss(Loss { at, source, count, total, placed: false }));
    }

    /// Returns the output when nothing else is to be done. The state of the connections is freed with the process, since
    /// freeing a million of them one by one takes longer than correlating a hundred thousand segments.
    pub fn into_output(self) -> Output {
        std::mem::forget(self.correlator);
        self.output
    }
}
