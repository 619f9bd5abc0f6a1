//! Times at which blocks are printed.

use std::sync::atomic::Ordering::Relaxed;

use super::{PLAIN, exchanges, script::Script};
use crate::{
    event::Role::{Client, Server},
    tcp::{
        TcpFlags,
        TcpState::{Close, Established, Listen, SynSent},
    },
};

const SYN: TcpFlags = TcpFlags::SYN;
const ACK: TcpFlags = TcpFlags::ACK;
const FIN: TcpFlags = TcpFlags::FIN;
const RST: TcpFlags = TcpFlags::RST;

fn opened() -> Script {
    let mut script = Script::new(PLAIN, 100);
    script.at(0).segment(Client, SYN, 1_000, None, 0);
    script.at(20).segment(Server, SYN, 9_000, Some(1_001), 0);
    script.at(30).segment(Client, ACK, 1_001, Some(9_001), 0);
    script
}

#[test]
fn a_finished_phase_is_printed_at_once_and_an_open_connection_waits_for_nothing() {
    let script = opened();
    assert_eq!(script.text().matches("established in").count(), 1);
    assert_eq!(script.deadline(), None);
}

#[test]
fn a_handshake_is_shown_unfinished_a_second_after_it_began_and_after_ten_seconds() {
    let mut script = Script::new(PLAIN, 100);
    script.at(0).state(Client, Close, SynSent);
    script.at(31).segment(Client, SYN, 1_000, None, 0);
    assert_eq!(script.deadline(), Some(1_000_000));
    script.wait_until(999_999);
    assert_eq!(script.text(), "");
    script.wait_until(1_000_000);
    let unfinished = script.text();
    assert!(unfinished.contains("waiting for the server's SYN,ACK; the SYN was sent once"), "{unfinished}");
    assert!(unfinished.contains("the server's turn"), "{unfinished}");
    script.at(1_020_000).segment(Client, SYN, 1_000, None, 0);
    script.wait_until(9_999_999);
    assert_eq!((script.text(), script.deadline()), (unfinished, Some(10_000_000)), "not again so soon");
    script.at(9_999_999).error(110).state(Client, SynSent, Close);
    let text = script.text();
    assert_eq!((text.matches("unfinished:").count(), text.matches("timed out").count()), (1, 1), "{text}");
    assert!(text.contains("SYN again"), "{text}");
}

#[test]
fn a_handshake_is_shown_unfinished_again_when_the_reason_is_found() {
    let mut script = Script::new(PLAIN, 160);
    script.at(0).state(Client, Close, SynSent);
    script.at(31).segment(Client, SYN, 1_000, None, 0);
    script.at(1_020_000).segment(Client, SYN, 1_000, None, 0);
    script.at(1_500_000).queue(128, 128);
    assert_eq!(script.deadline(), Some(10_000_000), "there is room");
    script.at(2_100_000).segment(Client, SYN, 1_000, None, 0);
    script.at(2_500_000).queue(129, 128);
    script.at(3_200_000).segment(Client, SYN, 1_000, None, 0);
    script.at(3_500_000).queue(129, 128);
    script.wait_until(9_000_000);
    assert_eq!(script.deadline(), Some(12_500_000));
    script.at(9_000_100).error(110).state(Client, SynSent, Close);
    let text = script.text();
    let why = "the SYN was sent 4 times; the server's accept queue is full (129 of 128)";
    assert_eq!((text.matches("unfinished:").count(), text.matches(why).count()), (2, 1), "{text}");
    let ended = text.split("unfinished:").last().expect("there is a last one");
    assert!(ended.contains("without an answer; the server's accept queue is full (129 of 128)"), "{text}");
    assert!(ended.contains("listen() backlog"), "{text}");
    assert_eq!(ended.matches("accept queue full").count(), 2, "a row each time, once: {text}");
}

