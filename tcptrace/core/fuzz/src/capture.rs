//! Arbitrary bytes as a file for `tcptrace -r`.

use std::num::NonZeroU32;

use tcptrace_core::{
    decode::{
        capture::{self, Capture, Counters, Frames},
        recording::Recording,
    },
    event::BootTime,
};

use crate::run::{self, Run};

/// Maximum number of connections: a small file contains few at a time.
const MOST: NonZeroU32 = NonZeroU32::new(1 << 10).expect("it is not 0");

/// Reads the file to its end, or to where it is damaged, and renders its contents.
pub fn check(file: &[u8]) {
    match capture::open(file) {
        Ok(Capture::Frames(frames)) => frames_of(*frames, file.len()),
        Ok(Capture::Json(input)) => {
            // An error is a valid outcome here: only a panic or a hang would be a fault.
            let _broken = run::replay(Recording::new(input), MOST, drop);
        }
        // This format has a target of its own.
        Ok(Capture::Ttr(_)) => {
            crate::ttr::read(file);
        }
        Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
    }
}

fn frames_of(mut frames: Frames<&[u8]>, length: usize) {
    let mut run = Run::of_capture(MOST);
    let (mut named, mut events, mut failed, mut last) = (0, 0, false, BootTime(0));
    while let Some(item) = frames.next() {
        assert!(!failed, "nothing comes behind an error");
        for (index, interface) in (1..).zip(frames.interfaces()).skip(named) {
            run.name_interface(index, &interface.name);
            named += 1;
        }
        match item {
            Ok(framed) => {
                assert!((framed.interface as usize) < frames.interfaces().len());
                run.event(&framed.event);
                last = last.max(framed.event.at());
                events += 1;
            }
            Err(error) => {
                assert!(!error.to_string().contains('\n'), "{error}");
                failed = true;
            }
        }
    }
    check_counters(frames.counters(), events, length, failed);
    let json = run.finish(last);
    assert_eq!(json, run::again(&json, MOST), "recorded, it says something else");
}

/// Checks that every frame is counted once, and that unread bytes are reported by an error.
fn check_counters(counters: Counters, events: u64, length: usize, failed: bool) {
    let Counters { bytes, frames, segments, icmp_errors, short, skipped, .. } = counters;
    assert_eq!(events, segments + icmp_errors, "{counters:?}");
    assert_eq!(frames, events + short + skipped.total(), "{counters:?}");
    assert!(if failed { bytes <= length as u64 } else { bytes == length as u64 }, "{counters:?}");
}
