//! Reading of captures, which needs neither privileges nor a kernel.

mod accurate_ecn;
mod documents;
mod processes;
mod without_times;
mod wrong_times;

use std::{net::SocketAddr, path::Path, process::Command, time::Duration};

use serde_json::Value;
use tcptrace_tests::{ACK, FIN, RST, SYN, binary, raw_pcap, tcp_packet};

use self::documents::FIRST;

const PUSH: u8 = 0x08;

/// The sender of a segment.
#[derive(Clone, Copy)]
enum Who {
    C,
    S,
}
use Who::{C, S};

/// One segment: microseconds since the first, sender, flags, sequence and acknowledgement number relative to the ISNs,
/// payload.
type Line = (u64, Who, u8, u32, u32, usize);

/// The options in the SYN of one end.
#[derive(Clone, Copy)]
struct End {
    at: &'static str,
    isn: u32,
    mss: u16,
    window_scale: u8,
    /// The value of its timestamp.
    clock: u32,
}

impl End {
    fn address(&self) -> SocketAddr {
        self.at.parse().expect("an endpoint")
    }

    /// mss, sackOK, TS val and ecr, nop, wscale
    fn options(&self, echo: u32) -> Vec<u8> {
        let [high, low] = self.mss.to_be_bytes();
        let timestamp = [self.clock, echo].map(u32::to_be_bytes).concat();
        [&[2, 4, high, low, 4, 2, 8, 10], timestamp.as_slice(), &[1, 3, 3, self.window_scale]].concat()
    }
}

/// A captured connection.
struct Capture {
    client: End,
    server: End,
    lines: Vec<Line>,
}

impl Capture {
    /// A pcap file of raw IP frames.
    fn pcap(&self) -> Vec<u8> {
        self.pcap_with(&[])
    }

    /// A pcap file of the exchange with the options `more` in every segment, in SYNs after their own options.
    fn pcap_with(&self, more: &[u8]) -> Vec<u8> {
        let packets = self.lines.iter().map(|&(micros, from, flags, seq, ack, length)| {
            let (own, other) =
                if matches!(from, C) { (&self.client, &self.server) } else { (&self.server, &self.client) };
            let numbers = (own.isn.wrapping_add(seq), if flags & ACK == 0 { 0 } else { other.isn.wrapping_add(ack) });
            let echo = if flags & ACK == 0 { 0 } else { other.clock };
            let options = if flags & SYN == 0 { more.to_vec() } else { [&own.options(echo), more].concat() };
            let packet = tcp_packet(own.address(), other.address(), flags, numbers, &options, &vec![b'x'; length]);
            (Duration::from_secs(1_700_000_000) + Duration::from_micros(micros), packet)
        });
        raw_pcap(&packets.collect::<Vec<_>>())
    }
}

/// A capture of a whole connection.
pub(crate) fn whole_connection() -> Vec<u8> {
    FIRST.capture().pcap()
}

/// A capture of a whole connection with these options in every segment.
pub(crate) fn whole_connection_with(options: &[u8]) -> Vec<u8> {
    FIRST.capture().pcap_with(options)
}

/// The output of a run: the JSON lines, stderr and the exit status.
pub(crate) struct Read {
    pub(crate) records: Vec<Value>,
    pub(crate) log: String,
    pub(crate) status: Option<i32>,
}

pub(crate) fn read(file: &[u8], arguments: &[&str]) -> Read {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("capture.pcap");
    std::fs::write(&path, file).expect("a file can be written");
    run(&path, arguments)
}

pub(crate) fn run(path: &Path, arguments: &[&str]) -> Read {
    let output = Command::new(binary()).arg("-r").arg(path).arg("--json").args(arguments).output().expect("it runs");
    let lines = String::from_utf8(output.stdout).expect("UTF-8");
    Read {
        records: lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect(),
        log: String::from_utf8(output.stderr).expect("UTF-8"),
        status: output.status.code(),
    }
}

impl Read {
    pub(crate) fn only(&self, kind: &str) -> &Value {
        let found: Vec<_> = self.records.iter().filter(|record| record["type"] == kind).collect();
        assert_eq!(found.len(), 1, "{kind}: {found:#?}");
        found[0]
    }
}

#[test]
fn how_long_a_connection_was_idle_is_told_whichever_segments_are_shown() {
    let mut capture = FIRST.capture();
    let closes = capture.lines.iter().position(|line| line.2 & FIN != 0).expect("it is closed");
    capture.lines.iter_mut().skip(closes).for_each(|line| line.0 += 60_000_000);
    let file = capture.pcap();
    for segments in ["control", "all"] {
        let read = read(&file, &["--segments", segments]);
        let close = read.only("close");
        assert!(close["idle_ns"].as_u64().is_some_and(|idle| idle >= 60_000_000_000), "{close}");
        assert!(close["summary"].as_str().is_some_and(|summary| summary.starts_with("idle for 60.")), "{close}");
    }
}

