//! A self-contained page: a summary, a table to search and sort, and a ladder for each connection.
//!
//! The page contains the connections as data, and draws a ladder only when it is opened, so that thousands of connections
//! take little space. Its script inserts them as text, so that no name of a process or host becomes markup.

use serde_json::json;

use super::{
    Events, Render,
    ladder::{
        Drawing,
        diagram::{Diagram, Diagrams, Outcome, Step},
        heading::end_text,
        open_block::End,
        translations::TranslatedTo,
    },
    mood::Mood,
};
use crate::{event::Role, output_record::OutputRecord};

const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");

/// Renders records as a page.
#[derive(Debug)]
pub struct Html {
    diagrams: Diagrams,
    /// Renderer of the lines about the trace as a whole.
    events: Events,
    /// True if the beginning of the page has been written.
    begun: bool,
    ended: bool,
}

impl Html {
    /// Creates a renderer. Browsers show more than ASCII, and the page has colours of its own.
    pub fn new(drawing: Drawing) -> Self {
        let drawing = Drawing { color: false, unicode: true, ..drawing };
        Self { diagrams: Diagrams::new(drawing), events: drawing.into(), begun: false, ended: false }
    }

    /// Returns the text of a record about the trace as a whole.
    fn line(&mut self, record: &OutputRecord) -> String {
        let mut line = Vec::new();
        self.events.render(record, &mut line);
        String::from_utf8_lossy(&line).trim_end().to_owned()
    }

    fn begin(&mut self, record: &OutputRecord) -> String {
        let about = if let OutputRecord::Start(_) = record { self.line(record) } else { String::new() };
        [HEAD, STYLE, BODY, &escaped(&about), TABLE].concat()
    }
}

impl Render for Html {
    fn render(&mut self, record: &OutputRecord, out: &mut Vec<u8>) {
        if self.ended {
            return;
        }
        if !std::mem::replace(&mut self.begun, true) {
            out.extend_from_slice(self.begin(record).as_bytes());
        }
        if let Some(diagram) = self.diagrams.take(record) {
            out.extend_from_slice(data(&diagram).as_bytes());
        }
        if let OutputRecord::End(_) = record {
            // Another run of a recording may follow, with the same connection numbers: it is not part of this page.
            self.ended = true;
            for diagram in self.diagrams.open() {
                out.extend_from_slice(data(&diagram).as_bytes());
            }
            let about = self.line(record);
            out.extend_from_slice([DATA_END, &escaped(&about), FOOT, SCRIPT, END].concat().as_bytes());
        }
    }
}

const HEAD: &str = "<!doctype html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<title>tcptrace</title>
<style>
";
const BODY: &str = "</style>
</head>
<body>
<h1>tcptrace</h1>
<p>";
const TABLE: &str = "</p>
<div id=\"verdicts\"></div>
<input id=\"search\" type=\"search\" aria-label=\"search\" placeholder=\"search addresses, processes, verdicts ( / )\">
<span id=\"count\" role=\"status\"></span>
<table>
<thead><tr><th aria-sort=\"ascending\"><button>#</button></th><th><button>time (UTC)</button></th>\
<th><button>client</button></th><th><button>server</button></th><th><button>verdict</button></th></tr></thead>
<tbody id=\"rows\"></tbody>
</table>
<button id=\"more\" hidden>show more</button>
<script id=\"data\" type=\"application/json\">
";
const DATA_END: &str = "</script>\n<p>";
const FOOT: &str = "</p>\n<script>\n";
const END: &str = "</script>\n</body>\n</html>\n";

/// Returns a connection as a line of JSON that cannot end a script element.
fn data(diagram: &Diagram) -> String {
    let Diagram { conns, ends, translations, encapsulation, began, outcome, steps } = diagram;
    let steps: Vec<_> = steps
        .iter()
        .map(|step| match step {
            Step::State { time, side, text } => json!([0, time, u8::from(*side == Role::Server), text]),
            Step::Arrow { time, from, from_between, stopped, label, details } => {
                let course = if *stopped { 2 } else { u8::from(*from_between) };
                json!([1, time, u8::from(*from == Role::Server), course, label, details])
            }
            Step::Note { mood, text } => json!([2, mood.map(number), text]),
        })
        .collect();
    let Outcome { mood, verdict, sentence } = outcome;
    let mut sentence = sentence.clone();
    if let Some(layers) = encapsulation {
        sentence.push_str("; in ");
        sentence.push_str(&layers.join(", "));
    }
    let began = began.filter(|stamp| stamp.time.is_known()).map(|stamp| stamp.time.to_string());
    let client = end(&ends.client, translations.iter().filter_map(|side| side.ends.client.as_ref()));
    let server = end(&ends.server, translations.iter().filter_map(|side| side.ends.server.as_ref()));
    let numbers = if let [conn] = conns[..] { json!(conn) } else { json!(conns) };
    let line = json!([numbers, began, client, server, number(*mood), verdict, sentence, steps]);
    line.to_string().replace('<', "\\u003c") + "\n"
}

/// Returns the words for an end: as its first side has it, then as others have it.
fn end<'a>(end: &End, elsewhere: impl Iterator<Item = &'a TranslatedTo>) -> String {
    let mut words = vec![end_text(end)];
    for TranslatedTo { there, .. } in elsewhere {
        if !words.contains(there) {
            words.push(there.clone());
        }
    }
    words.join(" = ")
}

fn number(mood: Mood) -> u8 {
    match mood {
        Mood::Good => 0,
        Mood::Pending => 1,
        Mood::Failed => 2,
    }
}

/// Escapes text for HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests;
