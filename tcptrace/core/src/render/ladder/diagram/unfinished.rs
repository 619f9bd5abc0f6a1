//! A connection that is not over, with all its sides.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{Diagram, Outcome, Step, steps};
use crate::{
    output_record::Stamp,
    render::{
        ladder::{
            Drawing,
            heading::{Sentence, endpoint},
            open_block::{End, OpenBlock},
            sides::{self, SideContent, Verdict},
        },
        mood::Mood,
    },
    verdict::{Each, TranslatedSide},
};

/// The sentence about a connection that was evicted.
const FORGOTTEN: &str = "forgotten: there was no room for more connections (--max-connections)";

/// A connection so far.
#[derive(Debug, Default)]
pub(super) struct Unfinished {
    sides: BTreeMap<u64, Side>,
    encapsulation: Option<Arc<[String]>>,
    began: Option<Stamp>,
    /// Its latest mood and sentence.
    news: Option<(Mood, String)>,
    /// Its final verdict, in words.
    verdict: Option<String>,
    steps: Vec<Step>,
}

/// A side so far.
#[derive(Debug)]
struct Side {
    ends: Each<End>,
    /// The other sides.
    nat: Vec<TranslatedSide>,
    /// True if no record follows.
    is_over: bool,
    /// Stalls in the phase that has not ended: at most one for each event that is kept.
    stalls: Vec<SideContent<'static>>,
    /// Phases that have ended and are not drawn yet.
    phases: Vec<Phase>,
}

/// The handshake or the close of a side.
#[derive(Debug)]
struct Phase {
    content: SideContent<'static>,
    /// Its stalls, without their events, which are among those of `content`.
    stalls: Vec<SideContent<'static>>,
}

impl Phase {
    /// Returns its place among those of a connection; `None` if it belongs to the one during which its side was interrupted.
    fn rank(&self) -> Option<u8> {
        match self.content.verdict {
            Verdict::Handshake { .. } => Some(0),
            Verdict::Close { .. } | Verdict::Stalled { .. } => Some(1),
            Verdict::Open => None,
        }
    }
}

impl Unfinished {
    /// Adds a side's handshake or close.
    pub(super) fn add(&mut self, content: SideContent<'static>, is_last: bool) {
        self.encapsulation = self.encapsulation.take().or_else(|| content.encapsulation.clone());
        let side = self.side(&content);
        side.is_over |= is_last;
        let stalls = std::mem::take(&mut side.stalls);
        side.phases.push(Phase { content, stalls });
    }

    /// Adds a side's stall. If it goes on without any event in between, only this latest report is shown.
    pub(super) fn stall(&mut self, content: SideContent<'static>, goes_on: bool) {
        let side = self.side(&content);
        if goes_on {
            side.stalls.pop();
        }
        side.stalls.push(content);
    }

    /// Ends a side that was evicted, with its events since the last phase.
    pub(super) fn forget(&mut self, conn: u64, open: Box<OpenBlock>) {
        let Some(side) = self.sides.get_mut(&conn) else { return };
        side.is_over = true;
        let sentence = Sentence::new(Mood::Pending, FORGOTTEN.into());
        let content = SideContent::new(conn, side.ends.clone(), open, Verdict::Open);
        let stalls = std::mem::take(&mut side.stalls);
        side.phases.push(Phase { content: SideContent { sentence: Some(sentence), ..content }, stalls });
    }

    /// Ends the sides that are open, with their events since the last phase.
    pub(super) fn interrupt(&mut self, mut take: impl FnMut(u64) -> Box<OpenBlock>) {
        for (&conn, side) in self.sides.iter_mut().filter(|(_, side)| !side.is_over) {
            let content = SideContent::new(conn, side.ends.clone(), take(conn), Verdict::Open);
            let stalls = std::mem::take(&mut side.stalls);
            side.phases.push(Phase { content, stalls });
        }
    }

    /// Adds what was collected of other sides of the same connection.
    pub(super) fn merge(&mut self, mut other: Self) {
        let time = |unfinished: &Self| unfinished.began.map(|began| began.time.0);
        if !self.sides.is_empty() && time(&other) < time(self) {
            std::mem::swap(self, &mut other);
        }
        // What was drawn before the sides were known to be one connection stays as it is.
        if !self.steps.is_empty() && !other.steps.is_empty() {
            self.steps.extend(other.sides.iter().map(|(conn, side)| heading(*conn, side)));
        }
        self.steps.append(&mut other.steps);
        self.sides.append(&mut other.sides);
        self.encapsulation = self.encapsulation.take().or(other.encapsulation);
        self.began = self.began.or(other.began);
        self.news = self.news.take().or(other.news);
        self.verdict = self.verdict.take().or(other.verdict);
    }

