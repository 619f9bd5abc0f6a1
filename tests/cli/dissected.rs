//! One exchange in every encapsulation that docs/captures.md names, as read here and by Wireshark's dissectors.
//!
//! All of them are in one pcapng file, in sections of either byte order and with an interface for each link type. Every
//! encapsulation has addresses of its own, so that no two of its connections meet. Both programs must report the facts known
//! about the exchange; the encapsulations that Wireshark does not dissect are marked.

mod cuts;
mod exchange;
mod file;
mod links;
mod tunnels;

use std::{collections::BTreeMap, net::SocketAddr, path::Path, process::Command};

use serde_json::Value;
use tcptrace_tests::{Completeness, binary, endpoint, is_type, number, text};

use self::{
    exchange::{Packet, Seen, exchange},
    file::{pcap, pcapng},
};
use crate::run;

/// A connection of a capture: the sender of its first segment, and the other end.
type Ends = (SocketAddr, SocketAddr);

/// One way of wrapping a packet.
struct Wrap {
    name: &'static str,
    link_type: u16,
    /// Returns the frame that carries a packet; `None` if that is impossible.
    frame: fn(&Packet) -> Option<Vec<u8>>,
    /// False if tshark 4.0 does not find the packet.
    dissected: bool,
}

impl Wrap {
    /// tshark 4.0 does not find the packet: it does not support the link type or the tag, or reads it only with an option.
    const fn undissected(self) -> Self {
        Self { dissected: false, ..self }
    }
}

/// Returns the frames of the exchange in each encapsulation, each with its time in microseconds.
fn wrapped(wraps: &[Wrap]) -> Vec<Vec<(u64, Vec<u8>)>> {
    let frames = |(wrap, number): (&Wrap, u8)| {
        exchange(number).iter().filter_map(|packet| Some((packet.micros, (wrap.frame)(packet)?))).collect()
    };
    wraps.iter().zip(1..).map(frames).collect()
}

/// Returns the connections of the exchange in one encapsulation: the expected result.
fn known(number: u8, wrap: &Wrap) -> BTreeMap<Ends, Seen> {
    let mut known = BTreeMap::<Ends, Seen>::new();
    for packet in exchange(number).iter().filter(|packet| (wrap.frame)(packet).is_some()) {
        known.entry(packet.ends).or_insert(packet.seen).segments += 1;
    }
    known
}

/// Returns the connections as `tcptrace -r` reports them.
fn reported(file: &Path) -> BTreeMap<Ends, Seen> {
    let arguments = ["--json", "--segments", "all"];
    let (code, stdout, stderr) = run(Command::new(binary()).arg("-r").arg(file).args(arguments));
    assert_eq!(code, Some(0), "{stderr}");
    let records: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let of = |kind| records.iter().filter(move |record| is_type(record, kind));
    let mut reported = BTreeMap::new();
    for handshake in of("handshake") {
        let conn = &handshake["conn"];
        let ends = endpoint(handshake, "client").zip(endpoint(handshake, "server")).expect("two endpoints");
        let close = of("close").find(|close| close["conn"] == *conn);
        let segments = of("segment").filter(|segment| segment["conn"] == *conn);
        let seen = Seen {
            bytes: close.map_or((0, 0), |close| {
                let bytes = |direction| number(&close["bytes"], direction);
                (bytes("client_to_server"), bytes("server_to_client"))
            }),
            completeness: completeness(&segments.clone().collect::<Vec<_>>(), ends.0),
            segments: segments.count() as u64,
        };
        assert!(reported.insert(ends, seen).is_none(), "{ends:?} are the ends of one connection: {handshake}");
    }
    reported
}

/// Returns Wireshark's completeness of a connection, from its segments.
fn completeness(segments: &[&Value], client: SocketAddr) -> u8 {
    let mut seen = 0;
    for segment in segments {
        let by_client = endpoint(segment, "src") == Some(client);
        let flags = text(segment, "flags");
        let (syn, ack) = (flags.contains('S'), flags.contains('.'));
        seen |= match (syn, ack) {
            (true, false) => Completeness::SYN,
            (true, true) => Completeness::SYN_ACK,
            (false, true) if by_client => Completeness::ACK,
            _ => 0,
        };
        seen |= if number(segment, "length") > 0 { Completeness::DATA } else { 0 };
        seen |= if flags.contains('F') { Completeness::FIN } else { 0 };
        seen |= if flags.contains('R') { Completeness::RST } else { 0 };
    }
    seen
}

