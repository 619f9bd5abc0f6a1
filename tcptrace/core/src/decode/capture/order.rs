//! Frames of several interfaces in the order of their times: programs that capture on several at once read each on its own, and
//! write what they have, so that an answer may come before its question.

use std::collections::VecDeque;

use super::frame::Framed;
use crate::event::BootTime;

/// Nanoseconds by which a frame may come too late: Linux hands over frames in blocks that are up to 100 ms old.
const HOLD: u64 = 200_000_000;

/// Nanoseconds from which on an older frame is one of another time: the clock was set, or another capture begins.
const APART: u64 = 1_000_000_000;

/// Maximum number of frames to hold back.
const MOST: usize = 4_096;

/// Frames that wait for older ones of other interfaces. Each interface delivers its own in order.
#[derive(Debug, Default)]
pub(super) struct Order {
    held: VecDeque<Framed>,
    /// The newest time of a frame.
    newest: BootTime,
    /// Number of frames at the front that wait no longer.
    ready: usize,
}

impl Order {
    /// Takes the next frame of the file.
    pub(super) fn add(&mut self, framed: Framed) {
        let at = framed.event.at();
        if self.newest.since(at) > APART {
            self.release();
            self.newest = at;
        }
        self.newest = self.newest.max(at);
        let waiting = self.held.iter().skip(self.ready).rev();
        let passes = |held: &&Framed| held.event.at() > at && held.interface != framed.interface;
        let newer = waiting.take_while(passes).count();
        self.held.insert(self.held.len() - newer, framed);
        let newest = self.newest;
        let waits = |held: &Framed| newest.since(held.event.at()) < HOLD;
        while self.held.get(self.ready).is_some_and(|oldest| !waits(oldest) || self.held.len() > MOST + self.ready) {
            self.ready += 1;
        }
    }

    /// Notes that no frame is waited for any longer.
    pub(super) fn release(&mut self) {
        self.ready = self.held.len();
    }

    /// Returns the next frame that waits no longer.
    pub(super) fn next(&mut self) -> Option<Framed> {
        self.ready = self.ready.checked_sub(1)?;
        self.held.pop_front()
    }

    /// Returns true if frames wait.
    pub(super) fn holds(&self) -> bool {
        !self.held.is_empty()
    }
}
