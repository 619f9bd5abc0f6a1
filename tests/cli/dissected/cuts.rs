//! The exchange in truncated frames, in fragments, and in frames whose lengths contradict each other.

use std::process::Command;

use tcptrace_tests::binary;

use super::{
    Wrap, dissected,
    exchange::{Packet, exchange},
    file::pcap_of,
    known, reported,
    tunnels::{ether_type, ethernet},
};
use crate::run;

/// The captured bytes of a frame, and its original length in the record.
type Captured = (Vec<u8>, usize);

/// A way in which packets are damaged.
struct Kind {
    name: &'static str,
    frames: fn(&Packet) -> Vec<Captured>,
    ours: Verdicts,
    wireshark: Verdicts,
    /// Parts of the text about the frames, in order.
    says: &'static [&'static str],
}

/// The part of the exchange that a program reports.
#[derive(Clone, Copy)]
enum Verdicts {
    Everything,
    Nothing,
    /// Different totals.
    Otherwise,
}
use Verdicts::{Everything, Nothing, Otherwise};

/// Kinds with one or more frames for each packet of the exchange.
const KINDS: [Kind; 19] = [
    cut(
        "in Ethernet",
        |p| snapped(p, |_| 10),
        Nothing,
        &["were not read: 40 × cut by the snap length before a TCP header"],
    ),
    cut("behind Ethernet", |p| snapped(p, |_| 14), Nothing, &["40 × cut by the snap length before a TCP header"]),
    cut("in IP", |p| snapped(p, |_| 24), Nothing, &["40 × cut by the snap length before a TCP header"]),
    cut(
        "behind IP",
        |p| of_tcp(p, 0),
        Nothing,
        &["cut too short to be read", "40 × cut by the snap length in the TCP header"],
    ),
    cut("behind the ports", |p| of_tcp(p, 6), Nothing, &["40 × cut by the snap length in the TCP header"]),
    cut("behind the sequence number", |p| of_tcp(p, 8), Nothing, &["40 × cut by the snap length in the TCP header"]),
    cut("behind the flags", |p| of_tcp(p, 14), Nothing, &["40 × cut by the snap length in the TCP header"]),
    // If the end of the fixed header is cut off, tshark takes a retransmission for new data.
    Kind { name: "behind the window", frames: |p| of_tcp(p, 16), ours: Everything, wireshark: Otherwise, says: &[] },
    cut("in front of the options", |p| of_tcp(p, 20), Everything, &[]),
    cut("in the options", |p| of_tcp(p, 31), Everything, &[]),
    cut("in the payload", |p| of_tcp(p, 50), Everything, &[]),
    Kind {
        name: "cut without a word of it",
        frames: |p| of_tcp(p, 12).into_iter().map(|(frame, _)| (frame.clone(), frame.len())).collect(),
        ours: Nothing,
        wireshark: Nothing,
        says: &["40 × TCP in a frame shorter than its IP header says"],
    },
    cut("original length 0", |p| vec![(frame(p), 0)], Everything, &[]),
    cut("original length below the captured one", |p| vec![(frame(p), 30)], Everything, &[]),
    cut(
        "IP length beyond the frame",
        |p| {
            let mut bytes = p.bytes.clone();
            let at = if p.v6 { 4 } else { 2 };
            let length = u16::from_be_bytes([bytes[at], bytes[at + 1]]) + 50;
            bytes[at..at + 2].copy_from_slice(&length.to_be_bytes());
            let frame = ethernet(ether_type(p), &bytes);
            let length = frame.len();
            vec![(frame, length)]
        },
        Everything,
        &["40 of 40 frames are shorter than their IP header says: their segments end with the frame"],
    ),
    cut("fragments", |p| fragments(p, 64), Everything, &["× later IP fragment"]),
    cut(
        "fragments, the last one first",
        |p| fragments(p, 64).into_iter().rev().collect(),
        Everything,
        &["× later IP fragment"],
    ),
    Kind {
        name: "fragments of 8 bytes",
        frames: |p| fragments(p, 8),
        ours: Nothing,
        wireshark: Everything,
        says: &["× later IP fragment, 40 × IP fragment with a part of the TCP header"],
    },
    cut("fragments without the first", |p| fragments(p, 16).split_off(1), Nothing, &["× later IP fragment"]),
];

