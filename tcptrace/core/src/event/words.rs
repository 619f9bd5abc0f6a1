//! The words for what [`crate::event`] tells, the same in text and JSON.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Comm, Direction, HintName, LossSource};
use crate::text::{Escaped, from_word};

impl Direction {
    /// Both.
    const ALL: [Self; 2] = [Self::In, Self::Out];

    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

impl LossSource {
    /// Every source.
    const ALL: [Self; 4] = [Self::State, Self::Segment, Self::Recursion, Self::Output];

    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Segment => "segment",
            Self::Recursion => "recursion",
            Self::Output => "output",
        }
    }
}

impl HintName {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::SendReset, Self::RetransmitSynack, Self::AcceptQueue];

    /// The tracepoint's name, or that of what was looked at.
    pub const fn word(self) -> &'static str {
        match self {
            Self::SendReset => "tcp_send_reset",
            Self::RetransmitSynack => "tcp_retransmit_synack",
            Self::AcceptQueue => "accept_queue",
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl fmt::Display for LossSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl fmt::Display for HintName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// For people, escaped.
impl fmt::Display for Comm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Escaped(self.bytes()).fmt(f)
    }
}

impl Serialize for Direction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

impl Serialize for LossSource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

impl Serialize for HintName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

impl<'de> Deserialize<'de> for Direction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_word(deserializer, "a direction", |word| Self::ALL.into_iter().find(|known| known.word() == word))
    }
}

impl<'de> Deserialize<'de> for HintName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_word(deserializer, "the name of a hint", |word| Self::ALL.into_iter().find(|known| known.word() == word))
    }
}

impl<'de> Deserialize<'de> for LossSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_word(deserializer, "a source of losses", |word| Self::ALL.into_iter().find(|known| known.word() == word))
    }
}

/// What is not UTF-8 becomes U+FFFD; control characters are left to the escapes of the format.
impl Serialize for Comm {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&String::from_utf8_lossy(self.bytes()))
    }
}

/// Reads back what was written, to be written again as the same: U+FFFD stands for a byte that is in no UTF-8. What a name
/// has no room for is left out.
impl<'de> Deserialize<'de> for Comm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_word(deserializer, "the name of a thread", |name| {
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

impl JsonSchema for Direction {
    fn schema_name() -> Cow<'static, str> {
        "Direction".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Which way a segment passed an interface.",
            "type": "string",
            "enum": Self::ALL.map(Self::word),
        })
    }
}

impl JsonSchema for LossSource {
    fn schema_name() -> Cow<'static, str> {
        "LossSource".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "What was lost: state changes and hints, or segments, that found the ring buffer full, \
                            those that the kernel skipped, output that nobody read.",
            "type": "string",
            "enum": Self::ALL.map(Self::word),
        })
    }
}

impl JsonSchema for HintName {
    fn schema_name() -> Cow<'static, str> {
        "HintName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "The tracepoint that told it, or the queue that the kernel was asked for.",
            "type": "string",
            "enum": Self::ALL.map(Self::word),
        })
    }
}

impl JsonSchema for Comm {
    fn schema_name() -> Cow<'static, str> {
        "Comm".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
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

    #[test]
    fn words_are_the_same_everywhere() {
        for direction in Direction::ALL {
            let json = format!("\"{direction}\"");
            assert_eq!(serde_json::to_string(&direction).unwrap(), json);
            assert_eq!(serde_json::from_str::<Direction>(&json).unwrap(), direction);
        }
        for name in HintName::ALL {
            assert_eq!(serde_json::to_string(&name).unwrap(), format!("\"{name}\""));
        }
        for source in LossSource::ALL {
            let json = format!("\"{source}\"");
            assert_eq!(serde_json::to_string(&source).unwrap(), json);
            assert_eq!(serde_json::from_str::<LossSource>(&json).unwrap(), source);
        }
        assert!(serde_json::from_str::<Direction>("\"up\"").unwrap_err().to_string().contains("a direction"));
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
