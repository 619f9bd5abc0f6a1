//! Connections between two namespaces of the recorded host. Both ends are local, but a recording of JSON lines has each
//! segment once, as it was seen first: on its way out.

use std::{collections::HashMap, hash::Hash, mem, num::NonZeroU32};

use tcptrace_core::{
    event::{Direction, Endpoint, Event},
    filter::{Ends, Filter},
    tcp::TcpFlags,
};

/// Number of connections, twice at most, whose SYNs wait for what reveals them, which follows within microseconds unless
/// the SYN is lost.
const WAITING: usize = 4096;

/// Number of SYNs of one connection that wait.
const SYNS: usize = 8;

/// Such connections as far as they are known, and SYNs that may belong to one.
#[derive(Debug)]
pub(super) struct Between {
    /// At most as many as connections are remembered; those in use last.
    known: Recent<[Endpoint; 2], ()>,
    /// SYNs that an option selects only if their receiver is local. What follows them tells.
    waiting: Recent<[Endpoint; 2], Vec<Event>>,
}

impl Between {
    pub(super) fn new(max_connections: NonZeroU32) -> Self {
        let most = usize::try_from(max_connections.get() / 2).unwrap_or(usize::MAX);
        Self { known: Recent::new(most), waiting: Recent::new(WAITING) }
    }

    /// Forgets all connections, for the next run of a recording.
    pub(super) fn clear(&mut self) {
        self.known.clear();
        self.waiting.clear();
    }

    /// Returns true if an event is a segment of such a connection, or an ICMP error about one. Remembers those that it
    /// reveals: it belongs to a connection of another namespace than its own.
    pub(super) fn has(&mut self, event: &Event, filter: &Filter) -> bool {
        // Only these depend on which end is local.
        if filter.local_ports.is_none() && filter.remote_ports.is_none() {
            return false;
        }
        let Some((ends, elsewhere)) = ends_of(event) else { return false };
        // Of others, no segment is shown in any case.
        let known = if elsewhere && filter.matches(ends[0], ends[1], Ends::Either) {
            self.known.entry(ends);
            true
        } else {
            self.known.refresh(&ends)
        };
        known && matches!(event, Event::Segment(_) | Event::Icmp(_))
    }

    /// Keeps an event if it is a SYN on its way out that would be selected if both its ends were local.
    pub(super) fn wait(&mut self, event: &Event, would_be_selected: impl FnOnce() -> bool) {
        if let Event::Segment(segment) = event
            && segment.direction == Some(Direction::Out)
            && segment.header.has(TcpFlags::SYN)
            && !segment.header.has(TcpFlags::ACK)
            && would_be_selected()
        {
            let syns = self.waiting.entry(sorted(segment.src, segment.dst));
            if syns.len() < SYNS {
                syns.push(*event);
            }
        }
    }

    /// Returns the SYNs of a connection that this event reveals.
    pub(super) fn revealed(&mut self, event: &Event) -> Vec<Event> {
        // As in all files that are read without a filter on one end.
        if self.waiting.is_empty() {
            return Vec::new();
        }
        match ends_of(event) {
            Some((ends, true)) => self.waiting.remove(&ends).unwrap_or_default(),
            _ => Vec::new(),
        }
    }
}

/// Returns the ends of an event, in order, and true if its connection is known under another namespace than its own.
fn ends_of(event: &Event) -> Option<([Endpoint; 2], bool)> {
    let (one, other, elsewhere) = match event {
        Event::Segment(segment) => (segment.src, segment.dst, segment.conn_netns),
        Event::State(change) => (change.local, change.remote, change.conn_netns),
        Event::Icmp(error) => (error.src, error.dst, error.conn_netns),
        Event::Hint(hint) => (hint.local, hint.remote, hint.conn_netns),
        Event::Drop(dropped) => (dropped.src, dropped.dst, dropped.conn_netns),
        Event::Report(report) => (report.local, report.remote, report.conn_netns),
        Event::Owner(_) | Event::Listener(_) | Event::Loss(_) => return None,
    };
    Some((sorted(one, other), elsewhere.is_some()))
}

fn sorted(one: Endpoint, other: Endpoint) -> [Endpoint; 2] {
    if one <= other { [one, other] } else { [other, one] }
}

