//! The options of a header as one JSON object.

use serde::{Serialize, Serializer};

use super::{AccurateEcn, MptcpOption, OptionBytes, SackBlock, SackBlocks, TcpOption, TcpOptions, Timestamp, hex::Hex};

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
    /// Fields of all Multipath TCP options whose subtype and length are known; absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<MptcpOption<'static>>"))]
    mptcp_options: Vec<MptcpOption<'a>>,
    /// MD5 signature in hexadecimal (RFC 2385); absent without the option.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    md5: Option<Hex<'a>>,
    /// TCP Authentication Option (RFC 5925 §2.2); absent without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "TcpAo"))]
    tcp_ao: Option<TcpAo>,
    /// Counters of Accurate ECN (RFC 9768 §3.2.3); absent without the option.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "AccurateEcn"))]
    accurate_ecn: Option<AccurateEcn>,
    /// True if SMC over RDMA is offered or accepted (RFC 7609 §3.1); absent otherwise.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    smc: bool,
    /// Kinds of all other options; absent if there are none.
    #[serde(skip_serializing_if = "List::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<u8>"))]
    unknown: List<u8, { OptionBytes::MAX / 2 }>,
    /// True if an option has a wrong length; absent otherwise.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    malformed: bool,
    /// Kinds of all options in the order of the header, padding and malformed ones included; only where there are any.
    #[serde(skip_serializing_if = "List::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<u8>"))]
    order: List<u8, { OptionBytes::MAX }>,
    /// All bytes between the fixed part of the header and the data, in hexadecimal; only where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    raw: Option<Hex<'a>>,
}

/// A TCP Authentication Option.
#[derive(Clone, Copy, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct TcpAo {
    /// KeyID: the key with which the segment is authenticated.
    key_id: u8,
    /// RNextKeyID: the key that the sender is ready to receive.
    rnext_key_id: u8,
    /// Length of the message authentication code, in bytes.
    mac_length: usize,
}

