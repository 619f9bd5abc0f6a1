//! Runs of a recording: their beginning, their clocks, and the filters at recording and at reading.

use log::warn;

use super::Replay;
use crate::pipeline::Pipeline;
use tcptrace_core::{
    SCHEMA,
    correlate::NO_NAMESPACE,
    decode::recording::{Moment, Start},
    describe::Describer,
    event::Existing,
    filter::{Filter, SegmentChoice, StatesOf},
    output_record::StartOutput,
};

impl Replay<'_> {
    /// Notes a pair of boot and wall clock times of the recorded host.
    pub(super) fn note(&mut self, moment: Moment) {
        if moment.wall.is_known() {
            self.pipeline.describer.clock.note(moment.at, moment.wall);
        } else {
            self.pipeline.lose_times();
        }
    }

    /// Writes the record of the sockets that existed at the beginning of a run with this filter, in words; a recording does
    /// not contain which of them match another filter.
    pub(super) fn take_existing(&mut self, existing: Existing, recorded: &str) {
        let filter = &self.options.filter;
        if *filter == Filter::default() || filter.to_string() == recorded {
            self.pipeline.replay_existing(existing);
        }
    }

    /// Warns that a filter on interfaces selects less than live, if there is one.
    pub(super) fn warn_about_interfaces(&self) {
        if !self.options.filter.interfaces.is_empty() {
            warn!(
                "{}: a recording does not contain a socket's interface: --interface applies to segments only",
                self.name
            );
        }
    }

    /// Begins a run of the recording. The start record names the recorded host, and the filters at recording and at reading.
    pub(super) fn begin(&mut self, start: &Start) {
        self.begin_with(start, Pipeline::begin_again);
    }

    /// Like [`Self::begin`], with another way to forget the run before it.
    pub(super) fn begin_with(&mut self, start: &Start, begin_again: impl FnOnce(&mut Pipeline, u32, Describer)) {
        // With a selection, ended connections are counted across runs already.
        if self.pipeline.output.chosen().is_none() {
            self.ended += self.pipeline.ended();
        }
        (self.began, self.times) = (start.moment.at, None);
        self.between.clear();
        let describer = if start.capture { Describer::of_capture() } else { Describer::of_recording() };
        begin_again(&mut self.pipeline, start.netns.unwrap_or(NO_NAMESPACE), describer);
        if start.capture {
            self.pipeline.expect_pauses();
        }
        let wanted = SegmentChoice::from(self.options.segments);
        if start.segments == SegmentChoice::All {
            self.pipeline.expect_all_segments();
        }
        if start.segments.min(wanted) == SegmentChoice::None {
            self.pipeline.expect_no_segments();
        }
        let states_of = StatesOf::in_both(start.states_of.clone(), StatesOf::of(&self.options.filter, false));
        self.pipeline.expect_states_of(states_of.clone());
        self.note(start.moment);
        let control_only = (start.segments, wanted) == (SegmentChoice::All, SegmentChoice::Control);
        self.pipeline.show_control_only(control_only);
        self.pipeline.hide_data(control_only && !start.capture);
        let start = StartOutput {
            stamp: self.pipeline.describer.stamp(start.moment.at),
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION"),
            hostname: start.hostname.clone(),
            kernel: start.kernel.clone(),
            netns: start.netns,
            interfaces: start.interfaces.clone(),
            segments: start.segments.min(wanted),
            filter: both(&start.filter, &self.options.filter),
            states_of,
            began_ns: start.began_ns,
            run: start.run.clone(),
        };
        self.pipeline.start(start);
    }
}

/// Returns the filters at recording and at reading, as one text.
fn both(recorded: &str, filter: &Filter) -> String {
    let words = [recorded, &filter.to_string()];
    let mut words: Vec<&str> = words.into_iter().filter(|words| !words.is_empty()).collect();
    words.dedup();
    words.join(" and ")
}
