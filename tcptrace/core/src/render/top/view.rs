//! The part of the connections that is shown: order, filter and place, and how keys change them.

use std::cmp::Ordering;

use super::{Counts, Id, Row, Standing, Top};
use crate::{
    filter::{Facts, Only, only_words},
    text::WallTime,
};

/// A key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Key {
    /// A character.
    Char(char),
    /// Up one line.
    Up,
    /// Down one line.
    Down,
    /// Up one page.
    PageUp,
    /// Down one page.
    PageDown,
    /// To the first line.
    Home,
    /// To the last line.
    End,
    /// Enter.
    Enter,
    /// Escape.
    Escape,
    /// Backspace.
    Backspace,
    /// Ctrl-U: the line that is typed is emptied.
    Clear,
    /// Ctrl-C, or a signal that ends the program.
    Interrupt,
}

/// An action that a key asks for, beyond another picture.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Action {
    /// Nothing.
    Stay,
    /// The end of the program.
    Quit,
    /// The verdicts of these connections in a file.
    Write(Vec<Id>),
}

/// The order of the lines behind stalled connections, which always come first.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Column {
    /// Open connections before those that failed, and these before others.
    #[default]
    State,
    /// The oldest first.
    Age,
    /// Address of the client.
    Client,
    /// Address of the server.
    Server,
    /// Name of the process.
    Process,
    /// Most bytes first.
    Bytes,
}

impl Column {
    const ALL: [Self; 6] = [Self::State, Self::Age, Self::Client, Self::Server, Self::Process, Self::Bytes];

    /// The word for this column.
    pub const fn word(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Age => "age",
            Self::Client => "client",
            Self::Server => "server",
            Self::Process => "process",
            Self::Bytes => "bytes",
        }
    }

    fn next(self) -> Self {
        let after = Self::ALL.iter().skip_while(|column| **column != self).nth(1);
        after.copied().unwrap_or_default()
    }
}

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

