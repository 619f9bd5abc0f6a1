//! Error numbers of the kernel, shown by name.

mod name;

use std::fmt;

use self::name::Name;

/// An error number, displayed as its name, `ECONNREFUSED`, or as `errno 4242` if it has none.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Errno(pub u32);

impl Errno {
    /// Returns the error with this name (`ECONNREFUSED`) or number (`errno 4242`), the forms that [`fmt::Display`]
    /// writes.
    pub fn from_text(text: &str) -> Option<Self> {
        match text.strip_prefix("errno ") {
            Some(number) => number.parse().ok().map(Self),
            None => text.parse::<Name>().ok().map(|name| Self(name as u32)),
        }
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Name::from_repr(self.0) {
            Some(name) => f.write_str(name.into()),
            None => write!(f, "errno {}", self.0),
        }
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Errno {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Errno {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::from_word(deserializer, "the name of an error", Self::from_text)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Errno {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Errno".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
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
