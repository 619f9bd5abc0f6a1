//! The notice for a trace without events: the packets that have passed the traced interfaces.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    fmt::{self, Display, Formatter},
};

use crate::interfaces::Interface;
use tcptrace_core::text::Escaped;

/// Maximum number of interfaces named, those with the most packets. A host of containers has hundreds.
const NAMED: usize = 4;

/// Packets that have passed interfaces, by the interfaces' own counts.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Passed(BTreeMap<u32, (String, u64)>);

impl Passed {
    /// Counts the packets that have passed the interfaces that are up, since they exist.
    pub(super) fn of(interfaces: &[Interface]) -> Self {
        let up = interfaces.iter().filter(|interface| interface.up);
        Self(up.map(|interface| (interface.index, (interface.name.clone(), interface.packets))).collect())
    }

    /// Returns the packets that have passed since `earlier`. An interface that was not up then counts from 0.
    pub(super) fn since(mut self, earlier: &Self) -> Self {
        for (index, (_, packets)) in &mut self.0 {
            let before = earlier.0.get(index).map_or(0, |(_, before)| *before);
            *packets = packets.saturating_sub(before);
        }
        self
    }
}

/// Writes the counts in words: `7 packets have passed lo, 3 eth0`.
impl Display for Passed {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut busy: Vec<_> = self.0.values().filter(|(_, packets)| *packets > 0).collect();
        busy.sort_by_key(|(_, packets)| Reverse(*packets));
        let [(most, packets), others @ ..] = busy.as_slice() else {
            return f.write_str("no packet has passed any interface");
        };
        let have = if *packets == 1 { "packet has" } else { "packets have" };
        write!(f, "{packets} {have} passed {}", Escaped(most.as_bytes()))?;
        let (named, rest) = others.split_at(others.len().min(NAMED - 1));
        for (name, packets) in named {
            write!(f, ", {packets} {}", Escaped(name.as_bytes()))?;
        }
        let rest: u64 = rest.iter().map(|(_, packets)| packets).sum();
        if rest > 0 { write!(f, ", {rest} others") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(interfaces: &[(&str, u64)]) -> Passed {
        let interface = |(index, &(name, packets)): (u32, &(&str, u64))| Interface {
            index,
            name: name.to_owned(),
            up: true,
            loopback: false,
            bridge: false,
            packets,
        };
        Passed::of(&(1..).zip(interfaces).map(interface).collect::<Vec<_>>())
    }

    #[test]
    fn only_what_has_passed_since_counts_and_the_busiest_comes_first() {
        let (before, now) = (passed(&[("lo", 5), ("eth0", 0)]), passed(&[("lo", 12), ("eth0", 30), ("new", 1)]));
        assert_eq!(now.since(&before).to_string(), "30 packets have passed eth0, 7 lo, 1 new");
        assert_eq!(before.clone().since(&before).to_string(), "no packet has passed any interface");
        assert_eq!(passed(&[("lo", 6)]).since(&before).to_string(), "1 packet has passed lo");
        // Another interface has taken the index.
        assert_eq!(passed(&[("lo", 1)]).since(&before).to_string(), "no packet has passed any interface");
    }

    #[test]
    fn many_are_summed_up() {
        let many = passed(&[("a", 9), ("b", 8), ("c", 7), ("d", 6), ("e", 5), ("f", 4)]);
        assert_eq!(many.to_string(), "9 packets have passed a, 8 b, 7 c, 6 d, 9 others");
    }

    #[test]
    fn interfaces_that_are_down_pass_nothing() {
        let down = Interface { index: 1, name: "lo".to_owned(), up: false, loopback: true, bridge: false, packets: 9 };
        assert_eq!(Passed::of(&[down]), Passed::default());
    }
}
