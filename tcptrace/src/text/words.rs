//! The words for what [`crate::event`] tells, the same in text and JSON.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use super::Escaped;
use crate::event::{Comm, Direction, HintName, LossSource, Proof};

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
    pub const ALL: [Self; 2] = [Self::SendReset, Self::RetransmitSynack];

    /// The tracepoint's name.
    pub const fn word(self) -> &'static str {
        match self {
            Self::SendReset => "tcp_send_reset",
            Self::RetransmitSynack => "tcp_retransmit_synack",
        }
    }
}

impl Proof {
    /// The words for all there may be.
    pub const WORDS: [&str; 3] = ["linger", "unread", "unaccepted"];

    /// Those of [`Self::WORDS`] that say what is there.
    pub fn words(&self) -> impl Iterator<Item = &'static str> {
        let Self { linger, unread, unaccepted } = *self;
        Self::WORDS.into_iter().zip([linger, unread, unaccepted]).filter_map(|(word, there)| there.then_some(word))
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

impl Serialize for Proof {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.words())
    }
}

/// What is not UTF-8 becomes U+FFFD; control characters are left to the escapes of the format.
impl Serialize for Comm {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&String::from_utf8_lossy(self.bytes()))
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
            "description": "The tracepoint that told it.",
            "type": "string",
            "enum": Self::ALL.map(Self::word),
        })
    }
}

impl JsonSchema for Proof {
    fn schema_name() -> Cow<'static, str> {
        "Proof".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "What a socket was like when it entered CLOSE: SO_LINGER with time 0, data that nobody had \
                            read, never accepted by a process.",
            "type": "array",
            "items": { "enum": Self::WORDS },
            "minItems": 1,
            "uniqueItems": true,
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
    fn a_proof_is_a_list_of_what_is_there() {
        let proof = Proof { unread: true, unaccepted: true, ..Proof::default() };
        assert_eq!(serde_json::to_string(&proof).unwrap(), r#"["unread","unaccepted"]"#);
        assert!(!proof.is_empty() && Proof::default().is_empty());
    }

    #[test]
    fn words_are_the_same_everywhere() {
        for direction in Direction::ALL {
            assert_eq!(serde_json::to_string(&direction).unwrap(), format!("\"{direction}\""));
        }
        for name in HintName::ALL {
            assert_eq!(serde_json::to_string(&name).unwrap(), format!("\"{name}\""));
        }
        for source in LossSource::ALL {
            assert_eq!(serde_json::to_string(&source).unwrap(), format!("\"{source}\""));
        }
    }
}
