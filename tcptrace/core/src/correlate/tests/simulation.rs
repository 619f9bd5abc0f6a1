//! Simulated valid exchanges: the steps of both ends, and the steps that must precede each. Any order that respects those is
//! one that the kernel may show.

mod vantage;

use proptest::{prelude::*, sample::select};

pub(in crate::correlate) use self::vantage::{VANTAGES, Vantage};
use super::exchange::State::{self, *};
use crate::{
    event::{Proof, Role},
    tcp::TcpFlags,
};

/// The end of an exchange.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::correlate) enum Ending {
    FourSegments,
    ThreeSegments,
    /// The other end sends this many bytes after it has acknowledged the FIN.
    HalfClose(u32),
    Simultaneous,
    /// SO_LINGER 0.
    Linger,
    Unread,
    /// The other end writes this many bytes to a socket that is gone.
    DataAfterClose(u32),
}

/// The plan of an exchange.
#[derive(Clone, Debug)]
pub(in crate::correlate) struct Plan {
    pub(in crate::correlate) isns: [u32; 2],
    /// Payload bytes from the client and from the server before the first close.
    pub(in crate::correlate) bytes: [u32; 2],
    /// True if payload is shown.
    pub(in crate::correlate) payload_shown: bool,
    /// Number of retransmissions of SYN, SYN,ACK and the first FIN.
    pub(in crate::correlate) again: [u32; 3],
    /// The end that closes first; of a simultaneous close, the end that is simulated first.
    pub(in crate::correlate) closer: Role,
    pub(in crate::correlate) ending: Ending,
}

pub(in crate::correlate) fn any_plan() -> impl Strategy<Value = Plan> {
    let ending = prop_oneof![
        Just(Ending::FourSegments),
        Just(Ending::ThreeSegments),
        (1u32..100_000).prop_map(Ending::HalfClose),
        Just(Ending::Simultaneous),
        Just(Ending::Linger),
        Just(Ending::Unread),
        (1u32..5_000).prop_map(Ending::DataAfterClose),
    ];
    let numbers = (any::<[u32; 2]>(), [0u32..200_000, 0u32..200_000], any::<bool>(), [0u32..3, 0u32..3, 0u32..3]);
    (numbers, select(vec![Role::Client, Role::Server]), ending).prop_map(|(numbers, closer, ending)| {
        let (isns, bytes, payload_shown, again) = numbers;
        Plan { isns, bytes, payload_shown, again, closer, ending }
    })
}

/// An action of one end.
#[derive(Clone, Copy, Debug)]
pub(in crate::correlate) enum Act {
    State {
        old: State,
        new: State,
        error: u32,
        proof: Proof,
        by_process: bool,
    },
    /// Numbers are relative to the ISNs.
    Segment {
        flags: TcpFlags,
        seq: u32,
        ack: Option<u32>,
        length: u32,
    },
}

/// A step, and the steps that must precede it.
#[derive(Clone, Debug)]
pub(in crate::correlate) struct Step {
    pub(in crate::correlate) end: Role,
    pub(in crate::correlate) act: Act,
    after: Vec<usize>,
}

/// Builder of the steps of a plan. Each end performs its steps in order.
#[derive(Default)]
pub(in crate::correlate) struct Script {
    pub(in crate::correlate) steps: Vec<Step>,
}

impl Script {
    pub(in crate::correlate) fn of(plan: &Plan) -> Self {
        let mut script = Self::default();
        let (last, next) = script.open(plan);
        script.close(plan, last, next);
        script
    }

    fn add(&mut self, end: Role, act: Act, after: Option<usize>) -> usize {
        let own = self.steps.iter().rposition(|step| step.end == end);
        self.steps.push(Step { end, act, after: own.into_iter().chain(after).collect() });
        self.steps.len() - 1
    }

    pub(in crate::correlate) fn state(&mut self, end: Role, old: State, new: State, after: Option<usize>) -> usize {
        let by_process = matches!(new, SynSent | FinWait1 | LastAck);
        self.add(end, Act::State { old, new, error: 0, proof: Proof::default(), by_process }, after)
    }

    pub(in crate::correlate) fn aborted(
        &mut self,
        end: Role,
        old: State,
        error: u32,
        proof: Proof,
        after: Option<usize>,
    ) -> usize {
        self.add(end, Act::State { old, new: Close, error, proof, by_process: error == 0 }, after)
    }

    pub(in crate::correlate) fn segment(
        &mut self,
        end: Role,
        flags: TcpFlags,
        seq: u32,
        ack: Option<u32>,
        after: Option<usize>,
    ) -> usize {
        self.add(end, Act::Segment { flags, seq, ack, length: 0 }, after)
    }

    fn payload(&mut self, end: Role, seq: u32, ack: u32, length: u32, after: Option<usize>) -> usize {
        self.add(end, Act::Segment { flags: TcpFlags::PSH, seq, ack: Some(ack), length }, after)
    }

    /// Plays the handshake and the data after it. Returns the last step of each end, and the number that each sends next.
    fn open(&mut self, plan: &Plan) -> ([usize; 2], [u32; 2]) {
        use Role::{Client, Server};
        let [syns, synacks, _] = plan.again;
        self.state(Client, Close, SynSent, None);
        let mut syn = 0;
        for _ in 0..=syns {
            syn = self.segment(Client, TcpFlags::SYN, 0, None, None);
        }
        let mut synack = 0;
        for _ in 0..=synacks {
            synack = self.segment(Server, TcpFlags::SYN, 0, Some(1), Some(syn));
        }
        self.state(Client, SynSent, Established, Some(synack));
        let ack = self.segment(Client, TcpFlags::ACK, 1, Some(1), None);
        self.state(Server, Listen, SynRecv, Some(ack));
        let accepted = self.state(Server, SynRecv, Established, None);
        let [up, down] = plan.bytes;
        if !plan.payload_shown {
            // Segments that the trace does not show take time on the wire, too.
            return ([accepted, accepted], [up + 1, down + 1]);
        }
        let request = self.payload(Client, 1, 1, up, Some(accepted));
        let answer = self.payload(Server, 1, up + 1, down, Some(request));
        let last = self.segment(Client, TcpFlags::ACK, up + 1, Some(down + 1), Some(answer));
        ([last, last], [up + 1, down + 1])
    }

