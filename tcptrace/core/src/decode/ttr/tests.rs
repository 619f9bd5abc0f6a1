//! Recordings are read back as they were written, and damage is reported.

mod generators;

use proptest::prelude::*;
use ruzstd::encoding::{CompressionLevel, compress};
use tcptrace_ebpf::KIND_SEGMENT;

use self::generators::written;
use super::{block::HEADER, packing::MAX_RECORD, *};
use crate::{
    decode::{Input, ring},
    event::{
        AcceptQueue, BootTime, Cgroup, CgroupKey, Comm, Endpoint, Event, Hint, HintName, KernelName, KernelReasons,
        ListenerOwner, LossSource, OwnerSource, Process, SocketOwner, SocketReport, reset_reason::ResetReason,
    },
    tcp::TcpState,
};

const MASK: u64 = 0x5a5a_0000_1234_5679;

/// An entry to write.
#[derive(Clone, Debug)]
enum Written {
    Record(Vec<u8>),
    Entry(Box<Entry>),
    /// The block ends.
    End,
}

/// The item that an entry is read as.
fn item(entry: &Entry) -> Item {
    match entry.clone() {
        Entry::Setup(setup) => Item::Setup(setup),
        Entry::Interface(interface) => Item::Interface(interface),
        Entry::Cgroup(key, cgroup) => Item::Cgroup(key, cgroup),
        Entry::Time(at) => Item::Time(at),
        Entry::Total(at, source, total) => Item::Total(at, source, total),
        Entry::LeftOut(at, count) => Item::LeftOut(at, count),
        Entry::LookedUp(event) => Item::LookedUp(event),
        entry @ (Entry::Line(_) | Entry::Clock(..) | Entry::KernelThread) => panic!("{entry:?}"),
    }
}

/// Compresses as `ruzstd` does.
fn zstd(content: &[u8], to: &mut Vec<u8>) -> bool {
    compress(content, to, CompressionLevel::Fastest);
    true
}

/// The file, and the items that it should be read as.
fn file(all: &[Written], compresses: bool) -> (Vec<u8>, Vec<Item>) {
    let (mut writer, mut sealer, mut file, mut items) =
        (Writer::new(MASK), Sealer::new(compresses.then_some(zstd)), Vec::new(), Vec::new());
    let mut reasons = KernelReasons::default();
    for one in all.iter().chain([&Written::End]) {
        match one {
            Written::Record(record) => {
                assert!(writer.record(record));
                let mut read = record.clone();
                let socket: [u8; 8] = read[8..16].try_into().unwrap();
                let socket = u64::from_ne_bytes(socket);
                let disguised = if socket == 0 { 0 } else { socket ^ MASK };
                read[8..16].copy_from_slice(&disguised.to_ne_bytes());
                items.push(ring::decode(&read, &reasons).map_or(Item::Undecodable, Item::Record));
            }
            Written::Entry(entry) => {
                if let Entry::Setup(setup) = &**entry {
                    reasons = setup.reasons.clone();
                }
                writer.entry(entry);
                items.push(item(entry));
            }
            Written::End => sealer.seal(&writer.take(Vec::new()), &mut file),
        }
    }
    (file, items)
}

fn read(file: &[u8]) -> (Vec<Item>, Option<String>) {
    let (mut items, mut error) = (Vec::new(), None);
    for item in Reader::new(Input::new(file)) {
        match item {
            Ok(item) => items.push(item),
            Err(reason) => error = Some(reason.to_string()),
        }
    }
    (items, error)
}

/// A file of three small blocks.
fn small() -> (Vec<u8>, Vec<Item>) {
    let time = |number| Written::Entry(Box::new(Entry::Time(BootTime(number))));
    file(&[time(1), Written::End, time(2), Written::End, time(3)], false)
}

/// Changes bytes of the first block and makes its checksum right again.
fn forged(at: usize, bytes: &[u8]) -> Vec<u8> {
    let (mut file, _) = small();
    file[at..at + bytes.len()].copy_from_slice(bytes);
    let block = HEADER + 9;
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(&file[..HEADER - 4]);
    checksum.update(&file[HEADER..block]);
    file[HEADER - 4..HEADER].copy_from_slice(&checksum.finalize().to_le_bytes());
    file
}