/// A map that forgets what has not been used for longest: at least the latest `most` entries are there, and twice as many
/// at most.
#[derive(Debug)]
struct Recent<K, V> {
    most: usize,
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K: Hash + Eq + Copy, V: Default> Recent<K, V> {
    fn new(most: usize) -> Self {
        Self { most: most.max(1), young: HashMap::new(), old: HashMap::new() }
    }

    /// Returns the value of this key, which is now the latest in use.
    fn entry(&mut self, key: K) -> &mut V {
        let old = self.old.remove(&key);
        if self.young.len() >= self.most && !self.young.contains_key(&key) {
            self.old = mem::take(&mut self.young);
        }
        self.young.entry(key).or_insert_with(|| old.unwrap_or_default())
    }

    /// Returns true if the key is there, which makes it the latest in use.
    fn refresh(&mut self, key: &K) -> bool {
        let there = self.young.contains_key(key) || self.old.contains_key(key);
        if there {
            self.entry(*key);
        }
        there
    }

    fn remove(&mut self, key: &K) -> Option<V> {
        self.young.remove(key).or_else(|| self.old.remove(key))
    }

    fn is_empty(&self) -> bool {
        self.young.is_empty() && self.old.is_empty()
    }

    fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use tcptrace_core::{
        event::{BootTime, Segment},
        tcp::TcpHeader,
    };

    use super::*;

    const POD: u32 = 4_026_532_246;

    /// A segment between port 80 and this port of another namespace; only its flags matter.
    fn segment(from: u16, to: u16, flags: TcpFlags, conn_netns: Option<u32>) -> Event {
        let address = IpAddr::from(Ipv4Addr::new(10, 8, 0, 1));
        let mut bytes = [0; 20];
        bytes[..2].copy_from_slice(&from.to_be_bytes());
        bytes[2..4].copy_from_slice(&to.to_be_bytes());
        bytes[12] = 5 << 4;
        let mut header = TcpHeader::parse(&bytes).expect("a header");
        header.flags = flags;
        let plain = Segment::new(BootTime(1), address, address, header);
        Event::Segment(Segment { direction: Some(Direction::Out), conn_netns, ..plain })
    }

    fn syn(from: u16) -> Event {
        segment(from, 80, TcpFlags::SYN, None)
    }

    fn syn_ack(to: u16) -> Event {
        segment(80, to, TcpFlags::SYN | TcpFlags::ACK, Some(POD))
    }

    fn of_servers() -> Filter {
        Filter { local_ports: Some("80".parse().expect("a port")), ..Filter::default() }
    }

    fn remembering(connections: u32) -> Between {
        Between::new(NonZeroU32::new(connections).expect("above 0"))
    }

    #[test]
    fn a_syn_waits_until_its_connection_is_known_to_be_between_namespaces() {
        let (mut between, filter) = (remembering(100), of_servers());
        for event in [syn(4000), syn(4000), syn(4001), segment(4000, 80, TcpFlags::ACK, None)] {
            assert!(!between.has(&event, &filter));
            between.wait(&event, || true);
        }
        assert_eq!(between.revealed(&segment(4000, 80, TcpFlags::ACK, None)), []);
        assert_eq!(between.revealed(&syn_ack(4000)), [syn(4000), syn(4000)]);
        assert!(between.has(&syn_ack(4000), &filter));
        assert_eq!(between.revealed(&syn_ack(4000)), [], "once");
        assert!(between.has(&segment(4000, 80, TcpFlags::ACK, None), &filter));
        assert!(!between.has(&segment(4001, 80, TcpFlags::ACK, None), &filter));
    }

    #[test]
    fn a_syn_that_is_sent_for_ever_does_not_wait_for_ever() {
        let mut between = remembering(100);
        (0..1000).for_each(|_| between.wait(&syn(4000), || true));
        assert_eq!(between.revealed(&syn_ack(4000)).len(), SYNS);
    }

    #[test]
    fn the_connections_in_use_are_remembered_and_no_more_than_allowed() {
        let (mut between, filter) = (remembering(10), of_servers());
        let knows = |between: &mut Between, port| between.has(&segment(port, 80, TcpFlags::FIN, None), &filter);
        for port in 1..=1000 {
            assert!(between.has(&syn_ack(4000 + port), &filter));
            assert!(between.known.young.len() + between.known.old.len() <= 10);
            assert!(knows(&mut between, 4001), "it is in use: {port}");
        }
        assert!(knows(&mut between, 5000) && knows(&mut between, 4997));
        assert!(!knows(&mut between, 4900));
    }
}
