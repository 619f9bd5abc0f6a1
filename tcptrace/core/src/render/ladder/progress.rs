//! How far a connection has got, as far as its events show: enough to say what an unfinished phase waits for.

use crate::{
    event::{AcceptQueue, Comm},
    output_record::{EndpointOutput, SegmentOutput, StateOutput},
    tcp::{
        SeqNumber, TcpFlags,
        TcpState::{self, Close, CloseWait, Closing, FinWait1, FinWait2, LastAck},
    },
};

/// Who is behind an end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Process {
    pub(super) pid: Option<u32>,
    pub(super) comm: Option<Comm>,
}

impl Process {
    /// The process, if anything is known of it.
    pub(super) fn known(pid: Option<u32>, comm: Option<Comm>) -> Option<Self> {
        (pid.is_some() || comm.is_some()).then_some(Self { pid, comm })
    }
}

/// One end of a connection.
#[derive(Debug)]
pub(super) struct Party {
    pub(super) at: EndpointOutput,
    pub(super) process: Option<Process>,
    /// The state of its socket, where that is on this host.
    pub(super) state: Option<TcpState>,
    pub(super) syns: u32,
    pub(super) synacks: u32,
    /// Its first segment with an ACK that is no SYN.
    pub(super) acks: bool,
    pub(super) fins: u32,
    /// What acknowledges its FIN.
    fin_end: Option<u32>,
    pub(super) fin_acked: bool,
    /// The other end's socket shows that its FIN has arrived.
    pub(super) fin_arrived: bool,
    pub(super) rst: bool,
    /// The accept queue of its listener, where that is full.
    pub(super) full_queue: Option<AcceptQueue>,
    /// Its socket is closed, and nothing goes on in its place.
    pub(super) gone: bool,
}

impl Party {
    pub(super) fn new(at: EndpointOutput) -> Self {
        Self {
            at,
            process: None,
            state: None,
            syns: 0,
            synacks: 0,
            acks: false,
            fins: 0,
            fin_end: None,
            fin_acked: false,
            fin_arrived: false,
            rst: false,
            full_queue: None,
            gone: false,
        }
    }

    /// It has sent a segment.
    pub(super) fn send(&mut self, entry: &SegmentOutput) {
        let flags = entry.flags;
        match (flags.contains(TcpFlags::SYN), flags.contains(TcpFlags::ACK)) {
            (true, true) => self.synacks += 1,
            (true, false) => self.syns += 1,
            (false, ack) => self.acks |= ack,
        }
        if flags.contains(TcpFlags::FIN) {
            self.fins += 1;
            self.fin_end = Some(end_of(entry));
        }
        self.rst |= flags.contains(TcpFlags::RST);
    }

    /// The other end has sent a segment.
    pub(super) fn receive(&mut self, entry: &SegmentOutput) {
        if let (Some(end), Some(ack)) = (self.fin_end, entry.rel_ack) {
            self.fin_acked |= SeqNumber(ack).distance_from(SeqNumber(end)) < 1 << 31;
        }
    }

    /// Its socket has changed its state.
    pub(super) fn change(&mut self, entry: &StateOutput) {
        self.state = Some(entry.new);
        self.gone = entry.new == Close && entry.old != FinWait2;
        // Who closes is said in its row; the end belongs to who opened it.
        self.process = self.process.or(Process::known(entry.pid, entry.comm));
    }

    /// It has closed its side.
    pub(super) fn closed(&self) -> bool {
        self.fins > 0 || self.fin_arrived || matches!(self.state, Some(FinWait1 | FinWait2 | Closing | LastAck | Close))
    }
}

/// The number behind the last one that the segment takes, relative to the ISN.
fn end_of(entry: &SegmentOutput) -> u32 {
    entry.rel_seq.wrapping_add(takes(entry))
}

/// How many sequence numbers it takes.
fn takes(entry: &SegmentOutput) -> u32 {
    let flag = |flag| u32::from(entry.flags.contains(flag));
    entry.length.wrapping_add(flag(TcpFlags::SYN)).wrapping_add(flag(TcpFlags::FIN))
}

/// Whether one segment carries something that the other, of the same end, has carried before.
pub(super) fn overlap(entry: &SegmentOutput, before: &SegmentOutput) -> bool {
    let within = |start: u32, from: u32, length: u32| start.wrapping_sub(from) < length;
    let (taken, taken_before) = (takes(entry), takes(before));
    taken > 0
        && taken_before > 0
        && (within(entry.rel_seq, before.rel_seq, taken_before) || within(before.rel_seq, entry.rel_seq, taken))
}

/// Whether the state belongs to the end of a connection.
pub(super) fn is_closing(state: TcpState) -> bool {
    matches!(state, FinWait1 | FinWait2 | CloseWait | Closing | LastAck | Close | TcpState::TimeWait)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::samples;

    fn segment(flags: TcpFlags, rel_seq: u32, length: u32) -> SegmentOutput {
        SegmentOutput { flags, rel_seq, length, ..samples::segment() }
    }

    #[test]
    fn only_the_same_numbers_are_sent_again() {
        let data = |seq, length| segment(TcpFlags::ACK, seq, length);
        assert!(overlap(&data(1, 10), &data(1, 10)));
        assert!(overlap(&data(1, 20), &data(11, 5)), "merged with what came before");
        assert!(!overlap(&data(11, 10), &data(1, 10)));
        assert!(!overlap(&data(1, 10), &data(11, 10)), "only out of order");
        assert!(!overlap(&data(11, 0), &data(1, 20)), "an acknowledgement takes none");
        assert!(overlap(&data(u32::MAX, 4), &data(1, 1)), "beyond the wrap");
        assert!(overlap(&segment(TcpFlags::SYN, 0, 0), &segment(TcpFlags::SYN, 0, 0)));
        assert!(overlap(&segment(TcpFlags::FIN, 11, 0), &segment(TcpFlags::FIN, 1, 10)), "the FIN of the data");
    }

    #[test]
    fn the_ack_of_data_is_not_the_ack_of_the_fin() {
        let mut party = Party::new(samples::segment().src);
        party.send(&segment(TcpFlags::FIN | TcpFlags::ACK, 1, 255));
        for (ack, acked) in [(256, false), (257, true)] {
            party.receive(&SegmentOutput { rel_ack: Some(ack), ..samples::data_segment() });
            assert_eq!(party.fin_acked, acked);
        }
    }
}
