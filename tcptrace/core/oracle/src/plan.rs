//! What is to happen in an exchange, made up from a seed: who opens, writes and closes when, how good the network is, and
//! what somebody else sends under the name of an end.

use crate::{endpoint::Setup, forge::Forgery, random::Random, segment::Side};

const MICROSECOND: u64 = 1_000;
pub(crate) const MILLISECOND: u64 = 1_000_000;

/// An act of an application or its host.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    /// connect(), as the connection of this number.
    Connect(usize),
    /// Nobody reads what comes from now on.
    StopReading,
    /// write() of so many bytes.
    Write(u32),
    /// shutdown(SHUT_WR)
    Shutdown,
    /// close()
    Close,
    /// close() with SO_LINGER 0.
    Abort,
    /// The host loses the socket and tells nobody: it has restarted, or its address has moved.
    Forget,
}

/// The network between the ends.
#[derive(Clone, Copy, Debug)]
pub struct Network {
    /// The least time a segment takes, in nanoseconds.
    pub delay: u64,
    /// What may come on top of that: segments overtake each other where it is large.
    pub jitter: u64,
    /// How many of a hundred segments get lost, as long as `losses` lasts.
    pub loss: u64,
    /// Largest number of segments that may get lost.
    pub losses: u32,
    /// How many of a hundred arrive twice.
    pub duplicates: u64,
    /// Nothing arrives from this time on.
    pub silent_from: Option<u64>,
}

/// An exchange before it has happened.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it was made of.
    pub seed: u64,
    /// How both ends are set up.
    pub setup: Setup,
    /// True if somebody listens.
    pub listening: bool,
    /// The ISNs of both ends for each connection of the four-tuple.
    pub isns: Vec<[u32; 2]>,
    /// What is done when.
    pub acts: Vec<(u64, Side, Act)>,
    /// How long after the other end's FIN an application closes; never for `None`.
    pub on_eof: [Option<u64>; 2],
    /// How long an acknowledgement may wait, in nanoseconds.
    pub ack_delay: [u64; 2],
    /// The network.
    pub network: Network,
    /// What is forged when, and for which end.
    pub forgeries: Vec<(u64, Side, Forgery)>,
    /// When a segment of an earlier connection arrives once more.
    pub old_duplicates: Vec<u64>,
    /// When tracing stops, if before the end.
    pub stop: Option<u64>,
}

