//! Connections that existed when tracing began, as long as no record names them.

use std::collections::HashMap;

use super::Id;
use crate::output_record::EndpointOutput;

/// A connection, identified by its ends in either order and the network namespace of one of its sockets, if known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Tuple {
    netns: Option<u32>,
    ends: Ends,
}

/// Both ends, the smaller one first.
type Ends = [(std::net::IpAddr, Option<u16>); 2];

impl Tuple {
    pub(super) fn new(netns: Option<u32>, first: EndpointOutput, second: EndpointOutput) -> Self {
        let mut ends = [first, second].map(|end| (end.addr, end.port));
        ends.sort_unstable();
        Self { netns, ends }
    }

    /// Returns true if it may be the same connection: without BTF, records name no namespace.
    fn matches(&self, netns: Option<u32>) -> bool {
        self.netns.is_none() || netns.is_none() || self.netns == netns
    }
}

/// The rows of these connections.
#[derive(Debug, Default)]
pub(super) struct Existing {
    ids: HashMap<Ends, Vec<(Option<u32>, Id)>>,
    count: u64,
}

impl Existing {
    pub(super) fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Adds a connection, and returns the number of its row.
    pub(super) fn add(&mut self, tuple: Tuple) -> Id {
        self.count += 1;
        let id = Id { run: Id::EXISTING, conn: self.count };
        self.ids.entry(tuple.ends).or_default().push((tuple.netns, id));
        id
    }

    /// Returns the number of the row of a connection.
    pub(super) fn find(&self, tuple: &Tuple) -> Option<Id> {
        self.ids.get(&tuple.ends)?.iter().find(|(netns, _)| tuple.matches(*netns)).map(|&(_, id)| id)
    }

    /// Forgets a connection. Returns the number of its row.
    pub(super) fn take(&mut self, tuple: &Tuple) -> Option<Id> {
        let ids = self.ids.get_mut(&tuple.ends)?;
        let place = ids.iter().position(|(netns, _)| tuple.matches(*netns))?;
        let (_, id) = ids.swap_remove(place);
        if ids.is_empty() {
            self.ids.remove(&tuple.ends);
        }
        Some(id)
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        event::{Endpoint, ExistingSocket, Process},
        output_record::{OutputRecord, StateOutput},
        render::{
            samples,
            top::{Id, Standing, Top},
        },
        tcp::TcpState,
        text::WallTime,
    };

    const SECOND: u64 = 1_000_000_000;

    fn end(port: u16) -> Endpoint {
        Endpoint { addr: [127, 0, 0, 1].into(), port }
    }

    fn socket(netns: u32, local: u16, remote: u16, name: &str) -> ExistingSocket {
        ExistingSocket {
            netns: Some(netns),
            local: end(local),
            remote: end(remote),
            state: TcpState::CloseWait,
            processes: vec![Process { pid: local.into(), comm: samples::comm(name) }],
            uid: None,
            cgroup: None,
            at_least_ns: Some(60 * SECOND),
        }
    }

    fn ids(top: &Top) -> Vec<(u32, u64)> {
        top.rows().map(|row| (row.id.run, row.id.conn)).collect()
    }

    #[test]
    fn a_connection_that_was_there_is_one_row_and_stays_that_when_a_record_tells_of_it() {
        let StateOutput { netns, local, remote, stamp, .. } = samples::state();
        let (netns, [client, server]) = (netns.unwrap(), [local, remote.unwrap()].map(|end| end.port.unwrap()));
        let mut top = Top::new(100, SECOND);
        top.apply(&OutputRecord::Start(samples::start()));
        // Both sockets of the connection, and one with the same ends in another namespace.
        for socket in [
            socket(netns, server, client, "nginx"),
            socket(netns, client, server, "curl"),
            socket(netns + 1, client, server, "wget"),
        ] {
            top.add_existing(&socket, stamp.time);
        }
        assert_eq!((ids(&top), top.counts().open), (vec![(Id::EXISTING, 1), (Id::EXISTING, 2)], 2));
        let row = top.row(Id { run: Id::EXISTING, conn: 1 }).unwrap();
        assert_eq!((row.state(), row.standing(), row.knows_roles()), ("CLOSE_WAIT", Standing::Open, false));
        assert_eq!(row.processes(), format!("nginx[{server}]/curl[{client}]"));
        assert_eq!(row.age_ns(WallTime(stamp.time.0 + 5)), 60 * SECOND + 5);
        assert!(!top.ladder(row.id, super::super::tests::DRAWING, 80).is_empty());

        let closing =
            StateOutput { old: TcpState::CloseWait, new: TcpState::LastAck, pid: None, comm: None, ..samples::state() };
        top.apply(&OutputRecord::State(closing));
        assert_eq!(ids(&top), [(1, 1), (Id::EXISTING, 2)]);
        let row = top.row(Id { run: 1, conn: 1 }).unwrap();
        assert_eq!((row.state(), row.processes()), ("LAST_ACK", format!("curl[{client}]/nginx[{server}]")));
        assert!(row.age_ns(stamp.time) >= 60 * SECOND);
    }

    #[test]
    fn those_for_which_there_is_no_room_are_counted() {
        let mut top = Top::new(2, SECOND);
        for port in 1..=3 {
            top.add_existing(&socket(1, port, 80, "curl"), WallTime(0));
        }
        assert_eq!((top.counts().kept, top.counts().left_out), (2, 1));
    }
}
