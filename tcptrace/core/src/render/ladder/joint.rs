//! The sides of a translated connection, told as one: what is told of a side waits for the others, and then there is one block.

use std::{borrow::Cow, collections::BTreeSet, sync::Arc};

use foldhash::{HashMap, HashMapExt as _};

use super::{
    block::{Block, Side},
    heading::Sentence,
    inferred_states::Known,
    open_block::{End, OpenBlock},
    translations,
};
use crate::{
    event::Role,
    render::mood::Mood,
    verdict::{
        Bytes, Close, CloseKind, Each, Handshake, HandshakeKind, Outcome, Reset, ResetCause, TranslatedSide, Turn,
        WaitingFor,
    },
};

/// What a block tells of one connection.
#[derive(Debug)]
pub(super) struct Told<'a> {
    pub(super) conn: u64,
    pub(super) ends: Each<End>,
    pub(super) open: Box<OpenBlock>,
    /// Layers of its encapsulation, if it has any.
    pub(super) encapsulation: Option<Arc<[String]>>,
    pub(super) sentence: Option<Sentence<'a>>,
    /// Set if the phase is not finished; the inner value is the end whose turn it is, if known.
    pub(super) unfinished: Option<Option<Turn>>,
    /// The other sides of its address translation.
    pub(super) nat: Vec<TranslatedSide>,
    /// What other hosts know of it, a line each.
    pub(super) elsewhere: Vec<String>,
    /// States of each end that no row shows.
    pub(super) states: Each<Known>,
    pub(super) advice: Option<Cow<'static, str>>,
    pub(super) verdict: Verdict,
}

impl Told<'_> {
    /// Creates one that tells no more than the rows of a block.
    pub(super) fn new(conn: u64, ends: Each<End>, open: Box<OpenBlock>, verdict: Verdict) -> Self {
        Self {
            conn,
            ends,
            open,
            encapsulation: None,
            sentence: None,
            unfinished: None,
            nat: Vec::new(),
            elsewhere: Vec::new(),
            states: Each::default(),
            advice: None,
            verdict,
        }
    }

    /// Returns it with a copy of what it borrows.
    fn into_owned(self) -> Told<'static> {
        let sentence = self.sentence.map(|Sentence { style, text }| Sentence { style, text: text.into_owned().into() });
        Told { sentence, ..self }
    }

    fn side(&self) -> Side<'_> {
        Side { conn: self.conn, ends: &self.ends, rows: &self.open.rows }
    }
}

/// What sides of one connection have in common, unless something happens between them.
#[derive(Clone, Copy, Debug)]
pub(super) enum Verdict {
    Handshake {
        kind: HandshakeKind,
        outcome: Option<Outcome>,
        waiting_for: Option<WaitingFor>,
        reset: Option<Reset>,
    },
    Close {
        kind: CloseKind,
        initiator: Option<Role>,
        reset: Option<Reset>,
        bytes: Bytes,
    },
    /// Reported at a time that is in nanoseconds since 1970.
    Stalled {
        turn: Option<Turn>,
        at: i64,
    },
    /// It goes on.
    Open,
}

impl From<&Handshake> for Verdict {
    fn from(&Handshake { kind, outcome, waiting_for, reset, .. }: &Handshake) -> Self {
        Self::Handshake { kind, outcome, waiting_for, reset }
    }
}

impl From<&Close> for Verdict {
    fn from(&Close { kind, initiator, reset, bytes, .. }: &Close) -> Self {
        Self::Close { kind, initiator, reset, bytes }
    }
}

