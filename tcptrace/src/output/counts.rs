//! How many connections were selected, and their verdicts.

use tcptrace_core::render::{Selection, Tally};

use super::Output;

impl Output {
    /// Counts the connections that `selection` chooses.
    pub fn fail_on(&mut self, selection: Selection) {
        self.fail_on = Some(selection.counting());
    }

    /// Returns the number of connections that [`Self::fail_on`] chooses.
    pub fn failed_on(&self) -> u64 {
        self.fail_on.as_ref().map_or(0, Selection::chosen)
    }

    /// Returns the number of the command's connections so far and of those that have not ended; `None` without a command.
    pub fn in_scope(&self) -> Option<(u64, u64)> {
        let selection = self.stdout.selection.as_ref().filter(|selection| selection.is_scoped())?;
        Some((selection.entered(), selection.open_in_scope()))
    }

    /// Returns the number of connections chosen for stdout, and of those that have ended; `None` if all are chosen.
    pub fn chosen(&self) -> Option<(u64, u64)> {
        self.stdout.selection.as_ref().map(|selection| (selection.chosen(), selection.ended()))
    }

    /// Returns the number of connections left out on stdout, known at the end; `None` if all are shown.
    pub fn left_out(&self) -> Option<u64> {
        self.stdout.selection.as_ref().map(Selection::left_out)
    }

    /// Returns the counts of verdicts, if stdout's reader gets a summary of them.
    pub fn tally(&self) -> Option<&Tally> {
        self.stdout.tally.as_ref()
    }
}
