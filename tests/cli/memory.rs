//! The memory that reading a capture, or merging two, takes does not grow with them.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, BufWriter, Write as _},
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use tcptrace_tests::{ACK, FIN, SYN, binary, memory, raw_pcap, tcp_packet};

/// More connections than are kept after their end (40,960), and three times as many.
const NUMBERS: [u32; 2] = [50_000, 150_000];

/// Maximum numbers of MiB for JSON lines and for ladders, which are drawn at a connection's end. Some 39 and 49 are needed, and
/// a little more for what waits on the way between threads on a busy machine; 100,000 more connections would take 40 more.
const JSON_MIB: u64 = 56;
const LADDERS_MIB: u64 = 66;

/// Maximum numbers of MiB for merging two captures, for verdicts alone and with the records of segments. Some 110 and 160 are
/// needed; 100,000 more connections that waited for others would take 200 more.
const MERGED_VERDICTS_MIB: u64 = 150;
const MERGED_MIB: u64 = 220;

/// Time from one connection to the next.
const INTERVAL: Duration = Duration::from_micros(100);

/// The segments of each connection: true if it is the client's, flags, and numbers relative to the ISNs.
const SEGMENTS: [(bool, u8, u32, u32); 7] = [
    (true, SYN, 0, 0),
    (false, SYN | ACK, 0, 1),
    (true, ACK, 1, 1),
    (true, FIN | ACK, 1, 1),
    (false, ACK, 1, 2),
    (false, FIN | ACK, 1, 2),
    (true, ACK, 2, 2),
];

/// Writes a capture of so many connections, one after the other, by a clock that is `ahead`.
fn write_capture(path: &Path, connections: u32, ahead: Duration) {
    let header = raw_pcap(&[]);
    let mut file = BufWriter::new(File::create(path).expect("a file can be created"));
    file.write_all(&header).expect("a file can be written");
    let server = SocketAddr::from(([10, 0, 0, 2], 80));
    for number in 0..connections {
        let client = SocketAddr::from((Ipv4Addr::from_bits(0x0a01_0000 | number), 40_000));
        let began = Duration::from_secs(1_700_000_000) + ahead + INTERVAL * number;
        let packets = SEGMENTS.into_iter().zip(0..).map(|((by_client, flags, seq, ack), at)| {
            let (from, to) = if by_client { (client, server) } else { (server, client) };
            let ack = if flags & ACK == 0 { 0 } else { number + ack };
            (began + Duration::from_micros(10) * at, tcp_packet(from, to, flags, (number + seq, ack), &[], &[]))
        });
        let packets = raw_pcap(&Vec::from_iter(packets));
        file.write_all(&packets[header.len()..]).expect("a file can be written");
    }
    file.flush().expect("a file can be written");
}

/// Reads a capture from a pipe that stays open, and merges it with `other` if there is one; returns the peak memory in KiB
/// after all closes but those of the last second, some of which wait for what may follow. Where files are merged, output is
/// written once there is enough, so there it is the last two seconds. `told` is in the line of a close.
fn peak(path: &Path, other: Option<&Path>, options: &[&str], told: &str, connections: u32) -> u64 {
    let mut command = Command::new(binary());
    command
        .arg("-r")
        .args(other)
        .arg("-")
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut tracer = command.spawn().expect("the program can be started");
    let (mut stdin, stdout) = tracer.stdin.take().zip(tracer.stdout.take()).expect("both are pipes");
    let mut capture = File::open(path).expect("the capture is there");
    let feeding = thread::spawn(move || io::copy(&mut capture, &mut stdin).map(|_| stdin));
    let lines = BufReader::new(stdout).lines().map(|line| line.expect("UTF-8"));
    let mut closes = lines.filter(|line| line.contains(told));
    let last_second = (1_000_000 / INTERVAL.as_micros()) as usize;
    let last = if other.is_some() { 2 * last_second } else { last_second };
    let awaited = connections as usize - last;
    assert!(closes.by_ref().nth(awaited - 1).is_some(), "not all closes are told");
    let peak = memory(tracer.id(), "VmHWM");
    // What is left of the output may be more than the program holds while it reads on.
    let closing =
        thread::spawn(move || drop(feeding.join().expect("it does not panic").expect("a program that reads")));
    assert_eq!(closes.count(), last);
    closing.join().expect("it does not panic");
    assert!(tracer.wait().expect("a child").success());
    peak
}

#[test]
fn memory_for_reading_is_bounded() {
    let folder = tempfile::tempdir().expect("a folder");
    for connections in NUMBERS {
        let path = folder.path().join("many.pcap");
        write_capture(&path, connections, Duration::ZERO);
        for (options, told, most) in
            [(&["--json"][..], r#""type":"close""#, JSON_MIB), (&[], "closed by the client", LADDERS_MIB)]
        {
            let mebibytes = peak(&path, None, options, told, connections) >> 10;
            assert!(mebibytes <= most, "{mebibytes} MiB for {connections} connections, {options:?}");
        }
    }
}

#[test]
fn memory_for_merging_is_bounded() {
    let folder = tempfile::tempdir().expect("a folder");
    let [path, other] = ["one.pcap", "other.pcap"].map(|name| folder.path().join(name));
    for connections in NUMBERS {
        write_capture(&path, connections, Duration::ZERO);
        write_capture(&other, connections, Duration::from_secs(3));
        let verdicts = ["--json", "--emit", "handshake,close"];
        for (options, most) in [(&verdicts[..], MERGED_VERDICTS_MIB), (&["--json"], MERGED_MIB)] {
            let mebibytes = peak(&path, Some(&other), options, r#""type":"close""#, connections) >> 10;
            assert!(mebibytes <= most, "{mebibytes} MiB for {connections} connections, {options:?}");
        }
    }
}
