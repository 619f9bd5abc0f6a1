//! Direction of a segment.

/// Direction in which a segment passed an interface.
#[derive(Clone, Copy, Debug, strum::Display, Eq, strum::EnumString, Hash, strum::IntoStaticStr, PartialEq)]
#[strum(serialize_all = "snake_case")]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(test, derive(strum::EnumIter))]
pub enum Direction {
    /// Received: TC ingress.
    In,
    /// Sent: TC egress. On loopback every segment is seen in this direction.
    Out,
}

impl Direction {
    /// Returns its word in text and JSON: `in` or `out`.
    pub fn word(self) -> &'static str {
        self.into()
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for Direction {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::from_word(deserializer, "a direction", |word| word.parse().ok())
    }
}
