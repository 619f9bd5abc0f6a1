//! The content of a block for one side of a translated connection.

use std::{borrow::Cow, sync::Arc};

use super::verdict::Verdict;
use crate::{
    render::ladder::{
        block::Side,
        heading::Sentence,
        inferred_states::Known,
        open_block::{End, OpenBlock},
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

impl SideContent<'_> {
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
    pub(super) fn into_owned(self) -> SideContent<'static> {
        let sentence = self.sentence.map(|Sentence { style, text }| Sentence { style, text: text.into_owned().into() });
        SideContent { sentence, ..self }
    }

    pub(super) fn side(&self) -> Side<'_> {
        Side { conn: self.conn, ends: &self.ends, rows: &self.open.rows }
    }
}
