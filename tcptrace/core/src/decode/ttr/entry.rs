//! Entries of a block other than ring records: everything else that a replay needs, in the order in which it became known.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::cursor::{Cursor, Fields};
use crate::{
    event::{
        AcceptQueue, BootTime, Cgroup, CgroupKey, Container, Event, Hint, HintName, KernelName, KernelReasons,
        ListenerOwner, LossSource, OwnerSource, SocketOwner, SocketReport, reset_reason::ResetReason,
    },
    tcp::TcpState,
};

/// An entry that is not a ring record.
#[derive(Clone, Debug, PartialEq)]
#[allow(
    clippy::large_enum_variant,
    reason = "only one exists at a time, and the difference in size depends on the target"
)]
pub enum Entry {
    /// A line of JSON as in a recording of JSON lines, of type `start`, `existing`, `namespace` or `end`.
    Line(Vec<u8>),
    /// Settings of the trace that are not in its `start` record.
    Setup(Setup),
    /// The name of an interface.
    Interface(Interface),
    /// The name of a control group, before the first record that has its key.
    Cgroup(CgroupKey, Arc<Cgroup>),
    /// Offset of the wall clock from the clock of events in nanoseconds, valid from a time on.
    Clock(BootTime, i64),
    /// No record that follows is older than this.
    Time(BootTime),
    /// The kernel's count of records lost so far, as of the given time.
    Total(BootTime, LossSource, u64),
    /// Records left out here because the disk was too slow or full: the time, and their number.
    LeftOut(BootTime, u64),
    /// The task of the next record is a kernel thread, and not the owner of its socket.
    KernelThread,
    /// An event that came from elsewhere: [`Event::Owner`], [`Event::Listener`], [`Event::Report`], or an [`Event::Hint`] of the
    /// name [`HintName::AcceptQueue`], [`HintName::NatExpired`] or [`HintName::NatDeleted`].
    LookedUp(Event),
}

/// Settings of a trace that are not in its `start` record.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Setup {
    /// True if the segments of several network namespaces are seen.
    pub across_namespaces: bool,
    /// Names of the numbers that the recorded kernel gives as reasons.
    pub reasons: KernelReasons,
}

/// An interface. Its name comes from outside: escape it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Interface {
    /// Inode number of its network namespace, if recorded.
    pub netns: Option<u32>,
    /// Its index.
    pub index: u32,
    /// True for a bridge whose ports are watched; `None` in recordings without this fact.
    pub bridge: Option<bool>,
    /// Its name.
    pub name: String,
}

const TAG_LINE: u8 = 1;
const TAG_SETUP: u8 = 2;
const TAG_INTERFACE: u8 = 3;
const TAG_CGROUP: u8 = 4;
const TAG_CLOCK: u8 = 5;
const TAG_TIME: u8 = 6;
const TAG_TOTAL: u8 = 7;
const TAG_LEFT_OUT: u8 = 8;
const TAG_KERNEL_THREAD: u8 = 9;
const TAG_OWNER: u8 = 10;
const TAG_LISTENER: u8 = 11;
const TAG_REPORT: u8 = 12;
const TAG_QUEUE: u8 = 13;
const TAG_NAT: u8 = 14;

/// Loss counters by number.
const SOURCES: [LossSource; 4] = [LossSource::State, LossSource::Segment, LossSource::Recursion, LossSource::Output];
/// Sources of owners by number.
const OWNER_SOURCES: [OwnerSource; 4] =
    [OwnerSource::Event, OwnerSource::SockDiag, OwnerSource::Listener, OwnerSource::Capture];

/// [`Setup`] as JSON.
#[derive(Deserialize, Serialize)]
struct SetupFields {
    across_namespaces: bool,
    reset_reasons: Vec<(u32, ResetReason)>,
    /// Absent from recordings of earlier versions.
    #[serde(default)]
    drop_reasons: Vec<(u32, KernelName)>,
}

/// A control group as JSON, as in the records of its socket.
#[derive(Deserialize)]
struct CgroupFields {
    container: Option<Container>,
    unit: Option<String>,
    cgroup: String,
}

