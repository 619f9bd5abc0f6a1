//! A few frames with times far from those around them.

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
fn a_few_frames_out_of_time_have_that_of_the_frame_before() {
    let (early, late) = (START - 2 * HOUR, START + 2 * HOUR);
    for wild in [[0, 1, 2], [late, late + HOUR, u32::MAX], [u32::MAX, 0, late], [early, early, early]] {
        let [first, second, third] = wild;
        assert_eq!(
            times(&[START, START + 1, first, second, third, START + 2]),
            (vec![0, 1, 1, 1, 1, 2], 3),
            "{wild:?}"
        );
        assert_eq!(
            times(&[START, first, START + 1, second, third, START + 2]),
            (vec![0, 0, 1, 1, 1, 2], 3),
            "{wild:?}"
        );
    }
    // However many there are without any order, and also where the clock is set behind them.
    let wild = [u32::MAX, 0].repeat(30);
    let all = [&[START][..], &wild, &[START + 1]].concat();
    assert_eq!(times(&all).1, 60);
    let set = [START, u32::MAX, 7, late, late + 1, late + 2, late + 3];
    let after = i64::from(2 * HOUR);
    assert_eq!(times(&set), (vec![0, 0, 0, after, after + 1, after + 2, after + 3], 2));
}

#[test]
fn a_pause_is_none_and_a_clock_may_be_set() {
    let day = 24 * HOUR;
    let real = |times: &[u32]| times.iter().map(|&time| i64::from(time) - i64::from(START)).collect::<Vec<_>>();
    for seconds in [
        vec![START, START + day, START + day + 1],
        vec![START, START + day],
        vec![START, START - day, START - day + 1, START - day + 2, START - day + 3, START + 1],
        vec![START, START + day, START + 2 * day, START + 3 * day, START + 4 * day, START + 4 * day + 1],
        vec![START, START + day, START + 2 * day, START + 2 * day + 1],
        vec![START, START + 1, START - day, START - day + 1],
        // Captures of several years in one file, of which the last is short.
        vec![START, START + 1, START + 1_000 * day, START + 2_000 * day, START + 2_000 * day + 1],
        vec![START, START + HOUR, START + 1],
        vec![START],
    ] {
        assert_eq!(times(&seconds), (real(&seconds), 0));
    }
}