/// The part of the connections that is shown.
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
    /// list stays at its place if possible.
    pub fn refresh(&mut self, top: &Top, page: usize, now: WallTime) {
        let place = self.place();
        let mut rows: Vec<&Row> = top.rows().filter(|row| self.chooses(row.facts())).collect();
        match self.column {
            // These are made for the comparison, so they are made once.
            Column::Client => rows.sort_by_cached_key(|row| row.endpoints().map(|[client, _]| client)),
            Column::Server => rows.sort_by_cached_key(|row| row.endpoints().map(|[_, server]| server)),
            Column::Process => rows.sort_by_cached_key(|row| row.processes()),
            Column::State | Column::Age | Column::Bytes => {
                rows.sort_by(|a, b| compare(self.column, a, b, now).then(b.id.cmp(&a.id)));
            }
        }
        if self.reversed {
            rows.reverse();
        }
        rows.sort_by_key(|row| row.standing() != Standing::Stalled);
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

    /// Place of the selected connection in the list.
    pub fn place(&self) -> usize {
        let place = self.selected.and_then(|id| self.order.iter().position(|other| *other == id));
        place.unwrap_or(self.first)
    }

    /// Moves the page so that a line is on it.
    fn show(&mut self, line: usize) {
        let last = self.order.len().saturating_sub(self.page);
        self.first = self.first.min(line).max((line + 1).saturating_sub(self.page)).min(last);
    }

    /// Handles a key.
    pub fn press(&mut self, key: Key) -> Action {
        self.status.clear();
        if key == Key::Interrupt {
            return Action::Quit;
        }
        match self.mode.clone() {
            Mode::List => return self.in_list(key),
            Mode::Filter { text, before } => self.in_filter(key, text, before),
            Mode::Ladder(id, line) => return self.in_ladder(key, id, line),
        }
        Action::Stay
    }

    fn in_list(&mut self, key: Key) -> Action {
        match key {
            Key::Char('q') | Key::Escape => return Action::Quit,
            Key::Char('w') => return Action::Write(self.order.clone()),
            Key::Char('s') => self.column = self.column.next(),
            Key::Char('r') => self.reversed ^= true,
            Key::Char('f') => self.failures ^= true,
            Key::Char('/') => {
                self.mode = Mode::Filter { text: self.words.clone(), before: (self.only, self.words.clone()) };
            }
            Key::Enter => {
                if let Some(id) = self.order.get(self.place()) {
                    self.selected = Some(*id);
                    self.mode = Mode::Ladder(*id, None);
                }
            }
            key => {
                let last = self.order.len().saturating_sub(1);
                if let Some(place) = moved(key, self.place(), self.page, last) {
                    self.selected = self.order.get(place).copied();
                    self.show(place);
                }
            }
        }
        Action::Stay
    }

    fn in_filter(&mut self, key: Key, mut text: String, before: (Only, String)) {
        match key {
            Key::Enter => {
                // Of a text that is no filter, the words before it stay.
                if !self.filter(&text) {
                    self.words = self.only.to_string();
                }
                self.mode = Mode::List;
                return;
            }
            Key::Escape => {
                (self.only, self.words) = before;
                self.mode = Mode::List;
                return;
            }
            Key::Char(character) => text.push(character),
            Key::Backspace => drop(text.pop()),
            Key::Clear => text.clear(),
            _ => {}
        }
        self.filter(&text);
        self.mode = Mode::Filter { text, before };
    }

    /// Filters by these words, if they are all known; else the filter stays, and the status says so.
    fn filter(&mut self, text: &str) -> bool {
        let parsed = if text.trim().is_empty() { Ok(Only::default()) } else { text.parse() };
        match parsed {
            Ok(only) => {
                self.only = only;
                text.clone_into(&mut self.words);
                true
            }
            Err(error) => {
                let word = text.rsplit(',').next().unwrap_or_default().trim().trim_start_matches('!');
                let likely: Vec<&str> = only_words().iter().copied().filter(|known| known.starts_with(word)).collect();
                self.status = if word.is_empty() || likely.is_empty() {
                    error.to_string()
                } else {
                    format!(
                        "'{}' is no word for connections; with that begin: {}",
                        word.escape_debug(),
                        likely.join(",")
                    )
                };
                false
            }
        }
    }

    fn in_ladder(&mut self, key: Key, id: Id, line: Option<usize>) -> Action {
        let last = self.ladder_lines.saturating_sub(self.page);
        match key {
            Key::Char('q') | Key::Escape => self.mode = Mode::List,
            Key::Char('w') => return Action::Write(vec![id]),
            key => {
                if let Some(line) = moved(key, line.unwrap_or(last).min(last), self.page, last) {
                    // Whoever is at the end sees what is added there.
                    self.mode = Mode::Ladder(id, (line < last).then_some(line));
                }
            }
        }
        Action::Stay
    }

    /// The first line of a ladder of `lines` lines to show on a page of `page` lines.
    pub fn ladder_line(&mut self, lines: usize, page: usize) -> usize {
        (self.ladder_lines, self.page) = (lines, page.max(1));
        let last = lines.saturating_sub(self.page);
        match self.mode {
            Mode::Ladder(_, Some(line)) => line.min(last),
            _ => last,
        }
    }

    /// The part of the screen on which the keys act.
    pub fn mode(&self) -> &Mode {
        &self.mode
    }

    /// The connections on the page, and which of them is selected.
    pub fn page(&self) -> (&[Id], usize) {
        let end = self.order.len().min(self.first + self.page);
        (self.order.get(self.first..end).unwrap_or_default(), self.place().saturating_sub(self.first))
    }

    /// Number of connections that are chosen.
    pub fn chosen(&self) -> usize {
        self.order.len()
    }

    /// The filter, the order and whether it is reversed, in words.
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

    /// The result of the last key, in a sentence; empty if nothing is to be said.
    pub fn status(&self) -> &str {
        &self.status
    }

    /// Says something until the next key.
    pub fn say(&mut self, text: String) {
        self.status = text;
    }
}

fn compare(column: Column, a: &Row, b: &Row, now: WallTime) -> Ordering {
    let bytes = |row: &Row| {
        row.bytes().map(|bytes| {
            let [to_server, to_client] =
                [bytes.client_to_server, bytes.server_to_client].map(Option::unwrap_or_default);
            to_server.saturating_add(to_client)
        })
    };
    match column {
        Column::Age => b.age_ns(now).cmp(&a.age_ns(now)),
        Column::Bytes => bytes(b).cmp(&bytes(a)),
        _ => a.standing().cmp(&b.standing()),
    }
}

/// The line to which a key moves from `line` of `0..=last`; none if it is no key to move with.
fn moved(key: Key, line: usize, page: usize, last: usize) -> Option<usize> {
    let line = match key {
        Key::Up | Key::Char('k') => line.saturating_sub(1),
        Key::Down | Key::Char('j') => line + 1,
        Key::PageUp => line.saturating_sub(page),
        Key::PageDown => line + page,
        Key::Home => 0,
        Key::End => last,
        _ => return None,
    };
    Some(line.min(last))
}
