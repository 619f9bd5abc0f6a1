//! Assignment of ICMP errors to the connections of the segments that they quote.

use crate::{
    correlate::{
        CorrelatedIcmp, Correlator,
        table::connection::{Key, Side},
    },
    event::{IcmpError, icmp},
    tcp::SeqNumber,
    verdict::{IcmpAnswer, IcmpReport},
};

impl Correlator {
    /// Returns the connection of the segment that an ICMP error quotes.
    pub(in crate::correlate) fn place_quoted(&mut self, error: &IcmpError) -> (CorrelatedIcmp, u32) {
        let netns = error.netns.unwrap_or(self.watched.here);
        let (key, from) = Key::new(netns, error.src, error.dst);
        let key = self.key_of(key, error.conn_netns);
        let known = self.quoted(key, from);
        let at = known.unwrap_or_else(|| self.table.begin(Some(key), error.at));
        let mut placed = CorrelatedIcmp { error: *error, conn: 0, conn_netns: None, since_start_ns: 0, late: false };
        let Some(conn) = self.table.get_mut(at) else { return (placed, at) };
        conn.mid_life |= known.is_none();
        conn.last = error.at;
        let end = conn.end(from);
        let isn = end.isn() == Some(SeqNumber(error.seq));
        // A socket whose SYN never reached an interface has sent nothing else: the kernel itself reports the error.
        let quotes_syn = !conn.answered && if end.sent_syn() { isn } else { end.had_socket };
        let quotes_synack = end.sent_synack && isn && !conn.opened && conn.ack_at().is_none();
        let &IcmpError { from: sender, icmp_type, icmp_code, .. } = error;
        let kind = icmp::kind(sender, icmp_type, icmp_code);
        if quotes_syn || quotes_synack {
            if icmp::is_final(sender, icmp_type, icmp_code) {
                let answer = IcmpAnswer { from: sender, kind, icmp_type, icmp_code, of_synack: quotes_synack };
                conn.rare_mut().icmp.get_or_insert(answer);
            }
        } else if !conn.ended && icmp::is_kept(sender, icmp_type, icmp_code) {
            *conn.rare_mut().later_icmp.of_mut(from) = Some(IcmpReport { from: sender, kind, icmp_type, icmp_code });
        }
        placed.conn = conn.number;
        placed.conn_netns = error.netns.map(|_| key.netns).filter(|&known| known != netns);
        placed.since_start_ns = error.at.since(conn.first);
        placed.late = conn.ended;
        (placed, at)
    }

    /// Finds the connection that an error may refer to; the error may reveal the port of one whose SYN never reached an
    /// interface.
    pub(super) fn quoted(&mut self, key: Key, from: Side) -> Option<u32> {
        let known = self.table.find(&key);
        if known.and_then(|at| self.table.get(at)).is_some_and(|conn| !conn.ended) {
            return known;
        }
        self.adopt_loose(key, from).or(known)
    }
}
