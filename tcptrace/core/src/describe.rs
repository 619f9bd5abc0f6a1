//! Conversion of correlated events to output records: wall-clock times, interface names, and ICMP meanings.

use std::{collections::BTreeMap, net::IpAddr, num::NonZeroU16, sync::Arc};

use foldhash::HashMap;

use crate::{
    correlate::{
        Correlated, CorrelatedDrop, CorrelatedHint, CorrelatedIcmp, CorrelatedOwner, CorrelatedReport,
        CorrelatedSegment, CorrelatedState,
    },
    event::{Ace, BootTime, Endpoint, ListenerOwner, Loss, OwnerSource, icmp},
    output_record::{
        CloseOutput, CommunityId, Context, DropOutput, EndpointOutput, EvictedOutput, HandshakeOutput, HintOutput,
        IcmpOutput, LostOutput, NamespaceOutput, Origin, OutputRecord, OwnerOutput, ReportOutput, SegmentOutput,
        StalledOutput, Stamp, StateOutput,
    },
    tcp::{TcpFlags, TcpOptions, TcpState},
    text::{Errno, WallTime},
    verdict::{CloseEnd, Severity},
    wall_clock::WallClock,
};

/// Converts events to output records: it knows the clocks and the names of interfaces.
#[derive(Debug, Default)]
pub struct Describer {
    /// Source of wall-clock times.
    pub clock: WallClock,
    /// True if the events come from a capture: their times are wall-clock times already.
    capture: bool,
    /// True if nobody recorded when the events happened.
    untimed: bool,
    /// By network namespace, 0 where that is not told, and index.
    interfaces: HashMap<(u32, u32), Arc<str>>,
    /// The other network namespaces whose interfaces are traced, by inode number: the name, and the interfaces.
    namespaces: BTreeMap<u32, (Option<Arc<str>>, Vec<String>)>,
    /// Host and run of the events.
    origin: Origin,
    /// Layers of each encapsulation, outermost first; number 1 is the first.
    encapsulations: Vec<Arc<[String]>>,
}

impl Describer {
    /// Creates a describer for live events; `clock` knows the offsets between the host's clocks.
    pub fn live(clock: WallClock) -> Self {
        Self { clock, ..Self::default() }
    }

    /// Creates a describer for events from a capture, whose times are nanoseconds since 1970.
    pub fn of_capture() -> Self {
        Self { capture: true, ..Self::default() }
    }

    /// Creates a describer for recorded events, whose wall-clock times [`WallClock::note`] must be given.
    pub fn of_recording() -> Self {
        Self::default()
    }

    /// Sets or changes the name of an interface.
    pub fn name_interface(&mut self, netns: Option<u32>, index: u32, name: &str) {
        self.interfaces.insert((netns.unwrap_or_default(), index), name.into());
    }

    /// Declares that nobody recorded when the following events happened: their records have no times.
    pub fn lose_times(&mut self) {
        self.untimed = true;
    }

    /// Sets the host and the run from which the events come.
    pub fn set_origin(&mut self, origin: Origin) {
        self.origin = origin;
    }

    /// Notes that the interfaces of a network namespace are traced from now on, and returns the record that says so. `name`
    /// is what its verdicts call it: `None` if it has no name.
    pub fn cover_namespace(
        &mut self,
        at: BootTime,
        netns: u32,
        name: Option<Arc<str>>,
        interfaces: Vec<String>,
    ) -> OutputRecord {
        self.namespaces.insert(netns, (name.clone(), interfaces.clone()));
        OutputRecord::Namespace(NamespaceOutput { stamp: self.stamp(at), netns, netns_name: name, interfaces })
    }

    /// Returns the records of the namespaces that are covered, as of `at`: for another file, which has to name them as well.
    pub fn covered_namespaces(&self, at: BootTime) -> impl Iterator<Item = OutputRecord> {
        let stamp = self.stamp(at);
        self.namespaces.iter().map(move |(&netns, (name, interfaces))| {
            let (netns_name, interfaces) = (name.clone(), interfaces.clone());
            OutputRecord::Namespace(NamespaceOutput { stamp, netns, netns_name, interfaces })
        })
    }

