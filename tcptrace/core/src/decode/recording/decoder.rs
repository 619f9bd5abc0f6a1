//! Decoder for single lines.

use std::{borrow::Cow, collections::HashMap, net::IpAddr, num::NonZeroU16, sync::Arc};

use foldhash::fast::RandomState;
use serde::{Deserialize, de::IgnoredAny};

use super::{Counters, Moment, Namespace, Record, Recorded, Start, cgroups::Cgroups, error::Fault, fields};
use crate::{
    SCHEMA,
    decode::encapsulations::Encapsulations,
    event::{
        BootTime, Cgroup, CgroupKey, Comm, DroppedSegment, Endpoint, Event, Existing, Hint, IcmpError, ListenerOwner,
        Loss, OwnerSource, Process, Segment, SocketKey, SocketOwner, SocketReport, StateChange, Task,
    },
    filter::SegmentChoice,
    tcp::{SeqNumber, TcpHeader, TcpState},
    text::WallTime,
};

/// Maximum number of interfaces in one file, and maximum length of a name in bytes: no file can exhaust memory with
/// them.
const MAX_INTERFACES: usize = 1 << 16;
const MAX_NAME_LEN: usize = 1024;

/// Maximum number of layers kept of one encapsulation, and maximum length of a layer's words in bytes: more than a capture
/// gives.
const MAX_LAYERS: usize = 16;
const MAX_LAYER_LEN: usize = 64;

/// Maximum amount, in nanoseconds, by which a record may be older than one before it without counting as out of order:
/// processors write concurrently.
const REORDER_TOLERANCE: u64 = 1_000_000_000;

/// The socket of a segment without a number. Socket numbers count from 1.
const UNNUMBERED: SocketKey = SocketKey(u64::MAX);

/// State carried from one line to the next.
#[derive(Debug, Default)]
pub(in crate::decode) struct Decoder {
    /// The last `start` record; `None` before the first.
    start: Option<Start>,
    /// True if an `end` record followed it.
    ended: bool,
    /// The latest time since that `start`.
    latest: BootTime,
    /// The highest connection number so far: they count from 1 in order of appearance.
    newest: u64,
    interfaces: Vec<String>,
    numbers: HashMap<String, u32, RandomState>,
    encapsulations: Encapsulations<Vec<String>>,
    cgroups: Cgroups,
    /// Keys of sockets that took an earlier socket's place in memory, by number: live, both have the same kernel address.
    replacing: HashMap<u64, SocketKey, RandomState>,
    counters: Counters,
}

impl Decoder {
    pub(super) fn interfaces(&self) -> &[String] {
        &self.interfaces
    }

    pub(super) fn cgroups(&self) -> &[(CgroupKey, Arc<Cgroup>)] {
        self.cgroups.all()
    }

    pub(super) fn encapsulations(&self) -> &[Vec<String>] {
        self.encapsulations.all()
    }

    /// Returns the counts of lines.
    pub(in crate::decode) fn counters(&self) -> Counters {
        self.counters
    }

    /// Decodes a line; `None` for lines that a replay does not need.
    pub(in crate::decode) fn decode(&mut self, line: &[u8]) -> Result<Option<Record>, Fault> {
        let kind = kind(line)?;
        if kind != "start" && self.start.is_none() {
            return Err(Fault::NoStart);
        }
        if kind != "start" && self.ended {
            return Err(Fault::Nonsense("it comes behind the end record of its recording"));
        }
        let (moment, event) = match &*kind {
            "start" => return self.start(line).map(|start| Some(Record::Start(start))),
            "state" => self.state(read(line)?)?,
            "segment" => self.segment(&read(line)?)?,
            "icmp" => self.icmp(&read(line)?)?,
            "hint" => self.hint(&read(line)?)?,
            "drop" => self.dropped(&read(line)?)?,
            "report" => self.report(&read(line)?)?,
            "owner" => match self.owner(&read(line)?)? {
                Some(told) => told,
                None => return Ok(None),
            },
            "lost" => match self.lost(&read(line)?)? {
                Some(told) => told,
                None => return Ok(None),
            },
            "existing" => {
                let fields::Existing { time, boot_ns, groups } = read(line)?;
                let moment = self.moment(time, boot_ns)?;
                return Ok(Some(Record::Existing(Existing::of_groups(moment.at, groups))));
            }
            "namespace" => {
                let fields::Namespace { time, boot_ns, netns, netns_name, interfaces } = read(line)?;
                let moment = self.moment(time, boot_ns)?;
                let name = netns_name.map(Arc::from);
                return Ok(Some(Record::Namespace(Namespace { moment, netns, name, interfaces })));
            }
            "end" => {
                let fields::Ended { time, boot_ns } = read(line)?;
                self.ended = true;
                return self.moment(time, boot_ns).map(|moment| Some(Record::End(moment)));
            }
            kind => {
                let is_verdict = matches!(kind, "handshake" | "close" | "stalled" | "evicted" | "leak");
                self.counters.verdicts += u64::from(is_verdict);
                self.counters.unknown += u64::from(!is_verdict);
                let IgnoredAny = read(line)?;
                return Ok(None);
            }
        };
        self.counters.events += 1;
        self.watch_order(&event);
        Ok(Some(Record::Event(Recorded { event, wall: moment.wall })))
    }

