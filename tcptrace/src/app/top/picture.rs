//! Drawing: the list with its heading, the ladder of a connection, and the line below them.

use ratatui_core::{
    buffer::Buffer,
    style::{Color, Modifier, Style},
    text::Line,
};

use super::ansi;
use tcptrace_core::{
    render::{
        Drawing,
        top::{Counts, Mode, Row, Standing, Top, View},
    },
    text::{HumanDuration, WallTime},
};

/// Minimum size of the terminal, in columns and lines.
const SMALLEST: (u16, u16) = (40, 10);

/// Number of lines around those of the list.
const AROUND_LIST: u16 = 6;

/// Number of lines around those of a ladder.
const AROUND_LADDER: u16 = 2;

/// Width of the first two columns.
const STATE: usize = 11;
const AGE: usize = 10;

/// Maximum widths of optional columns.
const PROCESS: usize = 24;
const BYTES: usize = 17;
const CONTAINER: usize = 20;

/// Width reserved for verdicts before optional columns are shown.
const VERDICT: usize = 24;

/// The keys, below the list and below a ladder.
const LIST_KEYS: &str = "Enter ladder  / filter  f failures  s sort  r reverse  w write  q quit";
const LADDER_KEYS: &str = "arrows PgUp PgDn scroll  End follow  w write  Esc back";

/// Facts shown besides the connections.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts<'a> {
    /// Time to which ages refer.
    pub(super) now: WallTime,
    /// Events and records lost.
    pub(super) lost: u64,
    /// The current activity in a word, such as `reading`.
    pub(super) activity: &'a str,
    /// The last message.
    pub(super) message: &'a str,
}

/// Draws the whole screen.
pub(super) fn draw(buffer: &mut Buffer, top: &Top, view: &mut View, drawing: Drawing, facts: Facts<'_>) {
    let area = buffer.area;
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        let (width, height) = SMALLEST;
        return put(buffer, area.y, &format!("needs {width}x{height}; q quits"), Style::new());
    }
    let counts = top.counts();
    put(buffer, area.y, &title(&counts, facts), Style::new().add_modifier(Modifier::BOLD));
    let last = area.bottom() - 1;
    if let Mode::Ladder(id, _) = *view.mode() {
        let lines = ansi::lines(&top.ladder(id, drawing, area.width.into()));
        let page = area.height - AROUND_LADDER;
        let first = view.ladder_line(lines.len(), page.into());
        for (y, line) in (area.y + 1..last).zip(lines.iter().skip(first)) {
            buffer.set_line(area.x, y, line, area.width);
        }
        return below(buffer, last, view, facts, LADDER_KEYS);
    }
    view.refresh(top, (area.height - AROUND_LIST).into(), facts.now);
    put(buffer, area.y + 1, &view.scope(&counts), Style::new());
    let (page, selected) = view.page();
    let rows: Vec<&Row> = page.iter().filter_map(|id| top.row(*id)).collect();
    let columns = Columns::of(&rows, area.width.into(), drawing);
    put(buffer, area.y + 2, &columns.heading(), Style::new().add_modifier(Modifier::UNDERLINED));
    for (index, (y, row)) in (area.y + 3..last - 2).zip(&rows).enumerate() {
        let mut style = if drawing.color { style(row.standing()) } else { Style::new() };
        if index == selected {
            style = style.add_modifier(Modifier::REVERSED);
        }
        put(buffer, y, &columns.line(row, facts.now, index == selected), style);
    }
    if let Some(row) = rows.get(selected) {
        let [first, second] = details(row, drawing, area.width.into());
        put(buffer, last - 2, &first, Style::new());
        put(buffer, last - 1, &second, Style::new());
    }
    below(buffer, last, view, facts, LIST_KEYS);
}

fn put(buffer: &mut Buffer, y: u16, text: &str, style: Style) {
    let (x, width) = (buffer.area.x, buffer.area.width);
    if y < buffer.area.bottom() {
        buffer.set_line(x, y, &Line::styled(text, style), width);
    }
}

fn title(counts: &Counts, facts: Facts<'_>) -> String {
    // A narrow terminal cuts off the end of the line.
    let lost = if facts.lost > 0 { format!("{} LOST, ", facts.lost) } else { String::new() };
    let mut title =
        format!("tcptrace top: {lost}{} open, {} stalled, {} failed", counts.open, counts.stalled, counts.failed);
    if counts.left_out > 0 {
        title += &format!(", {} no longer kept", counts.left_out);
    }
    if !facts.activity.is_empty() {
        title += &format!("; {}", facts.activity);
    }
    title
}

/// Draws the line at the bottom: the filter being typed, the status, or the keys.
fn below(buffer: &mut Buffer, y: u16, view: &View, facts: Facts<'_>, keys: &str) {
    let said = [view.status(), facts.message].into_iter().find(|text| !text.is_empty());
    let text = match view.mode() {
        Mode::Filter { text, .. } => format!("filter: {text}_  {}", view.status()),
        _ => said.unwrap_or(keys).to_owned(),
    };
    put(buffer, y, &text, Style::new());
}

