//! State of an end that matters while its connection is opened or closed, but not in between.

use std::num::NonZeroU64;

use super::{End, Fin, Rst, Sent, socket::SocketFacts, undecided::Undecided};
use crate::{
    event::BootTime,
    tcp::{OptionBytes, SeqNumber},
};

/// State of an end that matters while its connection is opened or closed, but not in between.
#[derive(Clone, Debug, Default)]
pub(super) struct Detail {
    evidence: Option<Box<Evidence>>,
    /// Its FIN, once the verdict on its close was given.
    ended_by: Option<EndedBy>,
    /// TSval of the last segment that the other end received in order (RFC 7323 §4.3, TS.Recent), if all segments are
    /// recorded.
    pub(super) ts_recent: Option<u32>,
    exceptions: Option<Box<Exceptions>>,
    pub(super) socket_facts: Option<Box<SocketFacts>>,
}

/// What the verdicts depend on, and nothing that comes later: tens of thousands of ended connections are kept.
#[derive(Clone, Debug, Default)]
struct Evidence {
    opening: Opening,
    fin: Option<Fin>,
    /// Nanoseconds from the last segment with data of either end to its FIN or reset, if that was the first one and no socket of
    /// this host is known.
    idle_ns: Option<u64>,
}

/// What an end has sent to open its connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Opening {
    pub(super) syn: Option<Sent>,
    pub(super) synack: Option<Sent>,
    pub(super) options: Option<OptionBytes>,
    /// ISN of its last SYN,ACK, if it differs from the first one's.
    pub(super) other_isn: Option<SeqNumber>,
}

/// The FIN of an ended connection: what is left of [`Fin`].
#[derive(Clone, Copy, Debug)]
struct EndedBy {
    /// Offset from the ISN of the number after it.
    end: NonZeroU64,
    /// Time at which it was acknowledged, or [`NEVER`].
    acked: BootTime,
}

/// What most connections do without: many of them are kept until they are forgotten.
#[derive(Clone, Debug, Default)]
struct Exceptions {
    resets: Option<Resets>,
    /// Its segments about which later ones decide.
    undecided: Option<Box<Undecided>>,
}

/// The resets of an end that matter.
#[derive(Clone, Debug, Default)]
pub(super) struct Resets {
    /// The first one whose number the other end accepts.
    pub(super) accepted: Option<Rst>,
    /// The last one whose number the other end does not accept.
    pub(super) odd: Option<Rst>,
}

impl Exceptions {
    fn is_empty(&self) -> bool {
        self.undecided.is_none()
            && self.resets.as_ref().is_none_or(|resets| resets.accepted.is_none() && resets.odd.is_none())
    }
}

impl End {
    pub(super) fn detail_mut(&mut self) -> &mut Detail {
        self.detail.get_or_insert_default()
    }

    fn evidence(&self) -> Option<&Evidence> {
        self.detail.as_ref()?.evidence.as_deref()
    }

    fn evidence_mut(&mut self) -> &mut Evidence {
        self.detail_mut().evidence.get_or_insert_default()
    }

    pub(super) fn opening(&self) -> Option<&Opening> {
        self.evidence().map(|evidence| &evidence.opening)
    }

    pub(super) fn opening_mut(&mut self) -> &mut Opening {
        &mut self.evidence_mut().opening
    }

    /// Returns its FIN, to be changed until the verdict on its close was given; `None` if it has sent none.
    pub(super) fn known_fin(&mut self) -> Option<&mut Fin> {
        self.detail.as_mut()?.evidence.as_mut()?.fin.as_mut()
    }

    /// Withdraws its FIN if `wrong` holds for it.
    pub(super) fn withdraw_fin_if(&mut self, wrong: impl FnOnce(&mut Fin) -> bool) -> Option<Fin> {
        self.detail.as_mut()?.evidence.as_mut()?.fin.take_if(wrong)
    }

    /// Sets its FIN, unless the verdict on its close was given.
    pub(super) fn set_fin(&mut self, fin: Option<Fin>) {
        if self.detail_mut().ended_by.is_none() {
            self.evidence_mut().fin = fin;
        }
    }

    fn exceptions(&self) -> Option<&Exceptions> {
        self.detail.as_ref()?.exceptions.as_deref()
    }

    /// Returns true if it is or was in need of state that most connections do without.
    pub(super) fn has_exceptions(&self) -> bool {
        self.exceptions().is_some()
    }

    fn exceptions_mut(&mut self) -> &mut Exceptions {
        self.detail_mut().exceptions.get_or_insert_default()
    }

