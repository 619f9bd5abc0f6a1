//! One block for several sides.

use std::borrow::Cow;

use super::told::Told;
use crate::{
    event::Role,
    render::{
        ladder::{
            block::{Block, Side},
            heading::Sentence,
            inferred_states::Known,
            open_block::End,
            translations,
        },
        mood::Mood,
    },
    verdict::Each,
};

/// Draws the block of these sides of one connection, in the order of their numbers.
pub(in crate::render::ladder) fn draw(group: &[Told<'_>], show: impl FnOnce(&Block<'_>)) {
    let Some((first, others)) = group.split_first() else { return };
    let sides: Vec<Side<'_>> = group.iter().map(Told::side).collect();
    let first_unfinished = first.unfinished;
    let agreed = agree(group);
    let same_turn = others.iter().all(|told| told.unfinished == first_unfinished);
    let unfinished =
        if same_turn { first_unfinished } else { group.iter().find_map(|told| told.unfinished).map(|_| None) };
    show(&Block {
        sides: &sides,
        ends: heading_ends(first, others),
        same_phase: others.iter().all(|told| told.verdict.is_of_phase_of(&first.verdict)),
        encapsulation: group.iter().find_map(|told| told.encapsulation.as_deref()),
        sentences: sentences(group, agreed),
        unfinished,
        translations: translations(first, others),
        inferred: inferred(group),
        advice: advice(group, agreed),
    });
}

/// The ends of the first side; where another side has the same address, with what is known there.
fn heading_ends(first: &Told<'_>, others: &[Told<'_>]) -> Each<End> {
    let end = |role: Role| {
        let end = first.ends.end(role);
        let known =
            others.iter().map(|told| told.ends.end(role)).find(|other| other.at == end.at && other.process.is_some());
        known.filter(|_| end.process.is_none()).unwrap_or(end).clone()
    };
    Each { client: end(Role::Client), server: end(Role::Server) }
}

/// Returns true if nothing happens between the sides.
fn agree(group: &[Told<'_>]) -> bool {
    let behind = |index| group.iter().skip(index + 1);
    group.iter().enumerate().all(|(index, told)| behind(index).all(|other| told.verdict.agrees(&other.verdict)))
}

/// One sentence where all sides agree, of the one that knows most; else one for each.
fn sentences<'a>(group: &'a [Told<'_>], agreed: bool) -> Vec<Sentence<'a>> {
    let borrowed =
        |Sentence { style, text }: &'a Sentence<'_>| Sentence { style: *style, text: Cow::Borrowed(&**text) };
    let knows = |told: &&Told<'_>| (told.verdict.has_cause(), !told.verdict.is_vague());
    // The first one of those that know as much.
    let clear = group.iter().rev().max_by_key(knows);
    let told: Vec<&Told<'_>> = if agreed { clear.into_iter().collect() } else { group.iter().collect() };
    let mut sentences = Vec::new();
    for Told { conn, sentence, open, .. } in &told {
        let unseen = open.unseen.as_deref().map(|text| Sentence { style: Mood::Pending.style(), text: text.into() });
        for mut sentence in sentence.iter().map(borrowed).chain(unseen) {
            if told.len() > 1 {
                sentence.text = format!("#{conn}: {}", sentence.text).into();
            }
            sentences.push(sentence);
        }
    }
    sentences
}

/// Lines about the other sides, and about what other hosts know.
fn translations(first: &Told<'_>, others: &[Told<'_>]) -> Vec<String> {
    let mut lines: Vec<String> =
        others.iter().map(|other| translations::told(&first.ends, other.conn, &other.ends)).collect();
    let is_told = |conn| conn == first.conn || others.iter().any(|other| other.conn == conn);
    let not_told = first.nat.iter().filter(|side| !is_told(side.conn));
    lines.extend(not_told.map(|side| translations::line(&first.ends, side)));
    for line in std::iter::once(first).chain(others).flat_map(|told| &told.elsewhere) {
        if !lines.contains(line) {
            lines.push(line.clone());
        }
    }
    lines
}

/// States that no row of any side shows, a line for each end.
fn inferred(group: &[Told<'_>]) -> Vec<String> {
    let of_end = |of: fn(&Each<Known>) -> &Known| {
        let mut all = group.iter().map(|told| of(&told.states));
        if all.clone().any(|known| *known == Known::Observed) {
            return None;
        }
        all.find_map(|known| if let Known::Inferred(line) = known { Some(line.clone()) } else { None })
    };
    [of_end(|states| &states.client), of_end(|states| &states.server)].into_iter().flatten().collect()
}

/// Advice: where a side proves a cause, only its own, since the others guess. Where all agree, that of the last side, which is
/// behind the translation.
fn advice<'a>(group: &'a [Told<'_>], agreed: bool) -> Vec<Cow<'a, str>> {
    let proven = group.iter().any(|told| told.verdict.has_cause());
    let known = group.iter().filter(|told| !proven || told.verdict.has_cause());
    let mut advice: Vec<Cow<'a, str>> = Vec::new();
    for text in known.filter_map(|told| told.advice.as_deref()) {
        if !advice.iter().any(|known| known == text) {
            advice.push(text.into());
        }
    }
    if agreed {
        advice.drain(..advice.len().saturating_sub(1));
    }
    advice
}
