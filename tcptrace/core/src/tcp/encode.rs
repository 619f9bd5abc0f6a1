//! Options from their JSON back to the bytes of a header.
//!
//! JSON leaves out padding, order and unknown options' data. The result is not the bytes that were on the wire, but an
//! equivalent: its JSON is the one it was made from. Order and padding are those Linux uses.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, de::Error as _};

use super::{
    OptionBytes, SackBlock, TcpOptions, Timestamp,
    options::{
        KIND_FAST_OPEN, KIND_MPTCP, KIND_MSS, KIND_NOP, KIND_SACK, KIND_SACK_PERMITTED, KIND_TIMESTAMP,
        KIND_WINDOW_SCALE,
    },
};

/// The options of a TCP header, as [`TcpOptions`] are serialised.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Object<'a> {
    mss: Option<u16>,
    window_scale: Option<u8>,
    sack_permitted: bool,
    timestamp: Option<Timestamp>,
    sack: Vec<SackBlock>,
    #[serde(borrow)]
    fast_open: Option<Cow<'a, str>>,
    mptcp: Option<u8>,
    unknown: Vec<u8>,
    malformed: bool,
}

impl<'de> Deserialize<'de> for TcpOptions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object = Object::deserialize(deserializer)?;
        let bytes = object.encode(true).or_else(|| object.encode(false));
        bytes
            .map(|bytes| Self(bytes.options()))
            .ok_or_else(|| D::Error::custom("these are not the options of one header"))
    }
}

impl Object<'_> {
    /// Encodes the options, with Linux's padding if `padded`; `None` if they do not fit into a header.
    fn encode(&self, padded: bool) -> Option<Bytes> {
        let mut bytes = Bytes { padded, len: 0, bytes: [0; OptionBytes::MAX] };
        if let Some(mss) = self.mss {
            bytes.option(KIND_MSS, &mss.to_be_bytes())?;
        }
        if self.sack_permitted {
            // Next to timestamps it needs no padding.
            bytes.pad(if self.timestamp.is_some() { 0 } else { 2 })?;
            bytes.option(KIND_SACK_PERMITTED, &[])?;
        }
        if let Some(Timestamp { value, echo }) = self.timestamp {
            bytes.pad(if self.sack_permitted { 0 } else { 2 })?;
            bytes.option(KIND_TIMESTAMP, [value.to_be_bytes(), echo.to_be_bytes()].as_flattened())?;
        }
        if let Some(shift) = self.window_scale {
            bytes.pad(1)?;
            bytes.option(KIND_WINDOW_SCALE, &[shift])?;
        }
        if !self.sack.is_empty() {
            let blocks: Vec<_> =
                self.sack.iter().map(|block| [block.left.to_be_bytes(), block.right.to_be_bytes()]).collect();
            bytes.pad(2)?;
            bytes.option(KIND_SACK, blocks.as_flattened().as_flattened())?;
        }
        if let Some(cookie) = &self.fast_open {
            bytes.option(KIND_FAST_OPEN, &from_hex(cookie)?)?;
        }
        if let Some(subtype) = self.mptcp {
            bytes.option(KIND_MPTCP, &[subtype.checked_shl(4).filter(|shifted| shifted >> 4 == subtype)?])?;
        }
        self.unknown.iter().try_for_each(|&kind| bytes.option(kind, &[]))?;
        if self.malformed {
            // Truncated right after its kind, at the end of the header.
            bytes.push(&[KIND_MSS])?;
        }
        Some(bytes)
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_bytes().as_chunks() else { return None };
    let digit = |letter: u8| char::from(letter).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect()
}

/// The options written so far.
struct Bytes {
    padded: bool,
    len: usize,
    bytes: [u8; OptionBytes::MAX],
}

impl Bytes {
    fn options(&self) -> OptionBytes {
        OptionBytes::new(self.bytes.get(..self.len).unwrap_or(&self.bytes))
    }

    /// Appends `bytes`; `None` if the header has no room for them.
    fn push(&mut self, bytes: &[u8]) -> Option<()> {
        self.bytes.get_mut(self.len..)?.get_mut(..bytes.len())?.copy_from_slice(bytes);
        self.len += bytes.len();
        Some(())
    }

    fn option(&mut self, kind: u8, data: &[u8]) -> Option<()> {
        self.push(&[kind, u8::try_from(data.len() + 2).ok()?])?;
        self.push(data)
    }

    fn pad(&mut self, count: usize) -> Option<()> {
        if self.padded { self.push([KIND_NOP; 2].get(..count)?) } else { Some(()) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::tcp::options::tests::any_options;

    fn json(options: &TcpOptions) -> String {
        serde_json::to_string(options).unwrap()
    }

    /// Converts bytes to JSON and back.
    fn again(bytes: &[u8]) -> TcpOptions {
        serde_json::from_str(&json(&TcpOptions(OptionBytes::new(bytes)))).unwrap()
    }

    #[test]
    fn what_linux_sends_comes_back_byte_by_byte() {
        let syn = [2, 4, 0xff, 0xd7, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 10];
        let without_timestamps = [2, 4, 5, 0xb4, 1, 1, 4, 2, 1, 3, 3, 7];
        let data = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2];
        let gap = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 5];
        for bytes in [&[][..], &syn, &without_timestamps, &data, &gap] {
            assert_eq!(again(bytes).0.as_slice(), bytes);
        }
    }

    #[test]
    fn what_fills_a_header_without_padding_still_fits() {
        let mut bytes = vec![2, 4, 5, 0xb4, 3, 3, 7, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 4, 2];
        bytes.extend((10..20).flat_map(|kind| [kind, 2]));
        bytes.push(99);
        assert_eq!(bytes.len(), OptionBytes::MAX);
        assert_eq!(json(&again(&bytes)), json(&TcpOptions(OptionBytes::new(&bytes))));
    }

    #[test]
    fn what_no_header_holds_is_refused() {
        for text in [
            r#"{"fast_open":"abc"}"#,
            r#"{"fast_open":"é0"}"#,
            r#"{"mptcp":16}"#,
            r#"{"mptcp":255}"#,
            r#"{"mss":65536}"#,
            r#"{"unknown":[10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,31]}"#,
            r#"{"sack":[{"left":1}]}"#,
            "7",
        ] {
            assert!(serde_json::from_str::<TcpOptions>(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_as_it_was((_, bytes) in any_options()) {
            prop_assert_eq!(json(&again(&bytes)), json(&TcpOptions(OptionBytes::new(&bytes))));
        }

        #[test]
        fn even_nonsense_is(bytes in vec(any::<u8>(), 0..=40)) {
            prop_assert_eq!(json(&again(&bytes)), json(&TcpOptions(OptionBytes::new(&bytes))));
        }

        #[test]
        fn and_nonsense_of_known_kinds(bytes in vec(prop_oneof![0..9_u8, Just(30), Just(34), Just(254)], 0..=40)) {
            prop_assert_eq!(json(&again(&bytes)), json(&TcpOptions(OptionBytes::new(&bytes))));
        }
    }
}
