//! Tells the second program at a tracepoint which runs the first one was skipped for.
//!
//! The kernel skips a program that is already running on the CPU: where an interrupt brings a state change while the first
//! program handles another, the first program does not run for it. The second one does, unless it is itself the one that was
//! interrupted, and then the first has run. So the first leaves a mark of each change, and the second takes it away; where it
//! finds none, the change is its own to record.
//!
//! Interrupts nest, so the marks of a CPU are a stack. It goes round: where the second program was skipped, the first one's
//! mark stays behind until it is overwritten.

/// Number of marks, a power of two. More than two are there only while a change is left behind.
const MARKS: usize = 8;

/// The marks of one CPU.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct SeenChanges {
    /// Index of the latest mark, modulo [`MARKS`].
    top: u64,
    /// The marks; 0 for none.
    marks: [u64; MARKS],
}

impl SeenChanges {
    /// Leaves a mark, as the first program.
    #[inline(always)]
    pub fn push(&mut self, mark: u64) {
        let top = self.top.wrapping_add(1);
        self.top = top;
        self.marks[top as usize % MARKS] = mark;
    }

    /// Takes the mark away, as the second program. Returns false if there is none.
    #[inline(always)]
    pub fn take(&mut self, mark: u64) -> bool {
        let top = self.top;
        let latest = &mut self.marks[top as usize % MARKS];
        if *latest == mark {
            *latest = 0;
            self.top = top.wrapping_sub(1);
            return true;
        }
        self.take_below(mark)
    }

    /// Takes a mark that is not the latest: an interrupt has come between the two programs.
    #[inline(always)]
    fn take_below(&mut self, mark: u64) -> bool {
        let mut taken = false;
        for left in &mut self.marks {
            if *left == mark {
                *left = 0;
                taken = true;
            }
        }
        taken
    }
}

/// The mark of a change. Addresses of sockets differ in their lower 48 bits, and are never 0.
#[inline(always)]
pub fn mark(socket: u64, old: u8, new: u8) -> u64 {
    socket ^ u64::from(u16::from_be_bytes([old, new])) << 48
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOCKET: u64 = 0xffff_8880_1234_5680;

    #[test]
    fn a_change_that_the_first_has_seen_is_seen_once() {
        let mut seen = SeenChanges::default();
        for _ in 0..20 {
            seen.push(mark(SOCKET, 7, 2));
            assert!(seen.take(mark(SOCKET, 7, 2)));
            assert!(!seen.take(mark(SOCKET, 7, 2)), "the next one is another change");
        }
    }

    #[test]
    fn a_change_in_the_middle_of_the_first_is_left_to_the_second() {
        let mut seen = SeenChanges::default();
        seen.push(mark(SOCKET, 1, 4));
        assert!(!seen.take(mark(SOCKET + 64, 2, 1)));
        assert!(seen.take(mark(SOCKET, 1, 4)));
    }

    #[test]
    fn changes_between_the_two_programs_hide_none() {
        let mut seen = SeenChanges::default();
        seen.push(mark(SOCKET, 1, 4));
        for number in 1..100 {
            seen.push(mark(SOCKET + 64 * number, 2, 1));
            assert!(seen.take(mark(SOCKET + 64 * number, 2, 1)));
        }
        assert!(seen.take(mark(SOCKET, 1, 4)));
    }

    #[test]
    fn changes_in_the_middle_of_the_second_hide_none() {
        let mut seen = SeenChanges::default();
        seen.push(mark(SOCKET, 1, 4));
        for number in 1..MARKS as u64 {
            seen.push(mark(SOCKET + 64 * number, 2, 1));
        }
        assert!(seen.take(mark(SOCKET, 1, 4)));
        for number in 1..100 {
            seen.push(mark(SOCKET, 7, 2));
            assert!(!seen.take(mark(SOCKET + 64 * number, 4, 5)), "never seen");
            assert!(seen.take(mark(SOCKET, 7, 2)));
        }
    }

    #[test]
    fn changes_of_one_socket_and_of_two_differ() {
        let marks = [mark(SOCKET, 1, 4), mark(SOCKET, 1, 8), mark(SOCKET, 4, 1), mark(SOCKET + 64, 1, 4)];
        for (at, mark) in marks.iter().enumerate() {
            assert!(!marks[at + 1..].contains(mark));
        }
    }
}
