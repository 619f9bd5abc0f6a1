//! Colours: related items share a style, failures stand out.

use anstyle::{AnsiColor, Style};

use crate::tcp::TcpFlags;

pub(super) const TIME: Style = Style::new().dimmed();
pub(super) const STATE: Style = Style::new().bold();
pub(super) const TROUBLE: Style = AnsiColor::Red.on_default();

/// Without the colours of flags and those that are hard to read on black or white.
const CONNS: [AnsiColor; 6] = [
    AnsiColor::Cyan,
    AnsiColor::Magenta,
    AnsiColor::Blue,
    AnsiColor::BrightCyan,
    AnsiColor::BrightMagenta,
    AnsiColor::BrightBlue,
];

/// Returns the style of a connection's number: the same throughout, and different from its neighbours'.
pub(super) fn of_conn(conn: u64) -> Style {
    let index = usize::try_from(conn % CONNS.len() as u64).unwrap_or_default();
    CONNS.get(index).map_or(Style::new(), |color| color.on_default())
}

/// Returns the style of a segment's flags: green for SYN, yellow for FIN, red for RST.
pub(super) fn of_flags(flags: TcpFlags) -> Style {
    if flags.contains(TcpFlags::RST) {
        TROUBLE
    } else if flags.contains(TcpFlags::FIN) {
        AnsiColor::Yellow.on_default()
    } else if flags.contains(TcpFlags::SYN) {
        AnsiColor::Green.on_default()
    } else {
        Style::new()
    }
}

/// Returns a record's sentence with characters that the reader's terminal can show.
pub(super) fn sentence(summary: &str, unicode: bool) -> std::borrow::Cow<'_, str> {
    if unicode || summary.is_ascii() {
        return summary.into();
    }
    summary.replace('→', "->").replace('←', "<-").into()
}
