//! A few frames with times far from those of the frames around them, as a broken clock or a damaged file gives them:
//! in a capture, time is measured by the frames, and every deadline before such a time would expire.

use std::collections::VecDeque;

use super::frame::Framed;
use crate::event::{BootTime, Event};

/// Minimum distance from the frames around it, in nanoseconds: a capture that is paused for so long goes on from there.
const FAR: u64 = 3_600_000_000_000;

/// Minimum distance of the last frame of a capture ahead of the frame before it, in nanoseconds: no capture is paused for so
/// long, a year.
const TOO_FAR: u64 = 31_536_000_000_000_000;

/// Number of frames in a row, in order, that show that the clock was set, or the capture paused, and is right.
const ENOUGH: usize = 4;

/// Maximum number of frames to hold back.
const MOST: usize = 32;

/// Frames on their way from the decoder, of which the last may be held back until the next ones show whether their times
/// are right.
#[derive(Debug, Default)]
pub(super) struct Outliers {
    ready: VecDeque<Framed>,
    /// Frames far from the one before them.
    held: VecDeque<Framed>,
    /// Time of the last frame that was let through.
    last: Option<BootTime>,
    corrected: u64,
}

impl Outliers {
    /// Returns true if the time of the next frame of the capture is decided, and none waits before it. Otherwise it is to be
    /// added.
    pub(super) fn passes(&mut self, framed: &Framed) -> bool {
        let passes = self.held.is_empty() && !self.is_far(framed);
        if passes {
            self.last = Some(framed.event.at());
        }
        passes
    }

    /// Takes the next frame of the capture, which does not pass.
    pub(super) fn add(&mut self, framed: Framed) {
        if self.is_far(&framed) {
            self.held.push_back(framed);
            self.follow();
        } else {
            // Those without a time have that of the frame before, which is among the held ones.
            let goes_back = framed.timed;
            while let Some(held) = self.held.pop_front() {
                self.release(held, goes_back);
            }
            self.release(framed, false);
        }
    }

    fn is_far(&self, framed: &Framed) -> bool {
        framed.timed && self.last.is_some_and(|last| are_far(last, framed.event.at()))
    }

    /// Notes that no more frames come.
    pub(super) fn finish(&mut self) {
        let in_order = self.held.len() > 1 && self.held.iter().map(|held| held.event.at()).is_sorted();
        while let (Some(held), Some(last)) = (self.held.pop_front(), self.last) {
            let at = held.event.at();
            self.release(held, !in_order && (at < last || at.since(last) > TOO_FAR));
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

    /// Follows the clock if enough of the held frames are in order. Those before them are right if they lead there.
    fn follow(&mut self) {
        let times: Vec<_> = self.held.iter().map(|held| held.event.at()).collect();
        let first = times.len().saturating_sub(ENOUGH);
        let last = self.last.unwrap_or_default();
        let tail = times.get(first..).unwrap_or_default();
        let [to, ..] = *tail else { return };
        let steps = || tail.iter().zip(tail.iter().skip(1)).map(|(one, other)| are_far(*one, *other));
        // Either it goes on there, or each frame comes after a pause.
        let goes_on = !steps().any(|far| far) || to >= last && steps().all(|far| far);
        if tail.len() == ENOUGH && tail.is_sorted() && goes_on {
            for at in 0..times.len() {
                let (Some(held), last) = (self.held.pop_front(), self.last.unwrap_or_default()) else { return };
                let leads_there = at >= first || (last..=to).contains(&held.event.at());
                self.release(held, !leads_there);
            }
        } else if times.len() > MOST
            && let Some(held) = self.held.pop_front()
        {
            self.release(held, true);
        }
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
