//! Entries of a block other than ring records: everything else that a replay needs, in the order in which it became known.

mod looked_up;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::cursor::{Cursor, Fields};
use crate::event::{
    BootTime, Cgroup, CgroupKey, Container, Event, KernelName, KernelReasons, LossSource, OwnerSource,
    reset_reason::ResetReason,
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
    /// name [`AcceptQueue`], [`SynQueue`], [`NatExpired`] or [`NatDeleted`].
    ///
    /// [`AcceptQueue`]: crate::event::HintName::AcceptQueue
    /// [`SynQueue`]: crate::event::HintName::SynQueue
    /// [`NatExpired`]: crate::event::HintName::NatExpired
    /// [`NatDeleted`]: crate::event::HintName::NatDeleted
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
const TAG_SYN_QUEUE: u8 = 15;

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
                looked_up::write(event, &mut to);
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
            tag => Self::LookedUp(looked_up::read(tag, from)?),
        })
    }
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
        assert_eq!(tags, (TAG_LINE..=TAG_SYN_QUEUE).collect::<Vec<_>>());
    }
}
