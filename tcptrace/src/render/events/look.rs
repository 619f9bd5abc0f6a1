//! Colours: what belongs together looks the same, what went wrong stands out.

use anstyle::{AnsiColor, Style};

use super::Events;
use crate::{render::line::Line, tcp::TcpFlags};

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

impl Events {
    /// Writes something in the look it should have, if looks are wanted.
    pub(super) fn look<'a, 'b>(
        &self,
        style: Style,
        line: &'a mut Line<'b>,
        write: impl for<'c> FnOnce(&'c mut Line<'b>) -> &'c mut Line<'b>,
    ) -> &'a mut Line<'b> {
        if self.color {
            line.display(style.render());
            write(line);
            line.display(style.render_reset())
        } else {
            write(line);
            line
        }
    }
}