    /// Returns the numbers of its sides, also of those without a record so far.
    pub(super) fn conns(&self) -> BTreeSet<u64> {
        let others = self.sides.values().flat_map(|side| &side.nat);
        self.sides.keys().copied().chain(others.map(|side| side.conn)).collect()
    }

    /// Returns true if all its sides are over. `is_begun` returns true for a connection with events that no record describes.
    pub(super) fn is_over(&self, is_begun: impl Fn(u64) -> bool) -> bool {
        self.conns().into_iter().all(|conn| match self.sides.get(&conn) {
            Some(side) => side.is_over,
            None => !is_begun(conn),
        })
    }

    /// Draws the phases that have ended on all sides, to keep no more events than necessary.
    pub(super) fn draw_whole_phases(&mut self, is_begun: impl Fn(u64) -> bool, drawing: Drawing) {
        let is_whole = |unfinished: &Self| {
            unfinished.conns().into_iter().all(|conn| match unfinished.sides.get(&conn) {
                Some(side) => side.is_over || !side.phases.is_empty(),
                None => !is_begun(conn),
            })
        };
        while is_whole(self) && self.draw_next_phase(drawing) {}
    }

    /// Draws the rest. `verdict` is the word if no side has a final verdict. `None` if there is nothing to draw.
    pub(super) fn finish(mut self, verdict: &str, drawing: Drawing) -> Option<Diagram> {
        while self.draw_next_phase(drawing) {}
        let latest = |(&conn, side): (&u64, &Side)| SideContent {
            nat: side.nat.clone(),
            ..SideContent::new(conn, side.ends.clone(), Box::default(), Verdict::Open)
        };
        let sides: Vec<SideContent<'_>> = self.sides.iter().map(latest).collect();
        let (mood, sentence) = self.news.unwrap_or((Mood::Pending, String::new()));
        let outcome = Outcome { mood, verdict: self.verdict.unwrap_or_else(|| verdict.to_owned()), sentence };
        let mut diagram = None;
        sides::draw(&sides, |block| {
            diagram = Some(Diagram {
                conns: self.sides.keys().copied().collect(),
                ends: block.ends.clone(),
                translations: block.translations.clone(),
                encapsulation: self.encapsulation,
                began: self.began,
                outcome,
                steps: self.steps,
            });
        });
        diagram
    }

    /// Draws the next phase of all sides that have it. Returns false if there is none.
    fn draw_next_phase(&mut self, drawing: Drawing) -> bool {
        let rank = self.sides.values().filter_map(|side| side.phases.first()?.rank()).min();
        let next = |side: &mut Side| {
            let is_next = |phase: &Phase| phase.rank().is_none_or(|own| Some(own) == rank);
            side.phases.first().is_some_and(is_next).then(|| side.phases.remove(0))
        };
        let phases: Vec<Phase> = self.sides.values_mut().filter_map(next).collect();
        let several = self.sides.len() > 1;
        let (contents, stalls): (Vec<_>, Vec<_>) =
            phases.into_iter().map(|Phase { content, stalls }| (content, stalls)).unzip();
        sides::draw(&contents, |block| {
            let drawn = steps::of_block(block, stalls.into_iter().flatten().collect(), several, drawing);
            self.began = self.began.or(drawn.began);
            self.news = drawn.news.or(self.news.take());
            self.verdict = block.verdict.and_then(Verdict::words).or(self.verdict.take());
            self.steps.extend(drawn.steps);
        });
        !contents.is_empty()
    }

    /// Returns the side of this content, with its ends as they are known now.
    fn side(&mut self, content: &SideContent<'_>) -> &mut Side {
        let new = || Side {
            ends: content.ends.clone(),
            nat: Vec::new(),
            is_over: false,
            stalls: Vec::new(),
            phases: Vec::new(),
        };
        let side = self.sides.entry(content.conn).or_insert_with(new);
        side.ends = content.ends.clone();
        if !content.nat.is_empty() {
            side.nat.clone_from(&content.nat);
        }
        side
    }
}

/// Returns the step before those of a side that was drawn by itself.
fn heading(conn: u64, side: &Side) -> Step {
    let text = format!("#{conn}: {} → {}", endpoint(&side.ends.client.at), endpoint(&side.ends.server.at));
    Step::Note { mood: None, text }
}
