//! JSON strings that are safe to show on a terminal.

use std::io;

use serde_json::ser::Formatter;

use crate::text::is_unsafe;

/// serde_json's compact format with JSON escapes for every character that [`is_unsafe`]; JSON itself requires them
/// below U+0020 only.
#[derive(Clone, Copy, Debug)]
pub(super) struct Escape;

impl Formatter for Escape {
    fn write_string_fragment<W: io::Write + ?Sized>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        // Fragments no longer contain what JSON requires to be escaped.
        if fragment.bytes().all(|byte| byte < 0x7f) {
            return writer.write_all(fragment.as_bytes());
        }
        let mut safe = 0;
        for (at, character) in fragment.char_indices().filter(|&(_, character)| is_unsafe(character)) {
            writer.write_all(fragment.get(safe..at).unwrap_or_default().as_bytes())?;
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            safe = at + character.len_utf8();
        }
        writer.write_all(fragment.get(safe..).unwrap_or_default().as_bytes())
    }
}

/// Returns true if UTF-8 text can stand unescaped in a JSON string; false for some that could.
pub(super) fn is_plain(text: &[u8]) -> bool {
    // Includes the first bytes of the arrows in summaries: no unsafe character consists of these bytes.
    all(text, |byte| is_plain_byte(byte) | matches!(byte, 0xe2 | 0x86 | 0x90 | 0x92))
}

/// Returns the same for bytes that need not be UTF-8.
pub(super) fn is_plain_ascii(text: &[u8]) -> bool {
    all(text, is_plain_byte)
}

/// Tests every byte without an early exit, so that the compiler vectorizes the loop.
fn all(text: &[u8], is_fine: impl Fn(u8) -> bool) -> bool {
    text.iter().fold(true, |fine, &byte| fine & is_fine(byte))
}

fn is_plain_byte(byte: u8) -> bool {
    (0x20..0x7f).contains(&byte) & (byte != b'"') & (byte != b'\\')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::render::json::by_serde;

    fn json(text: &str) -> String {
        let mut out = Vec::new();
        by_serde(text, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn controls_of_every_kind_are_escaped() {
        assert_eq!(json("a\u{1b}[2J\n\"\\"), r#""a\u001b[2J\n\"\\""#);
        assert_eq!(json("\u{7f}\u{9b}\u{202e}\u{e0041}é"), "\"\\u007f\\u009b\\u202e\\udb40\\udc41é\"");
    }

    #[test]
    fn whatever_is_made_of_the_bytes_of_arrows_is_plain() {
        let arrows = char::MIN..=char::MAX;
        for text in arrows.map(|character| character.to_string()).filter(|text| is_plain(text.as_bytes())) {
            assert_eq!(json(&text), ["\"", &text, "\""].concat());
        }
        assert!(is_plain("33 B →, 29 B ←".as_bytes()) && !is_plain("é".as_bytes()));
    }

    proptest! {
        #[test]
        fn escapes_change_nothing(text: String) {
            prop_assert_eq!(serde_json::from_str::<String>(&json(&text)).unwrap(), text);
        }

        #[test]
        fn nothing_unsafe_comes_out(text: String) {
            prop_assert!(!json(&text).chars().any(is_unsafe));
        }

        #[test]
        fn plain_text_needs_no_escape(text in r#"[ -~"\\\x00-\x1f\x7f-\xa0]{0,6}"#) {
            let quoted = ["\"", &text, "\""].concat();
            prop_assert!(!is_plain(text.as_bytes()) || json(&text) == quoted);
            prop_assert!(!is_plain_ascii(text.as_bytes()) || is_plain(text.as_bytes()));
        }
    }
}
