//! Recognition of captures that have one direction each of the same connections, as a network tap with two outputs makes them.
//! They are no views of two hosts: each lacks what the other one has.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Seek as _},
};

use anyhow::{Context as _, Result, bail};

use super::{Source, contents::Contents};
use tcptrace_core::{
    decode::capture::{self, Capture},
    event::{Endpoint, Event, Segment},
    tcp::TcpFlags,
};

/// Maximum number of segments examined in each file.
const EXAMINED: usize = 10_000;

/// The four-tuples of a file, as seen from the sender.
#[derive(Debug, Default)]
struct Flows(HashMap<(Endpoint, Endpoint), Flow>);

/// What was seen in one direction.
#[derive(Clone, Copy, Debug, Default)]
struct Flow {
    /// True if a segment answers one of the other direction, and is not the answer to a SYN, which may be from before the
    /// beginning of the file.
    answers: bool,
}

impl Flows {
    fn take(&mut self, segment: &Segment) {
        let flags = segment.header.flags;
        let flow = self.0.entry((segment.src, segment.dst)).or_default();
        flow.answers |= flags.contains(TcpFlags::ACK) && !flags.contains(TcpFlags::SYN);
    }

    /// Returns true if there is no connection of which both directions were seen.
    fn are_halves(&self) -> bool {
        self.0.keys().all(|&(src, dst)| src == dst || !self.0.contains_key(&(dst, src)))
    }

    /// Returns true if the connections that are in both files have one direction here and the other one there, and each answers
    /// what only the other file has.
    fn complete(&self, other: &Self) -> bool {
        let mut answered = false;
        for (&(src, dst), flow) in &self.0 {
            if other.0.contains_key(&(src, dst)) {
                return false;
            }
            answered |= flow.answers && other.0.get(&(dst, src)).is_some_and(|other| other.answers);
        }
        answered
    }
}

/// Checks that no two files are halves of one capture.
///
/// # Errors
/// When two are; when a file cannot be read from its beginning again.
pub(super) fn check(sources: &[Source]) -> Result<()> {
    let mut seen: Vec<(&str, Flows)> = Vec::new();
    for source in sources.iter().filter(|source| source.size.is_some()) {
        let flows = examine(&source.file);
        (&source.file).rewind().with_context(|| format!("{} cannot be read", source.name))?;
        let Some(flows) = flows.unwrap_or_default().filter(Flows::are_halves) else { continue };
        if let Some((other, _)) = seen.iter().find(|(_, other)| other.complete(&flows)) {
            let name = &source.name;
            bail!(
                "{other} and {name} have one direction each of the same connections: join them with `mergecap -w both.pcapng \
                 {other} {name}`, and read the result"
            );
        }
        seen.push((&source.name, flows));
    }
    Ok(())
}

/// Returns the flows at the beginning of a capture; `None` for a recording. Errors are found again when the file is read.
fn examine(file: &File) -> io::Result<Option<Flows>> {
    let Ok(Capture::Frames(mut frames)) = capture::open(Contents::new(file)?) else { return Ok(None) };
    let mut flows = Flows::default();
    let mut segments = 0;
    while segments < EXAMINED
        && let Some(Ok(framed)) = frames.next()
    {
        if let Event::Segment(segment) = &framed.event {
            flows.take(segment);
            segments += 1;
        }
    }
    Ok(Some(flows))
}
