//! The user's filter. It is applied to state changes and segments alike, so that nothing else reaches user space.
//!
//! The lists of the filter are looked up through [`Lists`]: in the kernel they are maps, in tests memory.

use crate::{
    Address, DIRECTION_IN, FAMILY_V4, FAMILY_V6, MATCH_FAMILY_V4, MATCH_FAMILY_V6, MATCH_HOSTS, MATCH_INTERFACES,
    MATCH_LOCAL_PORTS, MATCH_NETNS, MATCH_PORTS, MATCH_REMOTE_PORTS, PORT_WORDS, PORTS_EITHER, PORTS_LOCAL,
    PORTS_REMOTE, headers::Ip,
};

/// The lists of the filter.
pub trait Lists {
    /// Returns `MATCH_` bits: which filters there are.
    fn matches(&self) -> u32;
    /// Returns a word of the port bitmaps, each of which has [`PORT_WORDS`].
    fn port_word(&self, index: u32) -> u64;
    /// Returns true if a prefix in the trie contains an address. The first byte of the first word is the family, and
    /// the other words are the address.
    fn has_host(&self, key: [u64; 3]) -> bool;
    /// Returns true if the interface of this index is one of those named with `--interface`.
    fn has_interface(&self, ifindex: u32) -> bool;
}

/// Result of a filter, ordered so that `min` is "and", and `max` is "or".
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Match {
    /// Does not match.
    No = 0,
    /// Unknown until the socket has its port, its peer or its route.
    Later = 1,
    /// Matches.
    Yes = 2,
}

impl From<bool> for Match {
    #[inline(always)]
    fn from(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

/// Returns true if there are filters of one of these kinds (`MATCH_` bits).
#[inline(always)]
pub fn filtered(lists: &impl Lists, bits: u32) -> bool {
    lists.matches() & bits != 0
}

/// One end of a connection as a filter sees it.
#[derive(Clone, Copy, Debug)]
pub struct End<'a> {
    /// Address, IPv4 as IPv4-mapped IPv6.
    pub addr: &'a Address,
    /// Port, in the machine's order.
    pub port: u16,
    /// False as long as the kernel has not filled them in.
    pub known: bool,
}

/// Matches a connection as one of its sockets sees it. A `listener` has no remote end at all.
#[inline(always)]
pub fn ends(lists: &impl Lists, family: u8, local: End<'_>, remote: End<'_>, listener: bool) -> Match {
    let mut answer = Match::Yes;
    if filtered(lists, MATCH_LOCAL_PORTS) {
        answer = answer.min(port(lists, PORTS_LOCAL, local));
    }
    if filtered(lists, MATCH_REMOTE_PORTS) {
        answer = answer.min(if listener { Match::No } else { port(lists, PORTS_REMOTE, remote) });
    }
    if filtered(lists, MATCH_PORTS) {
        let other = if listener { Match::No } else { port(lists, PORTS_EITHER, remote) };
        answer = answer.min(port(lists, PORTS_EITHER, local).max(other));
    }
    if answer == Match::No {
        return answer;
    }
    if filtered(lists, MATCH_HOSTS | MATCH_FAMILY_V4 | MATCH_FAMILY_V6) {
        // A child of a dual-stack listener shows the listener's family until its peer is known.
        let addresses = if remote.known || listener {
            Match::from(family_matches(lists, family) && hosts_match(lists, family, local.addr, remote.addr))
        } else {
            Match::Later
        };
        answer = answer.min(addresses);
    }
    answer
}

#[inline(always)]
fn port(lists: &impl Lists, list: u32, end: End<'_>) -> Match {
    if end.known { Match::from(listed(lists, list, end.port)) } else { Match::Later }
}

/// Matches a segment. `two_ends`: it is on loopback, where source and destination are both local.
#[inline(always)]
fn segment(lists: &impl Lists, family: u8, local: (&Address, u16), remote: (&Address, u16), two_ends: bool) -> bool {
    if lists.matches() & !(MATCH_INTERFACES | MATCH_NETNS) == 0 {
        return true;
    }
    if filtered(lists, MATCH_PORTS) && !listed(lists, PORTS_EITHER, local.1) && !listed(lists, PORTS_EITHER, remote.1) {
        return false;
    }
    if filtered(lists, MATCH_LOCAL_PORTS | MATCH_REMOTE_PORTS)
        && !one_way(lists, local.1, remote.1)
        && !(two_ends && one_way(lists, remote.1, local.1))
    {
        return false;
    }
    family_matches(lists, family) && hosts_match(lists, family, local.0, remote.0)
}

#[inline(always)]
fn one_way(lists: &impl Lists, local: u16, remote: u16) -> bool {
    (!filtered(lists, MATCH_LOCAL_PORTS) || listed(lists, PORTS_LOCAL, local))
        && (!filtered(lists, MATCH_REMOTE_PORTS) || listed(lists, PORTS_REMOTE, remote))
}

#[inline(always)]
fn listed(lists: &impl Lists, list: u32, port: u16) -> bool {
    let word = list * PORT_WORDS + u32::from(port >> 6);
    lists.port_word(word) >> (port & 63) & 1 != 0
}

#[inline(always)]
fn family_matches(lists: &impl Lists, family: u8) -> bool {
    !(filtered(lists, MATCH_FAMILY_V4) && family != FAMILY_V4
        || filtered(lists, MATCH_FAMILY_V6) && family != FAMILY_V6)
}

#[inline(always)]
fn hosts_match(lists: &impl Lists, family: u8, local: &Address, remote: &Address) -> bool {
    !filtered(lists, MATCH_HOSTS) || host(lists, family, local) || host(lists, family, remote)
}

#[inline(always)]
fn host(lists: &impl Lists, family: u8, addr: &Address) -> bool {
    lists.has_host([u64::from(family).to_le(), addr[0], addr[1]])
}

/// Matches a segment that passes an interface in this `DIRECTION_`. At ingress its destination is local, at egress its
/// source, on loopback both.
#[inline(always)]
pub fn matches(lists: &impl Lists, ip: &Ip, (src_port, dst_port): (u16, u16), direction: u8, loopback: bool) -> bool {
    let (src, dst) = ((&ip.src, src_port), (&ip.dst, dst_port));
    let (local, remote) = if direction == DIRECTION_IN { (dst, src) } else { (src, dst) };
    segment(lists, ip.family, local, remote, loopback)
}

#[cfg(test)]
mod tests;
