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
mod tests;