    fn start(&mut self, line: &[u8]) -> Result<Start, Fault> {
        let fields::Schema { schema } = read(line)?;
        if !(1..=u64::from(SCHEMA)).contains(&schema) {
            return Err(Fault::Schema(schema));
        }
        let fields: fields::Start = read(line)?;
        let capture = fields.boot_ns.is_none();
        let at = BootTime(fields.boot_ns.unwrap_or_else(|| since_1970(fields.time)));
        let goes_on = self.start.as_ref().is_some_and(|before| {
            (&before.hostname, before.netns, before.capture, before.began_ns)
                == (&fields.hostname, fields.netns, capture, fields.began_ns)
                && !self.ended
                && at.plus(REORDER_TOLERANCE) >= self.latest
        });
        if !goes_on {
            self.latest = at;
            self.ended = false;
            self.newest = 0;
            self.replacing.clear();
        }
        let start = Start {
            moment: Moment { at, wall: fields.time },
            goes_on,
            capture,
            hostname: fields.hostname,
            kernel: fields.kernel,
            netns: fields.netns,
            interfaces: fields.interfaces,
            segments: fields.segments.unwrap_or(SegmentChoice::Control),
            filter: fields.filter,
            began_ns: fields.began_ns,
            run: fields.run.map(Arc::from),
        };
        self.start = Some(start.clone());
        Ok(start)
    }

    fn state(&mut self, fields: fields::State) -> Result<(Moment, Event), Fault> {
        let moment = self.moment(fields.time, fields.boot_ns)?;
        self.newest = self.newest.max(fields.conn.unwrap_or(0));
        let local = Endpoint::from(fields.local);
        let nobody = Endpoint { addr: unspecified(local.addr), port: 0 };
        let task = match (fields.pid, fields.tid, fields.comm) {
            (Some(pid), Some(tid), Some(comm)) => {
                Some(Task { pid, tid, comm, thread: fields.thread, exit: fields.exit })
            }
            _ => None,
        };
        let (container, unit) = (fields.container, fields.unit);
        let cgroup = fields.cgroup.map(|path| Cgroup { container, unit, path });
        let change = StateChange {
            at: moment.at,
            socket: self.socket(fields.socket, fields.replaces),
            netns: fields.netns,
            conn_netns: fields.conn_netns,
            old: fields.old,
            new: fields.new,
            local,
            remote: fields.remote.map_or(nobody, Endpoint::from),
            // No error and an unknown error are both null; if the namespace is known, so is the error.
            error: fields.error.map(|error| error.0).or(fields.netns.map(|_| 0)),
            proof: fields.evidence,
            task,
            cgroup: cgroup.and_then(|cgroup| self.cgroups.key(&cgroup)),
            uid: fields.uid,
            counters: fields.counters,
        };
        if change.new == TcpState::Close {
            self.replacing.remove(&fields.socket);
        }
        Ok((moment, Event::State(change)))
    }

    fn segment(&mut self, fields: &fields::Segment<'_>) -> Result<(Moment, Event), Fault> {
        let moment = self.moment(fields.time, fields.boot_ns)?;
        self.newest = self.newest.max(fields.conn.unwrap_or(0));
        let (src, dst) = (Endpoint::from(fields.src), Endpoint::from(fields.dst));
        let options = fields.options.0;
        let header = TcpHeader {
            src_port: src.port,
            dst_port: dst.port,
            seq: SeqNumber(fields.seq),
            ack: SeqNumber(fields.ack.unwrap_or(0)),
            data_offset: 20 + options.as_slice().len().next_multiple_of(4) as u8,
            flags: fields.flags.with_ace(fields.ace),
            window: fields.window,
            urgent: fields.urgent.unwrap_or(0),
            options,
        };
        let segment = Segment {
            at: moment.at,
            socket: fields.socket.map(|number| number.map_or(UNNUMBERED, |number| self.socket(number, None))),
            socket_port: None,
            netns: fields.netns,
            conn_netns: fields.conn_netns,
            ifindex: self.interface(&fields.interface)?,
            direction: fields.direction,
            src,
            dst,
            header,
            length: fields.length,
            segments: fields.gso_segments.unwrap_or(1),
            encapsulation: self.encapsulation(&fields.encapsulation),
        };
        Ok((moment, Event::Segment(segment)))
    }

