//! The sockets that existed when tracing began.

use crate::{
    host_clock::nanoseconds,
    socket_owners::{OwnedSocket, Owner, Snapshot},
};
use tcptrace_core::{
    event::{ExistingSocket, Process},
    filter::{Ends, Filter},
    tcp::TcpState,
};

/// Returns the connections of a snapshot that match the filter, each with the ID of its control group; those of the tracer's
/// own network namespace, `own_netns`, only with `own`.
pub(super) fn sockets<'a>(
    snapshot: &'a Snapshot,
    filter: &'a Filter,
    own: bool,
    own_netns: Option<u32>,
) -> impl Iterator<Item = (ExistingSocket, Option<u64>)> + 'a {
    let existing = move |OwnedSocket { socket, owners }: &OwnedSocket| {
        let matches = socket.state != TcpState::Listen
            && (own || socket.netns.is_some())
            && filter.matches(socket.local, socket.remote, Ends::LocalIsFirst);
        let existing = ExistingSocket {
            netns: socket.netns.or(own_netns),
            local: socket.local,
            remote: socket.remote,
            state: socket.state,
            processes: processes(owners),
            uid: socket.uid,
            cgroup: None,
            at_least_ns: socket.in_state_at_least().map(nanoseconds),
        };
        matches.then_some((existing, socket.cgroup))
    };
    snapshot.sockets.iter().filter_map(existing)
}

/// Returns the owners of a socket as named in records.
pub(in crate::app) fn processes(owners: &[Owner]) -> Vec<Process> {
    owners.iter().map(|&Owner { pid, comm }| Process { pid, comm }).collect()
}