/// Returns the connections as tshark reports them.
fn dissected(file: &Path) -> BTreeMap<Ends, Seen> {
    // The columns show the innermost addresses.
    const FIELDS: [&str; 8] = [
        "_ws.col.Source",
        "tcp.srcport",
        "_ws.col.Destination",
        "tcp.dstport",
        "tcp.stream",
        "tcp.len",
        "tcp.analysis.retransmission",
        "tcp.completeness",
    ];
    let mut command = Command::new("tshark");
    command.args(["-n", "-2", "-r"]).arg(file).args(["-T", "fields", "-E", "separator=,", "-E", "occurrence=l"]);
    let (code, stdout, stderr) = run(command.args(FIELDS.iter().flat_map(|field| ["-e", field])));
    assert_eq!(code, Some(0), "tshark: {stderr}");
    let mut streams = BTreeMap::<u64, (Ends, Seen)>::new();
    for line in stdout.lines() {
        let fields: Vec<&str> = line.split(',').collect();
        let [from, from_port, to, to_port, stream, length, again, completeness] = fields[..] else {
            panic!("a line with {} fields: {line}", FIELDS.len())
        };
        let Ok(stream) = stream.parse() else { continue };
        let at = |ip: &str, port: &str| SocketAddr::new(ip.parse().expect("an address"), port.parse().expect("a port"));
        let (from, to) = (at(from, from_port), at(to, to_port));
        let (ends, seen) = streams.entry(stream).or_insert(((from, to), Seen::default()));
        seen.segments += 1;
        seen.completeness = completeness.parse().expect("a number");
        // Wireshark takes the ACK of a refusing reset for that of a handshake.
        if seen.completeness & Completeness::SYN_ACK == 0 {
            seen.completeness &= !Completeness::ACK;
        }
        if again.is_empty() {
            let bytes = if ends.0 == from { &mut seen.bytes.0 } else { &mut seen.bytes.1 };
            *bytes += length.parse::<u64>().expect("a length");
        }
    }
    streams.into_values().collect()
}

/// Returns the differences between the connections of an encapsulation.
fn differences(
    wrap: &Wrap,
    reader: &str,
    known: &BTreeMap<Ends, Seen>,
    reported: &BTreeMap<Ends, Seen>,
) -> Vec<String> {
    let differs = |(ends, seen): (&Ends, &Seen)| {
        (reported.get(ends) != Some(seen))
            .then(|| format!("{}: {reader}: {ends:?} {:?}, not {seen:?}", wrap.name, reported.get(ends)))
    };
    known.iter().filter_map(differs).collect()
}

#[track_caller]
fn check(wraps: &[Wrap]) {
    let folder = tempfile::tempdir().expect("a folder");
    let frames = wrapped(wraps);
    let all = folder.path().join("all.pcapng");
    std::fs::write(&all, pcapng(wraps, &frames)).expect("a file can be written");
    let (ours, theirs) = (reported(&all), dissected(&all));
    let mut faults = Vec::new();
    let mut connections = 0;
    for ((wrap, own), at) in wraps.iter().zip(&frames).zip(1..) {
        let known = known(at, wrap);
        connections += known.len();
        assert!(!known.is_empty(), "{} carries something", wrap.name);
        faults.extend(differences(wrap, "tcptrace", &known, &ours));
        let found = differences(wrap, "tshark", &known, &theirs);
        if wrap.dissected {
            faults.extend(found);
        } else if found.is_empty() {
            faults.push(format!("{}: tshark reads it after all", wrap.name));
        }
        // In a pcap file of its own, without names of interfaces.
        let alone = folder.path().join("alone.pcap");
        std::fs::write(&alone, pcap(wrap.link_type, own)).expect("a file can be written");
        faults.extend(differences(wrap, "tcptrace, of pcap", &known, &reported(&alone)));
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    assert_eq!(ours.len(), connections, "no connection is made up");
}

#[test]
fn every_link_type_is_read_as_wireshark_reads_it() {
    check(&links::LINKS);
}

#[test]
fn every_tunnel_is_read_as_wireshark_reads_it() {
    check(&tunnels::TUNNELS);
}

/// The format of Endace's cards, as written by Wireshark: with records that describe the capture, and with extension
/// headers.
#[test]
fn erf_is_read_as_wireshark_writes_it() {
    let folder = tempfile::tempdir().expect("a folder");
    for wrap in
        links::LINKS.into_iter().chain(tunnels::TUNNELS).filter(|wrap| ["Ethernet", "VLAN"].contains(&wrap.name))
    {
        let [pcap_path, erf_path] = ["alone.pcap", "alone.erf"].map(|name| folder.path().join(name));
        let [frames] = &wrapped(std::slice::from_ref(&wrap))[..] else { panic!("one encapsulation") };
        std::fs::write(&pcap_path, pcap(wrap.link_type, frames)).expect("a file can be written");
        // editcap and tshark 4.0 refuse to write it.
        let (code, _, stderr) = run(Command::new("mergecap").args(["-F", "erf", "-w"]).args([&erf_path, &pcap_path]));
        assert_eq!(code, Some(0), "mergecap: {stderr}");
        assert_eq!(reported(&erf_path), known(1, &wrap), "{}", wrap.name);
        assert_eq!(dissected(&erf_path), known(1, &wrap), "{}", wrap.name);
    }
}
