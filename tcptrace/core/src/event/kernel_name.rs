//! Names that the kernel gives: of functions and of enumerators.

use std::fmt;

/// A name of the kernel's: up to 47 bytes of ASCII without control characters, padded with zeroes.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub struct KernelName([u8; Self::ROOM]);

impl KernelName {
    /// Room for a name and a zero behind it.
    const ROOM: usize = 48;

    /// Stands for an enumerator without a name.
    pub const UNKNOWN: Self = {
        let mut bytes = [0; Self::ROOM];
        let (name, _) = bytes.split_at_mut(7);
        name.copy_from_slice(b"UNKNOWN");
        Self(bytes)
    };

    /// Creates a name; `None` if the text is empty, too long, or not printable ASCII.
    pub fn new(text: &str) -> Option<Self> {
        let mut bytes = [0; Self::ROOM];
        let fits = !text.is_empty() && text.len() < Self::ROOM;
        if !fits || !text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
            return None;
        }
        bytes.iter_mut().zip(text.bytes()).for_each(|(place, byte)| *place = byte);
        Some(Self(bytes))
    }

    /// Reads a name terminated by a zero; `None` as for [`Self::new`].
    pub fn until_zero(bytes: &[u8]) -> Option<Self> {
        let end = bytes.iter().position(|&byte| byte == 0)?;
        Self::new(str::from_utf8(bytes.get(..end)?).ok()?)
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        let Self(bytes) = self;
        let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
        bytes.get(..end).and_then(|name| str::from_utf8(name).ok()).unwrap_or_default()
    }
}

impl fmt::Debug for KernelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KernelName({})", self.as_str())
    }
}

impl fmt::Display for KernelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for KernelName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::from_word(deserializer, "a name in the kernel", Self::new)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for KernelName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for KernelName {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "KernelName".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A name that the kernel gives.",
            "type": "string",
            "pattern": "^[ -~]{1,47}$",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_that_are_none_are_not_shown() {
        for text in ["", "a\u{1b}[2J", "grün", "123456789012345678901234567890123456789012345678"] {
            assert_eq!(KernelName::new(text), None, "{text:?}");
        }
        assert_eq!(KernelName::until_zero(b"nf_hook_slow\0rest").unwrap().as_str(), "nf_hook_slow");
        assert_eq!(KernelName::until_zero(&[0; 48]), None);
        assert_eq!(KernelName::until_zero(b"no end"), None);
        assert_eq!(KernelName::UNKNOWN.to_string(), "UNKNOWN");
    }

    proptest! {
        #[test]
        fn a_name_is_read_back(text in "[ -~]{1,47}") {
            let name = KernelName::new(&text).unwrap();
            let json = serde_json::to_string(&name).unwrap();
            prop_assert_eq!(serde_json::from_str::<KernelName>(&json).unwrap(), name);
            prop_assert_eq!(name.as_str(), text);
        }
    }
}
