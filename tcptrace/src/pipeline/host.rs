//! Facts about the host that accompany the events: names of interfaces, network namespaces and control groups, its clocks,
//! and the sockets that existed before.

use std::sync::Arc;

use super::Pipeline;
use crate::{cgroups::KnownGroups, host_clock};
use tcptrace_core::{
    decode::ttr::Interface,
    event::{BootTime, CgroupKey, Existing, ExistingSocket},
    filter::Who,
    output_record::{ExistingOutput, OutputRecord},
};

impl Pipeline {
    /// Names an interface. `netns` is the inode number of its namespace; `tells_netns`: events contain theirs. `bridge`: it
    /// is a bridge whose ports are watched.
    pub fn name_interface(&mut self, netns: u32, tells_netns: bool, index: u32, name: &str, bridge: bool) {
        let told = tells_netns.then_some(netns);
        self.interfaces.exists((netns, index), told);
        self.describer.name_interface(told, index, name);
        self.correlator.set_bridge(netns, index, bridge);
        if let Some(recorder) = &mut self.output.recorder {
            let interface = Interface { netns: told, index, bridge: Some(bridge), name: name.to_owned() };
            recorder.interface(interface, host_clock::now());
        }
    }

    /// Notes that of the interfaces of a network namespace only those exist whose indices satisfy `exists`: the names of the
    /// others are forgotten, those removed first.
    pub fn retain_interfaces(&mut self, netns: u32, exists: impl Fn(u32) -> bool) {
        self.interfaces.retain(netns, exists);
        while let Some(((netns, index), told)) = self.interfaces.poll_forgotten() {
            self.describer.forget_interface(told, index);
            self.correlator.set_bridge(netns, index, false);
            if let Some(recorder) = &mut self.output.recorder {
                recorder.forget_interface(told, index);
            }
        }
    }

    /// Notes that these interfaces of a network namespace are traced from `at` on, and the name of the namespace, if it has
    /// one.
    pub fn cover_netns(&mut self, at: BootTime, netns: u32, name: Option<Arc<str>>, interfaces: Vec<String>) {
        if !interfaces.is_empty() {
            self.correlator.cover_netns(netns);
        }
        let record = self.describer.cover_namespace(at, netns, name, interfaces);
        if let Some(recorder) = &mut self.output.recorder {
            recorder.line(&record, host_clock::now());
        }
        self.write(record);
    }

    /// Forgets a network namespace: its inode number may become another's.
    pub fn forget_netns(&mut self, netns: u32) {
        self.retain_interfaces(netns, |_| false);
        self.namespaces.remove(&netns);
        self.describer.forget_namespace(host_clock::now(), netns);
    }

    /// Finds the name of a control group, and passes it to the correlator and to the binary recording: before the same
    /// record in both, so that a replay knows it as early.
    pub(super) fn find_cgroup(&mut self, key: CgroupKey, at: BootTime) {
        let Some(cgroup) = self.cgroups.as_mut().and_then(|names| names.find(key.0)).map(Arc::new) else { return };
        if let Some(recorder) = &mut self.output.recorder {
            recorder.cgroup(key, &cgroup, at);
        }
        if self.correlates {
            self.correlator.name_cgroup(key, cgroup);
        }
    }

    /// Compares the host's clocks again.
    pub fn compare_clocks(&mut self) {
        host_clock::compare(&mut self.describer.clock);
        if let Some(recorder) = &mut self.output.recorder {
            recorder.compare(&self.describer.clock, host_clock::now());
        }
    }

    /// Writes the record of the sockets that existed when tracing began, each with the ID of its control group, and whose
    /// connections `who` matches; nothing if there were none.
    pub fn report_existing(
        &mut self,
        sockets: impl Iterator<Item = (ExistingSocket, Option<u64>)>,
        who: &Who,
        at: BootTime,
    ) {
        // The kernel lists the sockets while tracing has begun already.
        let Self { correlator, correlates, .. } = self;
        let begun = |(socket, _): &(ExistingSocket, _)| {
            *correlates && correlator.has_seen_begin(socket.netns, socket.local, socket.remote)
        };
        let sockets = sockets.filter(|socket| !begun(socket));
        let mut groups = KnownGroups::new(self.cgroups.as_mut());
        let named = sockets.map(|(socket, id)| ExistingSocket { cgroup: id.and_then(|id| groups.group(id)), ..socket });
        let existing = Existing::of(at, who.existing(named.collect()));
        self.replay_existing(existing);
    }

    /// Writes the recorded record of the sockets that existed when tracing began, if there were any.
    pub fn replay_existing(&mut self, existing: Existing) {
        if existing.sockets > 0 {
            let stamp = self.describer.stamp(existing.at);
            let record = OutputRecord::Existing(ExistingOutput::new(stamp, existing));
            if let Some(recorder) = &mut self.output.recorder {
                recorder.line(&record, host_clock::now());
            }
            self.write(record);
        }
    }
}
