//! One block for several sides.

use std::borrow::Cow;

use super::{content::SideContent, verdict::Verdict};
use crate::{
    event::Role,
    render::ladder::{
        block::{Block, Side},
        heading::Sentence,
        inferred_states::Known,
        open_block::End,
        translations::Translation,
    },
    verdict::Each,
};

/// Draws the block of these sides of one connection, in the order of their numbers.
pub(in crate::render::ladder) fn draw(group: &[SideContent<'_>], show: impl FnOnce(&Block<'_>)) {
    let Some((first, others)) = group.split_first() else { return };
    let sides: Vec<Side<'_>> = group.iter().map(SideContent::side).collect();
    let first_unfinished = first.unfinished;
    let agreed = agree(group);
    let representatives = representatives(group, agreed);
    let same_turn = others.iter().all(|content| content.unfinished == first_unfinished);
    let unfinished =
        if same_turn { first_unfinished } else { group.iter().find_map(|content| content.unfinished).map(|_| None) };
    show(&Block {
        sides: &sides,
        ends: heading_ends(first, others),
        same_phase: others.iter().all(|content| content.verdict.is_of_phase_of(&first.verdict)),
        encapsulation: group.iter().find_map(|content| content.encapsulation.as_deref()),
        sentences: sentences(&representatives),
        verdict: verdict(&representatives),
        unfinished,
        translations: translations(first, others),
        elsewhere: elsewhere(group),
        inferred: inferred(group),
        advice: advice(group, agreed),
    });
}

/// Returns the ends of the first side. An end without a process gets that of another side with the same address.
fn heading_ends(first: &SideContent<'_>, others: &[SideContent<'_>]) -> Each<End> {
    let end = |role: Role| {
        let end = first.ends.end(role);
        let known = others
            .iter()
            .map(|content| content.ends.end(role))
            .find(|other| other.at == end.at && other.process.is_some());
        known.filter(|_| end.process.is_none()).unwrap_or(end).clone()
    };
    Each { client: end(Role::Client), server: end(Role::Server) }
}

/// Returns true if all sides agree on the verdict: nothing between them has interfered.
fn agree(group: &[SideContent<'_>]) -> bool {
    let behind = |index| group.iter().skip(index + 1);
    group.iter().enumerate().all(|(index, content)| behind(index).all(|other| content.verdict.agrees(&other.verdict)))
}

/// Returns the sides whose verdicts are shown: if all agree, that with the most information; otherwise each.
fn representatives<'a, 'b>(group: &'a [SideContent<'b>], agreed: bool) -> Vec<&'a SideContent<'b>> {
    let knows = |content: &&SideContent<'_>| (content.verdict.has_cause(), !content.verdict.is_vague());
    // `max_by_key` returns the last maximum, hence `rev` for the first side.
    let clear = group.iter().rev().max_by_key(knows);
    if agreed { clear.into_iter().collect() } else { group.iter().collect() }
}

/// Returns the sentences of these sides, with their numbers if there are several.
fn sentences<'a>(sides: &[&'a SideContent<'_>]) -> Vec<Sentence<'a>> {
    let mut sentences = Vec::new();
    for SideContent { conn, sentence, open, .. } in sides {
        let own = sentence.iter().map(|sentence| Sentence { text: Cow::Borrowed(&*sentence.text), ..*sentence });
        let unseen = open.unseen.as_deref().map(|text| Sentence::of_unseen_handshake(text.into()));
        for mut sentence in own.chain(unseen) {
            if sides.len() > 1 {
                sentence.text = format!("#{conn}: {}", sentence.text).into();
            }
            sentences.push(sentence);
        }
    }
    sentences
}

/// Returns the worst verdict of these sides, of equal ones the first, if any is final.
fn verdict<'a>(sides: &[&'a SideContent<'_>]) -> Option<&'a Verdict> {
    let known = sides.iter().rev().filter(|content| content.verdict.is_final());
    known.max_by_key(|content| content.sentence.as_ref().map(|sentence| sentence.mood)).map(|content| &content.verdict)
}

/// Returns the other sides: those that are drawn too, with their processes, and those that are not.
fn translations(first: &SideContent<'_>, others: &[SideContent<'_>]) -> Vec<Translation> {
    let drawn = others.iter().map(|other| Translation::of_ends(&first.ends, other.conn, &other.ends));
    let is_drawn = |conn| conn == first.conn || others.iter().any(|other| other.conn == conn);
    let not_drawn = first.nat.iter().filter(|side| !is_drawn(side.conn));
    drawn.chain(not_drawn.map(|side| Translation::of_endpoints(&first.ends, side))).collect()
}

/// Returns what other hosts know, each line once.
fn elsewhere<'a>(group: &'a [SideContent<'_>]) -> Vec<&'a str> {
    let mut lines: Vec<&str> = Vec::new();
    for line in group.iter().flat_map(|content| &content.elsewhere) {
        if !lines.contains(&line.as_str()) {
            lines.push(line);
        }
    }
    lines
}

/// Returns the states that no row of any side shows, a line for each end.
fn inferred(group: &[SideContent<'_>]) -> Vec<String> {
    let of_end = |of: fn(&Each<Known>) -> &Known| {
        let mut all = group.iter().map(|content| of(&content.states));
        if all.clone().any(|known| *known == Known::Observed) {
            return None;
        }
        all.find_map(|known| if let Known::Inferred(line) = known { Some(line.clone()) } else { None })
    };
    [of_end(|states| &states.client), of_end(|states| &states.server)].into_iter().flatten().collect()
}

/// Returns lines of advice. If a side has proof of a cause, only that of such sides, since the others can only guess. If all
/// agree, that of the last side, which is behind the translation.
fn advice<'a>(group: &'a [SideContent<'_>], agreed: bool) -> Vec<Cow<'a, str>> {
    let proven = group.iter().any(|content| content.verdict.has_cause());
    let known = group.iter().filter(|content| !proven || content.verdict.has_cause());
    let mut advice: Vec<Cow<'a, str>> = Vec::new();
    for text in known.filter_map(|content| content.advice.as_deref()) {
        if !advice.iter().any(|known| known == text) {
            advice.push(text.into());
        }
    }
    if agreed {
        advice.drain(..advice.len().saturating_sub(1));
    }
    advice
}
