//! Both sides of a translated connection are one ladder: a client connects to a service, behind which is a pod of this host.

use super::{PLAIN, exchanges::*, pictures, script::Script};
use crate::{
    event::Role::{self, Client, Server},
    output_record::{EvictedOutput, OutputRecord},
    render::{Render as _, samples},
    tcp::{
        TcpFlags,
        TcpState::{Close, CloseWait, Established, FinWait1, FinWait2, LastAck, SynRecv, SynSent},
    },
};

const CLIENT: ([u8; 4], u16) = ([10, 9, 0, 1], 40_000);
const SERVICE: ([u8; 4], u16) = ([10, 96, 0, 10], 80);
const NODE: ([u8; 4], u16) = ([10, 244, 0, 1], 61_000);
const POD: ([u8; 4], u16) = ([10, 244, 0, 12], 8080);

/// A segment as it passes the side of the client, and 20 µs later or earlier that of the pod.
pub(super) struct Passing<'a>(pub(super) &'a mut Script);

impl Passing<'_> {
    pub(super) fn outer(&mut self) -> &mut Script {
        self.0.between(CLIENT, SERVICE).on(1)
    }

    pub(super) fn inner(&mut self) -> &mut Script {
        self.0.between(NODE, POD).on(2)
    }

    pub(super) fn segment(&mut self, at: u64, from: Role, flags: TcpFlags, seq: u32, ack: Option<u32>, length: u32) {
        if from == Client {
            self.outer().at(at).segment(from, flags, seq, ack, length);
            self.inner().at(at + 20).segment(from, flags, seq, ack, length);
        } else {
            self.inner().at(at).segment(from, flags, seq, ack, length);
            self.outer().at(at + 20).segment(from, flags, seq, ack, length);
        }
    }
}

/// Opens it: the client's socket is on this host, and so is the pod's.
pub(super) fn open(script: &mut Script) {
    let mut both = Passing(script);
    both.outer().at(0).by("curl", 6980).state(Client, Close, SynSent);
    both.segment(10, Client, SYN, C, None, 0);
    both.inner().at(40).state(Server, Close, SynRecv);
    both.segment(50, Server, SYN, S, Some(C + 1), 0);
    both.outer().at(80).state(Client, SynSent, Established);
    both.segment(90, Client, ACK, C + 1, Some(S + 1), 0);
    both.inner().at(120).state(Server, SynRecv, Established);
}

/// A connection that is opened, and closed in four segments.
pub(super) fn whole(script: &mut Script) {
    open(script);
    let mut both = Passing(script);
    both.outer().at(5_000).by("curl", 6980).state(Client, Established, FinWait1);
    both.segment(5_010, Client, FIN, C + 19, Some(S + 1), 0);
    both.inner().at(5_040).state(Server, Established, CloseWait);
    both.segment(5_050, Server, ACK, S + 1, Some(C + 20), 0);
    both.outer().at(5_080).state(Client, FinWait1, FinWait2);
    both.inner().at(6_000).by("nginx", 801).state(Server, CloseWait, LastAck);
    both.segment(6_010, Server, FIN, S + 1, Some(C + 20), 0);
    both.outer().at(6_035).state(Client, FinWait2, Close);
    both.segment(6_040, Client, ACK, C + 20, Some(S + 2), 0);
    both.inner().at(6_070).state(Server, LastAck, Close);
    script.wait_until(3_000_000);
}

/// A refusal: no process listens in the pod.
pub(super) fn refused(script: &mut Script) {
    let mut both = Passing(script);
    both.outer().at(0).by("curl", 6980).state(Client, Close, SynSent);
    both.segment(10, Client, SYN, C, None, 0);
    both.segment(50, Server, RST, 0, Some(C + 1), 0);
    both.outer().at(75).error(ECONNREFUSED).state(Client, SynSent, Close);
    script.wait_until(2_000_000);
}

/// A time-out: the pod does not answer until the client gives up.
pub(super) fn unanswered(script: &mut Script) {
    Passing(script).segment(10, Client, SYN, C, None, 0);
    script.wait_until(1_050_000);
    Passing(script).segment(1_100_000, Client, SYN, C, None, 0);
    script.wait_until(11_000_000);
    script.wait_until(70_000_000);
}

/// The node forgets the translation: the client is reset, and nothing of that reaches the pod's side.
pub(super) fn reset_on_one_side(script: &mut Script) {
    open(script);
    let mut both = Passing(script);
    both.outer().at(900_000).segment(Client, PSH, C + 1, Some(S + 1), 10);
    both.outer().at(900_020).segment(Server, RST, S + 1, None, 0);
    both.outer().at(900_030).error(ECONNRESET).state(Client, Established, Close);
    script.wait_until(3_000_000);
}

/// A SYN,ACK on the pod's side does not reach the client's side; the next one does.
pub(super) fn lost_between(script: &mut Script) {
    let mut both = Passing(script);
    both.segment(10, Client, SYN, C, None, 0);
    both.inner().at(50).segment(Server, SYN, S, Some(C + 1), 0);
    both.segment(500_000, Server, SYN, S, Some(C + 1), 0);
    both.segment(500_040, Client, ACK, C + 1, Some(S + 1), 0);
}

fn drawn(exchange: Exchange) -> String {
    let mut script = Script::new(PLAIN, 110);
    exchange(&mut script);
    script.finish()
}

#[test]
fn both_sides_are_one_ladder() {
    for (name, exchange) in [
        ("translated", whole as Exchange),
        ("translated_refused", refused),
        ("translated_unanswered", unanswered),
        ("translated_reset_on_one_side", reset_on_one_side),
        ("translated_lost_between", lost_between),
    ] {
        pictures::check(name, drawn(exchange));
    }
}

#[test]
fn a_segment_that_passes_both_sides_is_drawn_once() {
    let text = drawn(whole);
    let count = |words: &str| text.matches(words).count();
    assert_eq!((count("── SYN "), count("─ SYN,ACK "), count("FIN,ACK ")), (1, 1, 2), "{text}");
    assert!(!text.contains("only in"), "{text}");
    let text = drawn(lost_between);
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("SYN,ACK")).collect();
    let [first, second] = lines[..] else { panic!("two: {text}") };
    assert!(first.contains("SYN,ACK only in #2") && second.contains("SYN,ACK again seq"), "{text}");
}

/// However many connections there are, no side is kept once both have been shown.
#[test]
fn nothing_waits_when_both_sides_are_over() {
    for exchange in [whole as Exchange, refused, reset_on_one_side] {
        let mut script = Script::new(PLAIN, 110);
        exchange(&mut script);
        let waiting = script.ladder.open_blocks();
        // The pod's side is still open where the reset does not reach it, but shows nothing new.
        assert_eq!(waiting, 0, "{}", script.text());
    }
}

#[test]
fn a_side_that_is_forgotten_is_not_waited_for() {
    let mut script = Script::new(PLAIN, 110);
    let mut both = Passing(&mut script);
    both.segment(10, Client, SYN, C, None, 0);
    both.outer().at(50).segment(Server, RST, 0, Some(C + 1), 0);
    assert_eq!(script.text(), "");
    let evicted = OutputRecord::Evicted(EvictedOutput { conn: 2, ..samples::evicted() });
    script.ladder.render(&evicted, &mut script.out);
    assert!(script.text().starts_with("#1 10.9.0.1:40000 → 10.96.0.10:80\n"), "{}", script.text());
    assert_eq!(script.ladder.open_blocks(), 0);
}
