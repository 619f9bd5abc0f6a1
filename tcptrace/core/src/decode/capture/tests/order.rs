//! Frames of several interfaces, which a program has written as it got them.

use super::{build::*, *};
use crate::decode::capture::bytes::Order;

const START: u64 = 1_700_000_000_000_000;

/// Returns the times of frames, in microseconds from the start, of a file with these: interface and time.
fn times(interfaces: u32, frames: &[(u32, u64)]) -> Vec<u64> {
    let mut file = Writer::pcapng(Order::Little);
    for _ in 0..interfaces {
        file.plain_interface(1);
    }
    for &(interface, micros) in frames {
        file.enhanced(interface, START + micros, &ethernet(0x0800, &ipv4(6, &[], &tcp(0x10, &[], 0))), None);
    }
    read(file.bytes.as_slice()).times().into_iter().map(|time| time / 1_000 - START).collect()
}

#[test]
fn an_answer_that_was_written_before_its_question_comes_after_it() {
    assert_eq!(times(2, &[(1, 1_000), (0, 0), (0, 1_500), (1, 3_000), (0, 2_000)]), [0, 1_000, 1_500, 2_000, 3_000]);
    // Nothing is lost behind many.
    let block =
        |interface: u32, first: u64| (0..50).map(move |number| (interface, first + number * 20 + u64::from(interface)));
    let frames: Vec<_> = (0..200).flat_map(|number| block(1, number * 1_000).chain(block(0, number * 1_000))).collect();
    let mut sorted: Vec<u64> = frames.iter().map(|frame| frame.1).collect();
    sorted.sort_unstable();
    let found = times(2, &frames);
    let wrong = found.iter().zip(&sorted).position(|(one, other)| one != other);
    assert_eq!(wrong.map(|at| (at, found[at], sorted[at])), None);
}

#[test]
fn one_interface_delivers_its_frames_in_order() {
    // The clock was set.
    for interfaces in [1, 2] {
        assert_eq!(times(interfaces, &[(0, 1_000), (0, 0), (0, 500)]), [1_000, 0, 500]);
    }
}

#[test]
fn a_clock_that_is_set_back_far_is_followed() {
    let frames = [(0, 5_000_000), (1, 5_000_100), (0, 5_000_050), (0, 10), (1, 5), (0, 20)];
    assert_eq!(times(2, &frames), [5_000_000, 5_000_050, 5_000_100, 5, 10, 20]);
}
