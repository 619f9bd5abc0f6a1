//! The encapsulations in which a connection's segments travel.

use std::num::NonZeroU16;

use super::connection::Connection;

/// Number of an encapsulation; `None` for packets without any.
type Encapsulation = Option<NonZeroU16>;

/// The encapsulations of a connection: one for both directions, or one for each.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Paths {
    first: Encapsulation,
    second: Option<Encapsulation>,
}

impl Connection {
    /// Returns true if a segment of the connection was seen in this encapsulation.
    pub(in crate::correlate) fn travels_in(&self, encapsulation: Encapsulation) -> bool {
        match self.rare().and_then(|rare| rare.paths) {
            Some(Paths { first, second }) => first == encapsulation || second == Some(encapsulation),
            None => encapsulation.is_none() && self.has_segments,
        }
    }

    /// Notes the encapsulation of a segment; a third one is not kept.
    pub(in crate::correlate) fn note_encapsulation(&mut self, encapsulation: Encapsulation) {
        if self.travels_in(encapsulation) || encapsulation.is_none() && !self.has_segments {
            return;
        }
        let plain = self.has_segments.then_some(Paths { first: None, second: Some(encapsulation) });
        let paths = &mut self.rare_mut().paths;
        match paths {
            Some(known) => _ = known.second.get_or_insert(encapsulation),
            None => *paths = plain.or(Some(Paths { first: encapsulation, second: None })),
        }
    }

    /// Returns the encapsulation of the first segment.
    pub(in crate::correlate) fn encapsulation(&self) -> Encapsulation {
        self.rare()?.paths?.first
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::BootTime;

    /// The first encapsulation, and whether segments travelled in none, 5, 6 and 7, after these (0: none).
    fn after(seen: &[u16]) -> (Option<u16>, [bool; 4]) {
        let mut conn = Connection::new(1, BootTime(0), 0);
        for &number in seen {
            conn.note_encapsulation(NonZeroU16::new(number));
            conn.has_segments = true;
        }
        (conn.encapsulation().map(NonZeroU16::get), [0, 5, 6, 7].map(|number| conn.travels_in(NonZeroU16::new(number))))
    }

    #[test]
    fn there_is_room_for_both_directions() {
        assert_eq!(after(&[]), (None, [false; 4]));
        assert_eq!(after(&[0, 0]), (None, [true, false, false, false]));
        assert_eq!(after(&[5, 5]), (Some(5), [false, true, false, false]));
        assert_eq!(after(&[5, 6, 7]), (Some(5), [false, true, true, false]));
        assert_eq!(after(&[0, 6, 7]), (None, [true, false, true, false]));
        assert_eq!(after(&[5, 0, 7]), (Some(5), [true, true, false, false]));
    }
}