#[test]
fn a_close_says_whose_turn_it_is() {
    let mut script = opened();
    script.at(5_000).segment(Server, FIN, 9_001, Some(1_001), 0);
    script.wait_until(1_005_000);
    let text = script.text();
    assert!(
        text.contains("unfinished: the server closed its side; the client has not; the FIN was sent once, and is not")
    );
    script.at(1_400_000).segment(Client, ACK, 1_001, Some(9_002), 0);
    let mut script = opened();
    script.at(5_000).segment(Server, FIN, 9_001, Some(1_001), 0);
    script.at(45_000).segment(Client, ACK, 1_001, Some(9_002), 0);
    script.wait_until(1_005_000);
    let text = script.text();
    assert!(text.contains("the client has not: CLOSE_WAIT, as its ACK shows"), "{text}");
    assert!(text.contains("┊ the client's turn"), "{text}");
}

#[test]
fn what_waits_for_its_record_alone_is_not_unfinished() {
    let mut script = opened();
    script.at(5_000).segment(Server, FIN, 9_001, Some(1_001), 0);
    script.at(6_000).segment(Client, FIN, 1_001, Some(9_002), 0);
    script.at(7_000).segment(Server, ACK, 9_002, Some(1_002), 0);
    script.wait_until(1_005_000);
    assert!(!script.text().contains("closed"), "the record comes a second after the last segment");
    script.wait_until(1_007_000);
    let text = script.text();
    assert!(text.contains("closed by the server, three segments") && !text.contains("unfinished"), "{text}");
    assert_eq!(script.deadline(), None);
}

#[test]
fn what_is_unfinished_at_the_end_is_shown_so() {
    let mut script = opened();
    script.at(5_000).segment(Server, FIN, 9_001, Some(1_001), 0);
    let text = script.finish();
    assert!(text.contains("unfinished: the server has closed its side"), "{text}");
    assert_eq!(text.matches("FIN,ACK").count(), 1, "{text}");
}

#[test]
fn what_comes_when_all_is_over_is_a_line() {
    let mut script = Script::new(PLAIN, 100);
    exchanges::refused(&mut script);
    script.at(90).segment(Server, RST, 0, Some(721_203_977), 0);
    let text = script.finish();
    let late = text.lines().last().unwrap_or_default();
    assert!(late.ends_with("#1 late: RST,ACK seq 1 ack 1 10.0.0.2:9999 → 10.0.0.1:54762"), "{text}");
}

#[test]
fn a_listener_that_is_destroyed_closes_once() {
    let mut script = Script::new(PLAIN, 100);
    script.between(([127, 0, 0, 1], 47003), ([127, 0, 0, 1], 9999));
    for (old, new) in [(Close, Listen), (Listen, Close), (Close, Close)] {
        script.listener(old, new);
    }
    let text = script.finish();
    let states = text.lines().map(|line| line.rsplit(' ').next().unwrap_or_default());
    assert_eq!(states.collect::<Vec<_>>(), ["LISTEN", "CLOSE"], "{text}");
}

#[test]
fn connections_do_not_mix() {
    let mut script = Script::new(PLAIN, 100);
    for step in 0..3 {
        for port in 40_000..40_010 {
            script.between(([10, 0, 0, 1], port), ([10, 0, 0, 2], 80)).at(step * 100 + u64::from(port - 40_000));
            match step {
                0 => script.segment(Client, SYN, u32::from(port), None, 0),
                1 => script.segment(Server, SYN, 5, Some(u32::from(port) + 1), 0),
                _ => script.segment(Client, ACK, u32::from(port) + 1, Some(6), 0),
            };
        }
    }
    let text = script.finish();
    let blocks: Vec<_> = text.split("\n\n").collect();
    assert_eq!(blocks.len(), 10, "{text}");
    for (block, port) in blocks.iter().zip(40_000..) {
        assert!(block.starts_with('#') && block.contains(&format!(":{port} ")), "{block}");
        assert!(block.contains(&format!("SYN seq {port} ")), "{block}");
        assert_eq!(block.lines().count(), 2 + 3, "{block}");
    }
}

#[test]
fn the_width_is_asked_for_whenever_something_is_printed() {
    let mut script = opened();
    script.width.store(80, Relaxed);
    script.at(9_000).state(Client, Established, Close);
    let text = script.finish();
    let widths: Vec<_> = text.split("\n\n").map(|block| block.lines().map(|line| line.chars().count()).max()).collect();
    assert!(matches!(widths[..], [Some(81..=100), Some(..=80)]), "{widths:?}\n{text}");
}
