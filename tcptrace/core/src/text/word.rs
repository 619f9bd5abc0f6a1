//! Deserialization of words that stand for values.

use std::fmt;

use serde::{
    Deserializer,
    de::{self, Visitor},
};

/// Deserializes a string without copying it, and maps it by `known`; `what` names the expected value in the error.
pub(crate) fn from_word<'de, D, T, F>(deserializer: D, what: &'static str, known: F) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    F: Fn(&str) -> Option<T>,
{
    struct Word<F>(&'static str, F);

    impl<T, F: Fn(&str) -> Option<T>> Visitor<'_> for Word<F> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }

        fn visit_str<E: de::Error>(self, word: &str) -> Result<T, E> {
            (self.1)(word).ok_or_else(|| E::invalid_value(de::Unexpected::Str(word), &self))
        }
    }

    deserializer.deserialize_str(Word(what, known))
}
