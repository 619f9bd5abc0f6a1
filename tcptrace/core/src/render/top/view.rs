//! The visible part of the connections: order, filter and position, and the keys that change them.

mod keys;
mod order;

use self::order::sort;
pub use self::{
    keys::{Action, Key},
    order::Column,
};
use super::{Counts, Id, Row, Top};
use crate::{
    filter::{Facts, Only},
    text::WallTime,
};

/// The part of the screen on which the keys act.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Mode {
    /// The list.
    List,
    /// A filter is being typed over the list.
    Filter {
        /// The text so far.
        text: String,
        /// The filter before, and its text.
        before: (Only, String),
    },
    /// The ladder of a connection, from this line on; `None` to follow its end.
    Ladder(Id, Option<usize>),
}

/// The visible part of the connections.
#[derive(Debug)]
pub struct View {
    mode: Mode,
    only: Only,
    /// The filter as it was typed.
    words: String,
    failures: bool,
    column: Column,
    reversed: bool,
    /// The connections that are chosen, in order.
    order: Vec<Id>,
    selected: Option<Id>,
    /// The first line of the list that is shown.
    first: usize,
    /// Lines of a page.
    page: usize,
    /// Lines of the ladder.
    ladder_lines: usize,
    status: String,
}

impl View {
    /// Shows the connections in `only`.
    pub fn new(only: Only) -> Self {
        Self {
            mode: Mode::List,
            only,
            words: only.to_string(),
            failures: false,
            column: Column::default(),
            reversed: false,
            order: Vec::new(),
            selected: None,
            first: 0,
            page: 1,
            ladder_lines: 0,
            status: String::new(),
        }
    }

    /// Chooses and orders the connections again, for a page of `page` lines. The selected connection stays selected, and the
    /// list keeps its position if possible.
    pub fn refresh(&mut self, top: &Top, page: usize, now: WallTime) {
        let place = self.place();
        let mut rows: Vec<&Row> = top.rows().filter(|row| self.chooses(row.facts())).collect();
        sort(&mut rows, self.column, self.reversed, now);
        self.order.clear();
        self.order.extend(rows.iter().map(|row| row.id));

        self.page = page.max(1);
        let place = match self.selected.and_then(|id| self.order.iter().position(|other| *other == id)) {
            Some(place) => place,
            None => place.min(self.order.len().saturating_sub(1)),
        };
        // Until a key is pressed, the top of the list stays in view.
        self.selected = self.selected.and_then(|_| self.order.get(place).copied());
        self.show(place);
        if let Mode::Ladder(id, _) = self.mode
            && top.row(id).is_none()
        {
            self.mode = Mode::List;
            "the connection is no longer kept: there was no room".clone_into(&mut self.status);
        }
    }

    fn chooses(&self, facts: Facts) -> bool {
        (!self.failures || facts.failed()) && self.only.decide(facts, Facts::NOTHING) == Some(true)
    }

    /// Returns the position of the selected connection in the list.
    pub fn place(&self) -> usize {
        let place = self.selected.and_then(|id| self.order.iter().position(|other| *other == id));
        place.unwrap_or(self.first)
    }

    /// Moves the page so that a line is on it.
    fn show(&mut self, line: usize) {
        let last = self.order.len().saturating_sub(self.page);
        self.first = self.first.min(line).max((line + 1).saturating_sub(self.page)).min(last);
    }

    /// Returns the first line of a ladder of `lines` lines to show on a page of `page` lines.
    pub fn ladder_line(&mut self, lines: usize, page: usize) -> usize {
        (self.ladder_lines, self.page) = (lines, page.max(1));
        let last = lines.saturating_sub(self.page);
        match self.mode {
            Mode::Ladder(_, Some(line)) => line.min(last),
            _ => last,
        }
    }

    /// Returns the part of the screen on which the keys act.
    pub fn mode(&self) -> &Mode {
        &self.mode
    }

    /// Returns the connections on the page, and the index of the selected one.
    pub fn page(&self) -> (&[Id], usize) {
        let end = self.order.len().min(self.first + self.page);
        (self.order.get(self.first..end).unwrap_or_default(), self.place().saturating_sub(self.first))
    }

    /// Returns the number of chosen connections.
    pub fn chosen(&self) -> usize {
        self.order.len()
    }

    /// Returns the filter, the order and whether it is reversed, in words.
    pub fn scope(&self, counts: &Counts) -> String {
        let all = match (self.words.as_str(), self.failures) {
            ("", false) => "all".to_owned(),
            ("", true) => "failures only".to_owned(),
            (words, false) => words.to_owned(),
            (words, true) => format!("{words}, failures only"),
        };
        let reversed = if self.reversed { ", reversed" } else { "" };
        format!("showing {} of {}: {all}; by {}{reversed}", self.order.len(), counts.kept, self.column.word())
    }

    /// Returns the result of the last key in a sentence; empty if there is nothing to report.
    pub fn status(&self) -> &str {
        &self.status
    }

    /// Shows a message until the next key.
    pub fn say(&mut self, text: String) {
        self.status = text;
    }
}