impl Entry {
    /// Appends the entry.
    pub(super) fn write(&self, to: &mut Vec<u8>) {
        let mut to = Fields(to);
        match self {
            Self::Line(line) => to.u8(TAG_LINE).bytes(line),
            Self::Setup(Setup { across_namespaces, reasons }) => {
                let fields = SetupFields {
                    across_namespaces: *across_namespaces,
                    reset_reasons: reasons.resets.iter().collect(),
                    drop_reasons: reasons.drops.iter().collect(),
                };
                to.u8(TAG_SETUP).bytes(&json(&fields))
            }
            Self::Interface(Interface { netns, index, bridge, name }) => {
                to.u8(TAG_INTERFACE).u32(netns.unwrap_or(0)).u32(*index);
                to.u8(bridge.map_or(2, u8::from)).bytes(name.as_bytes())
            }
            Self::Cgroup(key, cgroup) => to.u8(TAG_CGROUP).u64(key.0).bytes(&json(&**cgroup)),
            Self::Clock(at, ahead) => to.u8(TAG_CLOCK).time(*at).i64(*ahead),
            Self::Time(at) => to.u8(TAG_TIME).time(*at),
            Self::Total(at, source, total) => to.u8(TAG_TOTAL).time(*at).u8(number(&SOURCES, source)).u64(*total),
            Self::LeftOut(at, count) => to.u8(TAG_LEFT_OUT).time(*at).u64(*count),
            Self::KernelThread => to.u8(TAG_KERNEL_THREAD),
            Self::LookedUp(event) => {
                write_event(event, &mut to);
                &mut to
            }
        };
    }

    /// Reads an entry whose tag has been read.
    pub(super) fn read(tag: u8, from: &mut Cursor<'_>) -> Option<Self> {
        Some(match tag {
            TAG_LINE => Self::Line(from.bytes()?.to_vec()),
            TAG_SETUP => {
                let SetupFields { across_namespaces, reset_reasons, drop_reasons } =
                    serde_json::from_slice(from.bytes()?).ok()?;
                let resets = reset_reasons.into_iter().collect();
                let reasons = KernelReasons { resets, drops: drop_reasons.into_iter().collect() };
                Self::Setup(Setup { across_namespaces, reasons })
            }
            TAG_INTERFACE => Self::Interface(Interface {
                netns: Some(from.u32()?).filter(|&netns| netns != 0),
                index: from.u32()?,
                bridge: match from.u8()? {
                    2 => None,
                    bridge => Some(bridge == 1),
                },
                name: str::from_utf8(from.bytes()?).ok()?.to_owned(),
            }),
            TAG_CGROUP => {
                let key = CgroupKey(from.u64()?);
                let CgroupFields { container, unit, cgroup: path } = serde_json::from_slice(from.bytes()?).ok()?;
                Self::Cgroup(key, Arc::new(Cgroup { container, unit, path }))
            }
            TAG_CLOCK => Self::Clock(from.time()?, from.i64()?),
            TAG_TIME => Self::Time(from.time()?),
            TAG_TOTAL => Self::Total(from.time()?, *SOURCES.get(usize::from(from.u8()?))?, from.u64()?),
            TAG_LEFT_OUT => Self::LeftOut(from.time()?, from.u64()?),
            TAG_KERNEL_THREAD => Self::KernelThread,
            tag => Self::LookedUp(read_event(tag, from)?),
        })
    }
}

/// Appends an event that was looked up; nothing for any other.
fn write_event(event: &Event, to: &mut Fields<'_>) {
    let netns = |to: &mut Fields<'_>, netns: u32| {
        to.u32(netns);
    };
    match event {
        Event::Owner(owner) => {
            to.u8(TAG_OWNER).time(owner.at).time(owner.asked).bool(owner.early).optional(owner.netns, netns);
            to.endpoint(owner.local).endpoint(owner.remote);
            to.optional(owner.process, |to, process| {
                to.process(process);
            });
            to.u8(number(&OWNER_SOURCES, &owner.source));
        }
        Event::Listener(owner) => {
            to.u8(TAG_LISTENER).time(owner.at).time(owner.asked).optional(owner.netns, netns);
            to.endpoint(owner.local).u32(owner.sockets);
            to.optional(owner.process, |to, process| {
                to.process(process);
            });
        }
        Event::Report(report) => {
            to.u8(TAG_REPORT).time(report.at).time(report.asked);
            to.optional(report.netns, netns).optional(report.conn_netns, netns);
            to.endpoint(report.local).endpoint(report.remote).u8(report.state as u8);
            to.bool(report.unaccepted).u32(report.unacked_bytes);
            to.optional(report.acked_bytes, |to, bytes| {
                to.u64(bytes);
            });
            to.u32(report.retransmissions).bool(report.window_closed);
            to.optional(report.segment_size, |to, size| {
                to.u32(size);
            })
            .u64(report.stuck_ns);
        }
        Event::Hint(hint) if matches!(hint.name, HintName::NatExpired | HintName::NatDeleted) => {
            to.u8(TAG_NAT).time(hint.at).optional(hint.netns, netns);
            to.endpoint(hint.local).endpoint(hint.remote).bool(hint.name == HintName::NatDeleted);
        }
        Event::Hint(hint) => {
            to.u8(TAG_QUEUE).time(hint.at).optional(hint.netns, netns);
            to.endpoint(hint.local).endpoint(hint.remote);
            to.optional(hint.state, |to, state| {
                to.u8(state as u8);
            })
            .bool(hint.queue_full);
            to.optional(hint.queue, |to, queue| {
                to.u32(queue.length).u32(queue.limit);
            });
        }
        Event::State(_) | Event::Segment(_) | Event::Icmp(_) | Event::Drop(_) | Event::Loss(_) => {}
    }
}

