//! Sets of TCP ports, kept as the bitmap that the kernel programs read.

use std::{
    fmt::{self, Debug, Display, Formatter},
    str::FromStr,
};

use thiserror::Error;

const WORDS: usize = 65536 / 64;

/// A set of ports: one bit for each of the 65,536 port numbers.
#[derive(Clone, Eq, PartialEq)]
pub struct PortSet {
    words: Box<[u64; WORDS]>,
}

impl PortSet {
    /// Returns true if `port` is in the set. Port 0 never is.
    pub fn contains(&self, port: u16) -> bool {
        let (word, bit) = place(port);
        self.words.get(word).is_some_and(|word| word & bit != 0)
    }

    /// Returns the bitmap in the kernel programs' layout: 1024 words, port `p` being bit `p % 64` of word `p / 64`.
    pub fn words(&self) -> impl Iterator<Item = u64> {
        self.words.iter().copied()
    }

    /// Adds every port of `other`, for an option given more than once.
    pub fn merge(&mut self, other: &Self) {
        for (word, other) in self.words.iter_mut().zip(other.words()) {
            *word |= other;
        }
    }

    /// Returns the ports that are also in `other`.
    pub(super) fn in_both(mut self, other: &Self) -> Self {
        for (word, other) in self.words.iter_mut().zip(other.words()) {
            *word &= other;
        }
        self
    }

    fn insert(&mut self, port: u16) {
        let (word, bit) = place(port);
        if let Some(word) = self.words.get_mut(word) {
            *word |= bit;
        }
    }

    /// Returns the first and the last port of each contiguous run, in ascending order.
    fn runs(&self) -> Vec<(u16, u16)> {
        let mut runs: Vec<(u16, u16)> = Vec::new();
        for port in (1..=u16::MAX).filter(|&port| self.contains(port)) {
            match runs.last_mut() {
                Some((_, last)) if *last == port - 1 => *last = port,
                _ => runs.push((port, port)),
            }
        }
        runs
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for PortSet {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for PortSet {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
        // Two filters may have nothing in common.
        let none = || Self { words: Box::new([0; WORDS]) };
        if text.is_empty() { Ok(none()) } else { text.parse().map_err(serde::de::Error::custom) }
    }
}

/// Returns the index of the word that holds `port`'s bit, and that bit as a mask.
fn place(port: u16) -> (usize, u64) {
    (usize::from(port / 64), 1 << (port % 64))
}

/// Reasons why a text is not a list of ports.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum PortSetError {
    /// A comma has nothing before or after it.
    #[error("an item of the list is empty: give ports and ranges with one comma between them, as in 80,443,8000-8100")]
    EmptyItem,
    /// An item is neither a number nor two numbers with a dash.
    #[error(
        "'{}' is not a port: give numbers from 1 to 65535 or ranges, as in 80,443,8000-8100",
        .0.escape_debug()
    )]
    NotAPort(String),
    /// A port is 0 or above 65535.
    #[error("port {0} does not exist: ports go from 1 to 65535")]
    OutOfRange(String),
    /// A range has nothing before its dash.
    #[error("the range '-{0}' has no first port: give both ends, as in 1-{0}")]
    NoFirst(u16),
    /// A range has nothing after its dash.
    #[error("the range '{0}-' has no last port: give both ends, as in {0}-65535")]
    NoLast(u16),
    /// The first port of a range is above its last.
    #[error("the range '{0}-{1}' runs backwards: write {1}-{0}")]
    Backwards(u16, u16),
}

/// Parses a list of ports and ranges, such as `80,443,8000-8100`. Spaces around its parts are ignored.
impl FromStr for PortSet {
    type Err = PortSetError;

    fn from_str(text: &str) -> Result<Self, PortSetError> {
        let mut set = Self { words: Box::new([0; WORDS]) };
        for item in text.split(',').map(str::trim) {
            let (first, last) = range(item)?;
            (first..=last).for_each(|port| set.insert(port));
        }
        Ok(set)
    }
}

fn range(item: &str) -> Result<(u16, u16), PortSetError> {
    let port = |text: &str| match text.parse() {
        // The library's parser would accept a sign.
        _ if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) => {
            Err(PortSetError::NotAPort(item.to_owned()))
        }
        Ok(0) | Err(_) => Err(PortSetError::OutOfRange(text.to_owned())),
        Ok(port) => Ok(port),
    };
    let (first, last) = match item.split_once('-') {
        None if item.is_empty() => return Err(PortSetError::EmptyItem),
        None => return port(item).map(|port| (port, port)),
        Some((first, last)) => (first.trim(), last.trim()),
    };
    match (first, last) {
        ("", "") => Err(PortSetError::NotAPort(item.to_owned())),
        ("", last) => Err(PortSetError::NoFirst(port(last)?)),
        (first, "") => Err(PortSetError::NoLast(port(first)?)),
        _ => match (port(first)?, port(last)?) {
            (first, last) if first > last => Err(PortSetError::Backwards(first, last)),
            ends => Ok(ends),
        },
    }
}

