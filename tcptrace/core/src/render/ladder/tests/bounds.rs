//! Bounds of the ladder's memory: it keeps exactly the connections that the correlator keeps.

use super::{PLAIN, script::Script};
use crate::{
    event::Role::{Client, Server},
    tcp::TcpFlags,
};

const SYN: TcpFlags = TcpFlags::SYN;
const ACK: TcpFlags = TcpFlags::ACK;
const RST: TcpFlags = TcpFlags::RST;

/// More connections than the ladder kept in an earlier version.
const MANY: u32 = (1 << 16) + 2;

/// The next events are those of the connection with this number, from 1.
fn of(script: &mut Script, number: u32) -> &mut Script {
    let [_, high, middle, low] = number.to_be_bytes();
    script.between(([10, high, middle, low], 40_000), ([192, 0, 2, 1], 80))
}

#[test]
fn many_open_connections_keep_their_beginning_and_their_roles() {
    let mut script = Script::new(PLAIN, 120);
    for number in 1..=MANY {
        of(&mut script, number).at(u64::from(number)).segment(Client, SYN, 1_000, None, 0);
    }
    assert_eq!(script.ladder.open_blocks(), MANY as usize);
    assert_eq!(script.text(), "");
    of(&mut script, 1).at(100_001).segment(Server, SYN, 9_000, Some(1_001), 0);
    script.at(100_002).segment(Client, ACK, 1_001, Some(9_001), 0);
    let text = script.text();
    assert!(text.starts_with("#1 10.0.0.1:40000 → 192.0.2.1:80   three-way handshake, established in"), "{text}");
    let rows: Vec<_> = text.lines().skip(2).map(|row| row.split("ms").next().unwrap_or_default().trim()).collect();
    assert_eq!(rows, ["+0.000", "+100.000", "+100.001"], "{text}");
    assert_eq!(script.ladder.open_blocks(), MANY as usize - 1, "nothing is kept behind a block");
}

#[test]
fn what_ended_before_many_others_opens_no_block_again() {
    let mut script = Script::new(PLAIN, 120);
    for number in 1..=MANY {
        let at = u64::from(number) * 2;
        of(&mut script, number).at(at).segment(Client, SYN, 1_000, None, 0);
        script.at(at + 1).segment(Server, RST, 0, Some(1_001), 0);
    }
    assert_eq!(script.ladder.open_blocks(), 0);
    for number in [MANY - 1, 1] {
        script.out.clear();
        of(&mut script, number).at(200_000).segment(Server, RST, 0, Some(1_001), 0);
        let (text, known) = (script.text(), number > 1);
        // A forgotten connection that appears again gets a new number.
        assert_eq!(text.trim().lines().count(), usize::from(known), "{text}");
        assert_eq!(text.contains(&format!("#{number} late: RST,ACK")), known, "{text}");
    }
}

#[test]
fn what_is_evicted_leaves_nothing_behind() {
    let mut script = Script::new(PLAIN, 120);
    script.limit(80);
    for number in 1..=1_000 {
        of(&mut script, number).at(u64::from(number)).segment(Client, SYN, 1_000, None, 0);
        assert!(script.ladder.open_blocks() <= 80, "{number}");
    }
    assert_eq!(script.text(), "");
    // Late for the evicted one: it belongs to no block, and begins another connection.
    of(&mut script, 1).at(2_000).segment(Server, SYN, 9_000, Some(1_001), 0);
    script.wait_until(1_010_000);
    let text = script.text();
    assert!(!text.contains("#1 ") && text.contains("#1000 "), "{text}");
}

#[test]
fn a_connection_seen_in_mid_life_has_the_same_roles_in_every_block() {
    let mut script = Script::new(PLAIN, 120);
    script.between(([10, 0, 0, 1], 40_000), ([10, 0, 0, 2], 80));
    // The first segment seen is the server's.
    script.at(0).segment(Server, ACK, 9_000, Some(1_000), 100);
    script.at(10).segment(Server, TcpFlags::FIN, 9_100, Some(1_000), 0);
    script.at(20).segment(Client, ACK, 1_000, Some(9_101), 0);
    script.wait_until(1_500_000);
    script.at(1_600_000).segment(Client, TcpFlags::FIN, 1_000, Some(9_101), 0);
    script.at(1_600_010).segment(Server, ACK, 9_101, Some(1_001), 0);
    script.wait_until(9_000_000);
    let text = script.text();
    let headings: Vec<_> = text.lines().filter(|line| line.starts_with('#')).collect();
    assert_eq!(headings.len(), 2, "{text}");
    let ends = "#1 10.0.0.1:40000 → 10.0.0.2:80";
    assert!(headings.iter().all(|heading| heading.starts_with(ends)), "{text}");
    assert!(
        text.contains("unfinished: the server closed its side; whether the client has is unknown: what it sent last")
    );
    let fins: Vec<_> = text.lines().filter(|line| line.contains("9100") || line.contains("FIN,ACK seq 101")).collect();
    assert!(fins.len() == 2 && fins.iter().all(|row| row.contains('◀')), "{text}");
}
