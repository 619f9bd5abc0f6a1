//! Sequence diagrams of Mermaid, one for each connection, in fenced blocks of Markdown.
//!
//! ```text
//! sequenceDiagram
//!     title connection 1
//!     participant c as 10.0.0.1:54762 curl[6980]
//!     participant s as 10.0.0.2:9999 server[801]
//!     c->>s: +0.031 ms SYN seq 721203976 win 65495
//! ```

use std::borrow::Cow;

use super::{
    Events, Render,
    ladder::{
        Drawing,
        diagram::{Diagram, Diagrams, Step},
        heading::end_text,
    },
};
use crate::{event::Role, output_record::OutputRecord};

/// Renders records as sequence diagrams.
#[derive(Debug)]
pub struct Mermaid {
    diagrams: Diagrams,
    /// Renderer of the lines that report losses.
    events: Events,
    /// True if something has been written.
    begun: bool,
}

impl Mermaid {
    /// Creates a renderer. Browsers show more than ASCII, and have colours of their own.
    pub fn new(drawing: Drawing) -> Self {
        let drawing = Drawing { color: false, unicode: true, ..drawing };
        Self { diagrams: Diagrams::new(drawing), events: drawing.into(), begun: false }
    }
}

impl Mermaid {
    /// Writes a paragraph or a block, with a blank line between it and the last.
    fn write(&mut self, text: &str, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.begun, true) {
            out.push(b'\n');
        }
        out.extend_from_slice(text.as_bytes());
    }
}

impl Render for Mermaid {
    fn render(&mut self, record: &OutputRecord, out: &mut Vec<u8>) {
        match record {
            OutputRecord::Lost(_) => {
                let mut line = Vec::new();
                self.events.render(record, &mut line);
                self.write(&plain(&String::from_utf8_lossy(&line)), out);
            }
            OutputRecord::End(_) => {
                for diagram in self.diagrams.open() {
                    self.write(&fenced(&diagram), out);
                }
            }
            _ => {
                if let Some(diagram) = self.diagrams.take(record) {
                    self.write(&fenced(&diagram), out);
                }
            }
        }
    }
}

/// Returns the diagram in its fence.
fn fenced(diagram: &Diagram) -> String {
    let Diagram { conns: _, ends, translations, encapsulation, began, steps, outcome: _ } = diagram;
    let mut text = format!("```mermaid\nsequenceDiagram\n    title connection {}", diagram.number());
    let mut line = |parts: &[&str]| {
        text.push_str("\n    ");
        text.extend(parts.iter().copied());
    };
    line(&["participant c as ", &plain(&end_text(&ends.client))]);
    line(&["participant s as ", &plain(&end_text(&ends.server))]);
    if let Some(began) = began.filter(|began| began.time.is_known()) {
        line(&["Note over c,s: ", &began.time.to_string()]);
    }
    if let Some(layers) = encapsulation {
        line(&["Note over c,s: in ", &plain(&layers.join(", "))]);
    }
    for translation in translations {
        line(&["Note over c,s: ", &plain(&translation.to_string())]);
    }
    for step in steps {
        match step {
            Step::State { time, side: Role::Client, text } => line(&["Note left of c: ", time, " ", &plain(text)]),
            Step::State { time, side: Role::Server, text } => line(&["Note right of s: ", time, " ", &plain(text)]),
            Step::Arrow { time, from, from_between, stopped, label, details } => {
                let arrow = match (from, from_between) {
                    (Role::Client, _) if *stopped => "c-xs: ",
                    (Role::Server, _) if *stopped => "s-xc: ",
                    (Role::Client, false) => "c->>s: ",
                    (Role::Server, false) => "s->>c: ",
                    // From a host on the path.
                    (Role::Client, true) => "c-->>s: ",
                    (Role::Server, true) => "s-->>c: ",
                };
                let space = if details.is_empty() { "" } else { " " };
                line(&[arrow, time, " ", &plain(label), space, &plain(details)]);
            }
            Step::Note { text, .. } => line(&["Note over c,s: ", &plain(text)]),
        }
    }
    text.push_str("\n```\n");
    text
}

/// Replaces characters that Mermaid would not take as text: `#` begins an entity or a comment, `;` ends a statement, `%%{`
/// begins a directive, `$$` a formula, and `<` and `` ` `` are markup. Names of processes and containers come from outside.
fn plain(text: &str) -> Cow<'_, str> {
    const SPECIAL: [char; 8] = ['#', ';', '%', '$', '<', '>', '`', '\\'];
    let special = |character: char| SPECIAL.contains(&character) || character.is_control();
    if !text.contains(special) {
        return text.into();
    }
    let replace = |character: char| match character {
        '#' => '＃',
        ';' => ',',
        '%' => '％',
        '$' => '＄',
        '<' => '‹',
        '>' => '›',
        '`' => '\'',
        '\\' => '＼',
        character if character.is_control() => ' ',
        character => character,
    };
    text.trim_end_matches('\n').chars().map(replace).chain(text.ends_with('\n').then_some('\n')).collect()
}

#[cfg(test)]
mod tests;
