//! Tells the second program at a tracepoint which changes the first one was not run for.
//!
//! The kernel skips a program that is already running on the CPU: if an interrupt brings a state change while the first
//! program handles another, the first program does not run for it. The second one does, unless it is the one that was
//! interrupted; but then the first has run. So the first program leaves a mark for each change, and the second removes
//! it; if there is none, the second one records the change.
//!
//! Interrupts nest, so the marks of a CPU are a stack. If the second program did not run for a mark, that is removed
//! with the next one below it, or with the next change that a task makes. It must not stay, since a later socket may
//! have the same address.

/// Maximum number of marks, a power of two. There are more than two only if interrupts hit the second program itself.
const MARKS: usize = 8;

/// The marks of one CPU.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct SeenChanges {
    /// Number of marks.
    count: u64,
    /// The marks, the latest last; only the first `count` are valid.
    marks: [u64; MARKS],
}

impl SeenChanges {
    /// Leaves a mark, as the first program. `interrupts` is false for a change that cannot have interrupted another
    /// one.
    #[inline(always)]
    pub fn push(&mut self, mark: u64, interrupts: bool) {
        let at = if interrupts { self.count as usize % MARKS } else { 0 };
        // In this order, since an interrupt in between must not see the old mark as valid.
        // SAFETY: a reference is valid for writes.
        unsafe {
            core::ptr::write_volatile(&mut self.marks[at], mark);
            core::ptr::write_volatile(&mut self.count, at as u64 + 1);
        }
    }

    /// Removes the mark, as the second program. Returns false if there is none.
    #[inline(always)]
    pub fn take(&mut self, mark: u64) -> bool {
        let count = self.count;
        if count == 0 {
            return false;
        }
        let latest = (count - 1) as usize % MARKS;
        if self.marks[latest] == mark {
            self.count = latest as u64;
            return true;
        }
        self.take_below(mark, latest)
    }

    /// Removes a mark and all above it, which are those of changes that interrupted the second program.
    #[inline(always)]
    fn take_below(&mut self, mark: u64, latest: usize) -> bool {
        let mut taken = false;
        for at in 0..MARKS {
            if at < latest && self.marks[at] == mark {
                self.count = at as u64;
                taken = true;
            }
        }
        taken
    }
}

/// Returns the mark of a change. Addresses of sockets differ in their lower 48 bits, and are never 0.
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
        for interrupts in [true, false].repeat(10) {
            seen.push(mark(SOCKET, 7, 2), interrupts);
            assert!(seen.take(mark(SOCKET, 7, 2)));
            assert!(!seen.take(mark(SOCKET, 7, 2)), "the next one is another change");
        }
    }

    #[test]
    fn a_change_in_the_middle_of_the_first_is_left_to_the_second() {
        let mut seen = SeenChanges::default();
        seen.push(mark(SOCKET, 1, 4), false);
        assert!(!seen.take(mark(SOCKET + 64, 2, 1)));
        assert!(seen.take(mark(SOCKET, 1, 4)));
    }

    #[test]
    fn changes_between_the_two_programs_hide_none() {
        let mut seen = SeenChanges::default();
        seen.push(mark(SOCKET, 1, 4), false);
        for number in 1..100 {
            seen.push(mark(SOCKET + 64 * number, 2, 1), true);
            assert!(seen.take(mark(SOCKET + 64 * number, 2, 1)));
        }
        assert!(seen.take(mark(SOCKET, 1, 4)));
    }

    #[test]
    fn marks_of_changes_in_the_middle_of_the_second_do_not_stay() {
        let mut seen = SeenChanges::default();
        seen.push(mark(SOCKET, 1, 4), false);
        for number in 1..MARKS as u64 {
            seen.push(mark(SOCKET + 64 * number, 2, 1), true);
        }
        assert!(seen.take(mark(SOCKET, 1, 4)));
        for number in 1..MARKS as u64 {
            assert!(!seen.take(mark(SOCKET + 64 * number, 2, 1)), "the address is used again");
        }
    }

    #[test]
    fn marks_that_nobody_has_taken_go_with_the_next_change_of_a_task() {
        let mut seen = SeenChanges::default();
        for number in 1..20 {
            seen.push(mark(SOCKET + 64 * number, 2, 1), true);
        }
        seen.push(mark(SOCKET, 7, 2), false);
        for number in 1..20 {
            assert!(!seen.take(mark(SOCKET + 64 * number, 2, 1)));
        }
        assert!(seen.take(mark(SOCKET, 7, 2)));
    }

    #[test]
    fn changes_of_one_socket_and_of_two_differ() {
        let marks = [mark(SOCKET, 1, 4), mark(SOCKET, 1, 8), mark(SOCKET, 4, 1), mark(SOCKET + 64, 1, 4)];
        for (at, mark) in marks.iter().enumerate() {
            assert!(!marks[at + 1..].contains(mark));
        }
    }
}
