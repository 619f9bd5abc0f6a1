//! Scheduling of look-ups of sockets' owners and of listeners' accept queues, and conversion of the results to events.

mod elsewhere;
mod events;
pub(super) mod existing;
mod stuck;

use std::{collections::BTreeMap, time::Duration};

use log::warn;

use self::{
    elsewhere::Elsewhere,
    events::{events, matters},
};
pub(super) use self::{events::queues, stuck::reports};
use crate::{
    app::trace::own_netns,
    bpf::HeldSockets,
    causes::with_causes,
    namespaces::{Namespaces, Selection},
    pipeline::Pipeline,
    socket_owners::{FourTuple, Request, Scanner, Snapshot},
};
use tcptrace_core::{correlate::Unanswered, event::BootTime, filter::Filter};

/// Maximum number of connections per request. Further ones are still open a second later, or too short-lived to look up.
const MAX_REQUESTED: usize = 1024;

/// Maximum time for which the start of a trace waits for the existing listeners and their owners.
const MAX_WAIT_LISTENERS: Duration = Duration::from_millis(500);

/// Maximum time for which it waits for the sockets of other network namespaces: those of some fifty take longer, which are
/// being attached to meanwhile.
const MAX_WAIT_ELSEWHERE: Duration = Duration::from_millis(20);

/// Maximum time for which it waits then for all sockets and their owners. The events of that time must fit into the ring
/// buffer.
const MAX_WAIT: Duration = Duration::from_millis(50);

/// Number of scans of all sockets after a socket has begun to listen, one per tick: a server may start its workers later.
const SCANS_AFTER_LISTEN: u8 = 2;

/// Looks up the owners of all sockets that exist at the start, of sockets that begin to listen, and of accepted connections
/// that have lived for a while. Also looks up the accept queues of listeners that do not answer.
#[derive(Debug)]
pub(super) struct OwnerLookup {
    /// `None` if owners cannot be looked up.
    scanner: Option<Scanner>,
    /// Number of scans of all sockets that remain to be requested.
    scans: u8,
    /// The sockets of other network namespaces, if tracing began before they were listed.
    elsewhere: Option<Elsewhere>,
    /// True once it has been logged that owners may be hidden.
    hidden_reported: bool,
    filter: Filter,
    /// True if tcptrace's own network namespace is traced, which is the one listed by the scanner.
    own: bool,
}

impl OwnerLookup {
    /// Starts the scanner, with the kernel's list of holders if it has one. Results that do not match the filter are dropped.
    pub(super) fn start(filter: &Filter, own: bool, listed: Option<HeldSockets>) -> Self {
        let scanner = Scanner::start(listed);
        if let Err(error) = &scanner {
            warn!("cannot look up the owners of sockets; only state changes show them: {}", with_causes(error));
        }
        Self { scanner: scanner.ok(), scans: 0, elsewhere: None, hidden_reported: false, filter: filter.clone(), own }
    }

    /// Looks up listeners, then all sockets, including those of the other network namespaces of `selection`, and their
    /// owners. Look-ups that fail or take too long are left out; [`Self::next`] returns late results.
    pub(super) async fn all(&mut self, selection: Option<&Selection>, own: u32) -> Vec<Snapshot> {
        let Some(scanner) = &mut self.scanner else { return Vec::new() };
        scanner.request(Request::Listening);
        let mut elsewhere = Elsewhere::list(selection, own);
        let (listening, listed) = tokio::join!(
            tokio::time::timeout(MAX_WAIT_LISTENERS, scanner.try_next()),
            tokio::time::timeout(MAX_WAIT_ELSEWHERE, elsewhere.listed()),
        );
        let mut snapshots = Vec::from_iter(listening.ok().flatten());
        match listed {
            Ok(request) => {
                scanner.request(request);
                snapshots.extend(tokio::time::timeout(MAX_WAIT, scanner.try_next()).await.ok().flatten());
            }
            Err(_elapsed) => self.elsewhere = Some(elsewhere),
        }
        snapshots
    }

    /// Requests the owners and accept queues that the pipeline needs since the last call; those of listeners in other network
    /// namespaces from `namespaces`.
    pub(super) fn request_new(&mut self, pipeline: &mut Pipeline, namespaces: Option<&Namespaces>, now: BootTime) {
        let Some(scanner) = &self.scanner else { return };
        if std::mem::take(&mut pipeline.listened) {
            self.scans = SCANS_AFTER_LISTEN;
        }
        if self.scans > 0 {
            self.scans -= 1;
            scanner.request(Request::Everything);
        }
        if self.own {
            scanner.request(Request::Stuck);
        }
        if let Some(namespaces) = namespaces {
            namespaces.find_stuck();
        }
        let (mut tuples, mut likely) = (Vec::new(), Vec::new());
        while tuples.len() < MAX_REQUESTED
            && let Some(unowned) = pipeline.poll_unowned(now)
        {
            tuples.push(FourTuple { local: unowned.local, remote: unowned.remote });
            likely.extend(unowned.likely);
        }
        if !tuples.is_empty() {
            scanner.request(Request::Connections { tuples, likely });
        }
        let mut unanswered: BTreeMap<Option<u32>, Vec<FourTuple>> = BTreeMap::new();
        while let Some(Unanswered { netns, local, remote }) = pipeline.poll_unanswered() {
            unanswered.entry(netns).or_default().push(FourTuple { local, remote });
        }
        for (netns, tuples) in unanswered {
            match (netns, namespaces) {
                (None, _) => scanner.request(Request::Listeners(tuples)),
                (Some(netns), Some(namespaces)) => namespaces.find_listeners(netns, tuples),
                (Some(_), None) => {}
            }
        }
    }

    /// Waits for the result of a scan; never resolves if owners cannot be looked up.
    pub(super) async fn next(&mut self) -> Snapshot {
        let Some(scanner) = &mut self.scanner else { return std::future::pending().await };
        if let Some(elsewhere) = &mut self.elsewhere {
            tokio::select! {
                request = elsewhere.listed() => scanner.request(request),
                snapshot = scanner.next() => return snapshot,
            }
            self.elsewhere = None;
        }
        scanner.next().await
    }

    /// Hands the result of a scan to the pipeline as events.
    pub(super) fn report(&mut self, snapshot: &Snapshot, pipeline: &mut Pipeline, now: BootTime) {
        if !self.hidden_reported && snapshot.lacks_owners(|socket| matters(socket, &self.filter)) {
            self.hidden_reported = true;
            warn!(
                "the owners of some sockets stay unknown, since some processes may not be inspected: run as root outside \
                 of any container, or with the capabilities cap_sys_ptrace and cap_dac_read_search"
            );
        }
        if snapshot.at_start {
            let existing = existing::sockets(snapshot, &self.filter, self.own, own_netns().ok());
            pipeline.report_existing(existing, &self.filter.who, snapshot.began);
        }
        events(snapshot, &self.filter, now).iter().for_each(|event| pipeline.learn(event));
        pipeline.flush();
    }
}