#[test]
fn damage_is_told_in_a_sentence() {
    let (file, items) = small();
    assert_eq!(read(&file), (items.clone(), None));
    let block = file.len() / 3;
    assert_eq!(block, HEADER + 9);
    let [mut bit, mut zeros, mut magic] = [file.clone(), file.clone(), file.clone()];
    bit[block * 2 - 1] ^= 4;
    zeros[block * 2..].fill(0);
    magic[block] = b'x';
    for (file, known, sentence) in [
        (
            &file[..block * 2 + 7],
            2,
            "the recording is cut off in the middle of a block (complete blocks before it: 2, in 90 bytes)",
        ),
        (
            &file[..block * 3 - 1],
            2,
            "the recording is cut off in the middle of a block (complete blocks before it: 2, in 90 bytes)",
        ),
        (&zeros, 2, "the recording is cut off in the middle of a block (complete blocks before it: 2, in 90 bytes)"),
        (&bit, 1, "the block at byte 45 is damaged: its checksum is wrong (complete blocks before it: 1)"),
        (&magic, 1, "the recording is damaged at byte 45, where no block begins (complete blocks before it: 1)"),
        (
            &forged(8, &[2, 0]),
            0,
            "the block at byte 0 is of version 2 of the format, and this build reads version 1: use the tcptrace that wrote it, \
             or a newer one",
        ),
        (
            &forged(10, &[if cfg!(target_endian = "little") { 2 } else { 1 }]),
            0,
            "the block at byte 0 was written on a machine with another byte order: read it on such a machine, where --write \
             FILE.jsonl converts it",
        ),
        (
            &forged(12, &[0xff, 0xff]),
            0,
            &format!(
                "the block at byte 0 has kernel records of layout 65535, and this build reads layout {}: read it with the \
                 tcptrace that wrote it, whose --write FILE.jsonl converts it",
                ring::LAYOUT
            ),
        ),
        (
            &forged(HEADER, &[99]),
            0,
            "the block at byte 0 is malformed: an entry of kind 99 is not one that tcptrace writes",
        ),
        (&forged(20, &[7]), 0, "the block at byte 0 is malformed: its header contradicts itself"),
        (&forged(11, &[1]), 0, "the block at byte 0 is malformed: its zstd data cannot be decompressed"),
    ] {
        assert_eq!(read(file), (items[..known].to_vec(), Some(sentence.to_owned())));
    }
}

#[test]
fn neighbours_take_a_fraction_of_their_length() {
    let mut writer = Writer::new(MASK);
    let mut record = vec![7; 136];
    record[20] = KIND_SEGMENT;
    assert!(writer.record(&record));
    let first = writer.len();
    record[0] = 9;
    assert!(writer.record(&record));
    assert!(first > 136 && writer.len() - first < 10, "{first} {}", writer.len());
    assert_eq!(writer.records(), 2);
}

#[test]
fn what_cannot_be_compressed_is_stored_as_it_is() {
    let mut writer = Writer::new(MASK);
    writer.entry(&Entry::Time(BootTime(7)));
    let entries = writer.take(Vec::new());
    let [mut plain, mut failed] = [Vec::new(), Vec::new()];
    Sealer::new(None).seal(&entries, &mut plain);
    Sealer::new(Some(|_, _| false)).seal(&entries, &mut failed);
    assert_eq!(failed, plain);
}

#[test]
fn what_is_no_record_is_not_taken() {
    let mut writer = Writer::new(MASK);
    assert!(!writer.record(&[16; 100]));
    assert!(!writer.record(&[1; MAX_RECORD + 1]));
    assert!(writer.is_empty());
}

proptest! {
    #[test]
    fn what_is_written_is_read(all in written(), compresses in prop::bool::weighted(0.02)) {
        let (file, items) = file(&all, compresses);
        prop_assert_eq!(read(&file), (items, None));
    }

    #[test]
    fn a_torn_tail_is_read_up_to_it(all in written(), compresses in prop::bool::weighted(0.02), cut: prop::sample::Index) {
        let (file, items) = file(&all, compresses);
        let cut = cut.index(file.len());
        let (read, error) = read(&file[..cut]);
        prop_assert!(items.starts_with(&read));
        prop_assert!(error.is_none() || error.is_some_and(|error| error.contains("is cut off in the middle of a block")));
    }

    #[test]
    fn damage_never_panics_and_changes_nothing_before_it(
        all in written(),
        compresses in prop::bool::weighted(0.02),
        at: prop::sample::Index,
        byte in 1..=u8::MAX,
    ) {
        let (mut file, items) = file(&all, compresses);
        let at = at.index(file.len());
        file[at] ^= byte;
        let (read, error) = read(&file);
        prop_assert!(items.starts_with(&read));
        prop_assert!(error.is_some());
    }
}
