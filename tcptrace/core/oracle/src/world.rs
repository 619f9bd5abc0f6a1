//! The two hosts and the time that passes: carries out a plan.

mod network;

use std::{cmp::Reverse, collections::BinaryHeap};

use crate::{
    effect::{Effect, Effects},
    endpoint::{Endpoint, State},
    history::{Happening, History},
    plan::{Act, Plan},
    random::Random,
    segment::Side,
};

/// Time after which an exchange is cut off, in nanoseconds: less than tcp_fin_timeout, which is not modelled.
const HORIZON: u64 = 30_000_000_000;

/// Maximum number of events, which no exchange reaches.
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
    /// True while a forged segment is handled.
    forged: bool,
}

impl History {
    /// Carries out the plan of `seed`.
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

    /// Records the effects of an end and schedules its timers.
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

    /// Schedules the application's reaction to the other end's FIN.
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
        // The port is in use, unless only a timewait socket has it.
        if self.hosts[side as usize].end.as_ref().is_some_and(|end| !end.mini) {
            return;
        }
        self.sockets += 1;
        let mut out = self.effects(side);
        let end = Endpoint::connect(side, generation, self.sockets, iss, setup, &mut out);
        self.hosts[side as usize] = Host { end: Some(end), reads: true };
        self.done(side, out);
    }
}
