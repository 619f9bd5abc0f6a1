//! Text from outside: names chosen by other programs, which must not reach a terminal unescaped.

use std::fmt::{self, Write as _};

/// Bytes from outside as text, with everything that could control a terminal or hide in it as `\xNN` for each byte.
///
/// Escapes every character for which [`is_unsafe`] returns true and every byte that is not UTF-8; a backslash is
/// doubled, so the result is unambiguous.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(pub &'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                match character {
                    '\\' => f.write_str(r"\\")?,
                    _ if is_unsafe(character) => hex(character.encode_utf8(&mut [0; 4]).as_bytes(), f)?,
                    _ => f.write_char(character)?,
                }
            }
            hex(chunk.invalid(), f)?;
        }
        Ok(())
    }
}

fn hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, r"\x{byte:02x}"))
}

/// Returns true if a terminal might interpret this character or show nothing for it: controls (including C1, which some
/// terminals take as the start of an escape sequence), invisible characters, and those that change the direction of
/// writing.
pub fn is_unsafe(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_control();
    }
    character.is_control()
        || matches!(character,
            '\u{ad}' // soft hyphen
            | '\u{61c}' // Arabic letter mark
            | '\u{180e}' // Mongolian vowel separator
            | '\u{200b}'..='\u{200f}' // zero width, marks of direction
            | '\u{2028}'..='\u{202e}' // separators of lines, embeddings and overrides of direction
            | '\u{2060}'..='\u{206f}' // invisible operators, isolates
            | '\u{feff}' // byte order mark
            | '\u{fff9}'..='\u{fffb}' // annotations
            | '\u{e0000}'..='\u{e0fff}' // tags
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn escaped(bytes: &[u8]) -> String {
        Escaped(bytes).to_string()
    }

    #[test]
    fn what_is_harmless_stays() {
        assert_eq!(escaped(b"tokio-runtime-w"), "tokio-runtime-w");
        assert_eq!(escaped("née 日本 [1]".as_bytes()), "née 日本 [1]");
        assert_eq!(escaped(b""), "");
    }

    #[test]
    fn what_is_not_is_shown_byte_by_byte() {
        assert_eq!(escaped(b"\x1b[2J\x07\n\t\x7f"), r"\x1b[2J\x07\x0a\x09\x7f");
        assert_eq!(escaped("\u{9b}31m".as_bytes()), r"\xc2\x9b31m");
        assert_eq!(escaped("a\u{202e}b\u{2066}".as_bytes()), r"a\xe2\x80\xaeb\xe2\x81\xa6");
        assert_eq!(escaped(b"a\xffb\xe2\x80"), r"a\xffb\xe2\x80");
        assert_eq!(escaped(br"a\x1b"), r"a\\x1b");
    }

    proptest! {
        #[test]
        fn nothing_unsafe_comes_out(bytes: Vec<u8>) {
            prop_assert!(!escaped(&bytes).chars().any(is_unsafe));
        }

        #[test]
        fn different_bytes_read_differently(a: Vec<u8>, b: Vec<u8>) {
            prop_assert_eq!(a == b, escaped(&a) == escaped(&b));
        }
    }
}