fn read_event(tag: u8, from: &mut Cursor<'_>) -> Option<Event> {
    Some(match tag {
        TAG_OWNER => Event::Owner(SocketOwner {
            at: from.time()?,
            asked: from.time()?,
            early: from.bool()?,
            netns: from.optional(Cursor::u32)?,
            local: from.endpoint()?,
            remote: from.endpoint()?,
            process: from.optional(Cursor::process)?,
            source: *OWNER_SOURCES.get(usize::from(from.u8()?))?,
        }),
        TAG_LISTENER => Event::Listener(ListenerOwner {
            at: from.time()?,
            asked: from.time()?,
            netns: from.optional(Cursor::u32)?,
            local: from.endpoint()?,
            sockets: from.u32()?,
            process: from.optional(Cursor::process)?,
        }),
        TAG_REPORT => Event::Report(SocketReport {
            at: from.time()?,
            asked: from.time()?,
            netns: from.optional(Cursor::u32)?,
            conn_netns: from.optional(Cursor::u32)?,
            local: from.endpoint()?,
            remote: from.endpoint()?,
            state: TcpState::from_kernel(from.u8()?)?,
            unaccepted: from.bool()?,
            unacked_bytes: from.u32()?,
            acked_bytes: from.optional(Cursor::u64)?,
            retransmissions: from.u32()?,
            window_closed: from.bool()?,
            segment_size: from.optional(Cursor::u32)?,
            stuck_ns: from.u64()?,
        }),
        TAG_QUEUE => {
            let about = hint(from, HintName::AcceptQueue)?;
            Event::Hint(Hint {
                state: from.optional(|from| TcpState::from_kernel(from.u8()?))?,
                queue_full: from.bool()?,
                queue: from.optional(|from| Some(AcceptQueue { length: from.u32()?, limit: from.u32()? }))?,
                ..about
            })
        }
        TAG_NAT => {
            let expired = hint(from, HintName::NatExpired)?;
            Event::Hint(if from.bool()? { Hint { name: HintName::NatDeleted, ..expired } } else { expired })
        }
        _ => return None,
    })
}

/// Decodes the fields that all hints have.
fn hint(from: &mut Cursor<'_>, name: HintName) -> Option<Hint> {
    Some(Hint::new(from.time()?, from.optional(Cursor::u32)?, from.endpoint()?, from.endpoint()?, name))
}

fn number<T: PartialEq>(all: &[T], one: &T) -> u8 {
    all.iter().position(|other| other == one).map_or(u8::MAX, |number| number as u8)
}

fn json(value: &impl Serialize) -> Vec<u8> {
    // Fails only for maps with keys that are not text, and there are none.
    serde_json::to_vec(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tag_is_in_the_description_of_the_format() {
        let page = include_str!("../../../../../docs/recordings.md");
        let (_, table) = page.split_once("| tag | entry |").expect("a table of tags");
        let rows = table.lines().skip(2).take_while(|line| line.starts_with("| "));
        let tags: Vec<u8> = rows.filter_map(|row| row.split('|').nth(1)?.trim().parse().ok()).collect();
        assert_eq!(tags, (TAG_LINE..=TAG_NAT).collect::<Vec<_>>());
    }
}