    fn close(&mut self, plan: &Plan, [last, _]: [usize; 2], [client, server]: [u32; 2]) {
        let (one, other) = match plan.closer {
            Role::Client => (Role::Client, Role::Server),
            Role::Server => (Role::Server, Role::Client),
        };
        let (a, b) = if one == Role::Client { (client, server) } else { (server, client) };
        let [.., fins] = plan.again;
        match plan.ending {
            Ending::Linger => {
                let proof = Proof { linger: true, ..Proof::default() };
                self.abort(one, other, (a, b), proof, last);
            }
            Ending::Unread => {
                let proof = Proof { unread: true, ..Proof::default() };
                self.abort(one, other, (a, b), proof, last);
            }
            Ending::Simultaneous => {
                let first = self.simultaneous_half(one, (a, b), last);
                let second = self.simultaneous_half(other, (b, a), last);
                self.crossed(one, (a, b), second);
                self.crossed(other, (b, a), first);
                let acks = [one, other].map(|end| self.last_segment(end));
                self.state(one, Closing, Close, Some(acks[1]));
                self.state(other, Closing, Close, Some(acks[0]));
            }
            _ => {
                self.state(one, Established, FinWait1, Some(last));
                let mut fin = 0;
                for _ in 0..=fins {
                    fin = self.segment(one, TcpFlags::FIN, a, Some(b), None);
                }
                self.state(other, Established, CloseWait, Some(fin));
                self.answer(plan.ending, one, other, (a, b), fin);
            }
        }
    }

    /// Plays the segments after the first FIN.
    fn answer(&mut self, ending: Ending, one: Role, other: Role, (a, b): (u32, u32), fin: usize) {
        let late = match ending {
            Ending::ThreeSegments => {
                self.state(other, CloseWait, LastAck, None);
                let second = self.segment(other, TcpFlags::FIN, b, Some(a + 1), None);
                self.state(one, FinWait1, FinWait2, Some(second));
                let ack = self.segment(one, TcpFlags::ACK, a + 1, Some(b + 1), None);
                self.state(one, FinWait2, Close, None);
                self.state(other, LastAck, Close, Some(ack));
                return;
            }
            Ending::HalfClose(late) => late,
            _ => 0,
        };
        let ack = self.segment(other, TcpFlags::ACK, b, Some(a + 1), Some(fin));
        self.state(one, FinWait1, FinWait2, Some(ack));
        if let Ending::DataAfterClose(late) = ending {
            let gone = self.state(one, FinWait2, Close, None);
            let data = self.payload(other, b, a + 1, late, Some(gone));
            let rst = self.segment(one, TcpFlags::RST, a + 1, None, Some(data));
            self.aborted(other, CloseWait, 32, Proof::default(), Some(rst));
            return;
        }
        if late > 0 {
            self.payload(other, b, a + 1, late, None);
        }
        self.state(other, CloseWait, LastAck, None);
        let second = self.segment(other, TcpFlags::FIN, b + late, Some(a + 1), None);
        let ack = self.segment(one, TcpFlags::ACK, a + 1, Some(b + late + 1), Some(second));
        self.state(one, FinWait2, Close, None);
        self.state(other, LastAck, Close, Some(ack));
    }

    fn abort(&mut self, one: Role, other: Role, (a, b): (u32, u32), proof: Proof, last: usize) {
        self.aborted(one, Established, 0, proof, Some(last));
        let rst = self.segment(one, TcpFlags::RST, a, Some(b), None);
        self.aborted(other, Established, 104, Proof::default(), Some(rst));
    }

    fn simultaneous_half(&mut self, end: Role, (own, theirs): (u32, u32), last: usize) -> usize {
        self.state(end, Established, FinWait1, Some(last));
        self.segment(end, TcpFlags::FIN, own, Some(theirs), None)
    }

    fn crossed(&mut self, end: Role, (own, theirs): (u32, u32), their_fin: usize) {
        self.segment(end, TcpFlags::ACK, own + 1, Some(theirs + 1), Some(their_fin));
        self.state(end, FinWait1, Closing, None);
    }

    fn last_segment(&self, end: Role) -> usize {
        let is = |step: &Step| step.end == end && matches!(step.act, Act::Segment { .. });
        self.steps.iter().rposition(is).unwrap_or(0)
    }

    /// Returns an order that respects the preceding steps of each step; `choices` chooses among those that may come next.
    pub(in crate::correlate) fn order(&self, choices: &[u8]) -> Vec<usize> {
        let mut done: Vec<usize> = Vec::new();
        for choice in choices.iter().copied().cycle() {
            let ready =
                |&at: &usize| !done.contains(&at) && self.steps[at].after.iter().all(|before| done.contains(before));
            let may: Vec<usize> = (0..self.steps.len()).filter(ready).collect();
            match may.get(usize::from(choice) % may.len().max(1)) {
                Some(&next) => done.push(next),
                None => break,
            }
        }
        done
    }
}
