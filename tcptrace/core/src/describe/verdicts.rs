//! Output records of verdicts.

use std::net::IpAddr;

use super::Describer;
use crate::{
    event::BootTime,
    output_record::{CloseOutput, CommunityId, Context, HandshakeOutput, Origin, StalledOutput, Stamp},
    text::WallTime,
    verdict::{Close, CloseEnd, Handshake, Severity, Stalled},
};

impl Describer {
    pub(super) fn handshake(&self, mut record: Box<Handshake>) -> HandshakeOutput {
        let encapsulation = self.encapsulation(record.encapsulation);
        for end in [&mut record.client, &mut record.server] {
            end.netns_name = self.namespaces.name(end.netns, record.started);
        }
        let ends = [&record.client, &record.server].map(|end| (end.addr, end.port));
        let context = self.context(record.started, record.severity(), ends, record.netns);
        HandshakeOutput { stamp: self.stamp(record.at), encapsulation, joined: None, context, record }
    }

    pub(super) fn close(&self, mut record: Box<Close>) -> CloseOutput {
        let encapsulation = self.encapsulation(record.encapsulation);
        let started = record.started;
        self.name_ends(&mut record.client, &mut record.server, started);
        let ends = [&record.client, &record.server].map(|end| (end.addr, end.port));
        let context = self.context(record.started, record.severity(), ends, record.netns);
        CloseOutput { stamp: self.stamp(record.at), encapsulation, joined: None, context, record }
    }

    pub(super) fn stalled(&self, mut record: Box<Stalled>) -> StalledOutput {
        let since = record.since;
        self.name_ends(&mut record.client, &mut record.server, since);
        // The clock may be set between the last event and a deadline, but a recording has only the times of events.
        let Stamp { time, boot_ns } = self.stamp(record.last);
        let later = |ns: i64| ns.saturating_add_unsigned(record.at.since(record.last));
        let stamp = match time.is_known() {
            true => Stamp { time: WallTime(later(time.0)), boot_ns: boot_ns.map(|_| record.at.0) },
            false => Stamp { time, boot_ns },
        };
        let since = self.stamp(record.since).time;
        StalledOutput { stamp, since, record }
    }

    /// Returns the context of a verdict on a connection between two ends.
    fn context(
        &self,
        started: BootTime,
        severity: Severity,
        ends: [(IpAddr, Option<u16>); 2],
        netns: Option<u32>,
    ) -> Context {
        let Stamp { time, boot_ns } = self.stamp(started);
        let Origin { host, run } = self.origin.clone();
        let [one, other] = ends;
        Context {
            host,
            run,
            started: time,
            started_ns: boot_ns,
            severity,
            community_id: CommunityId::new(one, other),
            netns_name: self.namespaces.name(netns, started),
        }
    }

    /// Names the network namespaces of two ends, which have been there since `since`.
    fn name_ends(&self, client: &mut CloseEnd, server: &mut CloseEnd, since: BootTime) {
        for end in [client, server] {
            end.netns_name = self.namespaces.name(end.netns, since);
        }
    }
}
