//! Decides when to look up the owners of sockets and the accept queues of listeners, and turns the results into events.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use log::warn;

use super::{elsewhere::Elsewhere, existing, stuck, trace::own_netns};
use crate::{
    causes::with_causes,
    namespaces::Selection,
    pipeline::Pipeline,
    socket_owners::{FourTuple, OwnedSocket, Owner, Request, Scanner, Snapshot, Socket},
};
use tcptrace_core::{
    correlate::Unanswered,
    event::{BootTime, Endpoint, Event, Hint, HintName, ListenerOwner, OwnerSource, Process, SocketOwner},
    filter::{Ends, Filter, PortSet},
    tcp::TcpState,
};

/// Most connections per request. The others are still open a second later, or are too short-lived to look up.
const MAX_REQUESTED: usize = 1024;

/// Longest time for which the beginning of a trace waits for the listeners that exist and their owners.
const MAX_WAIT_LISTENERS: Duration = Duration::from_millis(500);

/// Longest time for which it waits for the sockets of other network namespaces, and then for all sockets and their owners. What
/// happens meanwhile has to fit into the ring buffer.
const MAX_WAIT: Duration = Duration::from_millis(50);

/// Number of scans of all sockets after a socket has begun to listen, one per tick: a server may start its workers later.
const SCANS_AFTER_LISTEN: u8 = 2;

/// Looks up the owners of all sockets that exist at the start, of sockets that begin to listen, and of accepted connections
/// that have lived for a while. Also looks up the accept queues of listeners that do not answer.
#[derive(Debug)]
pub(super) struct OwnerSearch {
    /// None if owners cannot be looked up.
    scanner: Option<Scanner>,
    /// Number of scans of all sockets that remain to be requested.
    scans: u8,
    /// The sockets of other network namespaces, if tracing began before they were listed.
    elsewhere: Option<Elsewhere>,
    /// It has been logged that owners may be hidden.
    hidden_reported: bool,
    filter: Filter,
    /// Connections of tcptrace's own network namespace, which the scanner looks at, are traced.
    own: bool,
}

impl OwnerSearch {
    /// Starts the scanner. Results that do not match the filter are dropped.
    pub(super) fn start(filter: &Filter, own: bool) -> Self {
        let scanner = Scanner::start();
        if let Err(error) = &scanner {
            warn!("cannot look up the owners of sockets, only state changes tell them: {}", with_causes(error));
        }
        Self { scanner: scanner.ok(), scans: 0, elsewhere: None, hidden_reported: false, filter: filter.clone(), own }
    }

