//! Entries of events that did not come through the ring.

use super::{OWNER_SOURCES, TAG_LISTENER, TAG_NAT, TAG_OWNER, TAG_QUEUE, TAG_REPORT, TAG_SYN_QUEUE, number};
use crate::{
    decode::ttr::cursor::{Cursor, Fields},
    event::{AcceptQueue, Event, Hint, HintName, ListenerOwner, SocketOwner, SocketReport},
    tcp::TcpState,
};

/// Appends an event that was looked up; nothing for any other.
pub(super) fn write(event: &Event, to: &mut Fields<'_>) {
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
            to.u8(if hint.name == HintName::SynQueue { TAG_SYN_QUEUE } else { TAG_QUEUE });
            to.time(hint.at).optional(hint.netns, netns);
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

pub(super) fn read(tag: u8, from: &mut Cursor<'_>) -> Option<Event> {
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
        TAG_QUEUE | TAG_SYN_QUEUE => {
            let about = hint(from, if tag == TAG_QUEUE { HintName::AcceptQueue } else { HintName::SynQueue })?;
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
