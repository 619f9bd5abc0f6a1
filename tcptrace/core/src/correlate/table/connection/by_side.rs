//! A value for each end of a connection.

use super::Side;

/// A value for each end.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::correlate) struct BySide<T>([T; 2]);

impl<T> BySide<T> {
    /// Returns the value of an end.
    pub(in crate::correlate) fn of(&self, side: Side) -> &T {
        let [first, second] = &self.0;
        match side {
            Side::First => first,
            Side::Second => second,
        }
    }

    /// Returns the value of an end, to be changed.
    pub(in crate::correlate) fn of_mut(&mut self, side: Side) -> &mut T {
        let [first, second] = &mut self.0;
        match side {
            Side::First => first,
            Side::Second => second,
        }
    }

    /// Exchanges the ends.
    pub(super) fn reverse(&mut self) {
        self.0.reverse();
    }
}
