//! The paths named in a Rust source: enough of the grammar to follow `use` trees and qualified names.

/// One token of a source.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Token<'a> {
    Ident(&'a str),
    /// `::`
    Colons,
    /// Any other character except spaces.
    Other(char),
}

/// A path as written, with groups of a `use` tree expanded: `crate::{a, b::c}` is two.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Path {
    /// The line of its first segment, counted from 1.
    pub(super) line: usize,
    pub(super) segments: Vec<String>,
}

/// The modules declared only for tests (`#[cfg(test)] mod samples;`), and the paths named outside test modules.
#[derive(Debug, Default)]
pub(super) struct Source {
    pub(super) test_modules: Vec<String>,
    pub(super) paths: Vec<Path>,
}

/// Parses a source file.
pub(super) fn read(text: &str) -> Source {
    let tokens = tokens(text);
    let mut source = Source::default();
    let mut rest = tokens.as_slice();
    while let Some((&(line, token), after)) = rest.split_first() {
        rest = after;
        if let Some(item) = test_item(token, after) {
            rest = item.after;
            source.test_modules.extend(item.module);
        } else if let (Token::Ident(first), Some((_, Token::Colons))) = (token, after.first()) {
            rest = tree(line, vec![first.to_owned()], after, &mut source.paths);
        }
    }
    source
}

/// An item compiled only for tests: the tokens after it, and its name if it is a module in a file of its own.
struct TestItem<'t, 'a> {
    module: Option<String>,
    after: &'t [(usize, Token<'a>)],
}

/// Returns the item after `#[cfg(test)]`, if that begins here.
fn test_item<'t, 'a>(token: Token<'a>, after: &'t [(usize, Token<'a>)]) -> Option<TestItem<'t, 'a>> {
    use Token::{Ident, Other};
    const CFG_TEST: [Token<'static>; 6] = [Other('['), Ident("cfg"), Other('('), Ident("test"), Other(')'), Other(']')];
    let begins = token == Other('#') && after.len() >= 6 && after.iter().zip(CFG_TEST).all(|(&(_, t), c)| t == c);
    let mut rest = after.get(6..).filter(|_| begins)?;
    let mut module = None;
    while let Some((&(_, token), after)) = rest.split_first() {
        rest = after;
        match (token, after.first()) {
            (Ident("mod"), Some(&(_, Ident(name)))) => module = Some(name.to_owned()),
            (Other(';'), _) => break,
            // An item with a body has no file.
            (Other('{'), _) => {
                let mut depth = 1;
                while let Some((&(_, token), after)) = rest.split_first().filter(|_| depth > 0) {
                    rest = after;
                    depth += i32::from(token == Other('{')) - i32::from(token == Other('}'));
                }
                module = None;
                break;
            }
            _ => {}
        }
    }
    Some(TestItem { module, after: rest })
}

/// Adds the paths of a tree whose beginning has been read, and returns the tokens after the tree.
fn tree<'t, 'a>(
    line: usize,
    mut begun: Vec<String>,
    mut rest: &'t [(usize, Token<'a>)],
    paths: &mut Vec<Path>,
) -> &'t [(usize, Token<'a>)] {
    while let Some((&(_, Token::Colons), after)) = rest.split_first() {
        match after.split_first() {
            Some((&(_, Token::Ident(name)), after)) => {
                begun.push(name.to_owned());
                rest = after;
            }
            Some((&(_, Token::Other('{')), after)) => return group(&begun, after, paths),
            // A glob, or the arguments of a generic function.
            _ => {
                rest = after;
                break;
            }
        }
    }
    paths.push(Path { line, segments: begun });
    rest
}

