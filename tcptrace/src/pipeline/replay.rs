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

    /// Sets whether only segments that open or close connections are shown, of all that come. Then a verdict says nothing that
    /// the others alone tell, so that a recording of what is shown leads to the same one.
    pub fn show_control_only(&mut self, only: bool) {
        self.control_only = only;
        self.correlator.hide_data(only);
    }

    /// Tells the correlator that every segment is seen in one place.
    pub fn expect_one_place(&mut self) {
        self.correlator.expect_one_place();
    }

    /// Tells the correlator that the events are those of a capture.
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

    /// Records were left out of a recording at this place.
    pub fn replay_left_out(&mut self, count: u64, at: BootTime) {
        let source = LossSource::Output;
        let total = self.ledger.add(source, count);
        self.handle(&Event::Loss(Loss { at, source, count, total, placed: false }));
    }

    /// Returns the output, when nothing else is to be done: what is known of the connections goes with the process, since
    /// to free a million of them one by one takes longer than to correlate a hundred thousand segments.
    pub fn into_output(self) -> Output {
        std::mem::forget(self.correlator);
        self.output
    }
}
