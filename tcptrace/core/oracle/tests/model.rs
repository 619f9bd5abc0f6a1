//! The model itself: what RFC 9293 and RFC 5961 ask of an end, and that plans do what they are made for.

use std::collections::BTreeMap;

use tcptrace_oracle::{
    effect::{Effect, Effects},
    endpoint::{Endpoint, Setup, State, listen},
    history::{Happening, History},
    segment::{ACK, FIN, PSH, RST, SYN, Segment, Side},
    truth::truth,
    vantage::Vantage,
    verdict::Expect,
};

const SETUP: Setup = Setup { window: 29_200, scale: None, timestamps: false, syn_retries: 2, retries: 4 };
const CLIENT_ISN: u32 = u32::MAX - 5;
const SERVER_ISN: u32 = 7_000;

fn bare(from: Side, flags: u8, seq: u32, ack: u32) -> Segment {
    Segment { from, flags, seq, ack, len: 0, window: 29_200, scale: None, timestamp: None }
}

/// The segments that `end` sends in answer, and the states that it passes through.
fn answer(end: &mut Endpoint, segment: Segment) -> Vec<(String, u32, u32)> {
    let mut out = Effects::new(0, 0);
    end.arrive(&segment, &mut out);
    let sent = out.take().into_iter().filter_map(|effect| match effect {
        Effect::Send { segment, .. } => Some((segment.letters(), segment.seq, segment.ack)),
        _ => None,
    });
    sent.collect()
}

/// A server after its handshake: it expects `CLIENT_ISN + 1`, and has sent up to `SERVER_ISN + 1`.
fn server() -> Endpoint {
    let mut out = Effects::new(0, 0);
    let syn = bare(Side::Client, SYN, CLIENT_ISN, 0);
    let mut end = listen(&syn, 0, 1, SERVER_ISN, SETUP, &mut out).expect("a SYN is answered");
    end.arrive(&bare(Side::Client, ACK, next(), SERVER_ISN + 1), &mut out);
    assert_eq!(end.state, State::Established);
    end
}

fn next() -> u32 {
    CLIENT_ISN.wrapping_add(1)
}

/// RFC 5961 §3.2, §4.2, §5.2
#[test]
fn a_synchronised_end_answers_what_it_does_not_accept_with_a_challenge() {
    let good = SERVER_ISN + 1;
    let challenge = vec![(".".to_owned(), SERVER_ISN + 1, next())];
    let cases = [
        (bare(Side::Client, RST, next().wrapping_add(100), 0), challenge.clone()),
        (bare(Side::Client, RST, next().wrapping_add(29_200), 0), vec![]),
        (bare(Side::Client, RST, next().wrapping_sub(1), 0), vec![]),
        (bare(Side::Client, SYN, next().wrapping_add(100), 0), challenge.clone()),
        (bare(Side::Client, SYN, next().wrapping_add(1 << 30), 0), challenge.clone()),
        (bare(Side::Client, FIN | ACK, next().wrapping_add(29_200), good), challenge.clone()),
        (bare(Side::Client, FIN, next(), 0), vec![]),
        (bare(Side::Client, FIN | ACK, next(), good + 1), challenge.clone()),
        (bare(Side::Client, FIN | ACK, next(), good.wrapping_sub(1 << 20)), challenge.clone()),
        (bare(Side::Client, SYN | FIN | ACK, next(), good), challenge.clone()),
        (bare(Side::Client, ACK, next(), good + 1), challenge),
    ];
    for (segment, right) in cases {
        let mut end = server();
        assert_eq!(answer(&mut end, segment), right, "{segment:?}");
        assert_eq!(end.state, State::Established, "{segment:?}");
        assert_eq!((end.rcv_nxt(), end.snd_una()), (next(), good), "{segment:?}");
    }
}

#[test]
fn a_reset_counts_at_the_next_number_alone() {
    let mut end = server();
    assert_eq!(answer(&mut end, bare(Side::Client, RST, next(), 0)), []);
    assert_eq!(end.state, State::Close);
}

