//! From where an exchange is seen, and what can be seen from there.

use crate::{
    effect::Effect,
    history::{Happening, History},
    segment::Side,
};

/// A place to trace or capture at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Vantage {
    /// Both ends are on one host, and their states show. Segments show as they leave; the network is behind that.
    Both,
    /// The same without states: a capture of the loopback interface.
    Loopback,
    /// One end's host, with its states.
    Host(Side),
    /// A capture at one end's host.
    Capture(Side),
    /// A capture between the hosts: what was lost before it does not show.
    Middle,
    /// The same of one direction.
    OneWay(Side),
}

/// Something seen.
#[derive(Clone, Copy, Debug)]
pub enum Seen {
    /// A segment, by its number in [`History::sent`], and whether it leaves or comes; `None` in the middle.
    Segment(usize, Option<Way>),
    /// A change of state or a hint.
    Kernel(Effect),
}

/// Which way a segment passes a host's interface.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    /// From the host; on loopback, always.
    Out,
    /// To the host.
    In,
}

impl Vantage {
    /// All there are.
    pub const ALL: [Self; 9] = [
        Self::Both,
        Self::Loopback,
        Self::Host(Side::Client),
        Self::Host(Side::Server),
        Self::Capture(Side::Client),
        Self::Capture(Side::Server),
        Self::Middle,
        Self::OneWay(Side::Client),
        Self::OneWay(Side::Server),
    ];

    /// Returns true if the states of this end show.
    pub fn has_states(self, side: Side) -> bool {
        match self {
            Self::Both => true,
            Self::Host(here) => here == side,
            _ => false,
        }
    }

    /// Returns true if any states show.
    pub fn is_live(self) -> bool {
        matches!(self, Self::Both | Self::Host(_))
    }

    /// A host that loses its sockets without closing them has no tracer that lives through that.
    pub fn fits(self, history: &History) -> bool {
        !Side::BOTH.into_iter().any(|side| self.has_states(side) && history.forgot[side as usize])
    }

    /// The events seen from here, in order.
    pub fn view(self, history: &History) -> Vec<(u64, Seen)> {
        history.log.iter().filter_map(|(at, what)| Some((*at, self.see(history, what)?))).collect()
    }

    fn see(self, history: &History, what: &Happening) -> Option<Seen> {
        let from = |index: usize| history.sent[index].segment.from;
        let out = Some(Way::Out);
        match (self, *what) {
            (Self::Both, Happening::Kernel(effect)) => visible(effect),
            (Self::Host(here), Happening::Kernel(effect)) if side_of(&effect) == Some(here) => visible(effect),
            (_, Happening::Kernel(_)) => None,
            (Self::Both | Self::Loopback, Happening::Sent(index) | Happening::Forged(index)) => {
                Some(Seen::Segment(index, out))
            }
            (Self::Host(here) | Self::Capture(here), Happening::Sent(index)) if from(index) == here => {
                Some(Seen::Segment(index, out))
            }
            (Self::Host(here) | Self::Capture(here), Happening::Arrived(index) | Happening::Forged(index))
                if from(index) != here =>
            {
                Some(Seen::Segment(index, Some(Way::In)))
            }
            (Self::Middle, Happening::Passed(index) | Happening::Forged(index)) => Some(Seen::Segment(index, None)),
            (Self::OneWay(of), Happening::Passed(index) | Happening::Forged(index)) if from(index) == of => {
                Some(Seen::Segment(index, None))
            }
            _ => None,
        }
    }
}

/// What the kernel does not show is known to the model alone.
fn visible(effect: Effect) -> Option<Seen> {
    matches!(effect, Effect::State { .. } | Effect::ResetHint { .. }).then_some(Seen::Kernel(effect))
}

fn side_of(effect: &Effect) -> Option<Side> {
    match *effect {
        Effect::State { side, .. } | Effect::ResetHint { side, .. } => Some(side),
        _ => None,
    }
}
