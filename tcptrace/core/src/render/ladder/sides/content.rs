//! The content of a block for one side of a translated connection.

use std::{borrow::Cow, sync::Arc};

use super::verdict::Verdict;
use crate::{
    output_record::{CloseOutput, HandshakeOutput, StalledOutput},
    render::{
        joined,
        ladder::{
            Drawing, advice,
            block::Side,
            heading::Sentence,
            inferred_states::{self, Known},
            open_block::{End, OpenBlock},
            rows::Rows,
        },
        mood::Mood,
    },
    verdict::{Each, TranslatedSide, Turn},
};

/// The content of a block for one connection.
#[derive(Debug)]
pub(in crate::render::ladder) struct SideContent<'a> {
    pub(in crate::render::ladder) conn: u64,
    pub(in crate::render::ladder) ends: Each<End>,
    pub(in crate::render::ladder) open: Box<OpenBlock>,
    /// Layers of its encapsulation, if it has any.
    pub(in crate::render::ladder) encapsulation: Option<Arc<[String]>>,
    pub(in crate::render::ladder) sentence: Option<Sentence<'a>>,
    /// Set if the phase is not finished; the inner value is the end whose turn it is, if known.
    pub(in crate::render::ladder) unfinished: Option<Option<Turn>>,
    /// The other sides of its address translation.
    pub(in crate::render::ladder) nat: Vec<TranslatedSide>,
    /// Knowledge of other hosts about it, a line each.
    pub(in crate::render::ladder) elsewhere: Vec<String>,
    /// States of each end that no row shows.
    pub(in crate::render::ladder) states: Each<Known>,
    pub(in crate::render::ladder) advice: Option<Cow<'static, str>>,
    pub(in crate::render::ladder) verdict: Verdict,
}

impl<'a> SideContent<'a> {
    /// Creates the content of the block of a handshake that ended in this mood, with its events.
    pub(in crate::render::ladder) fn of_handshake(
        HandshakeOutput { record, encapsulation, joined, .. }: &'a HandshakeOutput,
        mood: Mood,
        open: Box<OpenBlock>,
    ) -> Self {
        let ends = Each { client: End::from(&record.client), server: End::from(&record.server) };
        Self {
            encapsulation: encapsulation.clone(),
            sentence: Some(Sentence::new(mood, record.summary.as_str().into())),
            nat: record.nat.clone().unwrap_or_default(),
            elsewhere: joined.as_deref().map(joined::lines).unwrap_or_default(),
            advice: advice::handshake(record),
            ..Self::new(record.conn, ends, open, (&**record).into())
        }
    }

    /// Creates the content of the block of a close, with its events.
    pub(in crate::render::ladder) fn of_close(
        CloseOutput { record, encapsulation, joined, .. }: &'a CloseOutput,
        open: Box<OpenBlock>,
        drawing: Drawing,
    ) -> Self {
        let ends = Each { client: End::from(&record.client), server: End::from(&record.server) };
        Self {
            encapsulation: encapsulation.clone(),
            sentence: Some(Sentence::new(Mood::of_close(record), record.summary.as_str().into())),
            nat: record.nat.clone().unwrap_or_default(),
            elsewhere: joined.as_deref().map(joined::lines).unwrap_or_default(),
            states: inferred_states::known(record, drawing),
            advice: advice::close(record),
            ..Self::new(record.conn, ends, open, (&**record).into())
        }
    }

    /// Creates the content of the block of a stall with these rows. `quoted`: an ICMP error is among all its events.
    pub(in crate::render::ladder) fn of_stall(
        StalledOutput { stamp, record, .. }: &StalledOutput,
        quoted: bool,
        rows: Rows,
    ) -> Self {
        let ends = Each { client: End::from(&record.client), server: End::from(&record.server) };
        let verdict = Verdict::Stalled { turn: record.turn, at: stamp.time.0 };
        let text = format!("{}: {}", record.word(), record.summary);
        Self {
            sentence: Some(Sentence::new(Mood::Pending, text.into())),
            unfinished: Some(record.turn),
            nat: record.nat.clone().unwrap_or_default(),
            advice: advice::stalled(record, quoted),
            ..Self::new(record.conn, ends, Box::new(OpenBlock::of_rows(rows)), verdict)
        }
    }

    /// Creates the content of a block that consists of rows only.
    pub(in crate::render::ladder) fn new(conn: u64, ends: Each<End>, open: Box<OpenBlock>, verdict: Verdict) -> Self {
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

    /// Returns the same content, with a copy of the borrowed text.
    pub(in crate::render::ladder) fn into_owned(self) -> SideContent<'static> {
        let sentence = self.sentence.map(|sentence| Sentence { text: sentence.text.into_owned().into(), ..sentence });
        SideContent { sentence, ..self }
    }

    /// Returns the numbers of this connection and of the other sides of its address translation.
    pub(in crate::render::ladder) fn conns(&self) -> impl Iterator<Item = u64> {
        std::iter::once(self.conn).chain(self.nat.iter().map(|side| side.conn))
    }

    pub(super) fn side(&self) -> Side<'_> {
        Side { conn: self.conn, ends: &self.ends, rows: &self.open.rows }
    }
}