fn style(standing: Standing) -> Style {
    match standing {
        Standing::Stalled => Style::new().fg(Color::Yellow),
        Standing::Failed => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
        Standing::Open | Standing::Ended => Style::new(),
    }
}

/// Returns details for which the line of a connection has no room, in two lines.
fn details(row: &Row, drawing: Drawing, width: usize) -> [String; 2] {
    let about = [ends(row, drawing), row.processes(), row.containers(), bytes(row)];
    let about = about.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  ");
    // A connection that was open at the start has no number until a record names it.
    let number = if row.id.is_existing() { about } else { format!("#{} {about}", row.id.conn) };
    [clipped(&number, width, drawing), clipped(&row.verdict(drawing.unicode), width, drawing)]
}

fn ends(row: &Row, drawing: Drawing) -> String {
    let arrow = match (row.knows_roles(), drawing.unicode) {
        (true, true) => "→",
        (true, false) => "->",
        (false, _) => "-",
    };
    row.endpoints().map(|[client, server]| format!("{client} {arrow} {server}")).unwrap_or_default()
}

/// Returns the bytes from the client and from the server.
fn bytes(row: &Row) -> String {
    let Some(bytes) = row.bytes() else { return String::new() };
    let text = |bytes: Option<u64>| bytes.map_or_else(|| "?".to_owned(), |bytes| bytes.to_string());
    format!("{}/{} B", text(bytes.client_to_server), text(bytes.server_to_client))
}

fn columns(text: &str) -> usize {
    Line::raw(text).width()
}

/// Returns a text of at most `width` columns.
fn clipped(text: &str, width: usize, drawing: Drawing) -> String {
    if columns(text) <= width {
        return text.to_owned();
    }
    let more = if drawing.unicode { "…" } else { "..." };
    let mut kept = text.to_owned();
    while columns(&kept) + columns(more) > width && kept.pop().is_some() {}
    kept + more
}

/// Returns a text of exactly `width` columns.
fn padded(text: &str, width: usize, drawing: Drawing) -> String {
    let mut text = clipped(text, width, drawing);
    text.extend(std::iter::repeat_n(' ', width.saturating_sub(columns(&text))));
    text
}

/// Widths of the columns of the list, 0 for hidden ones.
#[derive(Debug)]
struct Columns {
    drawing: Drawing,
    ends: usize,
    process: usize,
    bytes: usize,
    container: usize,
    verdict: usize,
}

impl Columns {
    /// Computes the columns for these connections in a line of `width` columns.
    fn of(rows: &[&Row], width: usize, drawing: Drawing) -> Self {
        let widest = |text: &dyn Fn(&Row) -> String| rows.iter().map(|row| columns(&text(row))).max().unwrap_or(0);
        let room = width.saturating_sub(1 + STATE + 1 + AGE + 1);
        let ends = widest(&|row| ends(row, drawing)).clamp(15, room.saturating_sub(VERDICT / 2).max(15));
        let mut verdict = room.saturating_sub(ends + 1);
        let mut optional = |wanted: usize, most: usize, head: usize| {
            let wanted = wanted.max(head).min(most);
            if wanted == 0 || verdict < VERDICT + wanted + 1 {
                return 0;
            }
            verdict -= wanted + 1;
            wanted
        };
        let process = optional(widest(&|row| row.processes()), PROCESS, 7);
        let bytes = optional(widest(&bytes), BYTES, 5);
        let containers = widest(&|row| row.containers());
        let container = if containers > 0 { optional(containers, CONTAINER, 9) } else { 0 };
        Self { drawing, ends, process, bytes, container, verdict }
    }

    fn join(&self, mark: &str, cells: [&str; 7]) -> String {
        let widths = [STATE, AGE, self.ends, self.process, self.bytes, self.container, self.verdict];
        let cells = cells.iter().zip(widths).filter(|(_, width)| *width > 0);
        let cells: Vec<String> = cells.map(|(cell, width)| padded(cell, width, self.drawing)).collect();
        mark.to_owned() + &cells.join(" ")
    }

    fn heading(&self) -> String {
        let ends = if self.drawing.unicode { "client → server" } else { "client -> server" };
        self.join(" ", ["state", "age", ends, "process", "bytes", "container", "verdict"])
    }

    fn line(&self, row: &Row, now: WallTime, selected: bool) -> String {
        let age = HumanDuration(row.age_ns(now)).to_string();
        self.join(
            if selected { ">" } else { " " },
            [
                row.state(),
                &age,
                &ends(row, self.drawing),
                &row.processes(),
                &bytes(row),
                &row.containers(),
                &row.verdict(self.drawing.unicode),
            ],
        )
    }
}

#[cfg(test)]
mod tests;
