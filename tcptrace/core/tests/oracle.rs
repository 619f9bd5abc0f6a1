//! The correlator compared with an independent TCP: random exchanges, seen from every vantage.

mod oracle {
    pub(crate) mod adapter;
}

use std::{
    collections::{BTreeMap, BTreeSet},
    env, thread,
    time::{Duration, Instant},
};

use oracle::adapter::correlate;
use tcptrace_oracle::{
    history::{Happening, History},
    random::Random,
    table::table,
    truth::truth,
    vantage::Vantage,
    verdict::{Compared, Disagreement},
};

/// Result of comparisons.
#[derive(Default)]
struct Findings {
    exchanges: u64,
    compared: Compared,
    /// For each kind of disagreement: its number, and the smallest exchange with one (seed, vantage, events,
    /// disagreement).
    kinds: BTreeMap<String, (u64, u64, Vantage, usize, Disagreement)>,
    wrong: u64,
    /// Seeds of the exchanges with a disagreement.
    seeds: BTreeSet<u64>,
}

impl Findings {
    fn examine(&mut self, seed: u64, all: bool) {
        let history = History::of(seed);
        self.exchanges += 1;
        let mut random = Random::new(!seed);
        let chosen = [random.pick(&Vantage::ALL), random.pick(&Vantage::ALL)];
        for vantage in Vantage::ALL {
            if vantage.fits(&history) && (all || chosen.contains(&vantage)) {
                self.hold(&history, vantage);
            }
        }
    }

    fn add(&mut self, other: Self) {
        self.exchanges += other.exchanges;
        self.wrong += other.wrong;
        self.seeds.extend(other.seeds);
        for (field, compared) in other.compared.0 {
            *self.compared.0.entry(field).or_default() += compared;
        }
        for (kind, found) in other.kinds {
            match self.kinds.get_mut(&kind) {
                Some(known) if known.3 <= found.3 => known.0 += found.0,
                Some(known) => *known = (known.0 + found.0, found.1, found.2, found.3, found.4),
                None => {
                    self.kinds.insert(kind, found);
                }
            }
        }
    }

    fn hold(&mut self, history: &History, vantage: Vantage) {
        let right = truth(history, vantage);
        let told = correlate(history, vantage);
        let found = right.differences(&told, &mut self.compared);
        self.wrong += u64::from(!found.is_empty());
        let Some(first) = found.into_iter().next() else { return };
        self.seeds.insert(history.plan.seed);
        let forged = history.log.iter().any(|(_, what)| matches!(what, Happening::Forged(_)));
        let one_way = matches!(vantage, Vantage::OneWay(_));
        let place = match (vantage.is_live(), one_way) {
            (true, _) => "live",
            (_, true) => "one way",
            _ => "capture",
        };
        let place = format!("{}, {place}", if forged { "forged" } else { "genuine" });
        let kind = match first.field {
            "owner" | "connections" => format!("{place}: {}", first.field),
            "bytes.client_to_server" | "bytes.server_to_client" => format!("{place}: bytes"),
            _ => format!("{place}: {} told {} right {}", first.field, first.told, first.right),
        };
        let size = vantage.view(history).len();
        let known = self.kinds.entry(kind).or_insert((0, history.plan.seed, vantage, size, first.clone()));
        known.0 += 1;
        if size < known.3 {
            *known = (known.0, history.plan.seed, vantage, size, first);
        }
    }

    fn report(&self) -> String {
        let Self { exchanges, wrong, compared, seeds, .. } = self;
        let mut text = format!("{exchanges} exchanges, {wrong} wrong, seeds {seeds:?}, compared {:?}\n", compared.0);
        let mut kinds: Vec<_> = self.kinds.iter().collect();
        kinds.sort_by_key(|(_, found)| std::cmp::Reverse(found.0));
        for (kind, (count, seed, vantage, _, first)) in kinds {
            let Disagreement { field, connection, told, right } = first;
            text += &format!(
                "\n{count} × {kind}\nseed {seed} from {vantage:?}: {field} of connection {connection} is {told}, should be {right}\n{}",
                table(&History::of(*seed), *vantage)
            );
        }
        text
    }
}

/// Compares `count` exchanges from the seed `first` on, on all processors.
fn examine(first: u64, count: u64, all: bool) -> Findings {
    let threads = thread::available_parallelism().map_or(1, |threads| threads.get() as u64);
    let part = |thread: u64| {
        let mut findings = Findings::default();
        for seed in (first..first + count).skip(thread as usize).step_by(threads as usize) {
            findings.examine(seed, all);
        }
        findings
    };
    let parts: Vec<Findings> = thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|thread| scope.spawn(move || part(thread))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no exchange panics")).collect()
    });
    let mut whole = Findings::default();
    parts.into_iter().for_each(|part| whole.add(part));
    whole
}

#[test]
fn random_exchanges_are_told_as_they_were() {
    let findings = examine(0, 20_000, false);
    assert_eq!((findings.exchanges, findings.wrong), (20_000, 0), "{}", findings.report());
    assert!(findings.compared.0.values().all(|&compared| compared > 300), "{:?}", findings.compared);
}

/// `ORACLE_SECONDS`, `ORACLE_EXCHANGES` and `ORACLE_SEED` set the time, the number of exchanges, and the first seed.
#[test]
#[ignore = "takes as long as it is told to"]
#[expect(clippy::disallowed_methods, reason = "it runs for a given time")]
fn for_longer() {
    const AT_ONCE: u64 = 1_000;
    let number = |name| env::var(name).ok().and_then(|value| value.parse().ok());
    let first = number("ORACLE_SEED").unwrap_or(0);
    let until = Duration::from_secs(number("ORACLE_SECONDS").unwrap_or(10));
    let most = number("ORACLE_EXCHANGES").unwrap_or(u64::MAX);
    let began = Instant::now();
    let mut findings = Findings::default();
    while began.elapsed() < until && findings.exchanges < most {
        let count = AT_ONCE.min(most - findings.exchanges);
        findings.add(examine(first + findings.exchanges, count, true));
    }
    println!("{:.0?}: {}", began.elapsed(), findings.report());
    assert_eq!(findings.wrong, 0);
}
