//! Properties of a socket, as a list of words.

/// Properties of a socket as it entered CLOSE or ESTABLISHED, which prove why it sent a reset, or that it sent nothing.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Proof {
    /// SO_LINGER was set with time 0.
    pub linger: bool,
    /// The receive queue held data that no process had read.
    pub unread: bool,
    /// The connection was established, but no process had accepted it.
    pub unaccepted: bool,
    /// The socket entered ESTABLISHED by TCP_REPAIR, without a handshake.
    pub restored: bool,
    /// The socket left SYN_SENT before it sent a SYN: TCP_FASTOPEN_CONNECT waits for data.
    pub deferred: bool,
    /// TCP_REPAIR was on, so that close() sent nothing.
    pub repair: bool,
    /// The kernel ended the socket in FIN_WAIT2, which no process held any more: TCP_LINGER2 is negative.
    pub linger2: bool,
}

impl Proof {
    /// Returns true if no property is set.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Proof {
    /// Words for the properties, in the order of the fields.
    pub const WORDS: [&str; 7] = ["linger", "unread", "unaccepted", "restored", "deferred", "repair", "linger2"];

    /// Returns those of [`Self::WORDS`] whose property is set.
    pub fn words(&self) -> impl Iterator<Item = &'static str> {
        let Self { linger, unread, unaccepted, restored, deferred, repair, linger2 } = *self;
        let set = [linger, unread, unaccepted, restored, deferred, repair, linger2];
        Self::WORDS.into_iter().zip(set).filter_map(|(word, there)| there.then_some(word))
    }

    #[cfg(feature = "serde")]
    fn set(&mut self, word: &str) {
        let Self { linger, unread, unaccepted, restored, deferred, repair, linger2 } = self;
        let all = [linger, unread, unaccepted, restored, deferred, repair, linger2];
        if let Some((_, proved)) = Self::WORDS.into_iter().zip(all).find(|&(known, _)| known == word) {
            *proved = true;
        }
    }
}

/// Serializes as the list of words.
#[cfg(feature = "serde")]
impl serde::Serialize for Proof {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.words())
    }
}

/// Ignores unknown words: later versions may know more properties.
#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Proof {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Words;

        impl<'de> serde::de::Visitor<'de> for Words {
            type Value = Proof;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a list of words")
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut words: A) -> Result<Proof, A::Error> {
                let mut proof = Proof::default();
                while let Some(word) = words.next_element::<std::borrow::Cow<'de, str>>()? {
                    proof.set(&word);
                }
                Ok(proof)
            }
        }

        deserializer.deserialize_seq(Words)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Proof {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Proof".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "What a socket was like when it entered CLOSE: SO_LINGER with time 0, data that nobody had \
                            read, never accepted by a process, no SYN sent (TCP_FASTOPEN_CONNECT), nothing sent at all \
                            (TCP_REPAIR), ended by the kernel in FIN_WAIT2 (TCP_LINGER2 below 0). Or when it entered \
                            ESTABLISHED: restored (TCP_REPAIR).",
            "type": "array",
            "items": { "enum": Self::WORDS },
            "minItems": 1,
            "uniqueItems": true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_a_list_of_words() {
        let all = Proof { linger: true, unread: true, unaccepted: true, ..Proof::default() };
        assert_eq!(serde_json::to_string(&all).unwrap(), r#"["linger","unread","unaccepted"]"#);
        let silent = Proof { restored: true, deferred: true, repair: true, linger2: true, ..Proof::default() };
        assert_eq!(serde_json::to_string(&silent).unwrap(), r#"["restored","deferred","repair","linger2"]"#);
        assert_eq!(serde_json::to_string(&Proof::default()).unwrap(), "[]");
        assert_eq!(serde_json::from_str::<Proof>(r#"["unread","unheard_of","unaccepted","linger"]"#).unwrap(), all);
        assert!(serde_json::from_str::<Proof>("7").is_err());
    }

    #[test]
    fn a_proof_is_a_list_of_what_is_there() {
        let proof = Proof { unread: true, unaccepted: true, ..Proof::default() };
        assert_eq!(serde_json::to_string(&proof).unwrap(), r#"["unread","unaccepted"]"#);
        assert!(!proof.is_empty() && Proof::default().is_empty());
    }
}
