//! JSON lines: one object per line, with the fields of [`crate::output_record`].

mod escape;
mod events;
mod options;
mod parts;
mod values;
mod verdicts;

use serde::Serialize;

use self::escape::Escape;
use super::{Render, line_writer::Line};
use crate::output_record::OutputRecord;

/// Renders records as JSON lines.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json;

impl Render for Json {
    fn render(&mut self, entry: &OutputRecord, out: &mut Vec<u8>) {
        let mut line = Line::new(out);
        match entry {
            OutputRecord::Segment(segment) => events::segment(segment, &mut line),
            OutputRecord::State(state) => events::state(state, &mut line),
            OutputRecord::Owner(owner) => events::owner(owner, &mut line),
            OutputRecord::Handshake(record) => verdicts::handshake(record, &mut line),
            OutputRecord::Close(record) => verdicts::close(record, &mut line),
            _ => by_serde(entry, line.out()),
        }
        line.raw("\n");
    }
}

/// Appends any value, serialized by serde.
fn by_serde<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) {
    let before = out.len();
    if let Err(error) = value.serialize(&mut serde_json::Serializer::with_formatter(&mut *out, Escape)) {
        // This cannot happen short of a bug, but half an object would corrupt the line.
        log::error!("an entry has no JSON: {error}");
        out.truncate(before);
        out.extend_from_slice(b"null");
    }
}

#[cfg(test)]
mod tests;
