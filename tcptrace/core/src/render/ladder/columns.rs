//! The columns of a block. Everything that matters fits into 80 columns; on a wider terminal the arrows get more room
//! first, then the details beside them.

use super::{
    cells::{Arrow, Cells},
    glyphs::Drawing,
    row_layout::AROUND,
};
use crate::event::Role;

/// Width from which on all blocks have the same columns.
const ROOMY: usize = 100;

/// Minimum width between the lifelines: an arrow with flags only.
const NARROWEST: usize = 14;

/// Width between the lifelines for an arrow with flags and any sequence number.
const NUMBERED: usize = 28;

/// Maximum width between the lifelines.
const WIDEST: usize = 44;

/// Width of the longest common state change, `ESTABLISHED → CLOSE_WAIT`; one more in ASCII.
const USUAL_CHANGE: usize = 24;

/// Width of the caption's wall-clock time: a space and `12:06:49.679`.
const CLOCK: usize = 13;

/// Positions in columns, from 0.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Columns {
    /// End of the column of times.
    pub(super) time_end: usize,
    /// The client's lifeline; its states end two columns before.
    pub(super) client: usize,
    /// Width between the lifelines.
    pub(super) between: usize,
    /// Total width.
    pub(super) width: usize,
    /// True if arrows have sequence numbers.
    pub(super) numbered: bool,
    /// True if there are states at the client's side.
    pub(super) states: bool,
}

impl Columns {
    /// Computes the columns for these rows.
    pub(super) fn for_rows(rows: &[Cells], longest_time: usize, width: usize, drawing: Drawing) -> Self {
        let roomy = width >= ROOMY;
        let (indent, gap) = if roomy { (2, 2) } else { (1, 1) };
        let [client_states, server_states] = [Role::Client, Role::Server].map(|role| states(rows, role));
        let usual = USUAL_CHANGE + usize::from(!drawing.unicode);
        let states = match client_states {
            0 => 0,
            most if roomy => most.max(usual) + 1,
            most => most + 1,
        };
        // The caption's clock may extend into the column of states, but there is none.
        let longest_time = if states == 0 { longest_time.max(CLOCK - indent) } else { longest_time };
        let time_end = indent + longest_time;
        let client = time_end + gap + states;
        // Less the two lifelines, and a space after the server's.
        let rest = width.saturating_sub(client + 3);
        let needed = |numbered| server_states.max(numbers(rows, numbered));
        let numbered = rest >= NUMBERED + needed(true);
        let between = if numbered {
            let usual = (NUMBERED + width.saturating_sub(120) / 4).min(WIDEST);
            labels(rows).clamp(usual, WIDEST).min(rest - needed(true))
        } else {
            rest.saturating_sub(needed(false)).clamp(NARROWEST, NUMBERED)
        };
        Self { time_end, client, between, width, numbered, states: states > 0 }
    }

    /// Returns the position of the server's lifeline.
    pub(super) fn server(&self) -> usize {
        self.client + 1 + self.between
    }

    /// Returns the width of the notes beside the ladder.
    pub(super) fn right(&self) -> usize {
        self.server() + 2
    }
}

/// Returns the width of the longest state change at one end.
fn states(rows: &[Cells], role: Role) -> usize {
    let changes = rows.iter().filter_map(|cells| match cells {
        Cells::State { side, change, .. } if *side == role => Some(change.width()),
        _ => None,
    });
    changes.max().unwrap_or(0)
}

/// Returns the width of the longest arrow with all its details.
fn labels(rows: &[Cells]) -> usize {
    let whole = |arrow: &Arrow| {
        let more = arrow.more.iter().chain(&arrow.number);
        AROUND + arrow.label.len() + more.map(|text| text.len() + 1).sum::<usize>()
    };
    arrows(rows).map(whole).max().unwrap_or(0)
}

fn arrows(rows: &[Cells]) -> impl Iterator<Item = &Arrow> {
    rows.iter().filter_map(|cells| if let Cells::Arrow(arrow) = cells { Some(arrow) } else { None })
}

/// Returns the minimum width beside the arrows: room for the numbers.
fn numbers(rows: &[Cells], numbered: bool) -> usize {
    let beside = |arrow: &Arrow| {
        let first = arrow.details.measured_pieces().next().map_or(0, |(_, _, width)| width);
        let number = arrow.number.as_ref().filter(|_| !numbered).map_or(0, |number| number.len() + 1);
        first + number
    };
    arrows(rows).map(beside).max().unwrap_or(0)
}
