//! When the kernel is asked who holds sockets and how full their queues are, and what becomes of the answers.

use std::collections::BTreeMap;

use log::warn;

use crate::{
    pipeline::Pipeline,
    socket_owners::{Ends, OwnedSocket, Owner, Request, Scanner, Snapshot, Socket},
};
use tcptrace_core::{
    correlate::Unanswered,
    event::{BootTime, Endpoint, Event, Hint, HintName, ListenerOwner, OwnerSource, Process, SocketOwner},
    filter::{Ends as Orientation, Filter, PortSet},
    tcp::TcpState,
};

/// Connections asked for at a time. Others will still be there a second later, or are not worth it.
const MOST: usize = 1024;

/// After something has begun to listen, all sockets are listed so many times: a server may start its workers a moment later.
const AFTER_LISTEN: u8 = 2;

/// Asks for owners: once for everything that is there already, then for what begins to listen, and for what has been
/// accepted and lives for a while. And for the queues of listeners that do not answer.
#[derive(Debug)]
pub(super) struct OwnerSearch {
    /// None where the kernel does not tell.
    scanner: Option<Scanner>,
    /// How many more lists of everything are wanted.
    lists: u8,
    filter: Filter,
}

impl OwnerSearch {
    /// Gets ready to ask for what matches the filter.
    pub(super) fn start(filter: &Filter) -> Self {
        let scanner = Scanner::start();
        if let Err(error) = &scanner {
            warn!("processes are known only where a state change tells them: {error}");
        }
        Self { scanner: scanner.ok(), lists: 0, filter: filter.clone() }
    }

    /// Asks for everything there is.
    pub(super) fn list(&self) {
        if let Some(scanner) = &self.scanner {
            scanner.request(Request::Everything);
        }
    }

    /// Asks for what has shown up since, if there is anything.
    pub(super) fn look(&mut self, pipeline: &mut Pipeline, now: BootTime) {
        let Some(scanner) = &self.scanner else { return };
        if std::mem::take(&mut pipeline.listened) {
            self.lists = AFTER_LISTEN;
        }
        if self.lists > 0 {
            self.lists -= 1;
            scanner.request(Request::Everything);
        }
        let (mut ends, mut likely) = (Vec::new(), Vec::new());
        while ends.len() < MOST
            && let Some(unowned) = pipeline.poll_unowned(now)
        {
            ends.push(Ends { local: unowned.local, remote: unowned.remote });
            likely.extend(unowned.likely);
        }
        if !ends.is_empty() {
            scanner.request(Request::Correlator { ends, likely });
        }
        let unanswered = std::iter::from_fn(|| pipeline.poll_unanswered());
        let ends: Vec<_> = unanswered.map(|Unanswered { local, remote }| Ends { local, remote }).collect();
        if !ends.is_empty() {
            scanner.request(Request::Listeners(ends));
        }
    }

    /// Waits for an answer.
    pub(super) async fn next(&mut self) -> Snapshot {
        match &mut self.scanner {
            Some(scanner) => scanner.next().await,
            None => std::future::pending().await,
        }
    }

    /// Hands an answer on.
    pub(super) fn take(&self, snapshot: &Snapshot, pipeline: &mut Pipeline, now: BootTime) {
        events(snapshot, &self.filter, now).iter().for_each(|event| pipeline.learn(event));
        pipeline.flush();
    }
}

/// What an answer tells of listeners, of their queues, and of connections that match.
fn events(snapshot: &Snapshot, filter: &Filter, now: BootTime) -> Vec<Event> {
    let mut listeners: BTreeMap<(std::net::IpAddr, u16), (u32, Vec<Owner>)> = BTreeMap::new();
    let mut events = Vec::new();
    for OwnedSocket { socket, owners } in &snapshot.sockets {
        let (local, remote) = (socket.local, socket.remote);
        if socket.state == TcpState::Listen {
            if !can_accept(filter, local) {
                continue;
            }
            let (sockets, holders) = listeners.entry((local.addr, local.port)).or_default();
            *sockets += 1;
            holders.extend(owners.iter().copied());
        } else if filter.matches((local.addr, local.port), (remote.addr, remote.port), Orientation::LocalIsFirst)
            && let Some(process) = only(owners)
        {
            let (process, source) = (Some(process), OwnerSource::SockDiag);
            events.push(Event::Owner(SocketOwner {
                at: now,
                asked: snapshot.began,
                early: false,
                local,
                remote,
                process,
                source,
            }));
        }
    }
    let listener = |((addr, port), (sockets, holders)): (_, (u32, Vec<Owner>))| {
        let (local, process) = (Endpoint { addr, port }, only(&holders));
        Event::Listener(ListenerOwner { at: now, asked: snapshot.began, local, sockets, process })
    };
    let queues = snapshot.listeners.iter().filter_map(|(ends, listener)| queue(*ends, listener, filter, now));
    // Before connections, whose roles may depend on them.
    listeners.into_iter().map(listener).chain(events).chain(queues).collect()
}

/// How full the queue of the listener is that a SYN between these ends would come to.
fn queue(Ends { local, remote }: Ends, listener: &Socket, filter: &Filter, now: BootTime) -> Option<Event> {
    // As other hints are chosen, so that a recording says the same under the same filter.
    let matches = filter.matches((local.addr, local.port), (remote.addr, remote.port), Orientation::LocalIsFirst);
    let queue = listener.queue.filter(|_| matches)?;
    Some(Event::Hint(Hint {
        at: now,
        socket: None,
        netns: None,
        local,
        remote,
        name: HintName::AcceptQueue,
        reason: None,
        state: Some(listener.state),
        queue_full: queue.is_full(),
        queue: Some(queue),
    }))
}

/// Whether connections that the listener accepts may match. Where a client's port is asked for, the listener's is not known.
fn can_accept(filter: &Filter, local: Endpoint) -> bool {
    let has = |ports: &Option<PortSet>| ports.as_ref().is_none_or(|ports| ports.contains(local.port));
    has(&filter.ports) && has(&filter.local_ports)
}

/// The process, where it is the only one.
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
            state,
            local: at(local),
            remote: at(remote),
            inode: Some(1),
            cookie: 1,
            ipv6_only: false,
            queue: None,
        };
        let owners = pids.iter().map(|&pid| Owner { pid, comm: Comm([0; 16]) }).collect();
        OwnedSocket { socket, owners }
    }

    fn told(sockets: Vec<OwnedSocket>, filter: &Filter) -> Vec<(u16, Option<u32>)> {
        let snapshot = Snapshot { began: BootTime(1), sockets, listeners: Vec::new(), hidden: false };
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
        let asked = [5, 6].map(|port| (Ends { local: at(80), remote: at(port) }, listener));
        let snapshot = Snapshot { began: BootTime(1), sockets: Vec::new(), listeners: asked.to_vec(), hidden: false };
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
