//! The network between the hosts: delays, losses, copies, forged segments, and the segments that arrive.

use super::{Due, World};
use crate::{
    effect::{Effects, Sender},
    endpoint::{self, Accepted, State},
    history::{Happening, Sent},
    segment::{ACK, RST, SYN, Segment, Side, before},
};

impl World {
    pub(super) fn send(&mut self, segment: Segment, sender: Sender, generation: usize, ends_own: bool) {
        let index = self.history.sent.len();
        let (arrivals, accepted) = (0, Accepted::default());
        self.history.sent.push(Sent {
            segment,
            sender: Some(sender),
            generation,
            ends_own,
            met: false,
            answers_forged: self.forged,
            arrivals,
            accepted,
        });
        self.history.log.push((self.now, Happening::Sent(index)));
        let network = self.history.plan.network;
        if network.silent_from.is_some_and(|from| self.now >= from) {
            return;
        }
        let delay = network.delay + self.random.below(network.jitter + 1);
        let (pass, arrive) = (self.now + delay / 2, self.now + delay);
        // Resets are never lost: they are not retransmitted.
        if !segment.has(RST) && self.losses < network.losses && self.random.percent(network.loss) {
            self.losses += 1;
            if self.random.percent(50) {
                self.at(pass, Due::Pass(index));
            }
            return;
        }
        self.at(pass, Due::Pass(index));
        self.at(arrive, Due::Arrive(index));
        if !segment.has(SYN) && !segment.has(RST) && self.random.percent(network.duplicates) {
            let late = self.random.below(4 * network.delay + 1);
            self.at(pass + late, Due::Pass(index));
            self.at(arrive + late, Due::Arrive(index));
        }
    }

    pub(super) fn arrive(&mut self, index: usize) {
        self.history.log.push((self.now, Happening::Arrived(index)));
        self.take_in(index);
    }

    fn take_in(&mut self, index: usize) {
        let Sent { segment, generation, sender, .. } = self.history.sent[index];
        self.forged = sender.is_none();
        let side = segment.from.other();
        let mut out = Effects { answering: Some(generation), ..self.effects(side) };
        let reused = self.reuses(side, &segment, generation);
        let host = &mut self.hosts[side as usize];
        let met = host.end.as_ref().is_some_and(|end| end.generation == generation);
        let accepted = match host.end.as_mut().filter(|_| !reused) {
            Some(end) => end.arrive(&segment, &mut out),
            None if self.history.plan.listening && side == Side::Server => {
                self.sockets += 1;
                let (plan, socket) = (&self.history.plan, self.sockets);
                let iss = plan.isns[generation][side as usize];
                host.end = endpoint::listen(&segment, generation, socket, iss, plan.setup, &mut out);
                if let Some(end) = &mut host.end {
                    end.reads = host.reads || generation > 0;
                }
                Accepted { syn: host.end.is_some(), ..Accepted::default() }
            }
            None => {
                endpoint::stack_answer(&segment, generation, &mut out);
                Accepted::default()
            }
        };
        let sent = &mut self.history.sent[index];
        sent.arrivals += 1;
        sent.met |= met;
        sent.accepted.rst |= accepted.rst;
        sent.accepted.fin |= accepted.fin;
        sent.accepted.ack |= accepted.ack;
        sent.accepted.syn |= accepted.syn;
        self.done(side, out);
        self.forged = false;
    }

    /// Returns true if the segment is a SYN that replaces a connection in TIME_WAIT (RFC 6191).
    fn reuses(&self, side: Side, segment: &Segment, generation: usize) -> bool {
        let Some(end) = &self.hosts[side as usize].end else { return false };
        let is_syn = segment.flags & (SYN | ACK | RST) == SYN;
        let newer = before(end.rcv_nxt(), segment.seq)
            || segment.timestamp.zip(end.ts_recent()).is_some_and(|((value, _), recent)| before(recent, value));
        end.mini && end.state == State::TimeWait && is_syn && generation > end.generation && newer
    }

    pub(super) fn forge(&mut self, index: usize) {
        let (_, target, forgery) = self.history.plan.forgeries[index];
        let Some(end) = &self.hosts[target as usize].end else { return };
        let generation = end.generation;
        let Some(segment) = forgery.make(end, &mut self.random) else { return };
        let index = self.history.sent.len();
        let (arrivals, accepted) = (0, Accepted::default());
        self.history.sent.push(Sent {
            segment,
            sender: None,
            generation,
            ends_own: false,
            met: false,
            answers_forged: false,
            arrivals,
            accepted,
        });
        self.history.log.push((self.now, Happening::Forged(index)));
        self.take_in(index);
    }

    /// Delivers an old duplicate of an earlier generation to the next one. Those that reach a listener (RFC 9293 §3.5)
    /// are not modelled.
    pub(super) fn old_duplicate(&mut self) {
        let Some(of) = (!self.history.sent.is_empty()).then(|| self.random.below(self.history.sent.len() as u64))
        else {
            return;
        };
        let old = self.history.sent[of as usize];
        let Some(end) = &self.hosts[old.segment.from.other() as usize].end else { return };
        let opening = end.state == State::SynSent && !old.segment.has(SYN);
        let fits = (end.synchronised() || opening) && !end.mini && end.generation > old.generation;
        if fits && old.sender.is_some() && old.arrivals > 0 {
            self.history.log.push((self.now, Happening::Passed(of as usize)));
            self.arrive(of as usize);
        }
    }
}