    fn icmp(&mut self, fields: &fields::Icmp<'_>) -> Result<(Moment, Event), Fault> {
        let moment = self.moment(fields.time, fields.boot_ns)?;
        self.newest = self.newest.max(fields.conn.unwrap_or(0));
        let error = IcmpError {
            at: moment.at,
            netns: fields.netns,
            conn_netns: fields.conn_netns,
            ifindex: self.interface(&fields.interface)?,
            direction: fields.direction,
            from: fields.from.to_canonical(),
            icmp_type: fields.icmp_type,
            icmp_code: fields.icmp_code,
            src: fields.src.into(),
            dst: fields.dst.into(),
            seq: fields.seq,
        };
        Ok((moment, Event::Icmp(error)))
    }

    fn hint(&mut self, fields: &fields::Hint) -> Result<(Moment, Event), Fault> {
        let moment = self.moment(fields.time, fields.boot_ns)?;
        let hint = Hint {
            at: moment.at,
            socket: fields.socket.map(|number| self.socket(number, None)),
            netns: fields.netns,
            conn_netns: fields.conn_netns,
            local: fields.local.into(),
            remote: fields.remote.into(),
            name: fields.name,
            reason: fields.value,
            state: fields.state,
            queue_full: fields.queue_full,
            queue: fields.queue,
        };
        Ok((moment, Event::Hint(hint)))
    }

    fn dropped(&mut self, fields: &fields::Dropped<'_>) -> Result<(Moment, Event), Fault> {
        let moment = self.moment(fields.time, fields.boot_ns)?;
        let dropped = DroppedSegment {
            at: moment.at,
            socket: None,
            netns: fields.netns,
            conn_netns: fields.conn_netns,
            ifindex: fields.interface.as_deref().map(|name| self.interface(name)).transpose()?,
            src: fields.src.into(),
            dst: fields.dst.into(),
            flags: fields.flags,
            seq: fields.seq,
            length: fields.length,
            reason: fields.reason,
            location: fields.location,
        };
        Ok((moment, Event::Drop(dropped)))
    }

    fn report(&mut self, fields: &fields::Report) -> Result<(Moment, Event), Fault> {
        let moment = self.moment(fields.time, fields.boot_ns)?;
        self.newest = self.newest.max(fields.conn.unwrap_or(0));
        let report = SocketReport {
            at: moment.at,
            asked: moment.at,
            netns: fields.netns,
            conn_netns: fields.conn_netns,
            local: fields.local.into(),
            remote: fields.remote.into(),
            state: fields.state,
            unaccepted: fields.unaccepted,
            unacked_bytes: fields.unacked_bytes,
            acked_bytes: fields.acked_bytes,
            retransmissions: fields.retransmissions,
            window_closed: fields.window_closed,
            segment_size: fields.segment_size,
            stuck_ns: fields.stuck_ns,
        };
        Ok((moment, Event::Report(report)))
    }

    /// Decodes an owner; `None` if it follows from other records.
    fn owner(&self, fields: &fields::Owner) -> Result<Option<(Moment, Event)>, Fault> {
        let moment = self.moment(fields.time, fields.boot_ns)?;
        let process = fields.pid.map(|pid| Process { pid, comm: fields.comm.unwrap_or(Comm([0; 16])) });
        let (at, local, source) = (moment.at, fields.local.into(), fields.source);
        let event = match fields.remote {
            _ if !matches!(source, OwnerSource::SockDiag | OwnerSource::Capture) => return Ok(None),
            None => {
                let asked = BootTime(at.0.saturating_sub(fields.asked_ns.unwrap_or(0)));
                let sockets = fields.sockets.unwrap_or(1);
                Event::Listener(ListenerOwner { at, asked, netns: fields.netns, local, sockets, process })
            }
            Some(remote) => {
                let (remote, early) = (remote.into(), fields.conn.is_some_and(|conn| conn > self.newest));
                let netns = fields.netns;
                Event::Owner(SocketOwner { at, asked: at, early, netns, local, remote, process, source })
            }
        };
        Ok(Some((moment, event)))
    }

