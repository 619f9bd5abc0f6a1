//! A block in words.

use std::collections::BTreeMap;

use super::Step;
use crate::{
    output_record::Stamp,
    render::{
        ladder::{
            Drawing,
            block::{Block, Unit},
            cells::{Arrow, Cells},
            heading::Sentence,
            sides::{self, SideContent, Verdict},
            styled_text::Styled,
            timeline::Entry,
        },
        mood::Mood,
    },
};

/// A block as steps of a diagram.
#[derive(Debug)]
pub(super) struct Drawn {
    pub(super) steps: Vec<Step>,
    /// Time of its first event, if there is any.
    pub(super) began: Option<Stamp>,
    /// Its last mood and sentence, if there is any.
    pub(super) news: Option<(Mood, String)>,
}

/// Returns the steps of a block, with the stalls of its sides where they were reported. `several`: the connection has several
/// sides, so that a sentence about one of them names it.
pub(super) fn of_block(block: &Block<'_>, stalls: Vec<SideContent<'static>>, several: bool, drawing: Drawing) -> Drawn {
    let entries = block.entries();
    let unit = Unit::of_entries(&entries);
    let mut steps = Vec::with_capacity(entries.len() + 1);
    let mut news = None;
    let mut stalls = by_place(stalls, &entries);
    for index in 0..=entries.len() {
        if let Some(group) = stalls.remove(&index) {
            sides::draw(&group.into_values().collect::<Vec<_>>(), |block| {
                news = add_sentences(block, several, &mut steps).or(news.take());
            });
        }
        let Some(entry) = entries.get(index) else { continue };
        let time = match entry {
            Entry::Event { since_start_ns, .. } => unit.time(*since_start_ns).to_string(),
            Entry::LeftOut(_) => String::new(),
        };
        steps.extend(block.cells(entry, drawing).map(|cells| step(time, cells)));
    }
    news = add_sentences(block, several, &mut steps).or(news);
    if block.verdict.is_some() {
        steps.extend(block.elsewhere.iter().map(|&text| Step::Note { mood: None, text: text.to_owned() }));
    }
    Drawn { steps, began: entries.iter().find_map(Entry::stamp).copied(), news }
}

/// Returns the stalls by the entry before which they were reported, and by side: of those of a side without any event between
/// them, the latest.
fn by_place(
    stalls: Vec<SideContent<'static>>,
    entries: &[Entry<'_>],
) -> BTreeMap<usize, BTreeMap<u64, SideContent<'static>>> {
    let mut places: BTreeMap<usize, BTreeMap<u64, SideContent<'static>>> = BTreeMap::new();
    for content in stalls {
        let Verdict::Stalled { at, .. } = content.verdict else { continue };
        let is_later = |entry: &Entry<'_>| entry.stamp().is_some_and(|stamp| stamp.time.0 > at);
        let place = entries.iter().position(is_later).unwrap_or(entries.len());
        places.entry(place).or_default().insert(content.conn, content);
    }
    places
}

/// Adds the sentences of a block. Returns the worst mood and the text of those about its own phase.
fn add_sentences(block: &Block<'_>, several: bool, steps: &mut Vec<Step>) -> Option<(Mood, String)> {
    let only = if let ([side], true) = (block.sides, several) { Some(side.conn) } else { None };
    let text = |sentence: &Sentence<'_>| match only {
        Some(conn) => format!("#{conn}: {}", sentence.text),
        None => sentence.text.clone().into_owned(),
    };
    let (before, own): (Vec<_>, Vec<_>) = block.sentences.iter().partition(|sentence| sentence.of_unseen_handshake);
    for &sentence in before.iter().chain(&own) {
        steps.push(Step::Note { mood: Some(sentence.mood), text: text(sentence) });
    }
    let mood = own.iter().map(|sentence| sentence.mood).max()?;
    Some((mood, own.into_iter().map(text).collect::<Vec<_>>().join("; ")))
}

fn step(time: String, cells: Cells) -> Step {
    match cells {
        Cells::State { side, change, notes } => {
            let notes = notes.iter().map(|note| words(&note.whole));
            Step::State { time, side, text: [words(&change)].into_iter().chain(notes).collect::<Vec<_>>().join(", ") }
        }
        Cells::Arrow(Arrow { from, from_between, stopped, label, more, number, details, .. }) => {
            let label = [label.into_owned()].into_iter().chain(more).chain(number).collect::<Vec<_>>().join(" ");
            let details: Vec<&str> = details.pieces().map(|(_, piece)| piece).collect();
            Step::Arrow { time, from, from_between, stopped, label, details: details.join(" ") }
        }
        Cells::Dots { words, .. } => Step::Note { mood: None, text: self::words(&words) },
    }
}

fn words(styled: &Styled) -> String {
    styled.pieces().map(|(_, piece)| piece).collect()
}