impl<'a> From<&'a TcpOptions> for Object<'a> {
    fn from(options: &'a TcpOptions) -> Self {
        let bytes = options.0.as_slice();
        let mut object = Self { raw: (!bytes.is_empty()).then_some(Hex(bytes)), ..Self::default() };
        for option in &options.0 {
            object.order.push(option.kind());
            match option {
                TcpOption::Eol | TcpOption::Nop => {}
                TcpOption::Mss(mss) => object.mss = Some(mss),
                TcpOption::WindowScale(shift) => object.window_scale = Some(shift),
                TcpOption::SackPermitted => object.sack_permitted = true,
                TcpOption::Timestamp(timestamp) => object.timestamp = Some(timestamp),
                TcpOption::Sack(blocks) => blocks.iter().for_each(|block| object.sack.push(block)),
                TcpOption::FastOpen { cookie, .. } => object.fast_open = Some(Hex(cookie)),
                TcpOption::Mptcp { subtype, data } => {
                    object.mptcp = Some(subtype);
                    object.mptcp_options.extend(MptcpOption::read(data));
                }
                TcpOption::Md5(digest) => object.md5 = Some(Hex(digest)),
                TcpOption::TcpAo { key_id, rnext_key_id, mac } => {
                    object.tcp_ao = Some(TcpAo { key_id, rnext_key_id, mac_length: mac.len() });
                }
                TcpOption::AccurateEcn(option) => object.accurate_ecn = Some(option),
                TcpOption::Smc { .. } => object.smc = true,
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
            r#"{"mss":65495,"window_scale":10,"sack_permitted":true,"timestamp":{"value":1,"echo":0},"#.to_owned()
                + r#""order":[2,4,8,1,3],"raw":"0204ffd70402080a00000001000000000103030a"}"#
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
                r#""sack":[{"left":1,"right":5}],"fast_open":"be0f","mptcp":1,"unknown":[99,7],"malformed":true,"#,
                r#""order":[5,34,30,99,99,7,2],"raw":"050a00000001000000052204be0f1e03156302630207020203"}"#
            )
        );
        assert!(json(&[34, 2]).contains(r#""fast_open":"""#));
        assert!(json(&[254, 4, 0xf9, 0x89]).contains(r#""fast_open":"""#));
        assert!(json(&[254, 4, 0xf9, 0x88]).contains(r#""unknown":[254]"#));
    }

    /// The fields of one option beside those that are always there.
    fn fields(bytes: &[u8]) -> Value {
        let Value::Object(mut fields) = serde_json::from_str(&json(bytes)).unwrap() else { panic!("an object") };
        for always in ["mss", "window_scale", "sack_permitted", "timestamp", "order", "raw"] {
            fields.remove(always).unwrap();
        }
        fields.into()
    }

    #[test]
    fn options_of_one_kind_each() {
        let md5 = [19, 18, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
        for (bytes, expected) in [
            (&md5[..], json!({ "md5": "000102030405060708090a0b0c0d0e0f" })),
            (&md5[..17], json!({ "malformed": true })),
            (&[19, 4, 1, 2], json!({ "unknown": [19] })),
            (&[29, 4, 1, 2], json!({ "tcp_ao": { "key_id": 1, "rnext_key_id": 2, "mac_length": 0 } })),
            (&[29, 7, 1, 2, 3, 4, 5], json!({ "tcp_ao": { "key_id": 1, "rnext_key_id": 2, "mac_length": 3 } })),
            (&[29, 3, 1], json!({ "unknown": [29] })),
            (&[172, 2], json!({ "accurate_ecn": { "order": 0, "ee0b": null, "eceb": null, "ee1b": null } })),
            (&[172, 5, 0, 1, 0], json!({ "accurate_ecn": { "order": 0, "ee0b": 256, "eceb": null, "ee1b": null } })),
            (
                &[174, 11, 0, 0, 1, 0, 0, 2, 0, 0, 3],
                json!({ "accurate_ecn": { "order": 1, "ee1b": 1, "eceb": 2, "ee0b": 3 } }),
            ),
            (&[174, 3, 0], json!({ "unknown": [174] })),
            (&[254, 6, 0xe2, 0xd4, 0xc3, 0xd9], json!({ "smc": true })),
            (&[253, 6, 0xe2, 0xd4, 0xc3, 0xd9], json!({ "smc": true })),
            (&[253, 5, 0xe2, 0xd4, 0xc3], json!({ "unknown": [253] })),
            (
                &[30, 12, 0, 0x81, 0, 0, 0, 0, 0, 0, 0, 1],
                json!({ "mptcp": 0, "mptcp_options": [
                    { "subtype": "mp_capable", "version": 0, "flags": 0x81, "keys": 1, "data_length": null },
                ] }),
            ),
            (
                &[30, 12, 0x11, 9, 0, 0, 0, 1, 0, 0, 0, 2],
                json!({ "mptcp": 1, "mptcp_options": [
                    { "subtype": "mp_join", "backup": true, "address_id": 9, "token": 1, "nonce": 2 },
                ] }),
            ),
            (
                &[30, 18, 0x20, 0x05, 0, 0, 0, 7, 0, 0, 0, 8, 0, 0, 0, 9, 0, 1, 30, 8, 0x31, 3, 10, 0, 0, 1],
                json!({ "mptcp": 3, "mptcp_options": [
                    { "subtype": "dss", "fin": false, "ack": 7, "mapping":
                        { "data_seq": 8, "subflow_seq": 9, "length": 1, "checksum": null } },
                    { "subtype": "add_addr", "flags": 1, "address_id": 3, "address": "10.0.0.1", "port": null },
                ] }),
            ),
            (
                &[30, 5, 0x40, 1, 2, 30, 3, 0x51, 30, 4, 0x81, 6],
                json!({ "mptcp": 8, "mptcp_options": [
                    { "subtype": "remove_addr", "address_ids": [1, 2] },
                    { "subtype": "mp_prio", "backup": true, "address_id": null },
                    { "subtype": "mp_tcprst", "flags": 1, "reason": 6 },
                ] }),
            ),
            (
                &[30, 12, 0x60, 0, 0, 0, 0, 0, 0, 0, 0, 5, 30, 12, 0x70, 0, 0, 0, 0, 0, 0, 0, 0, 5],
                json!({ "mptcp": 7, "mptcp_options": [
                    { "subtype": "mp_fail", "data_seq": 5 }, { "subtype": "mp_fastclose" },
                ] }),
            ),
            (&[30, 3, 0x90], json!({ "mptcp": 9 })),
        ] {
            assert_eq!(fields(bytes), expected, "{bytes:?}");
        }
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
