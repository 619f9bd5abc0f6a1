//! The application's calls.

use super::{Endpoint, Setup, State};
use crate::{
    effect::{Cause, Effects, Errno},
    segment::Side,
};

impl Endpoint {
    /// connect(): sends a SYN.
    pub fn connect(side: Side, generation: usize, socket: u64, iss: u32, setup: Setup, out: &mut Effects) -> Self {
        let mut end = Self::new(side, generation, socket, iss, setup);
        end.enter(State::SynSent, Errno::NONE, None, true, out);
        end.send_syn(out);
        end
    }

    /// write()
    pub fn write(&mut self, bytes: u32, out: &mut Effects) {
        if matches!(self.state, State::Established | State::CloseWait) && !self.orphan && !self.fin_queued {
            self.pending += bytes;
            self.push(out);
        }
    }

    /// shutdown(SHUT_WR)
    pub fn shutdown(&mut self, out: &mut Effects) {
        let next = match self.state {
            State::Established => State::FinWait1,
            State::CloseWait => State::LastAck,
            _ => return,
        };
        self.enter(next, Errno::NONE, None, true, out);
        self.fin_queued = true;
        self.push(out);
    }

    /// close()
    pub fn close(&mut self, out: &mut Effects) {
        if self.orphan || self.mini || self.request {
            return;
        }
        match self.state {
            State::SynSent => self.enter(State::Close, Errno::NONE, None, true, out),
            State::SynRecv | State::Close | State::Listen | State::TimeWait => {}
            _ if self.unread => self.abort_with(Cause::Unread, out),
            _ => {
                self.shutdown(out);
                self.orphan = true;
                if self.state == State::FinWait2 {
                    self.become_mini(out);
                }
            }
        }
    }

    /// close() with SO_LINGER 0
    pub fn abort(&mut self, out: &mut Effects) {
        if self.orphan || self.mini || self.request {
            return;
        }
        match self.state {
            State::SynSent => self.enter(State::Close, Errno::NONE, Some(Cause::Linger), true, out),
            State::Established | State::CloseWait | State::FinWait1 | State::FinWait2 => {
                let cause = if self.unread { Cause::Unread } else { Cause::Linger };
                self.abort_with(cause, out);
            }
            _ => self.close(out),
        }
    }

    fn abort_with(&mut self, cause: Cause, out: &mut Effects) {
        self.enter(State::Close, Errno::NONE, Some(cause), true, out);
        self.send_active_reset(out);
    }
}
