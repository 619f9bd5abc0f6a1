//! Binary recording in the pipeline: records as they come from the ring, before they are decoded.

use super::Pipeline;
use crate::{
    host_clock,
    sink::{Reopen, Reopening},
};
use tcptrace_core::{
    decode::{ring, ttr::Entry},
    event::{Event, LossSource},
    output_record::{OutputRecord, StartOutput},
};

impl Pipeline {
    /// Turns correlation off if a binary recording is the only output needed.
    pub fn record_only(&mut self, counts: bool) {
        self.correlates = self.output.recorder.is_none() || self.output.needs_verdicts() || counts;
    }

    /// Returns true if events are correlated, so that connections are counted.
    pub fn correlates(&self) -> bool {
        self.correlates
    }

    /// Writes a record to the binary recording, preceded by the entries that it refers to.
    pub(super) fn record(&mut self, bytes: &[u8]) {
        let Some(glance) = ring::glance(bytes) else { return };
        if let Some(key) = glance.change.and_then(|change| change.cgroup)
            && (self.output.recorder.as_ref().is_some_and(|recorder| !recorder.knows_cgroup(key))
                || (self.correlates && !self.correlator.knows_cgroup(key)))
        {
            self.find_cgroup(key, glance.at);
        }
        // Otherwise that happens with the decoded record.
        if !self.correlates {
            if let Some(change) = glance.change {
                self.listened |= change.listens;
                self.strange_netns |= change.netns.is_some_and(|netns| self.namespaces.insert(netns));
            }
            let _recorded_itself = self.ledger.carried(glance.source, glance.lost, glance.at);
        }
        let reasons = &self.reasons;
        let of_kernel = self.kernel_threads.as_mut().filter(|_| glance.change.is_some()).is_some_and(|threads| {
            let task = ring::decode(bytes, reasons).ok().and_then(|decoded| match decoded.event {
                Event::State(change) => change.task,
                _ => None,
            });
            task.is_some_and(|task| threads.contains(&task))
        });
        let Some(recorder) = &mut self.output.recorder else { return };
        if of_kernel {
            recorder.entry(&Entry::KernelThread, glance.at);
        }
        recorder.record(bytes, glance.at);
        if recorder.is_full() {
            self.flush_recorder();
        }
    }

    /// Ends the block of the binary recording if it is due, and counts the records left out.
    pub(super) fn flush_recorder(&mut self) {
        if let Some(recorder) = &mut self.output.recorder {
            let left_out = recorder.flush(&self.describer, host_clock::now());
            self.ledger.add(LossSource::Output, left_out);
        }
    }

    /// Reopens the file of `--write`, if there is one; the new file begins with `start`.
    pub fn reopen_file(&mut self, how: Reopen, start: StartOutput) -> Option<Reopening> {
        if let Some(recorder) = &mut self.output.recorder {
            let (left_out, reopening) = recorder.reopen(how, start, &self.describer, host_clock::now());
            self.ledger.add(LossSource::Output, left_out);
            return Some(reopening);
        }
        let (mut given_up, reopening) = self.output.reopen_file(how, &OutputRecord::Start(start));
        let now = host_clock::now();
        for namespace in self.describer.covered_namespaces(now) {
            given_up += self.output.write_file(&namespace);
        }
        self.give_up(given_up);
        reopening
    }
}
