//! Whether views of several files are the same connection.
//!
//! Equal initial sequence numbers of both ends prove it: by chance, they are the same for one in 2^64 pairs. The number of the
//! client alone, as of an attempt that was refused, proves less: scanners and small devices use one number for all attempts.

use super::view::View;

/// How well two views with the same initial sequence number of the client fit.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Fit {
    /// Only that number is the same: an address translation may be between them.
    Likely,
    /// One end has the same address and port, and that of the other may be translated.
    OneEnd,
    /// The addresses and ports of both are the same, too.
    SameEnds,
    /// So is the number of the server, or the timestamp of a SYN.
    Certain,
}

/// Returns how well two views of different files fit; `None` if they are two connections.
pub(super) fn fit(one: &View, other: &View) -> Option<Fit> {
    let servers = one.server_isn().zip(other.server_isn());
    if servers.is_some_and(|(one, other)| one != other) {
        return None;
    }
    let (mut same_ends, mut one_end) = (false, false);
    if let Some(((client, server), (others, its_server))) = one.ends().zip(other.ends()) {
        (same_ends, one_end) = ((client, server) == (others, its_server), client == others || server == its_server);
    }
    if servers.is_some() {
        return Some(Fit::Certain);
    }
    let (mut any, mut same) = (false, false);
    for (sent, seen) in one.syn_timestamps().flat_map(|at| other.syn_timestamps().map(move |seen| (at, seen))) {
        any = true;
        same |= sent == seen;
    }
    match (any, same) {
        (true, true) => Some(Fit::Certain),
        // Two attempts. (The server's number would outweigh a firewall that replaces timestamps.)
        (true, false) => None,
        _ if same_ends => Some(Fit::SameEnds),
        _ if one_end => Some(Fit::OneEnd),
        _ => Some(Fit::Likely),
    }
}

/// Returns true if the views have an address or a port in common.
pub(super) fn share_an_end(one: &View, other: &View) -> bool {
    one.ends().zip(other.ends()).is_some_and(|((client, server), (others, its_server))| {
        client.addr == others.addr
            || server.addr == its_server.addr
            || client.port == others.port
            || server.port == its_server.port
    })
}
