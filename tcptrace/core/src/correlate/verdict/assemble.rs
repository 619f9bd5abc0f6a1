//! Assembly of records from the state of a connection and its verdict.

mod close;
mod handshake;
mod traffic;

use std::net::{IpAddr, Ipv4Addr};

pub(super) use self::close::close_end;
pub(in crate::correlate) use self::{
    close::{Seen, close},
    handshake::handshake,
};
use super::reset;
use crate::{
    correlate::{
        table::connection::{Connection, NatForgot, Side},
        watched::Watched,
    },
    verdict::{Missing, NoSegments, TranslatedSide, sentence::Forgotten},
};

/// Returns the reason why no segment of the connection was seen, if none was; `watched` tells whose segments are seen.
fn no_segments(conn: &Connection, watched: &Watched) -> Option<NoSegments> {
    if conn.has_segments {
        return None;
    }
    // Only its socket, which sent them with other ends, can have tied it to another side.
    Some(if !conn.other_sides().is_empty() {
        NoSegments::Translated
    } else if watched.is_elsewhere(conn) {
        NoSegments::OtherNamespace
    } else {
        NoSegments::NotWatched
    })
}

/// Returns the translation of its addresses that this host forgot, how long before the reset that was and, where data is shown,
/// how long nothing had passed by then.
fn forgotten(conn: &Connection, shows_data: bool) -> Option<Forgotten> {
    let NatForgot { at, deleted, idle_ns } = conn.rare()?.nat_forgot?;
    let before_ns = reset::first(conn).filter(|&(_, reset)| reset > at).map(|(_, reset)| reset.since(at));
    Some(Forgotten { before_ns, idle_ns: idle_ns.filter(|_| shows_data), deleted })
}

/// Returns the numbers of the other sides of an address translation.
pub(super) fn same_as(conn: &Connection) -> Option<Vec<u64>> {
    let sides = conn.other_sides();
    (!sides.is_empty()).then(|| sides.iter().map(|side| side.told.conn).collect())
}

/// Returns the other sides of an address translation.
pub(super) fn nat(conn: &Connection) -> Option<Vec<TranslatedSide>> {
    let sides = conn.other_sides();
    (!sides.is_empty()).then(|| sides.iter().map(|side| side.told).collect())
}

/// Returns the parts of a handshake that was over before anything was seen; a restored socket has none.
fn unseen(conn: &Connection) -> Vec<Missing> {
    if conn.is_restored() { Vec::new() } else { vec![Missing::Syn, Missing::Synack, Missing::Ack] }
}

/// Returns true if events of the connection may have been lost, of `gaps` in all.
fn has_loss(conn: &Connection, gaps: u64) -> bool {
    conn.lost_states() || gaps > u64::from(conn.gaps) || (conn.mid_life && gaps > 0)
}

fn with_loss(conn: &Connection, gaps: u64, mut missing: Vec<Missing>) -> Vec<Missing> {
    if has_loss(conn, gaps) {
        missing.push(Missing::Lost);
    }
    missing
}

/// Returns the address and the port, if it was learnt.
fn address(conn: &Connection, side: Side) -> (IpAddr, Option<u16>) {
    let endpoint = conn.endpoint(side);
    let addr = endpoint.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |endpoint| endpoint.addr);
    (addr, endpoint.map(|endpoint| endpoint.port).filter(|&port| port != 0 || conn.key().is_some()))
}
