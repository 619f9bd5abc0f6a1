//! Captures that name processes: Darwin's, and those with process IDs among the options of packets.

use std::process::Command;

use serde_json::{Value, json};
use tcptrace_tests::binary;

use super::{documents::FIRST, read, records, word};
use crate::run;

/// Returns a frame with the names of processes, for a frame sent by the client or by the server.
type Framing = fn(by_client: bool, frame: &[u8]) -> Vec<u8>;

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let mut padded = body.to_vec();
    padded.resize(body.len().next_multiple_of(4), 0);
    let length = u32::try_from(padded.len()).expect("a block is short") + 12;
    [&kind.to_le_bytes(), &length.to_le_bytes(), &padded[..], &length.to_le_bytes()].concat()
}

fn option(code: u16, value: &[u8]) -> Vec<u8> {
    let mut padded = value.to_vec();
    padded.resize(value.len().next_multiple_of(4), 0);
    [&code.to_le_bytes(), &u16::try_from(value.len()).expect("short").to_le_bytes(), &padded[..]].concat()
}

/// Returns a pcapng file of the first connection, as captured at the client; `blocks` come before the frames, and each frame
/// has `options`.
fn pcapng(blocks: &[Vec<u8>], options: fn(by_client: bool) -> Vec<u8>) -> Vec<u8> {
    let pcap = FIRST.capture().pcap();
    let version = [&0x1a2b_3c4d_u32.to_le_bytes()[..], &[1, 0, 0, 0], &[0xff; 8]].concat();
    let mut file = [block(0x0a0d_0d0a, &version), block(1, &[101, 0, 0, 0, 0, 0, 0, 0]), blocks.concat()].concat();
    for (header, frame) in records(&pcap) {
        let micros = u64::from(word(header, 0)) * 1_000_000 + u64::from(word(header, 4));
        let length = u32::try_from(frame.len()).expect("a frame is short");
        let fixed = [0, (micros >> 32) as u32, micros as u32, length, length].map(u32::to_le_bytes).concat();
        let by_client = is_of_client(frame);
        let padding = vec![0; frame.len().next_multiple_of(4) - frame.len()];
        let direction = option(2, &(1 + u32::from(by_client)).to_le_bytes());
        file.extend(block(6, &[&fixed[..], frame, &padding, &direction, &options(by_client), &[0; 4]].concat()));
    }
    file
}

/// The first connection as a pcap file whose frames follow a Darwin PKTAP header.
fn pktap(framing: Framing) -> Vec<u8> {
    let pcap = FIRST.capture().pcap();
    let mut file = pcap[..20].to_vec();
    file.extend(258_u32.to_le_bytes());
    for (header, frame) in records(&pcap) {
        let frame = framing(is_of_client(frame), frame);
        let length = u32::try_from(frame.len()).expect("a frame is short").to_le_bytes();
        file.extend([&header[..8], &length, &length, &frame].concat());
    }
    file
}

fn is_of_client(frame: &[u8]) -> bool {
    frame[20..22] == FIRST.capture().client.address().port().to_be_bytes()
}

/// Returns the processes that a file names: those of the two ends of the handshake and of the close, and their source.
fn processes(file: &[u8], arguments: &[&str]) -> Value {
    let read = read(file, arguments);
    assert_eq!((read.status, read.log.as_str()), (Some(0), ""));
    let ends = ["handshake", "close"].map(|kind| {
        let record = read.only(kind);
        ["client", "server"].map(|end| json!([record[end]["pid"], record[end]["comm"]]))
    });
    let owner = read.only("owner");
    json!([ends, owner["source"], owner["local"]["port"]])
}

#[test]
fn a_process_that_sends_frames_is_that_of_their_end() {
    let port = FIRST.capture().client.address().port();
    let expected = |pid: u32, comm: Value| {
        let ends = [json!([pid, comm]), json!([null, null])];
        json!([[ends, ends], "capture", port])
    };
    let by_header = pktap(|by_client, frame| {
        let mut header = vec![0; 108];
        let flags = 1 + u32::from(by_client);
        for (at, number) in [(0, 108), (4, 1), (8, 101), (36, flags), (52, 4242), (84, u32::MAX)] {
            header[at..at + 4].copy_from_slice(&number.to_le_bytes());
        }
        header[56..60].copy_from_slice(b"curl");
        [&header, frame].concat()
    });
    assert_eq!(processes(&by_header, &[]), expected(4242, "curl".into()));
    // The process that acts for another comes first, and so does the kernel, which has no ID.
    let described =
        |pid: u32, name: &[u8]| block(0x8000_0001, &[&pid.to_le_bytes()[..], &option(2, name), &[0; 4]].concat());
    let blocks =
        [described(0, b"kernel_task"), described(77, b"mDNSResponder"), described(4242, b"a name beyond 15 bytes")];
    let acts_for = |_| [option(0x8001, &1_u32.to_le_bytes()), option(0x8003, &2_u32.to_le_bytes())].concat();
    assert_eq!(processes(&pcapng(&blocks, acts_for), &[]), expected(4242, "a name beyond 1".into()));
    let alone = |_| option(0x8001, &1_u32.to_le_bytes());
    assert_eq!(processes(&pcapng(&blocks, alone), &[]), expected(77, "mDNSResponder".into()));
    let by_id = |_| option(8, &[4242_u32.to_le_bytes(), 4243_u32.to_le_bytes()].concat());
    assert_eq!(processes(&pcapng(&[], by_id), &["--pid", "4242"]), expected(4242, Value::Null));
}

#[test]
fn names_that_mean_nobody_name_nobody() {
    let kernel = block(0x8000_0001, &[&[0; 4][..], &option(2, b"kernel_task"), &[0; 4]].concat());
    for options in
        [|_| option(0x8001, &[0; 4]), |_| option(0x8001, &[9, 0, 0, 0]), |_| option(8, &[0; 8]), |_| option(8, &[7])]
    {
        let read = read(&pcapng(std::slice::from_ref(&kernel), options), &[]);
        assert_eq!((read.status, read.log.as_str()), (Some(0), ""));
        assert_eq!(read.only("handshake")["client"]["pid"], Value::Null);
    }
    let chosen = read(&FIRST.capture().pcap(), &["--pid", "4242"]);
    assert!(
        chosen.log.ends_with("the capture names no processes, so no connection matches pid 4242\n"),
        "{}",
        chosen.log
    );
}

#[test]
fn text_and_a_recording_of_it_name_the_process_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let described = block(0x8000_0001, &[&4242_u32.to_le_bytes()[..], &option(2, b"curl"), &[0; 4]].concat());
    std::fs::write(path("a.pcapng"), pcapng(&[described], |_| option(0x8001, &[0; 4]))).expect("a file");
    let tcptrace = |arguments: &[&str]| {
        let mut command = Command::new(binary());
        let (code, stdout, stderr) = run(command.current_dir(folder.path()).env("COLUMNS", "200").args(arguments));
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{arguments:?}");
        stdout
    };
    let text = tcptrace(&["-r", "a.pcapng", "-w", "a.jsonl"]);
    let headings: Vec<&str> = text.lines().filter(|line| line.starts_with("#1 ")).collect();
    assert!(headings.len() == 2 && headings.iter().all(|heading| heading.contains(" curl[4242] → ")), "{text}");
    // All but the first line, which names the file.
    let rest = |text: String| text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(rest(tcptrace(&["-r", "a.jsonl"])), rest(text));
}
