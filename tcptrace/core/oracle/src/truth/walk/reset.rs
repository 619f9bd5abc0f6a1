//! Resets as they are seen, and those of them that count.

use super::Walk;
use crate::{
    effect::{Cause, Effect},
    endpoint::State,
    history::{Happening, History, Sent},
    segment::{Side, within},
};

/// A reset that counts.
#[derive(Clone, Copy, Debug)]
pub(in crate::truth) struct Reset {
    pub(in crate::truth) order: usize,
    pub(in crate::truth) by: Side,
    pub(in crate::truth) cause: Option<Cause>,
    /// It ended its sender's connection, but the other end refused it.
    pub(in crate::truth) unconfirmed: bool,
    /// The other end accepted it.
    pub(in crate::truth) accepted: bool,
    /// Both FINs had been acknowledged before.
    pub(in crate::truth) late: bool,
    /// Its number is none of those that are seen to be sent and not acknowledged.
    pub(in crate::truth) odd: bool,
    /// New data of its end, which it has overtaken, is seen after it.
    pub(in crate::truth) overtook: bool,
}

impl Walk {
    /// Returns true if a reset of this end with this offset may be accepted, as far as is seen: its number is sent and
    /// not acknowledged, or that of a FIN, which Linux accepts as well.
    pub(super) fn is_plausible(&self, side: Side, seq: u32) -> bool {
        let acked = self.acked[side as usize].unwrap_or(0);
        let claimed = self.claimed[side as usize];
        claimed.is_some_and(|claimed| {
            within(acked, seq, claimed) || self.fin[side as usize].is_some() && seq == claimed.wrapping_sub(1)
        })
    }

    /// Returns true if an end has accepted no reset, but the states of these ends and the segments do not prove that.
    pub(in crate::truth) fn may_be_reset(&self, has_states: impl Fn(Side) -> bool) -> bool {
        Side::BOTH
            .into_iter()
            .filter(|side| !has_states(side.other()))
            .any(|side| self.plausible_reset[side as usize] || self.forged_reset[side as usize].is_some())
    }

    pub(super) fn reset(&mut self, history: &History, sent: &Sent, order: usize, odd: bool) {
        let by = sent.segment.from;
        let counts = sent.ends_own || sent.accepted.rst;
        if !counts || self.resets[by as usize].is_some() {
            return;
        }
        let late = self.fin_acked.iter().all(Option::is_some);
        let unconfirmed = sent.ends_own && sent.met && !sent.accepted.rst;
        let cause = cause(history, sent);
        let accepted = sent.accepted.rst;
        self.resets[by as usize] = Some(Reset { order, by, cause, unconfirmed, accepted, late, odd, overtook: false });
    }

    /// Returns true if a reset that counts is seen, or the acknowledgements of both FINs.
    pub(super) fn is_over(&self) -> bool {
        self.first_reset().is_some() || self.fin_acked.iter().all(Option::is_some)
    }

    /// Returns the reset that is seen first.
    pub(in crate::truth) fn first_reset(&self) -> Option<Reset> {
        self.resets.iter().flatten().min_by_key(|reset| reset.order).copied()
    }
}

/// Returns the reason that the kernel of the sender gave last before the reset.
fn cause(history: &History, sent: &Sent) -> Option<Cause> {
    let side = sent.segment.from;
    let is_it = |what: &Happening| match what {
        Happening::Sent(index) => std::ptr::eq(&history.sent[*index], sent),
        _ => false,
    };
    let at = history.log.iter().position(|(_, what)| is_it(what))?;
    history.log[..at].iter().rev().find_map(|(_, what)| match *what {
        Happening::Kernel(Effect::ResetHint { side: by, cause, .. }) if by == side => Some(cause),
        Happening::Kernel(Effect::State { side: by, new: State::Close, cause: Some(cause), .. }) if by == side => {
            Some(cause)
        }
        _ => None,
    })
}
