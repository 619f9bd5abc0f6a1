//! The two hosts, the network between them and the time that passes: what happens when a plan is carried out.

use std::{cmp::Reverse, collections::BinaryHeap};

use crate::{
    effect::{Effect, Effects, Sender},
    endpoint::{self, Accepted, Endpoint, State},
    plan::{Act, Plan},
    random::Random,
    segment::{ACK, RST, SYN, Segment, Side, before},
};

/// After this, in nanoseconds, nobody looks any more. Below tcp_fin_timeout, which is not modelled.
const HORIZON: u64 = 30_000_000_000;

/// A segment that was sent once, and what became of it.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// The segment.
    pub segment: Segment,
    /// Who sent it; `None` for somebody else who used the end's name.
    pub sender: Option<Sender>,
    /// Which connection of the four-tuple it belongs to.
    pub generation: usize,
    /// With this reset its sender ended its own connection.
    pub ends_own: bool,
    /// It met an end of its own connection.
    pub met: bool,
    /// It answers a forged one.
    pub answers_forged: bool,
    /// How often it arrived.
    pub arrivals: u32,
    /// The part of it that was taken.
    pub accepted: Accepted,
}

/// Something that can be seen from somewhere.
#[derive(Clone, Copy, Debug)]
pub enum Happening {
    /// A segment leaves its sender's host.
    Sent(usize),
    /// It passes the middle of the network.
    Passed(usize),
    /// It comes to the other host, and is taken in there.
    Arrived(usize),
    /// A forged one comes out of nowhere, wherever one looks on its way.
    Forged(usize),
    /// A change of state, or a hint.
    Kernel(Effect),
}

/// The history of an exchange.
#[derive(Clone, Debug)]
pub struct History {
    /// The plan.
    pub plan: Plan,
    /// All segments that were sent.
    pub sent: Vec<Sent>,
    /// Events with their times, in order.
    pub log: Vec<(u64, Happening)>,
    /// When tracing stopped.
    pub end: u64,
    /// Sides that have forgotten a socket.
    pub forgot: [bool; 2],
}

/// No exchange has as many events.
const MOST: usize = 5_000;

#[derive(Clone, Copy, Debug)]
enum Due {
    Act(Side, Act),
    Pass(usize),
    Arrive(usize),
    Wake(Side),
    Forge(usize),
    OldDuplicate,
}

#[derive(Debug, Default)]
struct Host {
    end: Option<Endpoint>,
    reads: bool,
}

struct World {
    history: History,
    random: Random,
    hosts: [Host; 2],
    queue: BinaryHeap<Reverse<(u64, u64, usize)>>,
    due: Vec<Due>,
    now: u64,
    sockets: u64,
    losses: u32,
    /// The segment being received is forged.
    forged: bool,
}

impl History {
    /// Carries out the plan that belongs to `seed`.
    pub fn of(seed: u64) -> Self {
        Self::run(Plan::new(seed))
    }

    /// Carries out a plan.
    pub fn run(plan: Plan) -> Self {
        let random = Random::new(plan.seed ^ 0x5eed);
        let history = Self { plan, sent: Vec::new(), log: Vec::new(), end: 0, forgot: [false; 2] };
        let hosts = [Host { end: None, reads: true }, Host { end: None, reads: true }];
        let (queue, due) = (BinaryHeap::new(), Vec::new());
        let mut world = World { history, random, hosts, queue, due, now: 0, sockets: 0, losses: 0, forged: false };
        world.begin();
        let until = world.history.plan.stop.unwrap_or(HORIZON);
        while let Some(Reverse((at, _, index))) = world.queue.pop().filter(|Reverse((at, ..))| *at <= until) {
            world.now = at;
            assert!(world.history.log.len() < MOST, "seed {}: the ends never stop", world.history.plan.seed);
            world.happen(world.due[index]);
        }
        let mut history = world.history;
        let last = history.log.last().map_or(0, |&(at, _)| at);
        history.end = history.plan.stop.unwrap_or(last + 3_000_000_000).max(last);
        history
    }
}

impl World {
    fn begin(&mut self) {
        let plan = self.history.plan.clone();
        for (at, side, act) in plan.acts {
            self.at(at, Due::Act(side, act));
        }
        for (index, (at, ..)) in plan.forgeries.into_iter().enumerate() {
            self.at(at, Due::Forge(index));
        }
        for at in plan.old_duplicates {
            self.at(at, Due::OldDuplicate);
        }
    }

