//! Decides about connections by their records, and shows what was held back of those selected.

use std::borrow::Cow;

use super::{
    Selection,
    connection::{Connection, News, other_sides},
    proof::Proof,
};
use crate::{filter::Facts, output_record::OutputRecord};

/// Number of ended connections whose late events are still shown.
const RECENT: usize = 1024;

impl Selection {
    pub(super) fn event(
        &mut self,
        conn: Option<u64>,
        late: bool,
        begins: bool,
        proof: Proof,
        record: Cow<'_, OutputRecord>,
        show: &mut dyn FnMut(&OutputRecord),
    ) {
        let Some(conn) = conn else { return };
        if !late && (begins || self.open.contains_key(&conn)) {
            self.add(conn, News { facts: Facts::NEW, possible: None, proof }, record, show);
        } else if self.recent.contains(&conn) {
            show(&record);
        }
    }

    pub(super) fn verdict(
        &mut self,
        conn: u64,
        facts: Facts,
        possible: Facts,
        proof: Proof,
        record: Cow<'_, OutputRecord>,
        show: &mut dyn FnMut(&OutputRecord),
    ) {
        self.add(conn, News { facts, possible: Some(possible), proof }, record, show);
        if possible == Facts::NOTHING
            && let Some(open) = self.open.remove(&conn)
            && open.decision == Some(true)
        {
            self.ended += u64::from(open.proof().is_complete());
            self.recent.push_back(conn);
            if self.recent.len() > RECENT {
                self.recent.pop_front();
            }
        }
    }

    /// Adds a record of an open connection.
    fn add(&mut self, conn: u64, news: News, record: Cow<'_, OutputRecord>, show: &mut dyn FnMut(&OutputRecord)) {
        if !self.open.contains_key(&conn) && self.open.len() >= self.most {
            self.open.pop_first();
        }
        let open = self.open.entry(conn).or_insert_with(Connection::new);
        let before = open.decision;
        let enters = open.learn(news, self.only);
        let selected = open.decision == Some(true);
        self.entered += u64::from(enters);
        match before {
            None if selected || other_sides(&record).any(|side| self.decision(side) == Some(true)) => {
                self.choose(conn, show);
            }
            // As another side of a selected one, it was not counted before.
            Some(true) => self.chosen += u64::from(enters),
            _ => {}
        }
        if self.decision(conn) == Some(true) {
            // Before the verdict, so that one picture can show all sides.
            for side in other_sides(&record) {
                if self.open.get(&side).is_some_and(|open| open.decision.is_none()) {
                    self.choose(side, show);
                }
            }
            show(&record);
        } else if let Some(open) = self.open.get_mut(&conn) {
            match open.decision {
                None if self.keeps => open.hold(record.into_owned()),
                _ => drop(open.release()),
            }
        }
    }

    /// Returns whether a connection is selected, if that is decided and still known.
    fn decision(&self, conn: u64) -> Option<bool> {
        self.open.get(&conn).map_or_else(|| self.recent.contains(&conn).then_some(true), |open| open.decision)
    }

    /// Selects an open connection, and shows the records held back.
    fn choose(&mut self, conn: u64, show: &mut dyn FnMut(&OutputRecord)) {
        let Some(open) = self.open.get_mut(&conn) else { return };
        open.decision = Some(true);
        self.chosen += u64::from(open.proof().is_complete());
        open.release().show(conn, self.keeps_stalled, show);
    }
}
