//! Options from their JSON back to the bytes of a header.
//!
//! `raw` holds them as they were on the wire. JSON of schema 1 lacks it, and with it padding, order and the data of unknown
//! options. The fields are then encoded, in the order and with the padding of Linux, into equivalent options whose JSON has
//! the same fields.

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
    #[serde(borrow)]
    raw: Option<Cow<'a, str>>,
}

impl<'de> Deserialize<'de> for TcpOptions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object = Object::deserialize(deserializer)?;
        let bytes = match &object.raw {
            Some(raw) => Bytes::from_raw(raw),
            None => object.encode(true).or_else(|| object.encode(false)),
        };
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
    pairs.iter().copied().map(byte).collect()
}

/// Returns the byte of two hexadecimal digits.
fn byte([high, low]: [u8; 2]) -> Option<u8> {
    let digit = |letter: u8| char::from(letter).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(high)? << 4 | digit(low)?)
}

/// The options written so far.
struct Bytes {
    padded: bool,
    len: usize,
    bytes: [u8; OptionBytes::MAX],
}

impl Bytes {
    /// Returns the bytes of `raw`.
    fn from_raw(text: &str) -> Option<Self> {
        let mut bytes = Self { padded: false, len: 0, bytes: [0; OptionBytes::MAX] };
        let (pairs, []) = text.as_bytes().as_chunks() else { return None };
        pairs.iter().try_for_each(|&pair| bytes.push(&[byte(pair)?]))?;
        Some(bytes)
    }

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
    use proptest::{collection::vec, prelude::*, sample::select};

    use super::*;
    use crate::tcp::{TcpOption, options::tests::any_options};

    fn json(options: &TcpOptions) -> String {
        serde_json::to_string(options).unwrap()
    }

    /// Converts bytes to JSON and back.
    fn again(bytes: &[u8]) -> TcpOptions {
        serde_json::from_str(&json(&TcpOptions(OptionBytes::new(bytes)))).unwrap()
    }

    /// Returns their JSON as in recordings of schema 1, which has fewer fields and lists more kinds as unknown.
    fn first_schema(options: &TcpOptions) -> String {
        let mut value = serde_json::to_value(options).unwrap();
        let fields = value.as_object_mut().unwrap();
        for later in ["order", "raw", "mptcp_options", "md5", "tcp_ao", "accurate_ecn", "smc"] {
            fields.remove(later);
        }
        let mut unknown: Vec<u8> = Vec::new();
        for option in &options.0 {
            let kind = option.kind();
            let had_no_field = matches!(
                option,
                TcpOption::Md5(_)
                    | TcpOption::TcpAo { .. }
                    | TcpOption::AccurateEcn(_)
                    | TcpOption::Smc { .. }
                    | TcpOption::Unknown { .. }
            );
            if had_no_field && !unknown.contains(&kind) {
                unknown.push(kind);
            }
        }
        fields.remove("unknown");
        if !unknown.is_empty() {
            fields.insert("unknown".to_owned(), unknown.into());
        }
        value.to_string()
    }

    /// Converts bytes to JSON of schema 1 and back.
    fn again_from_first_schema(bytes: &[u8]) -> TcpOptions {
        serde_json::from_str(&first_schema(&TcpOptions(OptionBytes::new(bytes)))).unwrap()
    }

    #[test]
    fn what_linux_sends_comes_back_byte_by_byte() {
        let syn = [2, 4, 0xff, 0xd7, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 10];
        let without_timestamps = [2, 4, 5, 0xb4, 1, 1, 4, 2, 1, 3, 3, 7];
        let data = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2];
        let gap = [1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 5];
        for bytes in [&[][..], &syn, &without_timestamps, &data, &gap] {
            assert_eq!(again(bytes).0.as_slice(), bytes);
            assert_eq!(again_from_first_schema(bytes).0.as_slice(), bytes);
        }
    }

    #[test]
    fn the_bytes_themselves_outweigh_the_fields() {
        let options: TcpOptions = serde_json::from_str(r#"{"mss":1,"order":[99],"raw":"0204FFd7"}"#).unwrap();
        assert_eq!(options.0.as_slice(), [2, 4, 0xff, 0xd7]);
    }

    #[test]
    fn what_has_no_field_comes_back_byte_by_byte() {
        let md5 = [19, 18, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 1, 1];
        let authentication = [1, 1, 29, 6, 7, 8, 0xaa, 0xbb];
        let accurate_ecn = [2, 4, 5, 0xb4, 174, 5, 0, 0, 1, 1, 3, 3, 7, 172, 2];
        let smc = [254, 6, 0xe2, 0xd4, 0xc3, 0xd9, 1, 1];
        let join = [30, 12, 0x10, 9, 1, 2, 3, 4, 5, 6, 7, 8];
        let behind_the_end = [1, 0, 7, 7];
        let cut_off = [8, 10, 0, 0];
        let twice = [3, 3, 1, 3, 3, 2, 1, 1];
        for bytes in [
            &md5[..],
            &authentication,
            &accurate_ecn,
            &smc,
            &join,
            &behind_the_end,
            &cut_off,
            &twice,
            &[254, 4, 0xf9, 0x89],
        ] {
            assert_eq!(again(bytes).0.as_slice(), bytes);
        }
    }

    #[test]
    fn what_fills_a_header_without_padding_still_fits() {
        let mut bytes = vec![2, 4, 5, 0xb4, 3, 3, 7, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 4, 2];
        bytes.extend((10..20).flat_map(|kind| [kind, 2]));
        bytes.push(99);
        assert_eq!(bytes.len(), OptionBytes::MAX);
        let options = TcpOptions(OptionBytes::new(&bytes));
        assert_eq!(json(&again(&bytes)), json(&options));
        assert_eq!(first_schema(&again_from_first_schema(&bytes)), first_schema(&options));
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
            r#"{"raw":"020"}"#,
            r#"{"raw":"02 4"}"#,
            r#"{"raw":"01010101010101010101010101010101010101010101010101010101010101010101010101010101ff"}"#,
            "7",
        ] {
            assert!(serde_json::from_str::<TcpOptions>(text).is_err(), "{text}");
        }
    }

    /// Checks that bytes survive the round trip, and that their meaning survives one through schema 1.
    fn check(bytes: &[u8]) -> Result<(), TestCaseError> {
        let options = TcpOptions(OptionBytes::new(bytes));
        prop_assert_eq!(again(bytes), options);
        prop_assert_eq!(first_schema(&again_from_first_schema(bytes)), first_schema(&options));
        Ok(())
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_as_it_was((_, bytes) in any_options()) {
            check(&bytes)?;
        }

        #[test]
        fn even_nonsense_is(bytes in vec(any::<u8>(), 0..=40)) {
            check(&bytes)?;
        }

        #[test]
        fn and_nonsense_of_known_kinds(bytes in vec(prop_oneof![0..13_u8, select(vec![19, 29, 30, 34, 172, 174, 253, 254])], 0..=40)) {
            check(&bytes)?;
        }
    }
}
