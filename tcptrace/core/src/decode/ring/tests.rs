//! Records as the kernel programs lay them out, and bytes they would never write.

mod records;

use proptest::prelude::*;
use tcptrace_ebpf::NO_ERROR_KNOWN;

use self::records::{close_record, drop_record, header, hint_record, syn_record, words};
use super::*;
use crate::{
    event::{DropReasons, reset_reason::ResetReason},
    tcp::TcpFlags,
};

fn decode_record(bytes: &[u8]) -> Result<Decoded, DecodeError> {
    let resets = ResetReasons::of_kernel([("SK_RST_REASON_NO_SOCKET", 1)]);
    decode(bytes, &KernelReasons { resets, drops: DropReasons::of_kernel([("SKB_DROP_REASON_NETFILTER_DROP", 12)]) })
}

#[test]
fn a_segment_record_becomes_a_segment() {
    let decoded = decode_record(syn_record().as_bytes()).expect("a good record");
    assert_eq!((decoded.source, decoded.lost), (LossSource::Segment, 7));
    let Event::Segment(segment) = decoded.event else { panic!("no segment: {decoded:?}") };
    assert_eq!(segment.at, BootTime(5_000_000_001));
    assert_eq!((segment.src.port, segment.dst.port), (54762, 9999));
    assert_eq!(segment.src.addr, "127.0.0.1".parse::<IpAddr>().expect("an address"));
    assert_eq!((segment.header.seq.0, segment.header.flags), (2_973_965_176, TcpFlags::SYN));
    assert_eq!((segment.length, segment.segments, segment.direction), (0, 1, Some(Direction::Out)));
}

#[test]
fn a_state_record_becomes_a_state_change() {
    let decoded = decode_record(close_record().as_bytes()).expect("a good record");
    let Event::State(change) = decoded.event else { panic!("no state change: {decoded:?}") };
    assert_eq!((change.old, change.new), (TcpState::SynSent, TcpState::Close));
    assert_eq!((change.error, change.task, change.netns), (Some(111), None, Some(4_026_531_840)));
    assert_eq!((change.local.port, change.remote.port), (43210, 9999));
    assert_eq!(change.remote.addr, "2001:db8::2".parse::<IpAddr>().expect("an address"));
}

#[test]
fn the_proof_is_what_its_bits_say() {
    for (bits, words) in [
        (0, [].as_slice()),
        (PROOF_LINGER, &["linger"]),
        (PROOF_UNREAD | PROOF_UNACCEPTED, &["unread", "unaccepted"]),
        (u16::MAX, &["linger", "unread", "unaccepted", "restored", "deferred", "repair", "linger2"]),
    ] {
        let decoded = decode_record(StateRecord { proof: bits, ..close_record() }.as_bytes());
        let Ok(Decoded { event: Event::State(change), .. }) = decoded else { panic!("no state change") };
        assert_eq!(change.proof.words().collect::<Vec<_>>(), words);
    }
}

#[test]
fn a_task_that_exits_tells_with_what() {
    let exit = |proof| {
        let decoded = decode_record(StateRecord { pid: 12, tid: 12, proof, ..close_record() }.as_bytes());
        let Ok(Decoded { event: Event::State(change), .. }) = decoded else { panic!("no state change") };
        change.task.expect("a task").exit
    };
    assert_eq!(exit(PROOF_EXITING), Some(Exit { signal: Some(9), code: None }));
    assert_eq!(exit(0), None);
}

