//! Single frames with a time far from those around them.

use super::{build::*, *};
use crate::decode::capture::bytes::Order;

const HOUR: u32 = 3_600;
const START: u32 = 1_700_000_000;

/// The times of a capture's frames in seconds from its start, and how many of them were replaced.
fn times(seconds: &[u32]) -> (Vec<i64>, u64) {
    let mut file = Writer::pcap(Order::Little, MICROSECONDS, 1);
    for &second in seconds {
        file.record((second, 0), &ethernet(0x0800, &ipv4(6, &[], &tcp(0x10, &[], 0))), 0);
    }
    let reading = read(file.bytes.as_slice());
    assert_eq!(reading.framed.len(), seconds.len());
    let counters = reading.counters;
    let downwards = seconds.windows(2).filter(|pair| pair[1] < pair[0]).count() as u64;
    assert_eq!(counters.backwards + counters.outliers, downwards.max(counters.outliers));
    let from_start = |time: u64| i64::try_from(time / 1_000_000_000).expect("a time") - i64::from(START);
    (reading.times().into_iter().map(from_start).collect(), counters.outliers)
}

#[test]
fn one_frame_out_of_time_has_that_of_the_frame_before() {
    for wild in [0, 10, START - 2 * HOUR, START + 2 * HOUR, u32::MAX] {
        assert_eq!(times(&[START, START + 1, wild, START + 2, START + 3]), (vec![0, 1, 1, 2, 3], 1), "{wild}");
        assert_eq!(times(&[START, wild, START + 2, wild, START + 3]), (vec![0, 0, 2, 2, 3], 2), "{wild}");
    }
    for wild in [0, START - 2 * HOUR, u32::MAX] {
        assert_eq!(times(&[START, START + 1, wild]), (vec![0, 1, 1], 1), "{wild}");
    }
}

#[test]
fn a_pause_is_none_and_a_clock_may_be_set() {
    let day = 24 * HOUR;
    let real = |times: &[u32]| times.iter().map(|&time| i64::from(time) - i64::from(START)).collect::<Vec<_>>();
    for seconds in [
        vec![START, START + day, START + day + 1],
        vec![START, START + day],
        vec![START, START + day, START + 2 * day, START + 2 * day + 1],
        vec![START, START + 1, START - day, START - day + 1],
        vec![START, START + HOUR, START + 1],
        vec![START],
    ] {
        assert_eq!(times(&seconds), (real(&seconds), 0));
    }
}