    /// Forgets a network namespace: it is gone, and its inode number may become that of another one.
    pub fn forget_namespace(&mut self, netns: u32) {
        self.namespaces.remove(&netns);
    }

    fn namespace(&self, netns: Option<u32>) -> Option<Arc<str>> {
        self.namespaces.get(&netns?)?.0.clone()
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
            netns_name: self.namespace(netns),
        }
    }

    /// Names the encapsulations that are new in `all`, which holds those of a decoder in the order of their numbers; `layers`
    /// returns the layers of one in words, outermost first.
    pub fn name_encapsulations<E>(&mut self, all: &[E], layers: impl Fn(&E) -> Vec<String>) {
        for new in all.iter().skip(self.encapsulations.len()) {
            self.encapsulations.push(layers(new).into());
        }
    }

    fn encapsulation(&self, number: Option<NonZeroU16>) -> Option<Arc<[String]>> {
        self.encapsulations.get(usize::from(number?.get()) - 1).cloned()
    }

    /// Returns the stamp of a time.
    pub fn stamp(&self, at: BootTime) -> Stamp {
        if self.untimed {
            return Stamp { time: WallTime::UNKNOWN, boot_ns: None };
        }
        if self.capture {
            return Stamp { time: WallTime(i64::try_from(at.0).unwrap_or(i64::MAX)), boot_ns: None };
        }
        Stamp { time: self.clock.wall(at), boot_ns: Some(at.0) }
    }

    /// Converts an event or verdict to its output record.
    pub fn entry(&mut self, placed: Correlated) -> OutputRecord {
        match placed {
            Correlated::State(placed) => OutputRecord::State(self.state(&placed)),
            Correlated::Segment(placed) => OutputRecord::Segment(self.segment(&placed)),
            Correlated::Icmp(placed) => OutputRecord::Icmp(self.icmp(&placed)),
            Correlated::Owner(placed) => OutputRecord::Owner(self.owner(&placed)),
            Correlated::Listener(owner) => OutputRecord::Owner(self.listener(&owner)),
            Correlated::Hint(placed) => OutputRecord::Hint(self.hint(&placed)),
            Correlated::Drop(placed) => OutputRecord::Drop(self.dropped(&placed)),
            Correlated::Loss(loss) => OutputRecord::Lost(self.lost(&loss, None)),
            Correlated::StateGap(loss, conn) => OutputRecord::Lost(self.lost(&loss, Some(conn))),
            Correlated::Handshake(mut record) => {
                let encapsulation = self.encapsulation(record.encapsulation);
                for end in [&mut record.client, &mut record.server] {
                    end.netns_name = self.namespace(end.netns);
                }
                let ends = [&record.client, &record.server].map(|end| (end.addr, end.port));
                let context = self.context(record.started, record.severity(), ends, record.netns);
                OutputRecord::Handshake(HandshakeOutput {
                    stamp: self.stamp(record.at),
                    encapsulation,
                    joined: None,
                    context,
                    record,
                })
            }
            Correlated::Close(mut record) => {
                let encapsulation = self.encapsulation(record.encapsulation);
                self.name_ends(&mut record.client, &mut record.server);
                let ends = [&record.client, &record.server].map(|end| (end.addr, end.port));
                let context = self.context(record.started, record.severity(), ends, record.netns);
                OutputRecord::Close(CloseOutput {
                    stamp: self.stamp(record.at),
                    encapsulation,
                    joined: None,
                    context,
                    record,
                })
            }
            Correlated::Stalled(mut record) => {
                self.name_ends(&mut record.client, &mut record.server);
                // The clock may be set between the last event and a deadline, but a recording only has the times of
                // events.
                let Stamp { time, boot_ns } = self.stamp(record.last);
                let later = |ns: i64| ns.saturating_add_unsigned(record.at.since(record.last));
                let stamp = match time.is_known() {
                    true => Stamp { time: WallTime(later(time.0)), boot_ns: boot_ns.map(|_| record.at.0) },
                    false => Stamp { time, boot_ns },
                };
                let since = self.stamp(record.since).time;
                OutputRecord::Stalled(StalledOutput { stamp, since, record })
            }
            Correlated::Report(placed) => OutputRecord::Report(self.report(&placed)),
            Correlated::Evicted(evicted) => {
                OutputRecord::Evicted(EvictedOutput { stamp: self.stamp(evicted.at), conn: evicted.conn })
            }
        }
    }

    /// Names the network namespaces of two ends.
    fn name_ends(&self, client: &mut CloseEnd, server: &mut CloseEnd) {
        for end in [client, server] {
            end.netns_name = self.namespace(end.netns);
        }
    }

    fn state(&self, placed: &CorrelatedState) -> StateOutput {
        let change = &placed.change;
        let listener = placed.conn.is_none();
        StateOutput {
            stamp: self.stamp(change.at),
            conn: placed.conn,
            netns: change.netns,
            conn_netns: placed.conn_netns,
            socket: placed.socket,
            replaces: placed.replaces,
            old: change.old,
            new: change.new,
            local: change.local.into(),
            remote: (!listener).then(|| change.remote.into()),
            role: placed.role,
            error: change.error.filter(|_| change.new == TcpState::Close).filter(|&error| error != 0).map(Errno),
            evidence: change.proof,
            pid: change.task.map(|task| task.pid),
            tid: change.task.map(|task| task.tid),
            comm: change.task.map(|task| task.comm),
            thread: change.task.and_then(|task| task.thread),
            exit: change.task.and_then(|task| task.exit),
            uid: change.uid,
            old_state_ns: placed.old_state_ns,
            since_start_ns: placed.since_start_ns,
            continues_as: placed.continues_as,
            cgroup: placed.cgroup.clone(),
            counters: change.counters,
            late: placed.late,
        }
    }

    /// Returns the time since the first event, if there are times.
    fn since_start_ns(&self, since: u64) -> Option<u64> {
        (!self.untimed).then_some(since)
    }

    fn segment(&mut self, placed: &CorrelatedSegment) -> SegmentOutput {
        let segment = &placed.segment;
        let header = &segment.header;
        SegmentOutput {
            stamp: self.stamp(segment.at),
            conn: placed.conn,
            netns: segment.netns,
            conn_netns: placed.conn_netns,
            interface: self.interface(segment.netns, segment.ifindex),
            direction: segment.direction,
            encapsulation: self.encapsulation(segment.encapsulation),
            socket: segment.socket.map(|_| placed.socket),
            src: wire_end(segment.src),
            dst: wire_end(segment.dst),
            flags: if placed.ace.is_some() { header.flags.without(TcpFlags::ACE) } else { header.flags },
            ace: placed.ace.map(Ace::value),
            synack_ecn: placed.ace.and_then(Ace::synack_ecn),
            seq: header.seq.0,
            ack: header.has(TcpFlags::ACK).then_some(header.ack.0),
            rel_seq: placed.rel_seq,
            rel_ack: placed.rel_ack,
            window: header.window,
            urgent: header.has(TcpFlags::URG).then_some(header.urgent),
            length: segment.length,
            gso_segments: (segment.segments > 1).then_some(segment.segments),
            note: placed.note,
            since_start_ns: self.since_start_ns(placed.since_start_ns),
            retransmission: placed.retransmission,
            late: placed.late,
            options: TcpOptions::from(header),
            passage: None,
        }
    }

    fn icmp(&mut self, placed: &CorrelatedIcmp) -> IcmpOutput {
        let error = &placed.error;
        IcmpOutput {
            stamp: self.stamp(error.at),
            conn: placed.conn,
            netns: error.netns,
            conn_netns: placed.conn_netns,
            interface: self.interface(error.netns, error.ifindex),
            direction: error.direction,
            from: error.from,
            kind: icmp::kind(error.from, error.icmp_type, error.icmp_code),
            icmp_type: error.icmp_type,
            icmp_code: error.icmp_code,
            src: wire_end(error.src),
            dst: wire_end(error.dst),
            seq: error.seq,
            since_start_ns: self.since_start_ns(placed.since_start_ns),
            late: placed.late,
        }
    }

    fn owner(&self, placed: &CorrelatedOwner) -> OwnerOutput {
        let owner = &placed.owner;
        OwnerOutput {
            stamp: self.stamp(owner.at),
            conn: Some(placed.conn),
            socket: placed.socket,
            netns: owner.netns,
            local: owner.local.into(),
            remote: Some(owner.remote.into()),
            sockets: None,
            asked_ns: None,
            pid: owner.process.map(|process| process.pid),
            comm: owner.process.and_then(|process| process.name()),
            source: owner.source,
        }
    }

    fn listener(&self, owner: &ListenerOwner) -> OwnerOutput {
        OwnerOutput {
            stamp: self.stamp(owner.at),
            conn: None,
            socket: None,
            netns: owner.netns,
            local: owner.local.into(),
            remote: None,
            sockets: (owner.sockets > 1).then_some(owner.sockets),
            asked_ns: Some(owner.at.since(owner.asked)),
            pid: owner.process.map(|process| process.pid),
            comm: owner.process.and_then(|process| process.name()),
            source: OwnerSource::SockDiag,
        }
    }

    fn hint(&self, placed: &CorrelatedHint) -> HintOutput {
        let hint = &placed.hint;
        HintOutput {
            stamp: self.stamp(hint.at),
            conn: placed.conn,
            netns: hint.netns,
            conn_netns: placed.conn_netns,
            socket: placed.socket,
            name: hint.name,
            value: hint.reason,
            state: hint.state,
            local: wire_end(hint.local),
            remote: wire_end(hint.remote),
            queue_full: hint.queue_full,
            queue: hint.queue,
            since_start_ns: placed.since_start_ns,
            late: placed.late,
        }
    }

    fn dropped(&mut self, placed: &CorrelatedDrop) -> DropOutput {
        let segment = &placed.segment;
        DropOutput {
            stamp: self.stamp(segment.at),
            conn: placed.conn,
            netns: segment.netns,
            conn_netns: placed.conn_netns,
            interface: segment.ifindex.map(|index| self.interface(segment.netns, index)),
            src: wire_end(segment.src),
            dst: wire_end(segment.dst),
            flags: segment.flags,
            seq: segment.seq,
            rel_seq: placed.rel_seq,
            length: segment.length,
            reason: segment.reason,
            location: segment.location,
            since_start_ns: placed.since_start_ns,
            late: placed.late,
        }
    }

    fn report(&self, placed: &CorrelatedReport) -> ReportOutput {
        let report = &placed.report;
        ReportOutput {
            stamp: self.stamp(report.at),
            conn: placed.conn,
            netns: report.netns,
            conn_netns: placed.conn_netns,
            state: report.state,
            local: report.local.into(),
            remote: report.remote.into(),
            unaccepted: report.unaccepted,
            unacked_bytes: report.unacked_bytes,
            acked_bytes: report.acked_bytes,
            retransmissions: report.retransmissions,
            window_closed: report.window_closed,
            segment_size: report.segment_size,
            stuck_ns: report.stuck_ns,
            since_start_ns: placed.since_start_ns,
        }
    }

    fn lost(&self, loss: &Loss, conn: Option<u64>) -> LostOutput {
        LostOutput { stamp: self.stamp(loss.at), conn, source: loss.source, count: loss.count, total: loss.total }
    }

    /// Returns the name of an interface, or its number if the name is not known.
    fn interface(&mut self, netns: Option<u32>, index: u32) -> Arc<str> {
        let place = (netns.unwrap_or_default(), index);
        if let Some(name) = self.interfaces.get(&place).or_else(|| self.interfaces.get(&(0, index))) {
            return Arc::clone(name);
        }
        let name: Arc<str> = format!("if{index}").into();
        self.interfaces.insert(place, Arc::clone(&name));
        name
    }
}

/// Describes an end as a header has it: port 0 is what was seen.
fn wire_end(end: Endpoint) -> EndpointOutput {
    EndpointOutput { addr: end.addr, port: Some(end.port) }
}
