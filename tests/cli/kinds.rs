//! Verdicts on captures of exchanges that are easily misread: a table of segments and expected verdicts.
//!
//! Each is read eight times: with the client's address above and below the server's, with and without numbers that wrap
//! during it, and with and without times that stand still, as in a capture with a coarse clock.

mod ended;
mod generations;
mod halves;
mod refused;

use std::{net::SocketAddr, time::Duration};

use tcptrace_tests::{ACK, Crafted, SYN, icmp_packet, raw_pcap, tcp_packet, verdicts};

use crate::captures::read;

/// A name, the segments and ICMP errors of a capture, and the expected verdict on each connection, as [`verdicts`] writes
/// it.
///
/// `> S 0` is a segment of the client, `< S. 0/0/1` one of the server; `> icmp 3/1` and `< icmp 3/1` are ICMP errors that
/// the host of one end sends about the last segment of the other end. A millisecond passes between two of them, unless
/// stated: `2s`. A number after an `@` is added to the ISN of the segment's end: `> S 0 @1000000` begins another connection,
/// whose numbers are relative to that from there on; `@` alone returns to the first.
type Row = (&'static str, &'static str, &'static [&'static str]);

/// SYN; SYN,ACK; ACK.
const OPEN: &str = "> S 0; < S. 0/0/1; > . 1/0/1";

/// A variant of an exchange in a file.
#[derive(Clone, Copy, Debug)]
struct Manner {
    ends: [SocketAddr; 2],
    isns: [u32; 2],
    /// True if the clock of the capture stands still.
    coarse: bool,
}

fn manners() -> impl Iterator<Item = Manner> {
    let at = |host: u8, port| SocketAddr::from(([192, 0, 2, host], port));
    let ends = [[at(9, 6002), at(3, 6001)], [at(3, 6002), at(9, 6001)]];
    let isns = [[5_000_000, 3_000_000_000], [u32::MAX - 20, u32::MAX - 1]];
    let ways = ends.into_iter().flat_map(move |ends| isns.map(|isns| (ends, isns)));
    ways.flat_map(|(ends, isns)| [false, true].map(|coarse| Manner { ends, isns, coarse }))
}

impl Manner {
    /// The packets of a script.
    #[track_caller]
    fn play(self, script: &str) -> Vec<(Duration, Vec<u8>)> {
        let mut at = Duration::from_secs(1_700_000_000);
        let mut shifts = [0_u32; 2];
        let mut last = [const { Vec::new() }; 2];
        let mut packets = Vec::new();
        for line in script.split(';').map(str::trim).filter(|line| !line.is_empty()) {
            let words: Vec<_> = line.split_whitespace().collect();
            if let [wait] = words[..] {
                let seconds: f64 = wait.strip_suffix('s').and_then(|wait| wait.parse().ok()).expect("a time");
                at += Duration::from_secs_f64(seconds);
                continue;
            }
            let own = match words[0] {
                ">" => 0,
                "<" => 1,
                _ => panic!("nobody sends `{line}`"),
            };
            let (from, to) = (self.ends[own], self.ends[1 - own]);
            let packet = if let ["icmp", kind] = words[1..] {
                let (kind, code) = kind.split_once('/').expect("a type and a code");
                let kind = (kind.parse().expect("a type"), code.parse().expect("a code"));
                icmp_packet(from.ip(), kind, &last[1 - own])
            } else {
                let (words, shift) = match words[1..] {
                    [ref words @ .., shift] if shift.starts_with('@') => (words, Some(&shift[1..])),
                    ref words => (words, None),
                };
                if let Some(shift) = shift {
                    shifts[own] = shift.parse().unwrap_or_default();
                }
                let crafted = Crafted::parse(words).unwrap_or_else(|| panic!("`{line}` is not a segment"));
                let number = |end: usize, relative: i64| {
                    // Truncation is intended: sequence numbers are modulo 2^32.
                    self.isns[end].wrapping_add(shifts[end]).wrapping_add(relative as u32)
                };
                let ack = if crafted.flags & ACK == 0 { 0 } else { number(1 - own, crafted.ack) };
                let mut options = if crafted.flags & SYN == 0 { Vec::new() } else { vec![2, 4, 5, 180] };
                if let Some((value, echo)) = crafted.timestamp {
                    options.extend([1, 1, 8, 10]);
                    options.extend([value, echo.unwrap_or_default()].map(u32::to_be_bytes).concat());
                }
                let numbers = (number(own, crafted.seq), ack);
                let payload = vec![b'x'; crafted.length];
                let mut packet = tcp_packet(from, to, crafted.flags, numbers, &options, &payload);
                // Two packets with the same identification would be copies of one (IPv4, RFC 6864).
                packet[4..6].copy_from_slice(&(packets.len() as u16 + 1).to_be_bytes());
                last[own] = packet.clone();
                packet
            };
            packets.push((at, packet));
            if !self.coarse {
                at += Duration::from_millis(1);
            }
        }
        packets
    }
}

/// Plays every row in every variant, and compares the verdicts.
#[track_caller]
fn check(rows: &[Row]) {
    let mut wrong = String::new();
    for (name, script, right) in rows {
        let script = script.replace("OPEN", OPEN);
        for manner in manners() {
            let read = read(&raw_pcap(&manner.play(&script)), &[]);
            let verdicts = verdicts(&read.records, 6001);
            if verdicts != *right || read.status != Some(0) || !read.log.is_empty() {
                let why = &read.log;
                wrong += &format!("{name}: {verdicts:#?}, should be {right:#?}; {manner:?}, {script} {why}\n\n");
                break;
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
