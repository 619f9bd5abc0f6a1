//! Conversion of a snapshot of sockets to events: owners of listeners and connections, accept queues, and sockets without
//! progress.

use std::{collections::BTreeMap, net::IpAddr};

use super::stuck;
use crate::socket_owners::{FourTuple, OwnedSocket, Owner, Snapshot, Socket};
use tcptrace_core::{
    event::{BootTime, Endpoint, Event, Hint, HintName, ListenerOwner, OwnerSource, Process, SocketOwner},
    filter::{Ends, Filter, PortSet},
    tcp::TcpState,
};

/// Key of a listening endpoint: the network namespace (`None` for the tracer's own), the address and the port.
type Listening = (Option<u32>, IpAddr, u16);

/// Returns the events of a snapshot: owners of listeners, their accept queues, and owners of connections that match.
pub(super) fn events(snapshot: &Snapshot, filter: &Filter, now: BootTime) -> Vec<Event> {
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
    let queues = queues(None, &snapshot.listeners, filter, now);
    let reports = stuck::reports(None, &snapshot.stuck, snapshot.began, filter, now);
    // Listeners come before connections, whose roles may depend on them.
    listeners.into_iter().map(listener).chain(events).chain(queues).chain(reports).collect()
}

/// Returns the queues of the listeners of connections, as hints for those connections. `netns` is the inode number of
/// their network namespace, unless it is the tracer's own.
pub(in crate::app) fn queues(
    netns: Option<u32>,
    listeners: &[(FourTuple, Socket)],
    filter: &Filter,
    now: BootTime,
) -> impl Iterator<Item = Event> {
    listeners.iter().flat_map(move |(FourTuple { local, remote }, listener)| {
        // Filtered like other hints, so that a recording read with the same filter shows the same.
        let matches = filter.matches(*local, *remote, Ends::LocalIsFirst);
        let queues = [(HintName::AcceptQueue, listener.queue), (HintName::SynQueue, listener.syn_queue)];
        queues.into_iter().filter_map(move |(name, queue)| {
            let queue = queue.filter(|_| matches)?;
            Some(Event::Hint(Hint {
                state: Some(listener.state),
                queue_full: queue.is_full(),
                queue: Some(queue),
                ..Hint::new(now, netns, *local, *remote, name)
            }))
        })
    })
}

/// Returns true if a socket matches the filter, or may have connections that do.
pub(super) fn matters(socket: &Socket, filter: &Filter) -> bool {
    if socket.state == TcpState::Listen {
        can_accept(filter, socket.local)
    } else {
        filter.matches(socket.local, socket.remote, Ends::LocalIsFirst)
    }
}

/// Returns true if connections to a listener at `local` may match the filter.
fn can_accept(filter: &Filter, local: Endpoint) -> bool {
    let has = |ports: &Option<PortSet>| ports.as_ref().is_none_or(|ports| ports.contains(local.port));
    has(&filter.ports) && has(&filter.local_ports)
}

/// Returns the process that owns a socket, if it is the only one.
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
        let socket = Socket::idle(state, at(local), at(remote));
        let owners = pids.iter().map(|&pid| Owner { pid, comm: Comm([0; 16]) }).collect();
        OwnedSocket { socket, owners }
    }

    fn owners_found(sockets: Vec<OwnedSocket>, filter: &Filter) -> Vec<(u16, Option<u32>)> {
        let snapshot = Snapshot {
            began: BootTime(1),
            sockets,
            listeners: Vec::new(),
            stuck: Vec::new(),
            hidden: false,
            at_start: false,
        };
        let port_and_pid = |event: &Event| match event {
            Event::Listener(owner) => (owner.local.port, owner.process.map(|process| process.pid)),
            Event::Owner(owner) => (owner.local.port, owner.process.map(|process| process.pid)),
            _ => panic!("{event:?}"),
        };
        events(&snapshot, filter, BootTime(2)).iter().map(port_and_pid).collect()
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
        assert_eq!(owners_found(sockets, &Filter::default()), expected);
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
        assert_eq!(owners_found(sockets, &filter), [(9, Some(7)), (80, Some(7))]);
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
        let hints_of = |filter: &Filter| -> Vec<_> {
            let hint = |event: &Event| match event {
                Event::Hint(hint) => (hint.local.port, hint.remote.port, hint.queue, hint.queue_full),
                _ => panic!("{event:?}"),
            };
            events(&snapshot, filter, BootTime(2)).iter().map(hint).collect()
        };
        assert_eq!(hints_of(&Filter::default()), [(80, 5, Some(queue), true), (80, 6, Some(queue), true)]);
        let one = Filter { remote_ports: Some("6".parse().expect("a port")), ..Filter::default() };
        assert_eq!(hints_of(&one), [(80, 6, Some(queue), true)]);
    }
}
