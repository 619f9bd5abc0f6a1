//! The types of records that `--emit` sends to stdout.

use std::{
    fmt::{self, Debug, Display, Formatter},
    str::FromStr,
};

use thiserror::Error;

/// A set of the types of records that `--emit` can name. The default is all of them.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct Emit(u8);

impl Emit {
    /// The empty set.
    pub const NONE: Self = Self(0);
    /// State changes of sockets, owners and hints.
    pub const STATE: Self = Self(1 << 0);
    /// Segments, and ICMP errors.
    pub const SEGMENT: Self = Self(1 << 1);
    /// Handshakes.
    pub const HANDSHAKE: Self = Self(1 << 2);
    /// Closes.
    pub const CLOSE: Self = Self(1 << 3);
    /// Connections that stall, and those that are evicted.
    pub const STALLED: Self = Self(1 << 4);
    /// All of them.
    pub const ALL: Self = Self(0b1_1111);

    const NAMES: [(&str, Self); 5] = [
        ("state", Self::STATE),
        ("segment", Self::SEGMENT),
        ("handshake", Self::HANDSHAKE),
        ("close", Self::CLOSE),
        ("stalled", Self::STALLED),
    ];

    /// The union of both sets.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns true if this set includes all of `other`.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl Default for Emit {
    fn default() -> Self {
        Self::ALL
    }
}

/// A name that is not in the list of record types.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("'{}' is not a type of record: give any of state,segment,handshake,close,stalled", .0.escape_debug())]
pub struct EmitError(String);

/// Parses a comma-separated list of names, such as `handshake,close`. Spaces around names are ignored.
impl FromStr for Emit {
    type Err = EmitError;

    fn from_str(text: &str) -> Result<Self, EmitError> {
        text.split(',').map(str::trim).try_fold(Self(0), |set, name| {
            let known = Self::NAMES.iter().find(|(known, _)| *known == name);
            known.map(|(_, emit)| Self(set.0 | emit.0)).ok_or_else(|| EmitError(name.to_owned()))
        })
    }
}

/// The names as [`Emit::from_str`] parses them.
impl Display for Emit {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let named = Self::NAMES.iter().filter(|(_, emit)| self.contains(*emit));
        let names: Vec<&str> = named.map(|(name, _)| *name).collect();
        f.write_str(&names.join(","))
    }
}

impl Debug for Emit {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "Emit({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_a_set() {
        let set: Emit = "close, handshake,close".parse().unwrap();
        assert!(set.contains(Emit::CLOSE) && set.contains(Emit::HANDSHAKE));
        assert!(!set.contains(Emit::STATE) && !set.contains(Emit::SEGMENT) && !set.contains(Emit::ALL));
        assert_eq!(set.to_string(), "handshake,close");
        assert_eq!(format!("{set:?}"), "Emit(handshake,close)");
    }

    #[test]
    fn the_default_is_everything() {
        assert_eq!(Emit::default().to_string(), "state,segment,handshake,close,stalled");
        assert_eq!("state,segment,handshake,close,stalled".parse(), Ok(Emit::ALL));
    }

    #[test]
    fn an_unknown_name_is_an_error() {
        for (text, name) in [("", ""), ("state,", ""), ("states", "states"), ("state,segment;close", "segment;close")] {
            let error = text.parse::<Emit>().unwrap_err().to_string();
            assert_eq!(
                error,
                format!("'{name}' is not a type of record: give any of state,segment,handshake,close,stalled")
            );
        }
    }
}
