//! Header prediction changes nothing: with it and without it, the connections and the output are the same after every segment.

use std::num::NonZeroU16;

use proptest::prelude::*;

use super::exchange::Exchange;
use crate::{
    correlate::table::connection::Key,
    event::{Event, Segment},
    tcp::{OptionBytes, SeqNumber, TcpFlags, TcpHeader},
};

const CLIENT: u16 = 40_000;
const SERVER: u16 = 80;

/// How a segment differs from the one that its sender is expected to send next.
#[derive(Clone, Copy, Debug)]
struct Step {
    by_client: bool,
    length: u32,
    /// Added to the numbers that come next.
    seq: i32,
    ack: i32,
    flags: TcpFlags,
    window: u16,
    /// Added to the newest timestamp; `None` without the option.
    timestamp: Option<i32>,
    /// Nanoseconds before it.
    pause: u64,
    /// Number of its encapsulation.
    encapsulation: Option<NonZeroU16>,
}

/// Most steps are plain ones, so that oddities have long plain parts before and after them.
fn step() -> impl Strategy<Value = Step> {
    let nearby = || prop_oneof![40 => Just(0), 2 => Just(-1), 1 => -3..3_i32, 1 => -2000..2000_i32, 1 => any::<i32>()];
    let flags = prop_oneof![
        40 => Just(TcpFlags::ACK),
        20 => Just(TcpFlags::ACK | TcpFlags::PSH),
        1 => Just(TcpFlags::ACK | TcpFlags::FIN),
        1 => (0..512_u16).prop_map(TcpFlags),
    ];
    let length = prop_oneof![4 => Just(0), 1 => Just(1), 6 => 1..3000_u32, 1 => any::<u32>()];
    let window = prop_oneof![8 => Just(1024), 1 => Just(0), 1 => any::<u16>()];
    let timestamp = prop::option::of(prop_oneof![8 => 0..3_i32, 1 => -5..5_i32, 1 => any::<i32>()]);
    let pause = prop_oneof![8 => 0..1_000_000_u64, 1 => 0..9_000_000_000_u64];
    let encapsulation = prop_oneof![20 => Just(0), 1 => 0..3_u16].prop_map(NonZeroU16::new);
    (any::<bool>(), length, nearby(), nearby(), flags, window, timestamp, pause, encapsulation).prop_map(
        |(by_client, length, seq, ack, flags, window, timestamp, pause, encapsulation)| Step {
            by_client,
            length,
            seq,
            ack,
            flags,
            window,
            timestamp,
            pause,
            encapsulation,
        },
    )
}

/// ISNs, some of them just before a multiple of 2^30, where a segment counts as a control segment.
fn isn() -> impl Strategy<Value = u32> {
    prop_oneof![
        any::<u32>(),
        (0..4_u32, 1..5000_u32).prop_map(|(quarter, before)| (quarter << 30).wrapping_sub(before))
    ]
}

/// A capture of one connection, in a correlator that predicts and in one that does not.
struct Both {
    exchanges: [Exchange; 2],
    /// The numbers that the client and the server send next.
    next: [u32; 2],
    newest: u32,
}

impl Both {
    fn new(isns: [u32; 2]) -> Self {
        let exchanges = [true, false].map(|predicts| {
            let mut exchange = Exchange::of_capture();
            exchange.connections().expect_all_segments();
            exchange.connections().predicts = predicts;
            exchange
        });
        Self { exchanges, next: isns, newest: 7 }
    }

    /// Plays the handshake; with Accurate ECN if `counts`.
    fn open(&mut self, counts: bool, encapsulation: Option<NonZeroU16>) {
        let asks = TcpFlags::AE | TcpFlags::CWR | TcpFlags::ECE;
        let [asks, confirms] = if counts { [asks, TcpFlags::CWR] } else { [TcpFlags(0); 2] };
        let step = Step {
            by_client: true,
            length: 0,
            seq: 0,
            ack: 0,
            flags: TcpFlags::SYN | asks,
            window: 1024,
            timestamp: None,
            pause: 1000,
            encapsulation,
        };
        self.play(step);
        self.play(Step { by_client: false, flags: TcpFlags::SYN | TcpFlags::ACK | confirms, ..step });
        self.play(Step { flags: TcpFlags::ACK, ..step });
    }

