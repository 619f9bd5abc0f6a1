//! What stands above a block: who, and in a sentence what became of it. It may take several lines.

use anstyle::Style;

use super::{cells::process_text, drawing::Drawing, progress::Process, styled::Styled, track::Track};
use crate::{connections::Role, entry::EndpointEntry, render::look, text::AddressText, timeline::Each};

/// How far lines behind the first are indented.
const INDENT: usize = 3;

/// A sentence and its look.
#[derive(Clone, Debug)]
pub(super) struct Sentence {
    pub(super) style: Style,
    pub(super) text: String,
}

/// The lines of a heading.
pub(super) fn lines(
    track: &Track,
    processes: &Each<Option<Process>>,
    sentences: &[Sentence],
    drawing: Drawing,
    width: usize,
) -> Vec<Styled> {
    let mut first = vec![Styled::new(look::of_conn(track.conn), format!("#{}", track.conn))];
    first.extend(end(track, Role::Client, processes.client));
    let mut second = vec![Styled::new(Style::new(), drawing.symbols().arrow)];
    second.extend(end(track, Role::Server, processes.server));

    let mut lines = Vec::new();
    let whole = joined(first.iter().chain(&second));
    if whole.width() <= width {
        lines.push(whole);
    } else {
        lines.extend(flow(first, 0, width, drawing));
        lines.extend(flow(second, INDENT, width, drawing));
    }
    for (index, sentence) in sentences.iter().enumerate() {
        let text = look::sentence(&sentence.text, drawing.unicode);
        if let ([line], 0) = (lines.as_mut_slice(), index)
            && line.width() + INDENT + text.chars().count() <= width
        {
            line.pad_to(line.width() + INDENT).push(sentence.style, text);
        } else {
            lines.extend(paragraph(sentence.style, &text, drawing, width));
        }
    }
    lines
}

/// Text that is broken between words, but not inside of commands, indented.
pub(super) fn paragraph(style: Style, text: &str, drawing: Drawing, width: usize) -> Vec<Styled> {
    let mut in_command = false;
    let words = text.split(|character| {
        in_command ^= character == '`';
        character == ' ' && !in_command
    });
    flow(words.map(|word| Styled::new(style, word)).collect(), INDENT, width, drawing)
}

/// An end: its address, which is shown in full, and who is behind it.
fn end(track: &Track, role: Role, process: Option<Process>) -> Vec<Styled> {
    let mut pieces = vec![Styled::new(Style::new(), endpoint(&track.party(role).at))];
    pieces.extend(process.map(|process| Styled::new(Style::new().bold(), process_text(&process, None))));
    pieces
}

/// An endpoint, IPv6 in brackets.
pub(super) fn endpoint(EndpointEntry { addr, port }: &EndpointEntry) -> String {
    let text = AddressText::new(*addr);
    let text = String::from_utf8_lossy(text.as_bytes());
    let port = port.map_or_else(|| "?".to_owned(), |port| port.to_string());
    if addr.is_ipv6() { format!("[{text}]:{port}") } else { format!("{text}:{port}") }
}

fn joined<'a>(mut words: impl Iterator<Item = &'a Styled>) -> Styled {
    let first = words.next().cloned().unwrap_or_default();
    words.fold(first, |mut line, word| {
        line.word(word);
        line
    })
}

/// Words in lines. The first line is indented by `indent`, the ones behind it by at least [`INDENT`].
fn flow(words: Vec<Styled>, indent: usize, width: usize, drawing: Drawing) -> Vec<Styled> {
    let mut lines: Vec<Styled> = Vec::new();
    for word in words {
        match lines.last_mut() {
            Some(line) if line.width() + 1 + word.width() <= width => {
                line.word(&word);
            }
            last => {
                let mut line = Styled::default();
                line.pad_to(if last.is_none() { indent } else { indent.max(INDENT) });
                let room = width.saturating_sub(line.width());
                line.append(&word.clipped(room, drawing.symbols().more));
                lines.push(line);
            }
        }
    }
    lines
}
