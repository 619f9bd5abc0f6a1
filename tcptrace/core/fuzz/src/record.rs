//! Arbitrary bytes as records of the ring buffer, one after the other.

use std::{net::IpAddr, num::NonZeroU32};

use tcptrace_core::{
    decode::ring::{DecodeError, Decoded, decode},
    event::{BootTime, DropReasons, Endpoint, Event, KernelReasons, reset_reason::ResetReasons},
};

use crate::run::{self, Run};

/// Maximum length of a record.
const SLOT: usize = 136;

/// Decodes each record, and renders the events.
pub fn check(bytes: &[u8]) {
    let resets = ResetReasons::of_kernel([("SK_RST_REASON_NO_SOCKET", 2), ("SK_RST_REASON_TCP_STATE", 4)]);
    let reasons = KernelReasons { resets, drops: DropReasons::of_kernel([("SKB_DROP_REASON_NETFILTER_DROP", 12)]) };
    let mut run = Run::live(NonZeroU32::MAX);
    let mut last = BootTime(0);
    for record in bytes.chunks(SLOT) {
        match decode(record, &reasons) {
            Ok(decoded) => {
                check_whole(record, &decoded, &reasons);
                run.event(&decoded.event);
                last = last.max(decoded.event.at());
            }
            Err(error) => check_error(record, error),
        }
    }
    let json = run.finish(last);
    assert_eq!(json, run::again(&json, NonZeroU32::MAX), "recorded, it says something else");
}

/// Checks the invariants of every record that decodes.
fn check_whole(record: &[u8], decoded: &Decoded, reasons: &KernelReasons) {
    let padded = [record, &[0xa5; 8]].concat();
    assert_eq!(decode(&padded, reasons).as_ref(), Ok(decoded), "what follows a record does not count");
    match decoded.event {
        Event::State(change) => {
            check_ends([change.local, change.remote]);
            assert_ne!(change.netns, Some(0));
            assert!(change.task.is_none_or(|task| task.pid != 0));
        }
        Event::Segment(segment) => {
            check_ends([segment.src, segment.dst]);
            assert_eq!((segment.src.port, segment.dst.port), (segment.header.src_port, segment.header.dst_port));
            assert!(segment.segments > 0 && segment.direction.is_some());
            assert!(segment.header.options.as_slice().len() <= segment.header.header_len() - 20);
        }
        Event::Icmp(error) => check_ends([error.src, error.dst]),
        Event::Hint(hint) => {
            check_ends([hint.local, hint.remote]);
            assert_ne!(hint.netns, Some(0));
        }
        Event::Drop(dropped) => {
            check_ends([dropped.src, dropped.dst]);
            assert_ne!((dropped.netns, dropped.ifindex), (Some(0), Some(0)));
        }
        Event::Owner(_) | Event::Listener(_) | Event::Report(_) | Event::Loss(_) => {
            panic!("no record says that: {decoded:?}")
        }
    }
}

/// Checks that IPv4 addresses are never represented as IPv6.
fn check_ends(ends: [Endpoint; 2]) {
    let mapped = |end: Endpoint| matches!(end.addr, IpAddr::V6(addr) if addr.to_ipv4_mapped().is_some());
    assert!(!ends.into_iter().any(mapped), "{ends:?}");
}

/// Checks that a record is reported as too short exactly if it is.
fn check_error(record: &[u8], error: DecodeError) {
    if let DecodeError::Short { have, need, .. } = error {
        assert_eq!(have, record.len());
        assert!(have < need && need <= SLOT, "{error}");
    }
    assert!(!error.to_string().contains('\n'));
}