    fn play(&mut self, step: Step) {
        let Step { by_client, length, seq, ack, flags, window, timestamp, pause, encapsulation } = step;
        let (from, to) = if by_client { (0, 1) } else { (1, 0) };
        let ports = if by_client { [CLIENT, SERVER] } else { [SERVER, CLIENT] };
        let value = timestamp.map(|ahead| self.newest.wrapping_add_signed(ahead));
        let options = value.map_or(OptionBytes::EMPTY, |value| {
            let mut bytes = vec![1, 1, 8, 10];
            bytes.extend(value.to_be_bytes());
            bytes.extend([0; 4]);
            OptionBytes::new(&bytes)
        });
        let header = TcpHeader {
            seq: SeqNumber(self.next[from].wrapping_add_signed(seq)),
            ack: SeqNumber(self.next[to].wrapping_add_signed(ack)),
            window,
            flags,
            options,
            ..self.exchanges[0].built(ports[0], ports[1], flags, 0, None).header
        };
        for exchange in &mut self.exchanges {
            exchange.pass(pause);
            exchange.timeout();
            let segment = exchange.built(ports[0], ports[1], flags, 0, None);
            let segment = Segment { header, length, encapsulation, direction: None, ..segment };
            exchange.event(&Event::Segment(segment));
        }
        if seq == 0 {
            let flagged = |flag| u32::from(flags.contains(flag));
            let taken = length.wrapping_add(flagged(TcpFlags::SYN)).wrapping_add(flagged(TcpFlags::FIN));
            self.next[from] = self.next[from].wrapping_add(taken);
            self.newest = value.filter(|_| timestamp >= Some(0)).unwrap_or(self.newest);
        }
    }

    /// Returns the connections of both.
    fn connections(&mut self) -> [String; 2] {
        self.exchanges.each_mut().map(|exchange| {
            let all = exchange.connections().table.iter().map(|(at, conn)| format!("{at}: {conn:?}"));
            all.collect::<Vec<_>>().join("\n")
        })
    }

    /// Returns true if the segment that `step` describes would be taken as predicted.
    fn would_predict(&mut self, step: Step) -> bool {
        let ports = if step.by_client { [CLIENT, SERVER] } else { [SERVER, CLIENT] };
        let [from, to] = if step.by_client { self.next } else { [self.next[1], self.next[0]] };
        let [exchange, _] = &mut self.exchanges;
        let mut segment = exchange.built(ports[0], ports[1], step.flags, from, Some(to));
        (segment.length, segment.direction, segment.encapsulation) = (step.length, None, step.encapsulation);
        let (key, side) = Key::new(0, segment.src, segment.dst);
        let correlator = exchange.connections();
        let found = correlator.may_predict(&segment).then(|| correlator.table.find(&key)).flatten();
        found.is_some_and(|at| correlator.place_predicted(&segment, at, side).is_some())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn prediction_changes_nothing(
        isns in [isn(), isn()],
        opened in any::<bool>(),
        counts in any::<bool>(),
        tunnel in prop::bool::weighted(0.3),
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let mut both = Both::new(isns);
        let tunnel = NonZeroU16::new(u16::from(tunnel));
        if opened {
            both.open(counts, tunnel);
        }
        for step in steps {
            let step = Step { encapsulation: step.encapsulation.or(tunnel), ..step };
            both.play(step);
            let [with, without] = both.connections();
            prop_assert_eq!(with, without, "after {:?}", step);
        }
        let [with, without] = both.exchanges.each_mut().map(Exchange::finish_all);
        prop_assert_eq!(format!("{with:?}"), format!("{without:?}"));
    }
}

/// Or the test above would compare nothing.
#[test]
fn data_and_its_acknowledgement_are_predicted() {
    let data = Step {
        by_client: true,
        length: 100,
        seq: 0,
        ack: 0,
        flags: TcpFlags::ACK | TcpFlags::PSH,
        window: 1024,
        timestamp: None,
        pause: 1000,
        encapsulation: None,
    };
    let ack = Step { by_client: false, length: 0, flags: TcpFlags::ACK, ..data };
    let predicted = |step: Step| {
        let mut both = Both::new([5, 6]);
        both.open(false, step.encapsulation);
        both.would_predict(step)
    };
    assert!(predicted(data) && predicted(ack));
    assert!(predicted(Step { encapsulation: NonZeroU16::new(1), ..data }), "in a tunnel");
    assert!(!predicted(Step { flags: TcpFlags::ACK | TcpFlags::FIN, ..data }));
    assert!(!predicted(Step { length: 1 << 29, ..data }), "beyond the window");
    assert!(!Both::new([5, 6]).would_predict(data), "nothing is known of it");
}
