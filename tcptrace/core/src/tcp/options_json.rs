//! The options of a header as one JSON object.

use serde::{Serialize, Serializer};

use super::{OptionBytes, SackBlock, SackBlocks, TcpOption, TcpOptions, Timestamp, hex::Hex};

impl Serialize for TcpOptions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object::from(self).serialize(serializer)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for TcpOptions {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        Object::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Object::json_schema(generator)
    }
}

/// The options of a TCP header.
#[derive(Default, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "TcpOptions"))]
struct Object<'a> {
    /// Maximum segment size, in bytes.
    mss: Option<u16>,
    /// Number of bits by which the sender's windows are shifted, as the option states it; RFC 7323 §2.3 limits it to
    /// 14.
    window_scale: Option<u8>,
    /// True if selective acknowledgements may be sent.
    sack_permitted: bool,
    /// Timestamps (RFC 7323 §3).
    timestamp: Option<Timestamp>,
    /// SACK blocks, data received beyond a gap; absent if there are none.
    #[serde(skip_serializing_if = "List::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<SackBlock>"))]
    sack: List<SackBlock, { SackBlocks::MAX }>,
    /// Fast Open cookie in hexadecimal, empty if one is requested; absent without the option.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    fast_open: Option<Hex<'a>>,
    /// Subtype of the Multipath TCP option (RFC 8684 §8.2); absent without the option.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "u8"))]
    mptcp: Option<u8>,
    /// Kinds of all other options; absent if there are none.
    #[serde(skip_serializing_if = "List::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<u8>"))]
    unknown: List<u8, { OptionBytes::MAX / 2 }>,
    /// True if an option has a wrong length; absent otherwise.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    malformed: bool,
}

impl<'a> From<&'a TcpOptions> for Object<'a> {
    fn from(options: &'a TcpOptions) -> Self {
        let mut object = Self::default();
        for option in &options.0 {
            match option {
                TcpOption::Eol | TcpOption::Nop => {}
                TcpOption::Mss(mss) => object.mss = Some(mss),
                TcpOption::WindowScale(shift) => object.window_scale = Some(shift),
                TcpOption::SackPermitted => object.sack_permitted = true,
                TcpOption::Timestamp(timestamp) => object.timestamp = Some(timestamp),
                TcpOption::Sack(blocks) => blocks.iter().for_each(|block| object.sack.push(block)),
                TcpOption::FastOpen { cookie, .. } => object.fast_open = Some(Hex(cookie)),
                TcpOption::Mptcp { subtype, .. } => object.mptcp = Some(subtype),
                TcpOption::Unknown { kind, .. } => object.unknown.push_new(kind),
                TcpOption::Malformed { .. } => object.malformed = true,
            }
        }
        object
    }
}

/// A short list on the stack. Elements beyond its capacity are dropped; it holds as many as fit into a header.
struct List<T, const N: usize> {
    len: usize,
    items: [T; N],
}

impl<T: Copy + PartialEq, const N: usize> List<T, N> {
    fn as_slice(&self) -> &[T] {
        self.items.get(..self.len).unwrap_or(&self.items)
    }

    fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn push(&mut self, item: T) {
        if let Some(place) = self.items.get_mut(self.len) {
            *place = item;
            self.len += 1;
        }
    }

    fn push_new(&mut self, item: T) {
        if !self.as_slice().contains(&item) {
            self.push(item);
        }
    }
}

impl<const N: usize> Default for List<u8, N> {
    fn default() -> Self {
        Self { len: 0, items: [0; N] }
    }
}

impl<const N: usize> Default for List<SackBlock, N> {
    fn default() -> Self {
        Self { len: 0, items: [SackBlock { left: 0, right: 0 }; N] }
    }
}

impl<T: Copy + PartialEq + Serialize, const N: usize> Serialize for List<T, N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_slice().serialize(serializer)
    }
}

impl Serialize for Hex<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::tcp::options::tests::any_options;

    fn json(bytes: &[u8]) -> String {
        serde_json::to_string(&TcpOptions(OptionBytes::new(bytes))).unwrap()
    }

    #[test]
    fn no_options_are_nulls() {
        assert_eq!(json(&[]), r#"{"mss":null,"window_scale":null,"sack_permitted":false,"timestamp":null}"#);
    }

    #[test]
    fn the_options_of_a_syn() {
        let bytes = [2, 4, 0xff, 0xd7, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 10];
        assert_eq!(
            json(&bytes),
            r#"{"mss":65495,"window_scale":10,"sack_permitted":true,"timestamp":{"value":1,"echo":0}}"#
        );
        let options = TcpOptions(OptionBytes::new(&bytes));
        assert_eq!((options.mss(), options.window_scale()), (Some(65495), Some(10)));
        assert!(options.sack_permitted());
        assert_eq!(options.timestamp(), Some(Timestamp { value: 1, echo: 0 }));
        assert_eq!((options.fast_open(), options.mptcp()), (None, None));
    }

    #[test]
    fn rare_options_show_when_they_are_there() {
        let bytes = [5, 10, 0, 0, 0, 1, 0, 0, 0, 5, 34, 4, 0xbe, 0x0f, 30, 3, 0x15, 99, 2, 99, 2, 7, 2, 2, 3];
        assert_eq!(
            json(&bytes),
            concat!(
                r#"{"mss":null,"window_scale":null,"sack_permitted":false,"timestamp":null,"#,
                r#""sack":[{"left":1,"right":5}],"fast_open":"be0f","mptcp":1,"unknown":[99,7],"malformed":true}"#
            )
        );
        assert!(json(&[34, 2]).contains(r#""fast_open":"""#));
        assert!(json(&[254, 4, 0xf9, 0x89]).contains(r#""fast_open":"""#));
        assert!(json(&[254, 4, 0xf9, 0x88]).contains(r#""unknown":[254]"#));
    }

    #[test]
    fn the_last_one_counts() {
        let options = TcpOptions(OptionBytes::new(&[3, 3, 1, 3, 3, 2]));
        assert_eq!(options.window_scale(), Some(2));
        assert!(serde_json::to_string(&options).unwrap().contains(r#""window_scale":2"#));
    }

    #[test]
    fn forty_bytes_of_any_kind_fit() {
        let many: Vec<u8> = (10..30).flat_map(|kind| [kind, 2]).collect();
        let value: Value = serde_json::from_str(&json(&many)).unwrap();
        assert_eq!(value["unknown"], json!((10..30).collect::<Vec<u8>>()));
    }

    proptest! {
        #[test]
        fn every_key_is_in_the_schema((_, bytes) in any_options()) {
            let schema = schemars::schema_for!(TcpOptions);
            let properties = schema.get("properties").and_then(Value::as_object).unwrap();
            let value: Value = serde_json::from_str(&json(&bytes)).unwrap();
            for key in value.as_object().unwrap().keys() {
                prop_assert!(properties.contains_key(key), "{key}");
            }
        }
    }
}
