//! The plan of an exchange, made from a seed: when each end opens, writes and closes, the quality of the network, and
//! the forged segments.

use crate::{endpoint::Setup, forge::Forgery, random::Random, segment::Side};

const MICROSECOND: u64 = 1_000;
pub(crate) const MILLISECOND: u64 = 1_000_000;

/// An act of an application or its host.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    /// connect(), as this generation of the four-tuple.
    Connect(usize),
    /// The application reads nothing from now on.
    StopReading,
    /// write() of this many bytes.
    Write(u32),
    /// shutdown(SHUT_WR)
    Shutdown,
    /// close()
    Close,
    /// close() with SO_LINGER 0.
    Abort,
    /// The host loses the socket silently: it has restarted, or its address has moved.
    Forget,
}

/// The network between the ends.
#[derive(Clone, Copy, Debug)]
pub struct Network {
    /// Minimum delay of a segment, in nanoseconds.
    pub delay: u64,
    /// Maximum additional delay, in nanoseconds: if it is large, segments are reordered.
    pub jitter: u64,
    /// Percentage of segments lost, until there were `losses`.
    pub loss: u64,
    /// Maximum number of segments lost.
    pub losses: u32,
    /// Percentage of segments that arrive twice.
    pub duplicates: u64,
    /// Time from which on nothing arrives, in nanoseconds.
    pub silent_from: Option<u64>,
}

/// The plan of an exchange. Times are in nanoseconds from its beginning.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed that it was made from.
    pub seed: u64,
    /// Configuration of both ends.
    pub setup: Setup,
    /// True if the server listens.
    pub listening: bool,
    /// The ISNs of both ends for each generation of the four-tuple.
    pub isns: Vec<[u32; 2]>,
    /// Acts, with their times.
    pub acts: Vec<(u64, Side, Act)>,
    /// Time from the other end's FIN to the application's close(); `None` for never.
    pub on_eof: [Option<u64>; 2],
    /// Maximum delay of an acknowledgement.
    pub ack_delay: [u64; 2],
    /// The network.
    pub network: Network,
    /// Forgeries, with their times and the end that each is sent to.
    pub forgeries: Vec<(u64, Side, Forgery)>,
    /// Times at which a segment of an earlier generation arrives again.
    pub old_duplicates: Vec<u64>,
    /// Time at which tracing stops, if before the end.
    pub stop: Option<u64>,
}

impl Plan {
    /// Makes the plan of `seed`.
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
        // A window field of 500 needs a scale.
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

    /// Plans one connection from `from` on. Returns the time of its last act.
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

    /// Plans two generations of the four-tuple, the second after the end of the first, or after the client has lost
    /// that.
    fn twice(&mut self, random: &mut Random) {
        let [client, server] = self.isns[0];
        // Far enough for no number of one to be in the other's window.
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
