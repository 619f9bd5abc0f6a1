//! Netlink messages about ended entries of connection tracking (linux/netfilter/nfnetlink_conntrack.h).

use std::net::IpAddr;

use rtnetlink::packet_core::{NetlinkBuffer, NlasIterator};
use tcptrace_core::event::Endpoint;

/// `NFNL_SUBSYS_CTNETLINK` and `IPCTNL_MSG_CT_DELETE`.
const DELETE: u16 = 1 << 8 | 2;
/// Bytes of a netlink message's header.
const HEADER: usize = 16;
/// Bytes of an attribute's header.
const ATTRIBUTE_HEADER: usize = 4;
/// Bytes of a `struct nfgenmsg`.
const FAMILY_HEADER: usize = 4;

// enum ctattr_type
const TUPLE_ORIG: u16 = 1;
const TUPLE_REPLY: u16 = 2;
const PROTOINFO: u16 = 4;
// enum ctattr_tuple
const TUPLE_IP: u16 = 1;
const TUPLE_PROTO: u16 = 2;
// enum ctattr_ip
const V4_SRC: u16 = 1;
const V4_DST: u16 = 2;
const V6_SRC: u16 = 3;
const V6_DST: u16 = 4;
// enum ctattr_l4proto
const PROTO_NUM: u16 = 1;
const SRC_PORT: u16 = 2;
const DST_PORT: u16 = 3;
// enum ctattr_protoinfo and enum ctattr_protoinfo_tcp
const PROTOINFO_TCP: u16 = 1;
const TCP_STATE: u16 = 1;

const TCP: u8 = 6;

/// `TCP_CONNTRACK_ESTABLISHED` to `TCP_CONNTRACK_LAST_ACK` (linux/netfilter/nf_conntrack_tcp.h): a connection that is open,
/// or not yet closed by both ends.
const OPEN: std::ops::RangeInclusive<u8> = 3..=6;

/// One direction of an entry.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Direction {
    /// Source of its segments.
    pub src: Endpoint,
    /// Destination of its segments.
    pub dst: Endpoint,
}

/// A translation of an open connection that the kernel has forgotten.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Forgotten {
    /// Segments of the end that opened it, before translation.
    pub original: Direction,
    /// Segments of the other end, before translation.
    pub reply: Direction,
    /// True if a program deleted it; otherwise it expired.
    pub deleted: bool,
}

/// Returns the forgotten translations in messages, without entries that translated nothing or whose connection was over;
/// none on kernels that do not report its state (before 5.10).
pub(super) fn forgotten(mut messages: &[u8]) -> Vec<Forgotten> {
    let mut found = Vec::new();
    while let Ok(message) = NetlinkBuffer::new_checked(messages) {
        // The port of the program that deleted it; 0 for the kernel.
        let deleted = message.port_number() != 0;
        if message.message_type() == DELETE {
            found.extend(message.payload().get(FAMILY_HEADER..).and_then(|entry| of_entry(entry, deleted)));
        }
        let length = (message.length() as usize).max(HEADER).next_multiple_of(4);
        messages = messages.get(length..).unwrap_or_default();
    }
    found
}

fn of_entry(entry: &[u8], deleted: bool) -> Option<Forgotten> {
    let original = direction(attribute(entry, TUPLE_ORIG)?)?;
    let reply = direction(attribute(entry, TUPLE_REPLY)?)?;
    let info = attribute(attribute(entry, PROTOINFO)?, PROTOINFO_TCP)?;
    let is_open = attribute(info, TCP_STATE)?.first().is_some_and(|state| OPEN.contains(state));
    let translates = (original.src, original.dst) != (reply.dst, reply.src);
    (is_open && translates).then_some(Forgotten { original, reply, deleted })
}