impl Verdict {
    fn is_of_phase_of(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    /// Returns true if it says what the other one does, as far as both know.
    fn agrees(&self, other: &Self) -> bool {
        let same_reset = |one: Option<Reset>, other: Option<Reset>| match (one, other) {
            (Some(one), Some(other)) => {
                one.by == other.by
                    && (one.cause == other.cause || [one.cause, other.cause].contains(&ResetCause::Unknown))
            }
            (one, other) => one.is_none() && other.is_none(),
        };
        let same_number = |one: Option<u64>, other: Option<u64>| one.zip(other).is_none_or(|(one, other)| one == other);
        match (*self, *other) {
            (
                Self::Handshake { kind, outcome, waiting_for, reset },
                Self::Handshake {
                    kind: other_kind,
                    outcome: other_outcome,
                    waiting_for: other_waits,
                    reset: other_reset,
                },
            ) => {
                (outcome, waiting_for) == (other_outcome, other_waits)
                    && same_reset(reset, other_reset)
                    && (kind == other_kind || self.is_vague() || other.is_vague())
            }
            (
                Self::Close { kind, initiator, reset, bytes },
                Self::Close { kind: other_kind, initiator: other_initiator, reset: other_reset, bytes: other_bytes },
            ) => {
                initiator == other_initiator
                    && same_reset(reset, other_reset)
                    && (kind == other_kind || self.is_vague() || other.is_vague())
                    && same_number(bytes.client_to_server, other_bytes.client_to_server)
                    && same_number(bytes.server_to_client, other_bytes.server_to_client)
            }
            (Self::Stalled { turn, .. }, Self::Stalled { turn: other, .. }) => turn == other,
            _ => false,
        }
    }

    /// Returns true if it does not say how the segments went, which another side may know.
    fn is_vague(&self) -> bool {
        match self {
            Self::Handshake { kind, .. } => *kind == HandshakeKind::Unseen,
            Self::Close { kind, .. } => matches!(kind, CloseKind::Orderly | CloseKind::Unseen),
            Self::Stalled { .. } | Self::Open => false,
        }
    }

    /// Returns true if the cause of a reset is proven.
    fn has_cause(&self) -> bool {
        match self {
            Self::Handshake { reset, .. } | Self::Close { reset, .. } => {
                reset.is_some_and(|reset| reset.cause != ResetCause::Unknown)
            }
            Self::Stalled { .. } | Self::Open => false,
        }
    }
}

/// Draws the block of these sides of one connection, in the order of their numbers.
pub(super) fn draw(group: &[Told<'_>], show: impl FnOnce(&Block<'_>)) {
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

/// What to look at: where a side proves a cause, the others guess. Where all agree, what is behind the translation.
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

/// Sides that have been told and wait for others.
#[derive(Debug, Default)]
pub(super) struct Joints {
    /// By the number of the side that was told last.
    groups: HashMap<u64, Vec<Told<'static>>>,
    /// The groups of connections that have been told, and of those that are waited for.
    of: HashMap<u64, u64>,
}

impl Joints {
    /// Returns the number of sides that wait.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.groups.values().map(Vec::len).sum()
    }

    /// Adds what is told of a side. `is_pending` returns true if something like the verdict is to be told of a connection
    /// soon. Returns the groups that are to be shown now, in this order.
    pub(super) fn add(
        &mut self,
        told: Told<'_>,
        is_pending: impl Fn(&Verdict, u64) -> bool,
    ) -> Vec<Vec<Told<'static>>> {
        let told = told.into_owned();
        let conn = told.conn;
        let before = self.of.get(&conn).and_then(|key| self.groups.get(key));
        // It goes on before the others have come as far.
        let goes_on = before.is_some_and(|group| group.iter().any(|told| told.conn == conn));
        let before = if goes_on { self.take(conn) } else { None };

        let numbers: Vec<u64> = told.nat.iter().map(|side| side.conn).chain([conn]).collect();
        // Sides that were tied later than they were told may have begun several groups.
        let mut group: Vec<_> = numbers.iter().filter_map(|&number| self.take(number)).flatten().collect();
        group.push(told);
        group.sort_unstable_by_key(|told| told.conn);
        for told in &group {
            told.nat
                .iter()
                .map(|side| side.conn)
                .chain([told.conn])
                .for_each(|number| _ = self.of.insert(number, conn));
        }
        self.groups.insert(conn, group);
        before.into_iter().chain(self.settle(conn, is_pending)).collect()
    }

    /// Returns the group of a connection if it waits for nobody any more.
    pub(super) fn settle(
        &mut self,
        conn: u64,
        is_pending: impl Fn(&Verdict, u64) -> bool,
    ) -> Option<Vec<Told<'static>>> {
        let group = self.groups.get(self.of.get(&conn)?)?;
        let is_told = |number| group.iter().any(|told| told.conn == number);
        let waits_for =
            |told: &Told<'_>| told.nat.iter().any(|side| !is_told(side.conn) && is_pending(&told.verdict, side.conn));
        let waits = group.iter().any(waits_for);
        if waits { None } else { self.take(conn) }
    }

    /// Removes the group of a connection.
    pub(super) fn take(&mut self, conn: u64) -> Option<Vec<Told<'static>>> {
        let group = self.groups.remove(self.of.get(&conn)?)?;
        for told in &group {
            self.of.remove(&told.conn);
            told.nat.iter().for_each(|side| _ = self.of.remove(&side.conn));
        }
        Some(group)
    }

    /// Removes all groups, in the order of their numbers.
    pub(super) fn take_all(&mut self) -> Vec<Vec<Told<'static>>> {
        let keys: BTreeSet<u64> = self.groups.keys().copied().collect();
        let groups = keys.iter().filter_map(|key| self.groups.remove(key)).collect();
        self.of = HashMap::new();
        groups
    }
}
