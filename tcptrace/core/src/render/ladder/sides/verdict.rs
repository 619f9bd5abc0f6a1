//! Verdicts on the sides of a translated connection, and whether they agree.

use crate::{
    event::Role,
    verdict::{Bytes, Close, CloseKind, Handshake, HandshakeKind, Outcome, Reset, ResetCause, Turn, WaitingFor},
};

/// The part of a record in which the sides of one connection agree, unless something between them interferes.
#[derive(Clone, Copy, Debug)]
pub(in crate::render::ladder) enum Verdict {
    Handshake {
        kind: HandshakeKind,
        outcome: Option<Outcome>,
        waiting_for: Option<WaitingFor>,
        reset: Option<Reset>,
    },
    Close {
        kind: CloseKind,
        initiator: Option<Role>,
        reset: Option<Reset>,
        bytes: Bytes,
    },
    /// Reported at this time, in nanoseconds since 1970.
    Stalled {
        turn: Option<Turn>,
        at: i64,
    },
    /// The phase is not over.
    Open,
}

impl From<&Handshake> for Verdict {
    fn from(&Handshake { kind, outcome, waiting_for, reset, .. }: &Handshake) -> Self {
        Self::Handshake { kind, outcome, waiting_for, reset }
    }
}

impl From<&Close> for Verdict {
    fn from(&Close { kind, initiator, reset, bytes, .. }: &Close) -> Self {
        Self::Close { kind, initiator, reset, bytes }
    }
}

impl Verdict {
    pub(super) fn is_of_phase_of(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }

    /// Returns true if it does not contradict the other one, as far as both know.
    pub(super) fn agrees(&self, other: &Self) -> bool {
        let same_reset = |one: Option<Reset>, other: Option<Reset>| match (one, other) {
            (Some(one), Some(other)) => {
                one.by == other.by
                    && (one.cause == other.cause || [one.cause, other.cause].contains(&ResetCause::Unknown))
            }
            (one, other) => one.is_none() && other.is_none(),
        };
        let same_number = |one: Option<u64>, other: Option<u64>| one.zip(other).is_none_or(|(one, other)| one == other);
        match (*self, *other) {
            (
                Self::Handshake { kind, outcome, waiting_for, reset },
                Self::Handshake {
                    kind: other_kind,
                    outcome: other_outcome,
                    waiting_for: other_waits,
                    reset: other_reset,
                },
            ) => {
                (outcome, waiting_for) == (other_outcome, other_waits)
                    && same_reset(reset, other_reset)
                    && (kind == other_kind || self.is_vague() || other.is_vague())
            }
            (
                Self::Close { kind, initiator, reset, bytes },
                Self::Close { kind: other_kind, initiator: other_initiator, reset: other_reset, bytes: other_bytes },
            ) => {
                initiator == other_initiator
                    && same_reset(reset, other_reset)
                    && (kind == other_kind || self.is_vague() || other.is_vague())
                    && same_number(bytes.client_to_server, other_bytes.client_to_server)
                    && same_number(bytes.server_to_client, other_bytes.server_to_client)
            }
            (Self::Stalled { turn, .. }, Self::Stalled { turn: other, .. }) => turn == other,
            _ => false,
        }
    }

    /// Returns true if it does not show what became of the segments, which another side may know.
    pub(super) fn is_vague(&self) -> bool {
        match self {
            Self::Handshake { kind, .. } => *kind == HandshakeKind::Unseen,
            Self::Close { kind, .. } => matches!(kind, CloseKind::Orderly | CloseKind::Unseen),
            Self::Stalled { .. } | Self::Open => false,
        }
    }

    /// Returns true if nothing follows on its side: a handshake that failed, or a close.
    pub(super) fn is_final(&self) -> bool {
        self.word().is_some()
    }

    /// Returns its word and, of a reset, the cause if that is known: `refused (no_listener)`. `None` if it is not final.
    pub(in crate::render::ladder) fn words(&self) -> Option<String> {
        let word = self.word()?;
        Some(match self.reset().map(|reset| reset.cause) {
            Some(cause) if cause != ResetCause::Unknown => format!("{word} ({})", <&'static str>::from(cause)),
            _ => word.to_owned(),
        })
    }

    fn word(&self) -> Option<&'static str> {
        match *self {
            Self::Handshake { outcome, .. } => {
                outcome.filter(|&outcome| outcome != Outcome::Established).map(Into::into)
            }
            Self::Close { kind, .. } => Some(kind.into()),
            Self::Stalled { .. } | Self::Open => None,
        }
    }

    fn reset(&self) -> Option<Reset> {
        match *self {
            Self::Handshake { reset, .. } | Self::Close { reset, .. } => reset,
            Self::Stalled { .. } | Self::Open => None,
        }
    }

    /// Returns true if the cause of a reset is proven.
    pub(super) fn has_cause(&self) -> bool {
        self.reset().is_some_and(|reset| reset.cause != ResetCause::Unknown)
    }
}
