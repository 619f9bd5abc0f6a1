//! Colours: what belongs together looks the same, what went wrong stands out.

use anstyle::{AnsiColor, Style};

use crate::tcp::TcpFlags;

pub(super) const TIME: Style = Style::new().dimmed();
pub(super) const STATE: Style = Style::new().bold();
pub(super) const TROUBLE: Style = AnsiColor::Red.on_default();

/// Without the colours of flags, and without the ones that are hard to read on black or white.
const CONNS: [AnsiColor; 6] = [
    AnsiColor::Cyan,
    AnsiColor::Magenta,
    AnsiColor::Blue,
    AnsiColor::BrightCyan,
    AnsiColor::BrightMagenta,
    AnsiColor::BrightBlue,
];

/// The look of a connection's number: always the same one, and not that of its neighbours.
pub(super) fn of_conn(conn: u64) -> Style {
    let index = usize::try_from(conn % CONNS.len() as u64).unwrap_or_default();
    CONNS.get(index).map_or(Style::new(), |color| color.on_default())
}

/// The look of a segment's flags: beginnings green, orderly ends yellow, aborts red.
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

/// A record's sentence as the reader's terminal can show it.
pub(super) fn sentence(summary: &str, unicode: bool) -> std::borrow::Cow<'_, str> {
    if unicode || summary.is_ascii() {
        return summary.into();
    }
    summary.replace('→', "->").replace('←', "<-").into()
}