    /// Looks up listeners, then all sockets, with those of the other network namespaces of `selection`, and who owns them. What
    /// fails or takes too long is left out; a late result comes from [`Self::next`].
    pub(super) async fn all(&mut self, selection: Option<&Selection>, own: u32) -> Vec<Snapshot> {
        let Some(scanner) = &mut self.scanner else { return Vec::new() };
        scanner.request(Request::Listening);
        let mut elsewhere = Elsewhere::list(selection, own);
        let (listening, listed) = tokio::join!(
            tokio::time::timeout(MAX_WAIT_LISTENERS, scanner.try_next()),
            tokio::time::timeout(MAX_WAIT, elsewhere.listed()),
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

    /// Requests owners and accept queues that the pipeline has come to need since the last call.
    pub(super) fn request_new(&mut self, pipeline: &mut Pipeline, now: BootTime) {
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
        let unanswered = std::iter::from_fn(|| pipeline.poll_unanswered());
        let tuples: Vec<_> = unanswered.map(|Unanswered { local, remote }| FourTuple { local, remote }).collect();
        if !tuples.is_empty() {
            scanner.request(Request::Listeners(tuples));
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
            pipeline.tell_existing(existing, snapshot.began);
        }
        events(snapshot, &self.filter, now).iter().for_each(|event| pipeline.learn(event));
        pipeline.flush();
    }
}

/// Where sockets listen: the network namespace (none for the tracer's own), the address and the port.
type Listening = (Option<u32>, IpAddr, u16);

/// The events that a snapshot results in: owners of listeners, their accept queues, and owners of connections that match.
fn events(snapshot: &Snapshot, filter: &Filter, now: BootTime) -> Vec<Event> {
    let mut listeners: BTreeMap<Listening, (u32, Vec<Owner>)> = BTreeMap::new();
    let mut events = Vec::new();
    for OwnedSocket { socket, owners } in &snapshot.sockets {
        let (local, remote) = (socket.local, socket.remote);
        if !matters(socket, filter) {
            continue;
        }
        if socket.state == TcpState::Listen {
            let (sockets, holders) = listeners.entry((socket.netns, local.addr, local.port)).or_default();
            *sockets += 1;
            holders.extend(owners.iter().copied());
        } else if let Some(process) = only(owners) {
            let (process, source) = (Some(process), OwnerSource::SockDiag);
            events.push(Event::Owner(SocketOwner {
                at: now,
                asked: snapshot.began,
                early: false,
                netns: socket.netns,
                local,
                remote,
                process,
                source,
            }));
        }
    }
    let listener = |((netns, addr, port), (sockets, holders)): (_, (u32, Vec<Owner>))| {
        let (local, process) = (Endpoint { addr, port }, only(&holders));
        Event::Listener(ListenerOwner { at: now, asked: snapshot.began, netns, local, sockets, process })
    };
    let queues = snapshot.listeners.iter().filter_map(|(tuple, listener)| queue(*tuple, listener, filter, now));
    let reports = stuck::reports(snapshot, filter, now);
    // Listeners come before connections, whose roles may depend on them.
    listeners.into_iter().map(listener).chain(events).chain(queues).chain(reports).collect()
}

/// The accept queue of the listener for a connection, as a hint for that connection.
fn queue(FourTuple { local, remote }: FourTuple, listener: &Socket, filter: &Filter, now: BootTime) -> Option<Event> {
    // Filtered like other hints, so that a recording read with the same filter shows the same.
    let matches = filter.matches(local, remote, Ends::LocalIsFirst);
    let queue = listener.queue.filter(|_| matches)?;
    Some(Event::Hint(Hint {
        state: Some(listener.state),
        queue_full: queue.is_full(),
        queue: Some(queue),
        ..Hint::new(now, None, local, remote, HintName::AcceptQueue)
    }))
}

/// Returns whether a socket matches the filter, or may have connections that do.
fn matters(socket: &Socket, filter: &Filter) -> bool {
    if socket.state == TcpState::Listen {
        can_accept(filter, socket.local)
    } else {
        filter.matches(socket.local, socket.remote, Ends::LocalIsFirst)
    }
}

/// Returns whether connections to a listener at `local` may match the filter.
fn can_accept(filter: &Filter, local: Endpoint) -> bool {
    let has = |ports: &Option<PortSet>| ports.as_ref().is_none_or(|ports| ports.contains(local.port));
    has(&filter.ports) && has(&filter.local_ports)
}

/// The process that owns a socket, if it is the only one.
fn only(owners: &[Owner]) -> Option<Process> {
    let (first, rest) = owners.split_first()?;
    rest.iter().all(|owner| owner.pid == first.pid).then_some(Process { pid: first.pid, comm: first.comm })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tcptrace_core::event::{AcceptQueue, Comm};

    fn at(port: u16) -> Endpoint {
        Endpoint { addr: [127, 0, 0, 1].into(), port }
    }

    fn owned(state: TcpState, local: u16, remote: u16, pids: &[u32]) -> OwnedSocket {
        let socket = Socket {
            netns: None,
            state,
            local: at(local),
            remote: at(remote),
            inode: Some(1),
            cookie: 1,
            ipv6_only: false,
            queue: None,
            retransmits: 0,
            unread: 0,
            unacknowledged: 0,
            cgroup: None,
            info: None,
        };
        let owners = pids.iter().map(|&pid| Owner { pid, comm: Comm([0; 16]) }).collect();
        OwnedSocket { socket, owners }
    }

    fn told(sockets: Vec<OwnedSocket>, filter: &Filter) -> Vec<(u16, Option<u32>)> {
        let snapshot = Snapshot {
            began: BootTime(1),
            sockets,
            listeners: Vec::new(),
            stuck: Vec::new(),
            hidden: false,
            at_start: false,
        };
        let told = |event: &Event| match event {
            Event::Listener(owner) => (owner.local.port, owner.process.map(|process| process.pid)),
            Event::Owner(owner) => (owner.local.port, owner.process.map(|process| process.pid)),
            _ => panic!("{event:?}"),
        };
        events(&snapshot, filter, BootTime(2)).iter().map(told).collect()
    }

    #[test]
    fn one_process_is_an_owner_and_several_are_none() {
        let sockets = vec![
            owned(TcpState::Established, 5, 80, &[7]),
            owned(TcpState::Established, 6, 80, &[7, 8]),
            owned(TcpState::Listen, 80, 0, &[7]),
            owned(TcpState::Listen, 80, 0, &[7]),
            owned(TcpState::Listen, 81, 0, &[7]),
            owned(TcpState::Listen, 81, 0, &[8]),
            owned(TcpState::Listen, 82, 0, &[]),
        ];
        let expected = [(80, Some(7)), (81, None), (82, None), (5, Some(7))];
        assert_eq!(told(sockets, &Filter::default()), expected);
    }

    #[test]
    fn what_does_not_match_is_left_out() {
        let ports: PortSet = "9".parse().expect("a port");
        let filter = Filter { ports: Some(ports), ..Filter::default() };
        let sockets = vec![
            owned(TcpState::Established, 5, 80, &[7]),
            owned(TcpState::Established, 80, 9, &[7]),
            owned(TcpState::Listen, 80, 0, &[7]),
            owned(TcpState::Listen, 9, 0, &[7]),
        ];
        assert_eq!(told(sockets, &filter), [(9, Some(7)), (80, Some(7))]);
    }

    #[test]
    fn a_queue_is_told_for_each_connection_that_waits_for_it() {
        let queue = AcceptQueue { length: 2, limit: 1 };
        let listener = Socket { queue: Some(queue), ..owned(TcpState::Listen, 80, 0, &[]).socket };
        let asked = [5, 6].map(|port| (FourTuple { local: at(80), remote: at(port) }, listener));
        let snapshot = Snapshot {
            began: BootTime(1),
            sockets: Vec::new(),
            listeners: asked.to_vec(),
            stuck: Vec::new(),
            hidden: false,
            at_start: false,
        };
        let told = |filter: &Filter| -> Vec<_> {
            let hint = |event: &Event| match event {
                Event::Hint(hint) => (hint.local.port, hint.remote.port, hint.queue, hint.queue_full),
                _ => panic!("{event:?}"),
            };
            events(&snapshot, filter, BootTime(2)).iter().map(hint).collect()
        };
        assert_eq!(told(&Filter::default()), [(80, 5, Some(queue), true), (80, 6, Some(queue), true)]);
        let one = Filter { remote_ports: Some("6".parse().expect("a port")), ..Filter::default() };
        assert_eq!(told(&one), [(80, 6, Some(queue), true)]);
    }
}
