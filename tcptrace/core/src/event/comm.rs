//! Names of threads.

use std::fmt;

use crate::text::Escaped;

/// The name of a thread: up to 15 bytes of any value, padded with zeroes.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Comm(pub [u8; 16]);

impl Comm {
    /// Returns the bytes before the first zero.
    pub fn bytes(&self) -> &[u8] {
        let end = self.0.iter().position(|&byte| byte == 0).unwrap_or(self.0.len());
        self.0.get(..end).unwrap_or(&self.0)
    }
}

/// Writes the name for human readers, escaped.
impl fmt::Display for Comm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Escaped(self.bytes()).fmt(f)
    }
}

/// Serializes the name. Bytes that are not UTF-8 become U+FFFD; control characters are left to the format's escapes.
#[cfg(feature = "serde")]
impl serde::Serialize for Comm {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&String::from_utf8_lossy(self.bytes()))
    }
}

/// Deserializes a name such that serializing it again gives the same text: U+FFFD becomes a byte that is not UTF-8.
/// Bytes beyond the name's capacity are dropped.
#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Comm {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::from_word(deserializer, "the name of a thread", |name| {
            let mut comm = Self([0; 16]);
            let mut places = comm.0.iter_mut();
            for character in name.chars() {
                match character {
                    char::REPLACEMENT_CHARACTER => places.by_ref().zip([0xff]).for_each(|(place, byte)| *place = byte),
                    _ => {
                        let mut utf8 = [0; 4];
                        let bytes = character.encode_utf8(&mut utf8).bytes();
                        if bytes.len() <= places.len() {
                            places.by_ref().zip(bytes).for_each(|(place, byte)| *place = byte);
                        }
                    }
                }
            }
            Some(comm)
        })
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Comm {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Comm".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "The name of a thread, U+FFFD for what is not UTF-8.",
            "type": "string",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn comm(name: &[u8]) -> Comm {
        let mut bytes = [0; 16];
        bytes[..name.len()].copy_from_slice(name);
        Comm(bytes)
    }

    #[test]
    fn a_name_from_outside_is_harmless() {
        let name = comm(b"a\x1b[2J\xff\\\"");
        assert_eq!(name.to_string(), r#"a\x1b[2J\xff\\""#);
        assert_eq!(serde_json::to_string(&name).unwrap(), "\"a\\u001b[2J\u{fffd}\\\\\\\"\"");
    }

    proptest! {
        #[test]
        fn a_name_read_back_is_written_as_it_was(bytes: [u8; 16]) {
            let json = serde_json::to_string(&Comm(bytes)).unwrap();
            let read: Comm = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(serde_json::to_string(&read).unwrap(), json);
        }

        #[test]
        fn any_text_is_a_name(text: String) {
            let _: Comm = serde_json::from_value(text.into()).unwrap();
        }
    }
}
