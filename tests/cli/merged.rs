//! The files of two hosts are merged: `-r A B`.

mod refused;

use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    process::{Command, Stdio},
};

use serde_json::Value;
use tcptrace_tests::{ACK, FIN, RST, SYN, binary, tcp_packet};
use tempfile::TempDir;

use crate::run;

/// Microseconds by which the server's clock is ahead.
const AHEAD: u32 = 3_000_000;

/// A segment: true if it is the client's, its flags and numbers without the ISNs, and the times at which it was sent and at
/// which it arrived, in microseconds by the client's clock; `None` if it was lost.
type Step = (bool, u8, u32, u32, u32, Option<u32>);

const ORDERLY: [Step; 6] = [
    (true, SYN, 0, 0, 0, Some(200)),
    (false, SYN | ACK, 0, 1, 210, Some(610)),
    (true, ACK, 1, 1, 620, Some(820)),
    (true, FIN | ACK, 1, 1, 5_000, Some(5_200)),
    (false, FIN | ACK, 1, 2, 5_210, Some(5_610)),
    (true, ACK, 2, 2, 5_620, Some(5_820)),
];
const REFUSED: [Step; 2] = [(true, SYN, 0, 0, 0, Some(200)), (false, RST | ACK, 0, 1, 210, Some(610))];
/// The first SYN is lost, and so is the server's reset.
const LOSSES: [Step; 5] = [
    (true, SYN, 0, 0, 0, None),
    (true, SYN, 0, 0, 1_000_000, Some(1_000_200)),
    (false, SYN | ACK, 0, 1, 1_000_210, Some(1_000_610)),
    (true, ACK, 1, 1, 1_000_620, Some(1_000_820)),
    (false, RST | ACK, 1, 1, 1_005_000, None),
];

/// Captures of both ends of connections; the server sees another address of the client, which is translated on the way.
struct Captures(TempDir);