#[test]
fn a_change_with_counters_has_those_that_are_known() {
    let counted = |counters| {
        let state = StateRecord { header: header(KIND_COUNTED_STATE), ..close_record() };
        let record = CountedStateRecord { state, counters };
        let decoded = decode_record(record.as_bytes()).expect("a good record");
        let Event::State(change) = decoded.event else { panic!("no state change: {decoded:?}") };
        assert_eq!((decoded.source, change.error), (LossSource::State, Some(111)));
        change.counters.expect("counters")
    };
    let none = NO_COUNT;
    let unknown = tcptrace_ebpf::Counters {
        idle_ms: none,
        unread: none,
        unsent: none,
        smoothed_rtt_us: 0,
        min_rtt_us: none,
        retransmissions: none,
        peer_window: none,
        pad: 0,
    };
    assert_eq!(counted(unknown), Counters::default());
    let known = tcptrace_ebpf::Counters {
        idle_ms: 60_004,
        unread: 18,
        unsent: 0,
        smoothed_rtt_us: 31,
        min_rtt_us: 29,
        retransmissions: 2,
        peer_window: 0,
        pad: 0,
    };
    let expected = Counters {
        idle_ns: Some(60_004_000_000),
        unread_bytes: Some(18),
        unsent_bytes: Some(0),
        smoothed_rtt_ns: Some(31_000),
        min_rtt_ns: Some(29_000),
        retransmissions: Some(2),
        peer_window: Some(0),
    };
    assert_eq!(counted(known), expected);
}

#[test]
fn a_hint_record_becomes_a_hint() {
    let decoded = decode_record(hint_record().as_bytes()).expect("a good record");
    assert_eq!((decoded.source, decoded.lost), (LossSource::State, 7));
    let Event::Hint(hint) = decoded.event else { panic!("no hint: {decoded:?}") };
    assert_eq!((hint.name, hint.reason), (HintName::SendReset, Some(ResetReason::NoSocket)));
    assert_eq!((hint.state, hint.queue_full, hint.netns), (Some(TcpState::Listen), true, Some(4_026_531_840)));
    assert_eq!((hint.socket, hint.at), (Some(SocketKey(0xffff_8881_0000_4242)), BootTime(5_000_000_001)));
    assert_eq!((hint.local.port, hint.remote.port), (9999, 43210));
    assert_eq!(hint.remote.addr, "127.0.0.2".parse::<IpAddr>().expect("an address"));
}

#[test]
fn a_hint_of_an_older_kernel_and_without_a_socket_says_less() {
    let header = RecordHeader { socket: 0, ..header(KIND_HINT) };
    let (hint, reason) = (HINT_RETRANSMIT_SYNACK, NO_REASON);
    let record = HintRecord { header, netns: 0, reason, flags: 0, hint, socket_state: 0, ..hint_record() };
    let Ok(Decoded { event: Event::Hint(hint), .. }) = decode_record(record.as_bytes()) else { panic!("no hint") };
    assert_eq!((hint.name, hint.reason, hint.state), (HintName::RetransmitSynack, None, None));
    assert_eq!((hint.socket, hint.netns, hint.queue_full), (None, None, false));
}

#[test]
fn a_reason_that_has_no_name_keeps_its_number() {
    let record = HintRecord { reason: 99, ..hint_record() };
    let Ok(Decoded { event: Event::Hint(hint), .. }) = decode_record(record.as_bytes()) else { panic!("no hint") };
    assert_eq!(hint.reason, Some(ResetReason::Other(99)));
}

#[test]
fn a_dropped_segment_has_the_names_of_its_reason_and_of_its_place() {
    let Ok(Decoded { event: Event::Drop(dropped), source, lost }) = decode_record(drop_record().as_bytes()) else {
        panic!("no dropped segment")
    };
    assert_eq!((source, lost), (LossSource::Segment, 7));
    assert_eq!((dropped.src.port, dropped.dst.port, dropped.seq, dropped.length), (40000, 80, 7, 18));
    assert_eq!((dropped.ifindex, dropped.netns, dropped.flags), (None, None, TcpFlags::SYN));
    assert_eq!(dropped.reason.as_str(), "NETFILTER_DROP");
    assert_eq!(dropped.location.expect("a name").as_str(), "nf_hook_slow");
    assert!(!dropped.is_copy());
}

#[test]
fn a_dropped_segment_without_names_has_none() {
    let record = DropRecord { reason: 99, location: [u64::MAX; 6], ..drop_record() };
    let Ok(Decoded { event: Event::Drop(dropped), .. }) = decode_record(record.as_bytes()) else { panic!("none") };
    assert_eq!((dropped.reason, dropped.location), (KernelName::UNKNOWN, None));
}

