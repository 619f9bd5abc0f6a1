//! Decoder for single lines.

mod events;
mod numbers;

use std::{borrow::Cow, collections::HashMap, sync::Arc, time::Duration};

use foldhash::fast::RandomState;
use serde::{Deserialize, de::IgnoredAny};

use super::{Counters, Moment, Namespace, Record, Recorded, Start, cgroups::Cgroups, error::Fault, fields};
use crate::{
    SCHEMA,
    decode::encapsulations::Encapsulations,
    event::{BootTime, Cgroup, CgroupKey, Event, Existing, SocketKey},
    filter::SegmentChoice,
    tcp::TcpState,
    text::WallTime,
};

/// Maximum amount by which a record may be older than one before it without counting as out of order:
/// processors write concurrently.
const REORDER_TOLERANCE: Duration = Duration::from_secs(1);

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
            return Err(Fault::Nonsense("it comes after the end record of its recording"));
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
                Some(given) => given,
                None => return Ok(None),
            },
            "lost" => match self.lost(&read(line)?)? {
                Some(given) => given,
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
                && at + REORDER_TOLERANCE >= self.latest
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
            states_of: fields.states_of,
            began_ns: fields.began_ns,
            run: fields.run.map(Arc::from),
        };
        self.start = Some(start.clone());
        Ok(start)
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

    /// Counts records out of order. A state change that waited in the kernel for its port may be older than the lines
    /// before it.
    fn watch_order(&mut self, event: &Event) {
        let waited =
            matches!(event, Event::State(change) if matches!(change.new, TcpState::SynSent | TcpState::SynRecv));
        self.counters.backwards += u64::from(!waited && event.at() + REORDER_TOLERANCE < self.latest);
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
        None => Err(Fault::Nonsense("it is not a JSON object")),
    }
}

fn read<'a, T: Deserialize<'a>>(line: &'a [u8]) -> Result<T, Fault> {
    Ok(serde_json::from_slice(line)?)
}

/// Returns nanoseconds since 1970; 0 for earlier times.
fn since_1970(wall: WallTime) -> u64 {
    u64::try_from(wall.0).unwrap_or(0)
}