impl Captures {
    fn new() -> Self {
        let header = [0xa1b2_c3d4_u32.to_le_bytes(), [2, 0, 4, 0]].concat();
        let header = [header, [0, 0, 65535, 101].map(u32::to_le_bytes).concat()].concat();
        let server: SocketAddr = "192.0.2.2:80".parse().expect("an endpoint");
        let mut frames: [Vec<(u32, Vec<u8>)>; 2] = [Vec::new(), Vec::new()];
        for (number, steps) in [&ORDERLY[..], &REFUSED, &LOSSES, &ORDERLY].into_iter().enumerate() {
            let port = 40_000 + u16::try_from(number).expect("few");
            let isn = 7_000 + 100_000 * u32::from(port);
            for &(by_client, flags, seq, ack, sent, arrived) in steps {
                for (place, inside) in [(0, [10, 0, 0, 1]), (1, [198, 51, 100, 7])] {
                    let Some(at) = (if by_client == (place == 0) { Some(sent) } else { arrived }) else { continue };
                    // The server's capture began after the first connection.
                    if number == 0 && place == 1 {
                        continue;
                    }
                    let client = SocketAddr::new(inside.into(), port - 1_000 * u16::try_from(place).expect("0 or 1"));
                    let (from, to) = if by_client { (client, server) } else { (server, client) };
                    let (own, other) = if by_client { (isn, isn + 50_000) } else { (isn + 50_000, isn) };
                    let ack = if flags & ACK == 0 { 0 } else { other + ack };
                    let seq = if flags & RST != 0 && seq == 0 { 0 } else { own + seq };
                    let at = at + 2_000_000 * u32::try_from(number).expect("few");
                    let at = if place == 1 { at + AHEAD } else { at };
                    frames[place].push((at, tcp_packet(from, to, flags, (seq, ack), &[], &[])));
                }
            }
        }
        let folder = tempfile::tempdir().expect("a folder");
        for (mut frames, name) in frames.into_iter().zip(["a.pcap", "b.pcap"]) {
            frames.sort_by_key(|(at, _)| *at);
            let mut file = header.clone();
            for (at, packet) in frames {
                let size = u32::try_from(packet.len()).expect("a packet is short");
                file.extend(
                    [1_700_000_000 + at / 1_000_000, at % 1_000_000, size, size].map(u32::to_le_bytes).concat(),
                );
                file.extend(packet);
            }
            fs::write(folder.path().join(name), file).expect("a file can be written");
        }
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Reads these files; returns the exit status, stdout and stderr.
    fn read(&self, names: &[&str], arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut command = Command::new(binary());
        command
            .current_dir(self.0.path())
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
            .env("COLUMNS", "240")
            .arg("-r")
            .args(names);
        run(command.args(arguments))
    }

    fn json(&self, names: &[&str]) -> Vec<Value> {
        let (code, stdout, stderr) = self.read(names, &["--json"]);
        assert_eq!((code, stderr.as_str()), (Some(0), ""));
        stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

/// Returns the last verdict of each connection, with the ISNs of its handshake.
fn verdicts(records: &[Value]) -> Vec<(Value, Value, Value)> {
    let handshakes = records.iter().filter(|record| record["type"] == "handshake");
    handshakes
        .map(|handshake| {
            let close = records.iter().find(|record| record["type"] == "close" && record["conn"] == handshake["conn"]);
            let isn = |end: &str| handshake[end]["isn"].clone();
            (isn("client"), isn("server"), close.unwrap_or(handshake).clone())
        })
        .collect()
}

/// Returns the microseconds by which the clock of a place on the way is ahead of the client's.
fn ahead(place: u32) -> i64 {
    let seconds = i64::from(place) * 700_000;
    if place.is_multiple_of(2) { seconds } else { -seconds }
}

/// Writes captures of an orderly connection at this number of places between its ends, each with a clock of its own, and 10
/// µs apart.
fn along_the_way(places: u32) -> (TempDir, Vec<String>) {
    const APART: u32 = 10;
    let folder = tempfile::tempdir().expect("a folder");
    let ends: [SocketAddr; 2] = ["192.0.2.1:40000", "192.0.2.2:80"].map(|end| end.parse().expect("an endpoint"));
    let names: Vec<String> = (0..places).map(|place| format!("{place:02}.pcap")).collect();
    for (place, name) in (0..places).zip(&names) {
        let mut file = [0xa1b2_c3d4_u32.to_le_bytes(), [2, 0, 4, 0]].concat();
        file.extend([0, 0, 65535, 101].map(u32::to_le_bytes).concat());
        for &(by_client, flags, seq, ack, sent, _) in &ORDERLY {
            let (from, to, own, other) =
                if by_client { (ends[0], ends[1], 7_000, 90_000) } else { (ends[1], ends[0], 90_000, 7_000) };
            let passed = if by_client { place } else { places - 1 - place };
            let at = 1_700_000_000_000_000 + i64::from(sent + passed * APART) + ahead(place);
            let packet =
                tcp_packet(from, to, flags, (own + seq, if flags & ACK == 0 { 0 } else { other + ack }), &[], &[]);
            let size = packet.len() as i64;
            let words = [at / 1_000_000, at % 1_000_000, size, size];
            file.extend(words.map(|word| u32::try_from(word).expect("32 bits").to_le_bytes()).concat());
            file.extend(packet);
        }
        fs::write(folder.path().join(name), file).expect("a file can be written");
    }
    (folder, names)
}

#[test]
fn four_and_sixteen_places_on_the_way_are_one_connection() {
    for places in [4, 16] {
        let (folder, mut names) = along_the_way(places);
        // The order in which they are given does not matter.
        names.rotate_left(1);
        let mut command = Command::new(binary());
        command.current_dir(folder.path()).args(["--json", "-r"]).args(&names);
        let (code, stdout, stderr) = run(&mut command);
        assert_eq!((code, stderr.as_str()), (Some(0), ""));
        let records: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let of = |kind: &'static str| records.iter().filter(move |record| record["type"] == kind);
        let closes: Vec<_> = of("close").collect();
        let [close] = closes[..] else { panic!("{} closes of {places} places", closes.len()) };
        let views = close["joined"]["views"].as_array().expect("views");
        assert_eq!(views.len(), places as usize, "{close}");
        let place = |view: &Value| -> u32 { view["host"].as_str().expect("a name")[..2].parse().expect("a number") };
        // The clock of the first file is the reference.
        let first = ahead(1);
        for view in views {
            let number = |field: &str| view[field].as_i64().unwrap_or_else(|| panic!("{field} in {view}"));
            let (offset, error) = (number("clock_offset_ns"), number("clock_error_ns"));
            let right = (ahead(place(view)) - first) * 1_000;
            assert!((offset - right).abs() <= error, "{offset} ± {error} ns, not {right}: {view}");
        }
        assert_eq!(of("segment").count(), ORDERLY.len());
        for segment in of("segment") {
            assert_eq!(segment["passage"]["lost"], false, "{segment}");
            assert_eq!(segment["passage"]["sightings"].as_array().map(Vec::len), Some(places as usize), "{segment}");
        }
    }
}

#[test]
fn connections_are_those_that_a_join_by_their_numbers_finds() {
    let captures = Captures::new();
    let merged = verdicts(&captures.json(&["a.pcap", "b.pcap"]));
    let [a, b] = ["a.pcap", "b.pcap"].map(|name| verdicts(&captures.json(&[name])));
    let mut both = 0;
    for (client, server, _) in &a {
        let there = b.iter().any(|(other_client, other_server, _)| (client, server) == (other_client, other_server));
        let of = merged.iter().find(|(merged_client, ..)| merged_client == client).expect("it is there");
        assert_eq!(of.2["joined"]["only_at"].is_null(), there, "{}", of.2);
        both += u32::from(there);
    }
    assert_eq!((merged.len(), a.len(), b.len(), both), (4, 4, 3, 3));
    let alone = merged.iter().find(|(.., verdict)| verdict["joined"]["only_at"] == "a.pcap").expect("one");
    assert_eq!(alone.2["client"]["port"], 40_000);
    assert_eq!(alone.2["joined"]["views"].as_array().map(Vec::len), Some(1));
}

#[test]
fn clocks_losses_and_addresses_are_told() {
    let captures = Captures::new();
    let records = captures.json(&["a.pcap", "b.pcap"]);
    let losses =
        records.iter().find(|record| record["type"] == "close" && record["client"]["port"] == 40_002).expect("one");
    // 200 µs there and 400 µs back.
    assert_eq!(losses["joined"]["round_trip_ns"], 600_000);
    let view = &losses["joined"]["views"][1];
    assert_eq!((&view["host"], &view["client"]["addr"]), (&"b.pcap".into(), &"198.51.100.7".into()));
    assert_eq!(view["clock_error_ns"], 300_000);
    let offset = view["clock_offset_ns"].as_i64().expect("known");
    assert!((offset - i64::from(AHEAD) * 1_000).abs() <= 300_000, "{offset}");
    // The client's capture does not show the reset, but the server's does.
    assert_eq!((&losses["kind"], &losses["joined"]["verdict_of"]), (&"reset".into(), &"b.pcap".into()), "{losses}");
    let lost = records.iter().filter(|record| record["type"] == "segment" && record["passage"]["lost"] == true);
    let lost: Vec<_> =
        lost.map(|segment| (segment["flags"].clone(), segment["passage"]["sightings"][0]["host"].clone())).collect();
    assert_eq!(lost, [("S".into(), "a.pcap".into()), ("R.".into(), "b.pcap".into())]);
    assert!(
        records
            .iter()
            .all(|record| record["type"] != "segment" || record["time"].as_str() < Some("2023-11-14T22:13:30Z"))
    );
}

#[test]
fn one_ladder_has_both_hosts() {
    let (code, stdout, stderr) = Captures::new().read(&["b.pcap", "a.pcap"], &["--only", "refused"]);
    assert_eq!(code, Some(0), "{stderr}");
    for words in [
        "seen by a.pcap, then b.pcap: 0.600 ms there and back; a.pcap's clock is ",
        " behind, give or take ",
        "at b.pcap it is 198.51.100.7:39001 to 192.0.2.2:80",
        "arrives after ",
    ] {
        assert!(stdout.contains(words), "`{words}` is not in:\n{stdout}");
    }
    assert_eq!(stdout.matches('▶').count(), 1, "{stdout}");
}

#[test]
fn a_reader_who_leaves_early_is_not_told_that_the_files_do_not_match() {
    let folder = tempfile::tempdir().expect("a folder");
    let server: SocketAddr = "192.0.2.2:80".parse().expect("an endpoint");
    for (name, client) in [("a.pcap", [10, 0, 0, 1]), ("b.pcap", [10, 0, 0, 2])] {
        let mut file = [0xa1b2_c3d4_u32.to_le_bytes(), [2, 0, 4, 0]].concat();
        file.extend([0, 0, 65535, 101].map(u32::to_le_bytes).concat());
        // Together they have more to write than is held for a reader.
        for port in 10_000..20_000 {
            let client = SocketAddr::new(client.into(), port);
            let isn = u32::from(port) << 8;
            let syn = tcp_packet(client, server, SYN, (isn, 0), &[], &[]);
            let reset = tcp_packet(server, client, RST | ACK, (0, isn + 1), &[], &[]);
            for packet in [syn, reset] {
                let size = u32::try_from(packet.len()).expect("a packet is short");
                file.extend([1_700_000_000 + u32::from(port), 0, size, size].map(u32::to_le_bytes).concat());
                file.extend(packet);
            }
        }
        fs::write(folder.path().join(name), file).expect("a file can be written");
    }
    let mut command = Command::new(binary());
    command.current_dir(folder.path()).args(["--json", "-r", "a.pcap", "b.pcap"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it can be started");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*stderr), (Some(0), ""));
}