    fn known_exceptions(&mut self) -> Option<&mut Exceptions> {
        self.detail.as_mut()?.exceptions.as_deref_mut()
    }

    pub(super) fn undecided(&self) -> Option<&Undecided> {
        self.exceptions()?.undecided.as_deref()
    }

    /// Returns its segments about which later ones decide, if there were any.
    pub(super) fn known_undecided(&mut self) -> Option<&mut Undecided> {
        self.known_exceptions()?.undecided.as_deref_mut()
    }

    pub(super) fn undecided_mut(&mut self) -> &mut Undecided {
        self.exceptions_mut().undecided.get_or_insert_default()
    }

    /// Returns its SYNs without ACK, while it opens.
    pub(in crate::correlate) fn syn(&self) -> Option<Sent> {
        self.opening()?.syn
    }

    /// Returns its SYNs with ACK, while it opens.
    pub(in crate::correlate) fn synack(&self) -> Option<Sent> {
        self.opening()?.synack
    }

    /// Returns the options of its first SYN.
    pub(in crate::correlate) fn options(&self) -> Option<OptionBytes> {
        self.opening()?.options
    }

    /// Returns its first FIN. Of an ended connection, only its number and its acknowledgement are known.
    pub(in crate::correlate) fn fin(&self) -> Option<Fin> {
        let ended_by = || self.detail.as_ref()?.ended_by;
        let known = self.evidence().and_then(|evidence| evidence.fin);
        known.or_else(|| ended_by().map(|EndedBy { end, acked }| Fin::ended(end.get(), acked)))
    }

    /// Returns its first reset whose number the other end accepts.
    pub(in crate::correlate) fn rst(&self) -> Option<Rst> {
        self.resets()?.accepted
    }

    /// Returns true if a reset of it was seen, accepted or not.
    pub(in crate::correlate) fn has_reset(&self) -> bool {
        self.resets().is_some()
    }

    pub(super) fn resets(&self) -> Option<&Resets> {
        self.exceptions()?.resets.as_ref()
    }

    /// Returns its resets, if it has sent one.
    pub(super) fn known_resets(&mut self) -> Option<&mut Resets> {
        self.known_exceptions()?.resets.as_mut()
    }

    /// Returns its resets, none at first.
    pub(super) fn resets_mut(&mut self) -> &mut Resets {
        self.exceptions_mut().resets.get_or_insert_default()
    }

    /// Returns the nanoseconds from the last segment with data of either end to its FIN or reset, if that was the first one and
    /// no socket of this host is known.
    pub(in crate::correlate) fn idle_ns(&self) -> Option<u64> {
        self.evidence()?.idle_ns
    }

    /// Sets these nanoseconds.
    pub(in crate::correlate) fn set_idle_ns(&mut self, idle_ns: Option<u64>) {
        self.evidence_mut().idle_ns = idle_ns;
    }

    /// Drops what is not needed once the handshake was reported.
    pub(in crate::correlate) fn forget_opening(&mut self) {
        if let Some(detail) = &mut self.detail {
            if let Some(evidence) = &mut detail.evidence {
                evidence.opening = Opening::default();
                if evidence.fin.is_none() && evidence.idle_ns.is_none() {
                    detail.evidence = None;
                }
            }
            if let Some(facts) = &mut detail.socket_facts {
                facts.opener_thread = None;
                let SocketFacts { closed, reset_hint, opener_thread: _, closer, left, opening_retransmissions, states } =
                    &**facts;
                if closed.is_none()
                    && reset_hint.is_none()
                    && closer.is_none()
                    && left.is_none()
                    && *opening_retransmissions == 0
                    && states.is_empty()
                {
                    detail.socket_facts = None;
                }
            }
            let Detail { evidence, ended_by, ts_recent, exceptions, socket_facts } = &**detail;
            let ordinary = exceptions.as_ref().is_none_or(|exceptions| exceptions.is_empty());
            let nothing = evidence.is_none() && ended_by.is_none() && ts_recent.is_none();
            if nothing && ordinary && socket_facts.is_none() {
                self.detail = None;
            }
        }
    }

    /// Drops what is not needed once the verdict on its close was given.
    pub(in crate::correlate) fn forget_evidence(&mut self) {
        self.forget_opening();
        if let Some(detail) = &mut self.detail
            && let Some(fin) = detail.evidence.take().and_then(|evidence| evidence.fin)
        {
            detail.ended_by = NonZeroU64::new(fin.end).map(|end| EndedBy { end, acked: fin.acked });
        }
    }

    /// Returns true if it has state that matters only while its connection is opened or closed.
    pub(in crate::correlate) fn has_detail(&self) -> bool {
        self.detail.is_some()
    }
}