impl Plan {
    /// The plan that belongs to `seed`.
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let random = &mut random;
        let setup = Setup {
            window: random.pick(&[16_384, 29_200, 500]),
            scale: None,
            timestamps: random.percent(50),
            syn_retries: 2,
            retries: 4,
        };
        // A window of 500 is one of 500 units.
        let scale = if setup.window == 500 { Some(7) } else { random.pick(&[None, Some(0)]) };
        let delay = random.pick(&[20 * MICROSECOND, MILLISECOND, 20 * MILLISECOND]);
        let bad = random.percent(35);
        let network = Network {
            delay,
            jitter: if bad { delay * random.below(3) } else { 0 },
            loss: if bad { random.below(15) } else { 0 },
            losses: 3,
            duplicates: if bad { random.below(10) } else { 0 },
            silent_from: None,
        };
        let delays = [0, 5 * MILLISECOND, 40 * MILLISECOND];
        let mut plan = Self {
            seed,
            setup: Setup { scale, ..setup },
            listening: true,
            isns: vec![[random.word(), random.word()]],
            acts: Vec::new(),
            on_eof: [Some(random.below(60) * MILLISECOND), Some(random.below(60) * MILLISECOND)],
            ack_delay: [random.pick(&delays), random.pick(&delays)],
            network,
            forgeries: Vec::new(),
            old_duplicates: Vec::new(),
            stop: None,
        };
        plan.fill(random);
        plan
    }

    fn fill(&mut self, random: &mut Random) {
        match random.below(100) {
            0..4 => {
                self.listening = false;
                self.acts.push((0, Side::Client, Act::Connect(0)));
            }
            4..7 => {
                self.network.silent_from = Some(0);
                self.acts.push((0, Side::Client, Act::Connect(0)));
                if random.percent(50) {
                    let at = random.below(5_000) * MILLISECOND;
                    self.acts.push((at, Side::Client, Act::Close));
                }
            }
            7..10 => {
                self.acts.push((0, Side::Client, Act::Connect(0)));
                self.acts.push((random.below(self.network.delay), Side::Server, Act::Connect(0)));
                self.live(0, random);
            }
            10..12 => {
                self.acts.push((0, Side::Client, Act::Connect(0)));
                self.acts.push((random.below(2 * self.network.delay), Side::Client, Act::Close));
            }
            12..30 => self.twice(random),
            _ => {
                self.acts.push((0, Side::Client, Act::Connect(0)));
                self.live(0, random);
            }
        }
        if random.percent(4) && self.network.silent_from.is_none() {
            self.network.silent_from = Some(random.below(400) * MILLISECOND);
        }
        if random.percent(60) {
            for _ in 0..random.between(1, 4) {
                let lately = if random.percent(70) { 120 } else { 500 };
                let at = self.acts[0].0 + random.below(lately) * MILLISECOND + random.below(MILLISECOND);
                self.forgeries.push((at, random.pick(&Side::BOTH), Forgery::any(random)));
            }
        }
        if random.percent(8) {
            self.stop = Some(random.below(600) * MILLISECOND);
        }
        self.acts.sort_by_key(|&(at, ..)| at);
    }

    /// One connection's life from `from` on. Returns when its last act is.
    fn live(&mut self, from: u64, random: &mut Random) -> u64 {
        let opened = from + 4 * self.network.delay + self.network.jitter * 4;
        let mut at = opened;
        for _ in 0..random.below(4) {
            at += random.below(30) * MILLISECOND;
            let bytes = 8 * random.pick(&[1, 8, 100, 500, 2_000]);
            self.acts.push((at, random.pick(&Side::BOTH), Act::Write(bytes)));
        }
        let closer = random.pick(&Side::BOTH);
        if random.percent(8) {
            self.acts.push((opened, closer, Act::StopReading));
        }
        if random.percent(8) {
            self.on_eof[random.below(2) as usize] = None;
        }
        at += random.below(60) * MILLISECOND;
        match random.below(100) {
            0..50 => self.acts.push((at, closer, Act::Close)),
            50..60 => {
                self.acts.push((at, closer, Act::Close));
                let late = random.below(2 * self.network.delay + 1);
                self.acts.push((at + late, closer.other(), Act::Close));
            }
            60..75 => {
                self.acts.push((at, closer, Act::Shutdown));
                let late = at + random.below(50) * MILLISECOND;
                self.acts.push((late, closer.other(), Act::Write(8 * random.between(1, 300) as u32)));
                let close = late + random.below(50) * MILLISECOND;
                self.acts.push((close, closer, random.pick(&[Act::Close, Act::Abort])));
            }
            75..83 => {
                self.acts.push((at, closer, Act::Close));
                let late = at + random.below(3 * self.network.delay + 1);
                self.acts.push((late, closer.other(), Act::Write(8 * random.between(1, 300) as u32)));
            }
            83..93 => {
                self.acts.push((at, closer, Act::Abort));
                if random.percent(30) {
                    let other = random.pick(&[Act::Abort, Act::Close]);
                    self.acts.push((at + random.below(2 * self.network.delay), closer.other(), other));
                }
            }
            93..97 => {
                self.acts.push((at, closer, Act::Forget));
                let wake = at + random.below(50) * MILLISECOND;
                self.acts.push((wake, closer.other(), random.pick(&[Act::Write(80), Act::Close])));
            }
            _ => {}
        }
        at
    }

    /// Two connections of the same four-tuple, one after the other, or over the other where a host has forgotten it.
    fn twice(&mut self, random: &mut Random) {
        let [client, server] = self.isns[0];
        // Far enough that no number of one is in the other's window.
        let ahead = |random: &mut Random, isn: u32| match random.below(3) {
            0 => isn.wrapping_add(random.between(1 << 20, 1 << 27) as u32),
            1 => isn.wrapping_add(random.between(1 << 27, 1 << 31) as u32),
            _ => isn.wrapping_sub(random.between(1 << 20, 1 << 30) as u32),
        };
        self.isns.push([ahead(random, client), ahead(random, server)]);
        self.acts.push((0, Side::Client, Act::Connect(0)));
        let last = self.live(0, random);
        let again = if random.percent(40) {
            let forgets = last + 5 * MILLISECOND;
            // Nothing else happens on that side.
            self.acts.retain(|&(at, _, act)| at < last || matches!(act, Act::Connect(_)));
            self.acts.push((forgets, Side::Client, Act::Forget));
            forgets + random.below(2_000) * MILLISECOND
        } else {
            last + random.between(500, 3_000) * MILLISECOND
        };
        self.acts.push((again, Side::Client, Act::Connect(1)));
        // The first SYN may have to be sent again.
        self.live(again + 1_200 * MILLISECOND, random);
        if random.percent(60) {
            for _ in 0..random.between(1, 4) {
                self.old_duplicates.push(again + random.below(1_500) * MILLISECOND);
            }
        }
    }
}