fn direction(tuple: &[u8]) -> Option<Direction> {
    let (ip, proto) = (attribute(tuple, TUPLE_IP)?, attribute(tuple, TUPLE_PROTO)?);
    if attribute(proto, PROTO_NUM)? != [TCP] {
        return None;
    }
    let addr = |v4, v6| -> Option<IpAddr> {
        if let Some(bytes) = attribute(ip, v4) {
            return Some(IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?));
        }
        Some(IpAddr::from(<[u8; 16]>::try_from(attribute(ip, v6)?).ok()?))
    };
    let port = |kind| Some(u16::from_be_bytes(attribute(proto, kind)?.try_into().ok()?));
    Some(Direction {
        src: Endpoint { addr: addr(V4_SRC, V6_SRC)?, port: port(SRC_PORT)? },
        dst: Endpoint { addr: addr(V4_DST, V6_DST)?, port: port(DST_PORT)? },
    })
}

/// Returns the value of the first attribute of a kind.
fn attribute(attributes: &[u8], kind: u16) -> Option<&[u8]> {
    let mut all = NlasIterator::new(attributes).map_while(Result::ok);
    let found = all.find(|attribute| attribute.kind() == kind)?;
    let length = usize::from(found.length());
    found.into_inner().get(ATTRIBUTE_HEADER..length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NESTED: u16 = 0x8000;

    fn nla(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = [(value.len() as u16 + 4).to_ne_bytes(), kind.to_ne_bytes()].concat();
        bytes.extend_from_slice(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn end(last: u8, port: u16) -> Endpoint {
        Endpoint { addr: IpAddr::from([10, 0, 0, last]), port }
    }

    fn tuple(kind: u16, src: Endpoint, dst: Endpoint) -> Vec<u8> {
        let octets = |end: Endpoint| match end.addr {
            IpAddr::V4(addr) => addr.octets().to_vec(),
            IpAddr::V6(addr) => addr.octets().to_vec(),
        };
        let ip = [nla(V4_SRC, &octets(src)), nla(V4_DST, &octets(dst))].concat();
        let ports = [nla(SRC_PORT, &src.port.to_be_bytes()), nla(DST_PORT, &dst.port.to_be_bytes())].concat();
        let proto = [nla(PROTO_NUM, &[TCP]), ports].concat();
        nla(kind | NESTED, &[nla(TUPLE_IP | NESTED, &ip), nla(TUPLE_PROTO | NESTED, &proto)].concat())
    }

    /// A client at .1 connected to .2, which is the pod .3.
    fn message(state: u8, server: Endpoint, port_number: u32) -> Vec<u8> {
        let client = end(1, 40_000);
        let state = nla(PROTOINFO | NESTED, &nla(PROTOINFO_TCP | NESTED, &nla(TCP_STATE, &[state])));
        let entry = [tuple(TUPLE_ORIG, client, end(2, 80)), tuple(TUPLE_REPLY, server, client), state].concat();
        let length = (HEADER + FAMILY_HEADER + entry.len()) as u32;
        let header = [&length.to_ne_bytes()[..], &DELETE.to_ne_bytes(), &[0; 6], &port_number.to_ne_bytes()].concat();
        [header, vec![2, 0, 0, 0], entry].concat()
    }

    #[test]
    fn an_open_translation_that_ends_is_told_with_both_sides() {
        let pod = end(3, 8080);
        let both = [message(3, pod, 0), message(5, pod, 4711)].concat();
        let [expired, deleted] = forgotten(&both)[..] else { panic!("two") };
        assert_eq!((expired.original.src, expired.original.dst), (end(1, 40_000), end(2, 80)));
        assert_eq!((expired.reply.src, expired.reply.dst), (pod, end(1, 40_000)));
        assert_eq!((expired.deleted, deleted.deleted), (false, true));
    }

    #[test]
    fn what_was_over_or_was_not_translated_is_not_told() {
        assert_eq!(forgotten(&message(7, end(3, 8080), 0)), [], "in TIME_WAIT");
        assert_eq!(forgotten(&message(3, end(2, 80), 0)), [], "the same ends");
    }

    proptest! {
        #[test]
        fn damage_never_panics(at: prop::sample::Index, byte: u8, cut: prop::sample::Index) {
            let mut bytes = message(3, end(3, 8080), 0);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes.truncate(cut.index(bytes.len() + 1));
            let _any_answer = forgotten(&bytes);
        }
    }
}
