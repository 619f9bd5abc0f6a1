//! FINs as they show.

use super::Walk;
use crate::{
    history::{History, Sent},
    segment::{ACK, FIN, RST, Side},
};

/// A FIN as it first shows.
#[derive(Clone, Copy, Debug)]
pub(in crate::truth) struct Fin {
    /// Where in the order.
    pub(in crate::truth) order: usize,
    /// It acknowledges the other end's FIN.
    pub(in crate::truth) acks_other: bool,
    /// It was not seen as it was first sent, or it arrived and was not accepted as that.
    pub(in crate::truth) doubtful: bool,
    /// It has arrived, and nobody took it.
    pub(in crate::truth) refused: bool,
    /// It has never arrived.
    pub(in crate::truth) lost: bool,
    /// Another segment of its end that acknowledges the other end's FIN shows before it.
    pub(in crate::truth) acked_before: bool,
    /// Another one was sent before it and shows after it, or it shows before it without the FIN that it acknowledges.
    pub(in crate::truth) overtaken: bool,
}

impl Walk {
    /// The number after this end's FIN, from its ISN, if it has sent one at all.
    pub(super) fn fin_end(&self, history: &History, side: Side) -> Option<u32> {
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

    /// The end whose FIN shows first.
    pub(in crate::truth) fn first_fin_by(&self) -> Option<Side> {
        let order = |side: &Side| self.fin[*side as usize].map(|fin| fin.order);
        Side::BOTH.into_iter().filter(|side| order(side).is_some()).min_by_key(order)
    }
}
