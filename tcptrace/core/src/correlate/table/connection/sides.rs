//! The two ends of a connection, by side and by role.

use super::{Connection, Side};
use crate::{
    correlate::table::endpoint::End,
    event::{Endpoint, Role},
    tcp::SeqNumber,
};

impl Connection {
    pub(in crate::correlate) fn end(&self, side: Side) -> &End {
        let [first, second] = &self.ends;
        match side {
            Side::First => first,
            Side::Second => second,
        }
    }

    pub(in crate::correlate) fn end_mut(&mut self, side: Side) -> &mut End {
        let [first, second] = &mut self.ends;
        match side {
            Side::First => first,
            Side::Second => second,
        }
    }

    /// Returns the endpoint of an end, as far as known.
    pub(in crate::correlate) fn endpoint(&self, side: Side) -> Option<Endpoint> {
        let [first, second] = self.key().map(|key| key.ends()).or_else(|| self.loose())?;
        Some(if side == Side::First { first } else { second })
    }

    /// Returns the client's side, or the first if the roles are unknown.
    pub(in crate::correlate) fn client_side(&self) -> Side {
        self.client.unwrap_or(Side::First)
    }

    /// Returns the client's end and the server's.
    pub(in crate::correlate) fn roles(&self) -> (&End, &End) {
        let client = self.client_side();
        (self.end(client), self.end(client.other()))
    }

    /// Returns the role of an end, if known.
    pub(in crate::correlate) fn role(&self, side: Side) -> Option<Role> {
        self.client.map(|client| if client == side { Role::Client } else { Role::Server })
    }

    /// Returns the role in which records show an end, known or not.
    pub(in crate::correlate) fn shown_role(&self, side: Side) -> Role {
        if self.client_side() == side { Role::Client } else { Role::Server }
    }

    /// Returns the distance of a segment's numbers from those expected next: 0 is a perfect fit, `None` if nothing is
    /// known.
    pub(in crate::correlate) fn distance(&self, from: Side, seq: SeqNumber, ack: Option<SeqNumber>) -> Option<u32> {
        let to = |end: &End, number: SeqNumber| {
            end.next().map(|next| number.distance_from(next).min(next.distance_from(number)))
        };
        let by_ack = ack.and_then(|ack| to(self.end(from.other()), ack));
        to(self.end(from), seq).max(by_ack)
    }

    /// Copies between the two ends of a socket connected to itself: whatever one has sent and received, so has the other.
    pub(in crate::correlate) fn mirror(&mut self) {
        let [own, other] = &mut self.ends;
        own.share(other);
        *other = own.reflection();
    }

    /// Returns true if it is a socket connected to itself, which has one end only.
    pub(in crate::correlate) fn is_self_connect(&self) -> bool {
        self.key().is_some_and(|key| key.is_self_connect())
    }
}
