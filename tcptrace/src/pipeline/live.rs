//! Events of a live trace: records of the ring buffer, looked-up facts, and the kernel's counts of lost records.

use log::error;

use super::Pipeline;
use crate::{host_clock, output::Output, procfs::kernel_threads::KernelThreads};
use tcptrace_core::{
    correlate::{Correlator, Unanswered, Unowned},
    decode::{
        ring::{self, Decoded},
        ttr::Entry,
    },
    describe::Describer,
    event::{BootTime, CgroupKey, Direction, Event, LossSource},
    tcp::TcpState,
};

impl Pipeline {
    /// Creates a pipeline for live events. `netns` is the inode number of the network namespace whose segments are seen.
    pub fn new(netns: u32, describer: Describer, output: Output, kernel_threads: Option<KernelThreads>) -> Self {
        Self::with(Correlator::new(netns), describer, output, kernel_threads)
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
                let names = &mut self.cgroups;
                let mut path = |key: CgroupKey| Some(names.as_mut()?.find(key.0)?.path);
                sockets.note(bytes, change, &mut path);
            }
            // With a binary recording, this has been done before.
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

    /// Removes facts from a decoded record that do not hold here, and handles the loss that it shows.
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

    /// Handles an event that did not come through the ring.
    pub fn learn(&mut self, event: &Event) {
        if let Some(recorder) = &mut self.output.recorder {
            recorder.entry(&Entry::LookedUp(*event), host_clock::now());
        }
        self.handle(event);
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

    /// Enables [`Self::poll_unowned`] and [`Self::poll_unanswered`], which must be polled from now on.
    pub fn want_owners(&mut self) {
        self.correlator.want_owners();
    }

    /// Returns the next accepted connection whose owner should be looked up.
    pub fn poll_unowned(&mut self, now: BootTime) -> Option<Unowned> {
        self.correlator.poll_unowned(now)
    }

    /// Returns the next connection whose SYN was retransmitted and whose listener should be looked up.
    pub fn poll_unanswered(&mut self) -> Option<Unanswered> {
        self.correlator.poll_unanswered()
    }
}
