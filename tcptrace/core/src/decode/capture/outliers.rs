//! Single frames with a time far from those of the frames around them, as a broken clock or a damaged file gives them:
//! in a capture, time is measured by the frames, and every deadline before such a time would expire.

use std::collections::VecDeque;

use super::frame::Framed;
use crate::event::{BootTime, Event};

/// Minimum distance from the frames around it, in nanoseconds: a capture that is paused for so long goes on from there.
const FAR: u64 = 3_600_000_000_000;

/// Minimum distance of the last frame of a capture ahead of the frame before it, in nanoseconds: no capture is paused for so
/// long, a year.
const TOO_FAR: u64 = 31_536_000_000_000_000;

/// Frames on their way from the decoder, of which the last may be held back until the next one shows whether its time is
/// right.
#[derive(Debug, Default)]
pub(super) struct Outliers {
    ready: VecDeque<Framed>,
    /// A frame far from the one before.
    held: Option<Framed>,
    /// Time of the last frame that was let through.
    last: Option<BootTime>,
    corrected: u64,
}

impl Outliers {
    /// Takes the next frame of the capture, or returns it if its time is decided and none waits before it.
    pub(super) fn add(&mut self, framed: Framed) -> Option<Framed> {
        let at = framed.event.at();
        let is_far = framed.timed && self.last.is_some_and(|last| are_far(last, at));
        if self.held.is_none() && !is_far {
            self.last = Some(at);
            return Some(framed);
        }
        if let Some(held) = self.held.take() {
            let goes_back = self.last.is_some_and(|last| !are_far(last, at)) && are_far(held.event.at(), at);
            self.release(held, goes_back);
        }
        if framed.timed && self.last.is_some_and(|last| are_far(last, at)) {
            self.held = Some(framed);
        } else {
            self.release(framed, false);
        }
        None
    }

    /// Notes that no more frames come.
    pub(super) fn finish(&mut self) {
        if let (Some(held), Some(last)) = (self.held.take(), self.last) {
            let at = held.event.at();
            self.release(held, at < last || at.since(last) > TOO_FAR);
        }
    }

    /// Returns the next frame whose time is decided.
    pub(super) fn next(&mut self) -> Option<Framed> {
        self.ready.pop_front()
    }

    /// Returns the number of frames whose time was replaced.
    pub(super) fn corrected(&self) -> u64 {
        self.corrected
    }

    fn release(&mut self, mut framed: Framed, is_outlier: bool) {
        match self.last.filter(|_| is_outlier) {
            Some(last) => {
                set_time(&mut framed.event, last);
                self.corrected += 1;
            }
            None => self.last = Some(framed.event.at()),
        }
        self.ready.push_back(framed);
    }
}

fn are_far(one: BootTime, other: BootTime) -> bool {
    one.0.abs_diff(other.0) > FAR
}

fn set_time(event: &mut Event, at: BootTime) {
    match event {
        Event::Segment(segment) => segment.at = at,
        Event::Icmp(error) => error.at = at,
        // No capture has others.
        _ => {}
    }
}
