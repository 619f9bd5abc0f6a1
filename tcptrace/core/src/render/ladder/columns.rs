//! The columns of a block. Everything that matters fits into 80 columns; the rest of a wider terminal goes to
//! the arrows first and then to the details beside them.

use super::{
    cells::{Arrow, Cells},
    glyphs::Drawing,
    row_layout::AROUND,
    styled_text,
};
use crate::event::Role;

/// From here on blocks look alike, whatever is in them.
const ROOMY: usize = 100;

/// Between the lifelines: an arrow with flags alone.
const NARROWEST: usize = 14;

/// Between the lifelines: an arrow with flags and any sequence number.
const NUMBERED: usize = 28;

/// Between the lifelines, on terminals of any width.
const WIDEST: usize = 44;

/// The longest of the changes that are usual, `ESTABLISHED → CLOSE_WAIT`; one more in ASCII.
const USUAL_CHANGE: usize = 24;

/// The caption's wall-clock time: a space and `12:06:49.679`.
const CLOCK: usize = 13;

/// Positions in columns, from 0.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Columns {
    /// End of the times.
    pub(super) time_end: usize,
    /// The client's lifeline; its states end two columns before.
    pub(super) client: usize,
    /// Width between the lifelines.
    pub(super) between: usize,
    /// All there are.
    pub(super) width: usize,
    /// Sequence numbers are on the arrows.
    pub(super) numbered: bool,
    /// There are states at the client's side.
    pub(super) states: bool,
}

impl Columns {
    /// Columns for these rows.
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
        // The caption's clock may reach into the states, which it has none of.
        let longest_time = if states == 0 { longest_time.max(CLOCK - indent) } else { longest_time };
        let time_end = indent + longest_time;
        let client = time_end + gap + states;
        // The two lifelines, and a space behind the server's.
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

    /// The server's lifeline.
    pub(super) fn server(&self) -> usize {
        self.client + 1 + self.between
    }

    /// Width of the notes beside the ladder.
    pub(super) fn right(&self) -> usize {
        self.server() + 2
    }
}

/// The longest change of state at one end.
fn states(rows: &[Cells], role: Role) -> usize {
    let changes = rows.iter().filter_map(|cells| match cells {
        Cells::State { side, change, .. } if *side == role => Some(change.width()),
        _ => None,
    });
    changes.max().unwrap_or(0)
}

/// The longest arrow with everything on it.
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

/// Least width beside the arrows: room for the numbers.
fn numbers(rows: &[Cells], numbered: bool) -> usize {
    let beside = |arrow: &Arrow| {
        let first = arrow.details.pieces().next().map_or(0, |(_, text)| styled_text::columns(text));
        let number = arrow.number.as_ref().filter(|_| !numbered).map_or(0, |number| number.len() + 1);
        first + number
    };
    arrows(rows).map(beside).max().unwrap_or(0)
}
