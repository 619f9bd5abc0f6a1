//! The places from which an exchange is seen, and the events visible there.

use crate::{
    effect::Effect,
    history::{Happening, History},
    segment::Side,
};

/// A place to trace or capture at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Vantage {
    /// The host of both ends, with their states. Segments are seen as they leave, before the network delays or loses
    /// them.
    Both,
    /// A capture of that host's loopback interface, without states.
    Loopback,
    /// One end's host, with its states.
    Host(Side),
    /// A capture at one end's host.
    Capture(Side),
    /// A capture between the hosts, without segments that were lost before they reached it.
    Middle,
    /// A capture between the hosts of the segments from one end only.
    OneWay(Side),
}

/// An event seen.
#[derive(Clone, Copy, Debug)]
pub enum Seen {
    /// A segment, as its index in [`History::sent`], and its direction; `None` between the hosts.
    Segment(usize, Option<Way>),
    /// A change of state or a hint.
    Kernel(Effect),
}

/// Direction of a segment at a host's interface.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    /// From the host; on loopback, always.
    Out,
    /// To the host.
    In,
}

impl Vantage {
    /// Every vantage.
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

    /// Returns true if the states of this end are seen.
    pub fn has_states(self, side: Side) -> bool {
        match self {
            Self::Both => true,
            Self::Host(here) => here == side,
            _ => false,
        }
    }

    /// Returns true if any states are seen.
    pub fn is_live(self) -> bool {
        matches!(self, Self::Both | Self::Host(_))
    }

    /// Returns true if the exchange can be seen from here: no tracer survives on a host that loses its sockets without
    /// closing them.
    pub fn fits(self, history: &History) -> bool {
        !Side::BOTH.into_iter().any(|side| self.has_states(side) && history.forgot[side as usize])
    }

    /// Returns the events seen from here, in order.
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

/// Some effects are known to the model only.
fn visible(effect: Effect) -> Option<Seen> {
    matches!(effect, Effect::State { .. } | Effect::ResetHint { .. }).then_some(Seen::Kernel(effect))
}

fn side_of(effect: &Effect) -> Option<Side> {
    match *effect {
        Effect::State { side, .. } | Effect::ResetHint { side, .. } => Some(side),
        _ => None,
    }
}
