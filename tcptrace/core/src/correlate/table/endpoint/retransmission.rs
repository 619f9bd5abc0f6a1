//! Detection of sequence numbers that an end retransmits.

use super::End;
use crate::{
    event::Segment,
    tcp::{SeqNumber, TcpFlags},
};

/// Maximum number of sequence numbers remembered, half the circle: beyond that their order is ambiguous.
const MAX_RUN: u32 = 1 << 31;

/// Update of the numbers that an end was seen to send, applied once the segment counts as sent.
#[derive(Clone, Copy, Debug)]
pub(in crate::correlate) struct Addition {
    /// The number that comes next after the segment.
    next: SeqNumber,
    /// Number of sequence numbers before that which were seen without a gap.
    run: u32,
}

impl End {
    /// Returns true if the segment, by which the end is not updated yet, carries something that this end was seen to
    /// send before; and the update to apply afterwards.
    ///
    /// Only numbers that were seen count, and only those without a gap up to the last one: a segment that was merely
    /// overtaken in flight is not a retransmission.
    pub(in crate::correlate) fn retransmits(&self, segment: &Segment) -> (bool, Option<Addition>) {
        let header = &segment.header;
        let flag = |flag| u32::from(header.has(flag));
        let takes = segment.length.saturating_add(flag(TcpFlags::SYN) + flag(TcpFlags::FIN));
        // The payload of a reset is a message, not data (RFC 9293 §3.5.3).
        if takes == 0 || header.has(TcpFlags::RST) {
            return (false, None);
        }
        let (again, addition) = self.add(header.seq, takes);
        // In a simultaneous open the SYN,ACK has the number of the SYN, but answers the other end's.
        let sent = if header.has(TcpFlags::ACK) { self.sent_synack } else { self.sent_syn() };
        (again && (sent || !header.has(TcpFlags::SYN)), Some(addition))
    }

    /// Applies the update of a segment. If the segment does not count as sent, nothing is added.
    pub(in crate::correlate) fn note_run(&mut self, addition: Option<Addition>) {
        if let Some(Addition { next, run }) = addition
            && self.next() == Some(next)
        {
            self.run = run.min(MAX_RUN);
        }
    }

    /// Returns true if the last number that it is known to have sent was seen, and not only acknowledged.
    pub(in crate::correlate) fn saw_last_number(&self) -> bool {
        (1..=MAX_RUN).contains(&self.run)
    }

    fn add(&self, seq: SeqNumber, takes: u32) -> (bool, Addition) {
        let end = seq.add(takes);
        let alone = Addition { next: end, run: takes };
        let Some(next) = self.next().filter(|_| self.saw_last_number()) else { return (false, alone) };
        let first = next.add(self.run.wrapping_neg());
        let again = seq.distance_from(first) < self.run || first.distance_from(seq) < takes;
        if !again && end != first && seq != next {
            // Numbers between this and what was seen before were not seen: nothing is known of them.
            return (false, if end.after(next) { alone } else { Addition { next, run: self.run } });
        }
        let last = if end.after(next) { end } else { next };
        let from = if seq.before(first) { seq } else { first };
        (again, Addition { next: last, run: last.distance_from(from) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns for each segment, given by its first number and its length, whether it is a retransmission.
    fn again(segments: &[(u32, u32)]) -> Vec<bool> {
        let mut end = End::default();
        let mut add = |&(seq, takes): &(u32, u32)| {
            let (again, addition) = end.add(SeqNumber(seq), takes);
            if end.isn().is_none() {
                end.set_isn(SeqNumber(seq));
            }
            end.send_up_to(end.offset(SeqNumber(seq)) + u64::from(takes));
            end.note_run(Some(addition));
            again
        };
        segments.iter().map(&mut add).collect()
    }

    #[test]
    fn only_the_same_numbers_are_sent_again() {
        assert_eq!(again(&[(1, 10), (1, 10)]), [false, true]);
        assert_eq!(again(&[(1, 10), (11, 5), (1, 20)]), [false, false, true], "merged with what came before");
        assert_eq!(again(&[(1, 10), (11, 10), (11, 10), (1, 10)]), [false, false, true, true]);
        assert_eq!(again(&[(1, 10), (31, 10), (11, 10)]), [false, false, false], "only out of order");
        assert_eq!(again(&[(1, 10), (31, 10), (11, 20), (11, 1)]), [false, false, false, true], "a gap is filled");
        assert_eq!(again(&[(u32::MAX, 4), (1, 1)]), [false, true], "beyond the wrap");
        assert_eq!(again(&[(u32::MAX, 4), (3, 1), (3, 1)]), [false, false, true], "beyond the wrap");
        assert_eq!(again(&[(0, 1), (0, 1)]), [false, true], "a SYN");
        assert_eq!(again(&[(1, 11), (11, 1)]), [false, true], "the FIN of the data");
        assert_eq!(again(&[(1, 10), (101, 10), (1, 10), (101, 10)]), [false, false, false, true], "far behind");
    }

    #[test]
    fn a_run_never_goes_round() {
        let segments: Vec<_> = (0..100_u32).map(|step| (step.wrapping_mul(1 << 26), 1 << 26)).collect();
        assert_eq!(again(&segments), [false; 100]);
    }

    #[test]
    fn what_the_other_end_acknowledges_was_not_seen() {
        let mut end = End::default();
        end.set_isn(SeqNumber(0));
        end.send_up_to(10);
        end.note_run(Some(Addition { next: SeqNumber(10), run: 10 }));
        assert!(end.add(SeqNumber(5), 5).0);
        end.acknowledged(SeqNumber(20), false, crate::event::BootTime(0));
        assert!(!end.add(SeqNumber(15), 5).0);
    }
}
