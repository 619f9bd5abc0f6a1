//! FINs as they are seen.

use super::Walk;
use crate::{
    history::{History, Sent},
    segment::{ACK, FIN, RST, Side},
};

/// A FIN as it is first seen.
#[derive(Clone, Copy, Debug)]
pub(in crate::truth) struct Fin {
    /// Position in the view.
    pub(in crate::truth) order: usize,
    /// It acknowledges the other end's FIN.
    pub(in crate::truth) acks_other: bool,
    /// Its first transmission was not seen, or it arrived and was refused.
    pub(in crate::truth) doubtful: bool,
    /// It arrived and was refused.
    pub(in crate::truth) refused: bool,
    /// It never arrived.
    pub(in crate::truth) lost: bool,
    /// A segment of its end that acknowledges the other end's FIN was sent and seen before it.
    pub(in crate::truth) acked_before: bool,
    /// Such a segment was sent before it and is seen after it, or the other way round.
    pub(in crate::truth) overtaken: bool,
}

impl Walk {
    /// Returns the offset after this end's FIN, if it has sent one.
    pub(in crate::truth) fn fin_end(&self, history: &History, side: Side) -> Option<u32> {
        let isn = history.plan.isns[self.generation][side as usize];
        let is_fin = |sent: &&Sent| {
            sent.sender.is_some()
                && sent.generation == self.generation
                && sent.segment.from == side
                && sent.segment.has(FIN)
        };
        history.sent.iter().find(is_fin).map(|sent| sent.segment.end().wrapping_sub(isn))
    }

    pub(super) fn first_fin(&self, history: &History, index: usize, order: usize) -> Fin {
        let sent = &history.sent[index];
        let side = sent.segment.from;
        let isns = history.plan.isns[self.generation];
        let acks = |sent: &Sent| {
            let ack = sent.segment.ack.wrapping_sub(isns[side.other() as usize]);
            self.fin_end(history, side.other()).is_some_and(|end| sent.segment.has(ACK) && ack == end)
        };
        let own =
            |sent: &Sent| sent.sender.is_some() && sent.generation == self.generation && sent.segment.from == side;
        let earlier = |sent: &Sent| own(sent) && !sent.segment.has(RST);
        let first = history.sent[..index].iter().all(|sent| !(earlier(sent) && sent.segment.has(FIN)));
        let sent_before = history.sent[..index].iter().any(|sent| earlier(sent) && acks(sent));
        let seen_before = self.fin_acked[side.other() as usize].is_some();
        let refused = sent.arrivals > 0 && !sent.accepted.fin;
        Fin {
            order,
            acks_other: acks(sent),
            doubtful: !first || refused,
            refused,
            lost: sent.arrivals == 0,
            acked_before: seen_before && sent_before,
            overtaken: seen_before != sent_before,
        }
    }

    /// Returns the end whose FIN is seen first.
    pub(in crate::truth) fn first_fin_by(&self) -> Option<Side> {
        let order = |side: &Side| self.fin[*side as usize].map(|fin| fin.order);
        Side::BOTH.into_iter().filter(|side| order(side).is_some()).min_by_key(order)
    }
}