/// Adds the paths of a group whose brace has been read.
fn group<'t, 'a>(
    begun: &[String],
    mut rest: &'t [(usize, Token<'a>)],
    paths: &mut Vec<Path>,
) -> &'t [(usize, Token<'a>)] {
    while let Some((&(line, token), after)) = rest.split_first() {
        rest = after;
        match token {
            Token::Ident("as") => rest = after.get(1..).unwrap_or_default(),
            Token::Ident(name) => {
                let mut segments = begun.to_vec();
                if name != "self" {
                    segments.push(name.to_owned());
                }
                rest = tree(line, segments, after, paths);
            }
            Token::Other('}') => break,
            _ => {}
        }
    }
    rest
}

/// Returns the tokens of a source with their lines, without comments, strings and characters.
fn tokens(text: &str) -> Vec<(usize, Token<'_>)> {
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            '"' => string(rest),
            'r' if raw_string(rest).is_some() => raw_string(rest).unwrap_or(1),
            '\'' => character(rest),
            ':' if rest.starts_with("::") => {
                tokens.push((line, Token::Colons));
                2
            }
            _ if is_ident(first) => {
                let length = rest.find(|c| !is_ident(c)).unwrap_or(rest.len());
                tokens.push((line, Token::Ident(&rest[..length])));
                length
            }
            _ => {
                if !first.is_whitespace() {
                    tokens.push((line, Token::Other(first)));
                }
                first.len_utf8()
            }
        };
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    tokens
}

fn is_ident(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// Returns the length of the string literal at the beginning of `text`.
fn string(text: &str) -> usize {
    let mut escaped = true;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Returns the length of the raw string literal at the beginning of `text`, if there is one.
fn raw_string(text: &str) -> Option<usize> {
    let hashes = text[1..].bytes().take_while(|&byte| byte == b'#').count();
    let body = text[1 + hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(body.find(&end).map_or(text.len(), |at| 2 + hashes + at + end.len()))
}

/// Returns the length of the character literal at the beginning of `text`, or 1 for a lifetime.
fn character(text: &str) -> usize {
    let mut rest = text.chars().skip(1);
    match (rest.next(), rest.next()) {
        (Some('\\'), _) => text[3..].find('\'').map_or(text.len(), |at| at + 4),
        (Some(c), Some('\'')) => c.len_utf8() + 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(text: &str) -> Vec<String> {
        read(text).paths.into_iter().map(|path| format!("{}:{}", path.line, path.segments.join("::"))).collect()
    }

    #[test]
    fn use_trees_are_taken_apart() {
        let text = "use crate::{\n    a::{self, B as C},\n    d,\n};\nuse std::fmt;\n";
        assert_eq!(paths(text), ["2:crate::a", "2:crate::a::B", "3:crate::d", "5:std::fmt"]);
        assert_eq!(paths("use super::super::x::*;"), ["1:super::super::x"]);
    }

    #[test]
    fn names_in_code_are_found() {
        let text = "fn f(x: &std::net::TcpStream) -> u8 { crate::a::b::<u8>(self.c) }";
        assert_eq!(paths(text), ["1:std::net::TcpStream", "1:crate::a::b"]);
    }

    #[test]
    fn comments_and_literals_are_no_code() {
        let text =
            "// crate::a\n/* crate::b */ \"crate::c \\\" crate::d\" r#\"crate::e\"# 'x' '\\'' '\\u{7f}' b'\"' crate::f";
        assert_eq!(paths(text), ["2:crate::f"]);
        assert_eq!(paths("fn f<'a>(x: &'a str) { crate::g() }"), ["1:crate::g"]);
    }

    #[test]
    fn tests_are_left_out() {
        let text =
            "#[cfg(test)]\nmod samples;\n#[cfg(test)]\nmod tests {\n use crate::a;\n fn f() {}\n}\nuse crate::b;";
        assert_eq!(paths(text), ["8:crate::b"]);
        assert_eq!(read(text).test_modules, ["samples"]);
        assert_eq!(paths("#[cfg(test)]\npub(crate) use self::x::Y;\nuse crate::b;"), ["3:crate::b"]);
    }
}