    fn lost(&self, fields: &fields::Lost) -> Result<Option<(Moment, Event)>, Fault> {
        let moment = self.moment(fields.time, fields.boot_ns)?;
        let &fields::Lost { source, count, total, conn, .. } = fields;
        let placed = conn.is_some();
        Ok(Some((moment, Event::Loss(Loss { at: moment.at, source, count, total, placed }))))
    }

    /// Returns the time of a line, by the clock that its `start` record names.
    fn moment(&self, wall: WallTime, boot_ns: Option<u64>) -> Result<Moment, Fault> {
        let at = match (boot_ns, self.start.as_ref().is_some_and(|start| start.capture)) {
            (Some(_), false) if !wall.is_known() => {
                return Err(Fault::Nonsense("time is null, but boot_ns is a number"));
            }
            (Some(at), false) => at,
            // They are in order, and that is all that is known.
            (None, true) if !wall.is_known() => self.latest.0,
            (None, true) => since_1970(wall),
            (None, false) => return Err(Fault::Nonsense("boot_ns is null, but not in the start record")),
            (Some(_), true) => return Err(Fault::Nonsense("boot_ns is a number, but null in the start record")),
        };
        Ok(Moment { at: BootTime(at), wall })
    }

    /// Returns the key of a socket: its number or, as live, that of the socket whose place in memory it took.
    fn socket(&mut self, number: u64, replaces: Option<u64>) -> SocketKey {
        let known = |numbers: &HashMap<_, _, _>, number| numbers.get(&number).copied().unwrap_or(SocketKey(number));
        if let Some(before) = replaces {
            let key = known(&self.replacing, before);
            self.replacing.remove(&before);
            self.replacing.insert(number, key);
            return key;
        }
        known(&self.replacing, number)
    }

    /// Returns the number of an encapsulation with these layers, if there are any.
    fn encapsulation(&mut self, layers: &[Cow<'_, str>]) -> Option<NonZeroU16> {
        let cut = |word: &str| word.get(..word.floor_char_boundary(MAX_LAYER_LEN)).unwrap_or(word).to_owned();
        let layers: Vec<String> = layers.iter().take(MAX_LAYERS).map(|word| cut(word)).collect();
        if layers.is_empty() { None } else { self.encapsulations.number(layers.as_slice()) }
    }

    /// Returns the number of an interface, adding it if it is new.
    fn interface(&mut self, name: &str) -> Result<u32, Fault> {
        let name = name.get(..name.floor_char_boundary(MAX_NAME_LEN)).unwrap_or(name);
        if let Some(&number) = self.numbers.get(name) {
            return Ok(number);
        }
        if self.interfaces.len() >= MAX_INTERFACES {
            return Err(Fault::Nonsense("it names more interfaces than any host has"));
        }
        self.interfaces.push(name.to_owned());
        let number = self.interfaces.len() as u32;
        self.numbers.insert(name.to_owned(), number);
        Ok(number)
    }

    /// Counts records out of order. A state change that waited in the kernel for its port may be older than the lines
    /// before it.
    fn watch_order(&mut self, event: &Event) {
        let waited =
            matches!(event, Event::State(change) if matches!(change.new, TcpState::SynSent | TcpState::SynRecv));
        self.counters.backwards += u64::from(!waited && event.at().plus(REORDER_TOLERANCE) < self.latest);
        self.latest = self.latest.max(event.at());
    }
}

/// Returns the type of a record, which comes first in lines as tcptrace writes them.
fn kind(line: &[u8]) -> Result<Cow<'_, str>, Fault> {
    let first = line.strip_prefix(br#"{"type":""#).and_then(|rest| {
        let end = rest.iter().position(|&byte| byte == b'"')?;
        str::from_utf8(rest.get(..end)?).ok().filter(|kind| !kind.contains('\\'))
    });
    match first {
        Some(kind) => Ok(Cow::Borrowed(kind)),
        None if line.trim_ascii_start().starts_with(b"{") => {
            let fields::Typed { kind } = read(line)?;
            Ok(kind)
        }
        None => Err(Fault::Nonsense("it is no JSON object")),
    }
}

fn read<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Result<T, Fault> {
    Ok(serde_json::from_slice(line)?)
}

/// Returns nanoseconds since 1970; 0 for earlier times.
fn since_1970(wall: WallTime) -> u64 {
    u64::try_from(wall.0).unwrap_or(0)
}

/// Returns the unspecified address of the same family.
fn unspecified(addr: IpAddr) -> IpAddr {
    match addr {
        IpAddr::V4(_) => IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED),
    }
}