/// Writes a list that [`PortSet::from_str`] parses: ascending, with the fewest possible items.
impl Display for PortSet {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (index, (first, last)) in self.runs().into_iter().enumerate() {
            f.write_str(if index == 0 { "" } else { "," })?;
            if first == last {
                write!(f, "{first}")?;
            } else {
                write!(f, "{first}-{last}")?;
            }
        }
        Ok(())
    }
}

impl Debug for PortSet {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "PortSet({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn error(text: &str) -> String {
        text.parse::<PortSet>().unwrap_err().to_string()
    }

    #[test]
    fn a_list_of_ports_and_ranges_is_read() {
        let set: PortSet = " 443 ,80, 8000-8100,1,65535".parse().unwrap();
        for port in [1, 80, 443, 8000, 8050, 8100, 65535] {
            assert!(set.contains(port), "{port}");
        }
        for port in [0, 2, 79, 81, 442, 7999, 8101, 65534] {
            assert!(!set.contains(port), "{port}");
        }
        assert_eq!(set.to_string(), "1,80,443,8000-8100,65535");
        assert_eq!(format!("{set:?}"), "PortSet(1,80,443,8000-8100,65535)");
    }

    #[test]
    fn the_whole_range_has_every_bit_but_that_of_port_0() {
        let set: PortSet = "1-65535".parse().unwrap();
        let words: Vec<u64> = set.words().collect();
        assert_eq!(words.len(), WORDS);
        assert_eq!(words[0], !1);
        assert!(words[1..].iter().all(|&word| word == !0));
    }

    #[test]
    fn errors_name_the_item_and_the_right_form() {
        assert_eq!(error("80,0"), "port 0 does not exist: ports go from 1 to 65535");
        assert_eq!(error("70000"), "port 70000 does not exist: ports go from 1 to 65535");
        assert_eq!(error("80-70000"), "port 70000 does not exist: ports go from 1 to 65535");
        assert_eq!(error("99999999999999999999"), "port 99999999999999999999 does not exist: ports go from 1 to 65535");
        assert_eq!(error("22,80-"), "the range '80-' has no last port: give both ends, as in 80-65535");
        assert_eq!(error("-80"), "the range '-80' has no first port: give both ends, as in 1-80");
        assert_eq!(error("8100-8000"), "the range '8100-8000' runs backwards: write 8000-8100");
        for text in ["a", "+80", "80;81", "1-2-3", "-", "0x50", "８０", "80 81"] {
            assert_eq!(
                error(text),
                format!("'{text}' is not a port: give numbers from 1 to 65535 or ranges, as in 80,443,8000-8100")
            );
        }
        for text in ["", " ", ",", "80,", ",80", "80,,81", "80, ,81"] {
            assert_eq!(
                error(text),
                "an item of the list is empty: give ports and ranges with one comma between them, as in \
                 80,443,8000-8100",
                "{text:?}"
            );
        }
    }

    fn ranges() -> impl Strategy<Value = Vec<(u16, u16)>> {
        let range = (1..=u16::MAX, 0..300_u16).prop_map(|(first, more)| (first, first.saturating_add(more)));
        prop::collection::vec(range, 1..8)
    }

    fn written(ranges: &[(u16, u16)]) -> String {
        let items: Vec<String> = ranges.iter().map(|(first, last)| format!("{first}-{last}")).collect();
        items.join(", ")
    }

    proptest! {
        // Each case looks at every port.
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn the_set_holds_exactly_the_ranges(one in ranges(), other in ranges()) {
            let mut set: PortSet = written(&one).parse().unwrap();
            set.merge(&written(&other).parse().unwrap());

            let words: Vec<u64> = set.words().collect();
            for port in 0..=u16::MAX {
                let expected = one.iter().chain(&other).any(|&(first, last)| (first..=last).contains(&port));
                prop_assert_eq!(set.contains(port), expected, "port {}", port);
                prop_assert_eq!(words[usize::from(port) / 64] >> (port % 64) & 1 == 1, expected, "port {}", port);
            }
            prop_assert_eq!(set.to_string().parse::<PortSet>().unwrap(), set);
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "[-0-9, a]{0,12}|\\PC{0,12}") {
            let _ = text.parse::<PortSet>();
        }
    }
}
