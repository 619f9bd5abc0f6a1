//! The model in `oracle` detects each rule that the correlator leaves out.

mod oracle {
    pub(crate) mod adapter;
}

use std::thread;

use oracle::adapter::{correlate, correlate_altered};
use tcptrace_core::{
    correlate::mutants::Missing,
    event::{Event, Hint, HintName, Proof, StateChange},
};
use tcptrace_oracle::{
    history::History,
    truth::truth,
    vantage::Vantage,
    verdict::{Compared, Verdict},
};

/// Maximum number of exchanges needed to detect a mutant.
const MOST: u64 = 5_000;

/// Returns the first exchange on which the model and the correlator disagree.
fn first_disagreement(tell: impl Fn(&History, Vantage) -> Verdict) -> Option<u64> {
    (0..MOST).find(|&seed| {
        let history = History::of(seed);
        Vantage::ALL.into_iter().filter(|vantage| vantage.fits(&history)).any(|vantage| {
            let told = tell(&history, vantage);
            !truth(&history, vantage).differences(&told, &mut Compared::default()).is_empty()
        })
    })
}

#[test]
fn nothing_is_missing() {
    let seeds = (0..300).map(History::of);
    for history in seeds {
        for vantage in Vantage::ALL.into_iter().filter(|vantage| vantage.fits(&history)) {
            let told = correlate(&history, vantage);
            let found = truth(&history, vantage).differences(&told, &mut Compared::default());
            assert_eq!(found, [], "seed {} from {vantage:?}", history.plan.seed);
        }
    }
}

#[test]
fn every_missing_rule_is_noticed() {
    let found: Vec<_> = thread::scope(|scope| {
        let search = |missing: Missing| move || missing.during(|| first_disagreement(correlate));
        let threads = Missing::ALL.map(|missing| (missing, scope.spawn(search(missing))));
        threads.into_iter().map(|(missing, thread)| (missing, thread.join().expect("nothing panics"))).collect()
    });
    assert!(found.iter().all(|(_, seed)| seed.is_some()), "{found:?}");
}

/// Linux also sets the error of a reset in a socket that itself sends one: only its kernel's hint distinguishes the two.
#[test]
fn a_reset_of_its_own_that_is_blamed_on_the_other_end_is_noticed() {
    let deaf = |event| match event {
        Event::Hint(hint) if hint.name == HintName::SendReset => {
            Event::Hint(Hint { socket: None, reason: None, ..hint })
        }
        event => event,
    };
    assert!(first_disagreement(|history, vantage| correlate_altered(history, vantage, deaf)).is_some());
}

/// An end that closes with data unread, or with SO_LINGER 0, resets.
#[test]
fn a_close_whose_proof_is_overlooked_is_noticed() {
    let blind = |event| match event {
        Event::State(change) => Event::State(StateChange { proof: Proof::default(), ..change }),
        event => event,
    };
    assert!(first_disagreement(|history, vantage| correlate_altered(history, vantage, blind)).is_some());
}