#[test]
fn without_btf_error_and_namespace_are_unknown() {
    // In a recording, only the namespace shows that the error is not known.
    for error in [NO_ERROR_KNOWN, 0, 104] {
        let record = StateRecord { netns: 0, error, ..close_record() };
        let Ok(Decoded { event: Event::State(change), .. }) = decode_record(record.as_bytes()) else {
            panic!("no state change")
        };
        assert_eq!((change.error, change.netns), (None, None));
    }
}

#[test]
fn the_task_keeps_its_name() {
    let comm: [u64; 2] = FromBytes::read_from_bytes(b"nginx: worker\0\0\0".as_slice()).expect("16 bytes");
    let record = StateRecord { pid: 12, tid: 13, comm, ..close_record() };
    let Ok(Decoded { event: Event::State(change), .. }) = decode_record(record.as_bytes()) else {
        panic!("no state change")
    };
    let task = change.task.expect("a task");
    assert_eq!((task.pid, task.tid, task.comm.bytes()), (12, 13, b"nginx: worker".as_slice()));
    assert_eq!(task.thread, None);
}

#[test]
fn a_thread_is_named_where_its_name_is_another() {
    let name = |bytes: &[u8]| FromBytes::read_from_bytes(bytes).expect("16 bytes");
    let (process, pool): ([u64; 2], [u64; 2]) =
        (name(b"java\0\0\0\0\0\0\0\0\0\0\0\0"), name(b"pool-1\0\0\0\0\0\0\0\0\0\0"));
    for (thread, expected) in [(pool, Some(b"pool-1".as_slice())), (process, None), ([0; 2], None)] {
        let record = StateRecord { pid: 12, tid: 13, comm: process, thread, ..close_record() };
        let Ok(Decoded { event: Event::State(change), .. }) = decode_record(record.as_bytes()) else {
            panic!("no state change")
        };
        let task = change.task.expect("a task");
        assert_eq!((task.comm.bytes(), task.thread.as_ref().map(Comm::bytes)), (b"java".as_slice(), expected));
    }
}

#[test]
fn ipv4_mapped_is_ipv4_and_the_unspecified_address_stays() {
    assert_eq!(address(words("10.1.2.3")), "10.1.2.3".parse::<IpAddr>().expect("an address"));
    assert_eq!(address(words("::")), "::".parse::<IpAddr>().expect("an address"));
}

#[test]
fn a_cut_record_is_an_error_that_says_so() {
    let bytes = close_record();
    let short = decode_record(&bytes.as_bytes()[..40]);
    assert_eq!(short, Err(DecodeError::Short { kind: KIND_STATE, have: 40, need: size_of::<StateRecord>() }));
    assert_eq!(decode_record(&[]), Err(DecodeError::Short { kind: 0, have: 0, need: size_of::<RecordHeader>() }));
}

#[test]
fn unknown_kinds_and_states_are_errors() {
    let mut record = close_record();
    record.new_state = 77;
    assert_eq!(decode_record(record.as_bytes()), Err(DecodeError::State(77)));
    record.header.kind = 9;
    assert_eq!(decode_record(record.as_bytes()), Err(DecodeError::Kind(9)));
}

#[test]
fn unknown_hints_and_their_states_are_errors() {
    let mut record = hint_record();
    record.socket_state = 77;
    assert_eq!(decode_record(record.as_bytes()), Err(DecodeError::State(77)));
    record.hint = 3;
    assert_eq!(decode_record(record.as_bytes()), Err(DecodeError::Hint(3)));
}

#[test]
fn a_segment_without_a_whole_header_is_an_error() {
    let mut record = syn_record();
    record.captured = 19;
    assert_eq!(decode_record(record.as_bytes()), Err(DecodeError::Header));
    record.captured = 61;
    assert_eq!(decode_record(record.as_bytes()), Err(DecodeError::Header));
}

proptest! {
    #[test]
    fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 0..7_u8) {
        let _any_answer = decode_record(&bytes);
        let mut typed = bytes;
        if let Some(byte) = typed.get_mut(20) {
            *byte = kind;
        }
        let _any_answer = decode_record(&typed);
    }
}