    fn at(&mut self, at: u64, due: Due) {
        let index = self.due.len();
        self.due.push(due);
        self.queue.push(Reverse((at, index as u64, index)));
    }

    fn happen(&mut self, due: Due) {
        match due {
            Due::Act(side, act) => self.act(side, act),
            Due::Pass(index) => self.history.log.push((self.now, Happening::Passed(index))),
            Due::Arrive(index) => self.arrive(index),
            Due::Wake(side) => self.with_end(side, Endpoint::wake),
            Due::Forge(index) => self.forge(index),
            Due::OldDuplicate => self.old_duplicate(),
        }
    }

    fn effects(&mut self, side: Side) -> Effects {
        let delay = self.history.plan.ack_delay[side as usize];
        Effects::new(self.now, delay)
    }

    fn with_end(&mut self, side: Side, act: impl FnOnce(&mut Endpoint, &mut Effects)) {
        let mut out = self.effects(side);
        if let Some(end) = &mut self.hosts[side as usize].end {
            act(end, &mut out);
        }
        self.done(side, out);
    }

    /// Shows what an end has done, and sees to its timers.
    fn done(&mut self, side: Side, mut out: Effects) {
        for effect in out.take() {
            match effect {
                Effect::Send { segment, sender, generation, ends_own } => {
                    self.send(segment, sender, generation, ends_own);
                }
                _ => {
                    self.history.log.push((self.now, Happening::Kernel(effect)));
                    self.notice(&effect);
                }
            }
        }
        let host = &mut self.hosts[side as usize];
        if host.end.as_ref().is_some_and(|end| end.state == State::Close) {
            host.end = None;
        }
        let due = host.end.as_ref().and_then(|end| end.rto_at.into_iter().chain(end.ack_at).min());
        if let Some(at) = due {
            self.at(at, Due::Wake(side));
        }
    }

    /// An application learns that the other end has sent everything.
    fn notice(&mut self, effect: &Effect) {
        if let Effect::State { side, new: State::CloseWait, .. } = *effect
            && let Some(delay) = self.history.plan.on_eof[side as usize]
        {
            self.at(self.now + delay, Due::Act(side, Act::Close));
        }
    }

    fn act(&mut self, side: Side, act: Act) {
        match act {
            Act::Connect(generation) => self.connect(side, generation),
            Act::StopReading => {
                self.hosts[side as usize].reads = false;
                self.with_end(side, |end, _| end.reads = false);
            }
            Act::Write(bytes) => self.with_end(side, |end, out| end.write(bytes, out)),
            Act::Shutdown => self.with_end(side, Endpoint::shutdown),
            Act::Close => self.with_end(side, Endpoint::close),
            Act::Abort => self.with_end(side, Endpoint::abort),
            Act::Forget => {
                let host = &mut self.hosts[side as usize];
                self.history.forgot[side as usize] |= host.end.take().is_some();
            }
        }
    }

    fn connect(&mut self, side: Side, generation: usize) {
        let plan = &self.history.plan;
        let (iss, setup) = (plan.isns[generation][side as usize], plan.setup);
        // The port is not free, unless what holds it is TIME_WAIT.
        if self.hosts[side as usize].end.as_ref().is_some_and(|end| !end.mini) {
            return;
        }
        self.sockets += 1;
        let mut out = self.effects(side);
        let end = Endpoint::connect(side, generation, self.sockets, iss, setup, &mut out);
        self.hosts[side as usize] = Host { end: Some(end), reads: true };
        self.done(side, out);
    }

    fn send(&mut self, segment: Segment, sender: Sender, generation: usize, ends_own: bool) {
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
        // A reset says something once: whoever lost one would have to be told by another.
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

    fn arrive(&mut self, index: usize) {
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

    /// A SYN of a later connection makes TIME_WAIT give way (RFC 6191).
    fn reuses(&self, side: Side, segment: &Segment, generation: usize) -> bool {
        let Some(end) = &self.hosts[side as usize].end else { return false };
        let is_syn = segment.flags & (SYN | ACK | RST) == SYN;
        let newer = before(end.rcv_nxt(), segment.seq)
            || segment.timestamp.zip(end.ts_recent()).is_some_and(|((value, _), recent)| before(recent, value));
        end.mini && end.state == State::TimeWait && is_syn && generation > end.generation && newer
    }

    fn forge(&mut self, index: usize) {
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

    /// A segment of an earlier connection has been on its way for long. RFC 9293 §3.5 has more to say of those that come to
    /// listeners; these come to the next connection.
    fn old_duplicate(&mut self) {
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