/// A kind on which both programs agree.
const fn cut(
    name: &'static str,
    frames: fn(&Packet) -> Vec<Captured>,
    both: Verdicts,
    says: &'static [&'static str],
) -> Kind {
    Kind { name, frames, ours: both, wireshark: both, says }
}

fn frame(packet: &Packet) -> Vec<u8> {
    ethernet(ether_type(packet), &packet.bytes)
}

fn snapped(packet: &Packet, kept: impl FnOnce(&Packet) -> usize) -> Vec<Captured> {
    let mut frame = frame(packet);
    let original = frame.len();
    frame.truncate(kept(packet));
    vec![(frame, original)]
}

/// Returns a frame with `kept` bytes from the TCP header on.
fn of_tcp(packet: &Packet, kept: usize) -> Vec<Captured> {
    snapped(packet, |packet| 14 + header(packet) + kept)
}

fn header(packet: &Packet) -> usize {
    if packet.v6 { 40 } else { 20 }
}

/// Returns the frames of a packet whose payload is in fragments of this length, a multiple of 8.
fn fragments(packet: &Packet, length: usize) -> Vec<Captured> {
    let (header, payload) = packet.bytes.split_at(header(packet));
    let id = u16::try_from(packet.micros / 250_000 + 1).expect("there are few packets").to_be_bytes();
    let parts = payload.len().div_ceil(length);
    let fragment = |(index, part): (usize, &[u8])| {
        let (more, at) = (u16::from(index + 1 < parts), u16::try_from(index * length).expect("a packet is short"));
        let mut header = header.to_vec();
        let size = |more: usize| u16::try_from(part.len() + more).expect("a packet is short").to_be_bytes();
        if packet.v6 {
            header[4..6].copy_from_slice(&size(8));
            let next = std::mem::replace(&mut header[6], 44);
            header.extend([&[next, 0], &(at | more).to_be_bytes()[..], &[0, 0], &id].concat());
        } else {
            header[2..4].copy_from_slice(&size(20));
            header[4..6].copy_from_slice(&id);
            header[6..8].copy_from_slice(&((at / 8) | (more << 13)).to_be_bytes());
        }
        let frame = ethernet(ether_type(packet), &[&header, part].concat());
        let length = frame.len();
        (frame, length)
    };
    payload.chunks(length).enumerate().map(fragment).collect()
}

#[test]
fn what_was_cut_or_is_in_fragments_is_read_as_wireshark_reads_it_or_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let whole = Wrap { name: "", link_type: 1, frame: |packet| Some(frame(packet)), dissected: true };
    let mut faults = Vec::new();
    for Kind { name, frames, ours, wireshark, says } in KINDS {
        let records: Vec<_> = exchange(1)
            .iter()
            .flat_map(|packet| frames(packet).into_iter().map(|(frame, length)| (packet.micros, frame, length)))
            .collect();
        let path = folder.path().join("cut.pcap");
        std::fs::write(&path, pcap_of(1, records.iter().map(|(at, frame, length)| (*at, &frame[..], *length))))
            .expect("a file can be written");
        for (reader, found, reported) in [("tcptrace", reported(&path), ours), ("tshark", dissected(&path), wireshark)]
        {
            let expected = if let Nothing = reported { Default::default() } else { known(1, &whole) };
            let differs = matches!(reported, Otherwise);
            if (found != expected) != differs {
                faults.push(format!("{name}: {reader}: {found:?}; to differ from {expected:?}: {differs}"));
            }
        }
        let (_, _, said) = run(Command::new(binary()).args(["--json", "-r"]).arg(&path));
        let missing = says.iter().filter(|says| !said.contains(**says));
        faults.extend(missing.map(|says| format!("{name}: {said:?} does not say {says:?}")));
        if says.is_empty() && !said.is_empty() {
            faults.push(format!("{name}: {said:?}"));
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}
