//! The colour of a verdict, in every format.

use anstyle::{AnsiColor, Style};

use crate::verdict::{Close, CloseKind, Handshake, Outcome, Role};

/// The colour of a verdict, from the best to the worst.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Mood {
    /// A success that was seen completely.
    Good,
    /// Unfinished, incomplete, or given up by the client.
    Pending,
    /// A failure.
    Failed,
}

impl Mood {
    /// Returns the colour of a handshake; `None` if it was over before tracing began.
    pub(super) fn of_handshake(record: &Handshake) -> Option<Self> {
        let by_client = record.reset.is_some_and(|reset| reset.by == Role::Client);
        Some(match record.outcome? {
            Outcome::Established => Self::of_success(record.incomplete),
            Outcome::Reset if by_client => Self::Pending,
            _ => Self::Failed,
        })
    }

    /// Returns the colour of a close.
    pub(super) fn of_close(record: &Close) -> Self {
        match record.kind {
            CloseKind::Reset | CloseKind::TimedOut => Self::Failed,
            CloseKind::Unfinished | CloseKind::Unseen => Self::Pending,
            _ => Self::of_success(record.incomplete),
        }
    }

    fn of_success(incomplete: bool) -> Self {
        if incomplete { Self::Pending } else { Self::Good }
    }

    /// Returns the style on a terminal.
    pub(super) const fn style(self) -> Style {
        match self {
            Self::Good => AnsiColor::Green.on_default(),
            Self::Pending => AnsiColor::Yellow.on_default(),
            Self::Failed => AnsiColor::Red.on_default().bold(),
        }
    }
}