#[test]
fn nothing_follows_a_fin() {
    let mut end = server();
    answer(&mut end, bare(Side::Client, FIN | ACK, next(), SERVER_ISN + 1));
    assert_eq!(end.state, State::CloseWait);
    let after = next().wrapping_add(1);
    answer(&mut end, Segment { len: 80, ..bare(Side::Client, PSH | ACK, after, SERVER_ISN + 1) });
    assert_eq!((end.state, end.rcv_nxt()), (State::CloseWait, after));
}

/// RFC 9293 §3.10.7.3
#[test]
fn an_opening_end_resets_what_acknowledges_something_else() {
    let mut out = Effects::new(0, 0);
    let mut end = Endpoint::connect(Side::Client, 0, 1, CLIENT_ISN, SETUP, &mut out);
    let reset = vec![("R".to_owned(), 3_000, 0)];
    assert_eq!(answer(&mut end, bare(Side::Server, ACK, 500, 3_000)), reset);
    assert_eq!(answer(&mut end, bare(Side::Server, SYN | ACK, 500, 3_000)), reset);
    assert_eq!(answer(&mut end, bare(Side::Server, RST | ACK, 0, 3_000)), []);
    assert_eq!(answer(&mut end, bare(Side::Server, RST, 0, 0)), []);
    assert_eq!(end.state, State::SynSent);
    answer(&mut end, bare(Side::Server, RST | ACK, 0, next()));
    assert_eq!(end.state, State::Close);
}

/// Were one accepted, what is expected of the exchange would be wrong.
#[test]
fn nobody_accepts_what_is_forged() {
    for seed in 0..20_000 {
        let history = History::of(seed);
        for sent in history.sent.iter().filter(|sent| sent.sender.is_none()) {
            let taken = sent.accepted;
            assert!(!(taken.rst || taken.fin && sent.segment.len == 0 || taken.syn), "seed {seed}: {sent:?}");
        }
    }
}

/// A generator that has dried up would agree with anything.
#[test]
fn every_verdict_is_expected_somewhere_and_most_are_certain() {
    let (mut seen, mut certain, mut all) = (BTreeMap::<_, u32>::new(), 0_u32, 0_u32);
    let (mut forged, mut generations) = (0_usize, [0_u32; 3]);
    for seed in 0..5_000 {
        let history = History::of(seed);
        forged += history.log.iter().filter(|(_, what)| matches!(what, Happening::Forged(_))).count();
        for vantage in Vantage::ALL.into_iter().filter(|vantage| vantage.fits(&history)) {
            let truth = truth(&history, vantage);
            generations[truth.connections.len().min(2)] += 1;
            for expected in truth.connections {
                if !matches!(vantage, Vantage::OneWay(_)) {
                    all += 2;
                    certain += u32::from(matches!(expected.outcome, Expect::Is(_)));
                    certain += u32::from(matches!(expected.kind, Expect::Is(_)));
                }
                for right in [expected.outcome, expected.kind, expected.time_wait, expected.cause, expected.initiator] {
                    if let Expect::Is(word) = right {
                        *seen.entry(word.unwrap_or("null")).or_default() += 1;
                    }
                }
            }
        }
    }
    let words = [
        "established",
        "refused",
        "reset",
        "timed_out",
        "cancelled",
        "unanswered",
        "simultaneous",
        "three_segment",
        "four_segment",
        "unfinished",
        "both",
        "client",
        "server",
        "linger",
        "unread_data",
        "data_after_close",
    ];
    for word in words {
        assert!(seen.get(word).is_some_and(|&count| count >= 20), "{word}: {seen:?}");
    }
    assert!(certain * 100 >= all * 85, "{certain} of {all}");
    assert!(forged > 2_000 && generations[2] > 2_000, "{forged} {generations:?}");
}
