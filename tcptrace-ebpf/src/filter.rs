//! What matches. Applied alike to state changes and segments, so that nothing else reaches user space.

use aya_ebpf::maps::lpm_trie::Key;
use tcptrace_ebpf::{
    Address, FAMILY_V4, FAMILY_V6, MATCH_FAMILY_V4, MATCH_FAMILY_V6, MATCH_HOSTS, MATCH_INTERFACES, MATCH_LOCAL_PORTS,
    MATCH_PORTS, MATCH_REMOTE_PORTS, PORT_WORDS, PORTS_EITHER, PORTS_LOCAL, PORTS_REMOTE,
};

use crate::maps::{HOSTS, INTERFACES, PORTS, setting};

/// An answer, ordered so that `min` is "and", `max` is "or".
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Match {
    /// Does not match.
    No = 0,
    /// Cannot be said before the socket has its port, its peer or its route.
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

/// Is there a filter of this kind?
#[inline(always)]
pub(crate) fn filtered(bits: u32) -> bool {
    setting!(matches) & bits != 0
}

/// One end of a connection as a filter sees it.
#[derive(Clone, Copy)]
pub(crate) struct End<'a> {
    /// Address, v4-mapped.
    pub(crate) addr: &'a Address,
    /// Port.
    pub(crate) port: u16,
    /// False while the kernel has not filled them in.
    pub(crate) known: bool,
}

/// Decides for a connection as one of its sockets sees it; `listener` has no remote end at all.
#[inline(always)]
pub(crate) fn ends(family: u8, local: End<'_>, remote: End<'_>, listener: bool) -> Match {
    let mut answer = Match::Yes;
    if filtered(MATCH_LOCAL_PORTS) {
        answer = answer.min(port(PORTS_LOCAL, local));
    }
    if filtered(MATCH_REMOTE_PORTS) {
        answer = answer.min(if listener { Match::No } else { port(PORTS_REMOTE, remote) });
    }
    if filtered(MATCH_PORTS) {
        let other = if listener { Match::No } else { port(PORTS_EITHER, remote) };
        answer = answer.min(port(PORTS_EITHER, local).max(other));
    }
    if answer == Match::No {
        return answer;
    }
    if filtered(MATCH_HOSTS | MATCH_FAMILY_V4 | MATCH_FAMILY_V6) {
        // A child of a dual-stack listener shows the listener's family until its peer is known.
        let addresses = if remote.known || listener {
            Match::from(family_matches(family) && hosts_match(family, local.addr, remote.addr))
        } else {
            Match::Later
        };
        answer = answer.min(addresses);
    }
    answer
}

#[inline(always)]
fn port(list: u32, end: End<'_>) -> Match {
    if end.known { Match::from(listed(list, end.port)) } else { Match::Later }
}

/// Decides for a segment. `two_ends` is loopback, where source and destination are both local.
#[inline(always)]
pub(crate) fn segment(family: u8, local: (&Address, u16), remote: (&Address, u16), two_ends: bool) -> bool {
    if setting!(matches) & !MATCH_INTERFACES == 0 {
        return true;
    }
    if filtered(MATCH_PORTS) && !listed(PORTS_EITHER, local.1) && !listed(PORTS_EITHER, remote.1) {
        return false;
    }
    if filtered(MATCH_LOCAL_PORTS | MATCH_REMOTE_PORTS)
        && !one_way(local.1, remote.1)
        && !(two_ends && one_way(remote.1, local.1))
    {
        return false;
    }
    family_matches(family) && hosts_match(family, local.0, remote.0)
}

#[inline(always)]
fn one_way(local: u16, remote: u16) -> bool {
    (!filtered(MATCH_LOCAL_PORTS) || listed(PORTS_LOCAL, local))
        && (!filtered(MATCH_REMOTE_PORTS) || listed(PORTS_REMOTE, remote))
}

#[inline(always)]
fn listed(list: u32, port: u16) -> bool {
    let word = list * PORT_WORDS + u32::from(port >> 6);
    PORTS.get(word).is_some_and(|bits| bits >> (port & 63) & 1 != 0)
}

#[inline(always)]
fn family_matches(family: u8) -> bool {
    !(filtered(MATCH_FAMILY_V4) && family != FAMILY_V4 || filtered(MATCH_FAMILY_V6) && family != FAMILY_V6)
}

#[inline(always)]
fn hosts_match(family: u8, local: &Address, remote: &Address) -> bool {
    !filtered(MATCH_HOSTS) || host(family, local) || host(family, remote)
}

#[inline(always)]
fn host(family: u8, addr: &Address) -> bool {
    let data = [u64::from(family).to_le(), addr[0], addr[1]];
    HOSTS.get(&Key::new(24 * 8, data)).is_some()
}

/// Is this one of the interfaces that were named?
#[inline(always)]
pub(crate) fn interface(ifindex: u32) -> bool {
    // SAFETY: the value is not looked at.
    unsafe { INTERFACES.get(&ifindex) }.is_some()
}
