//! Error numbers of the kernel by their names.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::from_word;

/// An error number, shown by its name, `ECONNREFUSED`, or as `errno 4242` where it has none.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Errno(pub u32);

impl Errno {
    fn known(self) -> Option<nix::errno::Errno> {
        let known = nix::errno::Errno::from_raw(i32::try_from(self.0).ok()?);
        (known != nix::errno::Errno::UnknownErrno).then_some(known)
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.known() {
            Some(known) => write!(f, "{known:?}"),
            None => write!(f, "errno {}", self.0),
        }
    }
}

impl Serialize for Errno {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The highest error number that the kernel may use (include/linux/err.h, MAX_ERRNO).
const MOST: u32 = 4095;

impl Errno {
    /// The error that is shown as `text`.
    pub fn from_text(text: &str) -> Option<Self> {
        match text.strip_prefix("errno ") {
            Some(number) => number.parse().ok().map(Self),
            None => (1..=MOST).map(Self).find(|error| error.known().is_some() && error.to_string() == text),
        }
    }
}

impl<'de> Deserialize<'de> for Errno {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_word(deserializer, "the name of an error", Self::from_text)
    }
}

impl JsonSchema for Errno {
    fn schema_name() -> Cow<'static, str> {
        "Errno".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "An error by its errno name, or `errno` and the number where it has none.",
            "type": "string",
            "pattern": "^(E[A-Z0-9]+|errno [0-9]+)$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_kernel() {
        for (number, name) in
            [(104, "ECONNRESET"), (110, "ETIMEDOUT"), (111, "ECONNREFUSED"), (113, "EHOSTUNREACH"), (32, "EPIPE")]
        {
            assert_eq!(Errno(number).to_string(), name);
        }
    }

    #[test]
    fn numbers_without_a_name_are_shown_as_numbers() {
        for number in [0, 4242, u32::MAX] {
            assert_eq!(Errno(number).to_string(), format!("errno {number}"));
        }
    }

    #[test]
    fn other_texts_are_no_errors() {
        for text in ["", "E", "econnreset", "ECONNRESET ", "errno", "errno -1", "errno 99999999999"] {
            assert_eq!(Errno::from_text(text), None);
        }
    }

    #[test]
    fn every_error_is_as_the_schema_says() {
        for number in 0..5000 {
            let text = Errno(number).to_string();
            let name = text
                .strip_prefix('E')
                .is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()));
            assert!(name || text == format!("errno {number}"), "{text}");
            assert_eq!(serde_json::to_string(&Errno(number)).unwrap(), format!("\"{text}\""));
            assert_eq!(Errno::from_text(&text), Some(Errno(number)));
        }
    }
}
