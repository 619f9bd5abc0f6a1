//! Sequence numbers, compared modulo 2^32 (RFC 9293 §3.4).

use std::fmt;

/// A sequence or acknowledgement number.
///
/// There is no `Ord`: the order of sequence numbers is not transitive around the circle, so comparisons are methods.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct SeqNumber(pub u32);

impl SeqNumber {
    /// Returns the number `count` bytes ahead, modulo 2^32.
    pub const fn add(self, count: u32) -> Self {
        Self(self.0.wrapping_add(count))
    }

    /// Returns the distance from `other` forward to this number, modulo 2^32.
    pub const fn distance_from(self, other: Self) -> u32 {
        self.0.wrapping_sub(other.0)
    }

    /// Returns true if this number comes before `other`; if they are half the circle apart, each comes before the
    /// other.
    pub const fn before(self, other: Self) -> bool {
        self.signed_distance_from(other) < 0
    }

    /// Returns true if this number comes after `other`: `other.before(self)`.
    pub const fn after(self, other: Self) -> bool {
        other.before(self)
    }

    /// Returns true if this number equals `other` or comes after it: `!self.before(other)`.
    pub const fn at_or_after(self, other: Self) -> bool {
        !self.before(other)
    }

    const fn signed_distance_from(self, other: Self) -> i32 {
        self.distance_from(other).cast_signed()
    }
}

impl fmt::Display for SeqNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn order_goes_round() {
        assert!(SeqNumber(u32::MAX).before(SeqNumber(0)));
        assert!(SeqNumber(5).after(SeqNumber(u32::MAX - 5)));
        assert!(SeqNumber(7).at_or_after(SeqNumber(7)));
        assert!(!SeqNumber(7).before(SeqNumber(7)));
        assert!(!SeqNumber(7).after(SeqNumber(7)));
        assert_eq!(SeqNumber(u32::MAX).add(2), SeqNumber(1));
        assert_eq!(SeqNumber(1).distance_from(SeqNumber(u32::MAX)), 2);
    }

    proptest! {
        #[test]
        fn adding_is_undone_by_the_distance(number: u32, count: u32) {
            let number = SeqNumber(number);
            prop_assert_eq!(number.add(count).distance_from(number), count);
        }

        #[test]
        fn what_lies_less_than_half_a_circle_on_is_after(number: u32, count in 1u32..0x8000_0000) {
            let (number, further) = (SeqNumber(number), SeqNumber(number).add(count));
            prop_assert!(further.after(number) && number.before(further));
            prop_assert!(!further.before(number) && !number.after(further));
            prop_assert!(further.at_or_after(number) && !number.at_or_after(further));
        }

        #[test]
        fn moving_both_changes_nothing(a: u32, b: u32, by: u32) {
            let (a, b) = (SeqNumber(a), SeqNumber(b));
            prop_assert_eq!(a.before(b), a.add(by).before(b.add(by)));
            prop_assert_eq!(a.distance_from(b), a.add(by).distance_from(b.add(by)));
        }
    }
}