#[test]
fn filters_choose_among_the_connections_of_a_capture() {
    let file = whole_connection();
    for (arguments, connections) in [
        (&["-p", "54321"][..], 1),
        (&["-p", "49538"], 1),
        (&["-p", "80"], 0),
        (&["--host", "172.18.0.0/16"], 1),
        (&["--host", "10.0.0.0/8"], 0),
        (&["-4"], 1),
        (&["-6"], 0),
        (&["-i", "eth0"], 0),
    ] {
        let read = read(&file, arguments);
        assert_eq!(read.only("end")["connections"], connections, "{arguments:?}");
        assert_eq!(read.status, Some(0), "{arguments:?}");
    }
}

/// Returns the four bytes at an offset, as a number.
fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Returns the records of a file made by [`Capture::pcap`]: header and frame of each.
fn records(file: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut rest = &file[24..];
    std::iter::from_fn(|| {
        let (header, after) = rest.split_at_checked(16)?;
        let (frame, after) = after.split_at(word(header, 8) as usize);
        rest = after;
        Some((header, frame))
    })
    .collect()
}

/// Returns a capture as a mirror port produces it: every frame again, `delay` microseconds after the first.
fn mirrored(file: &[u8], delay: u32) -> Vec<u8> {
    let mut doubled = file[..24].to_vec();
    for ((header, frame), id) in records(file).into_iter().zip(1_u16..) {
        let micros = word(header, 4) + delay;
        assert!(micros < 1_000_000, "the first capture does not cross a second");
        let later = [&header[..4], &micros.to_le_bytes(), &header[8..]].concat();
        for header in [header, &later] {
            doubled.extend([header, &frame[..4], &id.to_be_bytes(), &frame[6..]].concat());
        }
    }
    doubled
}

#[test]
fn a_mirror_port_s_copies_are_counted_once() {
    let file = whole_connection();
    let (once, twice) = (read(&file, &[]), read(&mirrored(&file, 1), &[]));
    // All but `start`, which names the file.
    assert_eq!(twice.records[1..], once.records[1..]);
    let says =
        "/capture.pcap: 10 of 20 frames are copies of an earlier frame, as from a mirror port: each counted once\n";
    assert!(twice.log.ends_with(says) && twice.log.lines().count() == 1, "{}", twice.log);
}

/// Returns the frames of both files, of raw IP, in turn, as Ethernet frames with a VLAN tag for each file.
fn in_vlans(files: [&[u8]; 2], vlans: [u8; 2]) -> Vec<u8> {
    let mut tagged = files[0][..20].to_vec();
    tagged.extend(1_u32.to_le_bytes());
    let [first, second] = files.map(records);
    for pair in first.into_iter().zip(second) {
        for ((header, frame), vlan) in [pair.0, pair.1].into_iter().zip(vlans) {
            let size = (word(header, 8) + 18).to_le_bytes();
            let ethernet = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x81, 0, 0, vlan, 8, 0];
            tagged.extend([&header[..8], &size, &size, &ethernet, frame].concat());
        }
    }
    tagged
}

#[test]
fn equal_addresses_in_two_vlans_are_two_connections() {
    let mut other = FIRST.capture();
    for end in [&mut other.client, &mut other.server] {
        end.isn = end.isn.wrapping_add(1_000);
    }
    let read = read(&in_vlans([&FIRST.capture().pcap(), &other.pcap()], [5, 6]), &["--segments", "all"]);
    assert_eq!(read.only("end")["connections"], 2);
    let layer_and_word = |kind: &str, word: &str| {
        let records = read.records.iter().filter(|record| record["type"] == kind);
        records.map(|record| (record["encapsulation"][0].clone(), record[word].clone())).collect::<Vec<_>>()
    };
    assert_eq!(
        layer_and_word("handshake", "outcome"),
        ["vlan 5", "vlan 6"].map(|vlan| (vlan.into(), "established".into()))
    );
    let kinds = layer_and_word("close", "kind");
    assert_eq!(kinds.len(), 2);
    assert_eq!(kinds[0].1, kinds[1].1, "{kinds:?}");

    // A recording gives the same result.
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("recording.jsonl");
    let lines: Vec<_> = read.records.iter().map(ToString::to_string).collect();
    std::fs::write(&path, lines.join("\n") + "\n").expect("a file can be written");
    let again = run(&path, &["--segments", "all"]).records;
    let last = read.records.len() - 1;
    assert!(again.len() == read.records.len() && again[1..last] == read.records[1..last], "{again:#?}");
}

#[test]
fn a_capture_that_is_cut_off_is_read_as_far_as_it_goes() {
    let file = whole_connection();
    let read = read(&file[..file.len() - 7], &[]);
    assert_eq!(read.status, Some(1));
    assert!(read.log.contains("cut off") && read.log.contains("complete frames before it: 9"), "{}", read.log);
    assert_eq!(read.only("close")["kind"], "unfinished");
}

#[test]
fn what_is_no_capture_is_said_in_one_sentence() {
    for (bytes, says) in [(&b"hello world\n"[..], "text"), (b"", "empty"), (b"\xfd7zXZ\0\0\0\0\0", "compressed")] {
        let read = read(bytes, &[]);
        assert_eq!((read.status, read.records.len(), read.log.lines().count()), (Some(1), 0, 1), "{}", read.log);
        assert!(read.log.contains(says), "{}", read.log);
    }
    let read = run(Path::new("/nonexistent/capture.pcap"), &[]);
    assert_eq!((read.status, read.log.lines().count()), (Some(1), 1), "{}", read.log);
}
