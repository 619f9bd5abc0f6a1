//! Recordings are read back as they were written, and damage is reported.

use proptest::{collection::vec, option, prelude::*};
use tcptrace_ebpf::{KIND_COUNTED_STATE, KIND_DROP, KIND_HINT, KIND_ICMP, KIND_SEGMENT, KIND_STATE};

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

fn record() -> impl Strategy<Value = Vec<u8>> {
    let kinds = [
        (KIND_STATE, 128),
        (KIND_COUNTED_STATE, 160),
        (KIND_SEGMENT, 136),
        (KIND_ICMP, 96),
        (KIND_HINT, 72),
        (KIND_DROP, 136),
    ];
    // Few different bytes: neighbours have much in common, and states are often valid.
    (
        prop::sample::select(kinds.to_vec()),
        vec(prop_oneof![4 => Just(0), 2 => 1..12_u8, 1 => any::<u8>()], MAX_RECORD),
        0..9_usize,
    )
        .prop_map(|((kind, length), mut bytes, more)| {
            bytes.truncate(length + more);
            bytes[20] = kind;
            bytes
        })
}

fn endpoint() -> impl Strategy<Value = Endpoint> {
    (any::<std::net::IpAddr>(), any::<u16>()).prop_map(|(addr, port)| Endpoint { addr: addr.to_canonical(), port })
}

fn process() -> impl Strategy<Value = Process> {
    (any::<u32>(), any::<[u8; 16]>()).prop_map(|(pid, comm)| Process { pid, comm: Comm(comm) })
}

fn looked_up() -> impl Strategy<Value = Event> {
    let times = || (any::<u64>(), any::<u64>()).prop_map(|(at, asked)| (BootTime(at), BootTime(asked)));
    let sources = prop::sample::select(vec![
        OwnerSource::Event,
        OwnerSource::SockDiag,
        OwnerSource::Listener,
        OwnerSource::Capture,
    ]);
    let ends = || (endpoint(), endpoint());
    let state = || prop::sample::select(TcpState::ALL.to_vec());
    prop_oneof![
        (times(), any::<bool>(), option::of(any::<u32>()), ends(), option::of(process()), sources).prop_map(
            |((at, asked), early, netns, (local, remote), process, source)| {
                Event::Owner(SocketOwner { at, asked, early, netns, local, remote, process, source })
            }
        ),
        (times(), option::of(any::<u32>()), endpoint(), any::<u32>(), option::of(process())).prop_map(
            |((at, asked), netns, local, sockets, process)| {
                Event::Listener(ListenerOwner { at, asked, netns, local, sockets, process })
            }
        ),
        (
            times(),
            option::of(any::<u32>()),
            ends(),
            state(),
            (any::<bool>(), any::<u32>(), option::of(any::<u64>()), any::<u32>(), any::<bool>()),
            option::of(any::<u32>()),
            any::<u64>()
        )
            .prop_map(|((at, asked), netns, (local, remote), state, counts, segment_size, stuck_ns)| {
                let (unaccepted, unacked_bytes, acked_bytes, retransmissions, window_closed) = counts;
                Event::Report(SocketReport {
                    at,
                    asked,
                    netns,
                    conn_netns: None,
                    local,
                    remote,
                    state,
                    unaccepted,
                    unacked_bytes,
                    acked_bytes,
                    retransmissions,
                    window_closed,
                    segment_size,
                    stuck_ns,
                })
            }),
        (times(), ends(), option::of(state()), any::<bool>(), option::of(any::<(u32, u32)>())).prop_map(
            |((at, _), (local, remote), state, queue_full, queue)| {
                Event::Hint(Hint {
                    at,
                    socket: None,
                    netns: None,
                    conn_netns: None,
                    local,
                    remote,
                    name: HintName::AcceptQueue,
                    reason: None,
                    state,
                    queue_full,
                    queue: queue.map(|(length, limit)| AcceptQueue { length, limit }),
                })
            }
        ),
    ]
}

fn entry() -> impl Strategy<Value = Entry> {
    let time = || any::<u64>().prop_map(BootTime);
    let source = prop::sample::select(vec![LossSource::State, LossSource::Segment, LossSource::Recursion]);
    prop_oneof![
        4 => looked_up().prop_map(Entry::LookedUp),
        1 => (option::of(1..u32::MAX), any::<u32>(), option::of(any::<bool>()), ".{0,9}")
            .prop_map(|(netns, index, bridge, name)| Entry::Interface(Interface { netns, index, bridge, name })),
        1 => (any::<u64>(), "(/[a-z.]{0,9}){0,4}")
            .prop_map(|(key, path)| Entry::Cgroup(CgroupKey(key), Cgroup::of_path(&path).into())),
        1 => time().prop_map(Entry::Time),
        1 => (time(), source, any::<u64>()).prop_map(|(at, source, total)| Entry::Total(at, source, total)),
        1 => (time(), any::<u64>()).prop_map(|(at, count)| Entry::LeftOut(at, count)),
        1 => any::<bool>().prop_map(|across_namespaces| Entry::Setup(Setup { across_namespaces, reasons: reasons() })),
    ]
}

fn reasons() -> KernelReasons {
    let resets = [(1, ResetReason::NotSpecified), (2, ResetReason::Other(77))].into_iter().collect();
    KernelReasons { resets, drops: [(0, KernelName::new("NETFILTER_DROP").unwrap())].into_iter().collect() }
}

fn written() -> impl Strategy<Value = Vec<Written>> {
    let one = prop_oneof![
        6 => record().prop_map(Written::Record),
        2 => entry().prop_map(|entry| Written::Entry(Box::new(entry))),
        1 => Just(Written::End),
    ];
    vec(one, 0..60)
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

/// The file, and the items that it should be read as.
fn file(all: &[Written], compresses: bool) -> (Vec<u8>, Vec<Item>) {
    let (mut writer, mut sealer, mut file, mut items) =
        (Writer::new(MASK), Sealer::new(compresses), Vec::new(), Vec::new());
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
            "the block at byte 0 is malformed: an entry of kind 99 is none that tcptrace writes",
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
