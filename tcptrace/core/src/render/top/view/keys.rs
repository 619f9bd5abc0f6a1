//! Keys, and their effect on a view.

use super::{Mode, View};
use crate::{
    filter::{Only, only_words},
    render::top::Id,
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
    /// Ctrl-U: clears the line being typed.
    Clear,
    /// Ctrl-C, or a signal that ends the program.
    Interrupt,
}

/// The action that a key requires, besides drawing the screen again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Action {
    /// None.
    Stay,
    /// End the program.
    Quit,
    /// Write the verdicts on these connections to a file.
    Write(Vec<Id>),
}

impl View {
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
                // If the text is not a filter, the previous words stay.
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

    /// Filters by these words, if all of them are known; otherwise the filter stays, and the status reports it.
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
                    format!("'{}' is not a known word; these begin with it: {}", word.escape_debug(), likely.join(","))
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
                    // At the end, the view follows the lines that are added.
                    self.mode = Mode::Ladder(id, (line < last).then_some(line));
                }
            }
        }
        Action::Stay
    }
}

/// Returns the line to which a key moves from `line` of `0..=last`; `None` if the key does not move.
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
