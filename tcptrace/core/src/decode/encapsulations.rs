//! The encapsulations met in a capture or named by a recording, numbered: a segment carries the number.

use std::{borrow::Borrow, collections::HashMap, hash::Hash, num::NonZeroU16};

use foldhash::fast::RandomState;

/// All that were met so far, in the words of the decoder.
#[derive(Debug)]
pub(super) struct Encapsulations<E> {
    known: Vec<E>,
    numbers: HashMap<E, NonZeroU16, RandomState>,
    /// Number of the one looked up last: most segments have the same.
    last: Option<NonZeroU16>,
}

impl<E> Default for Encapsulations<E> {
    fn default() -> Self {
        Self { known: Vec::new(), numbers: HashMap::default(), last: None }
    }
}

impl<E: Clone + Eq + Hash> Encapsulations<E> {
    /// Returns all of them; number 1 is the first.
    pub(super) fn all(&self) -> &[E] {
        &self.known
    }

    /// Returns the number of an encapsulation, adding it if it is new; `None` for those that come after 65,534 others.
    pub(super) fn number<Q>(&mut self, encapsulation: &Q) -> Option<NonZeroU16>
    where
        E: Borrow<Q>,
        Q: Eq + Hash + ToOwned<Owned = E> + ?Sized,
    {
        let is = |number: &NonZeroU16| {
            self.known.get(usize::from(number.get()) - 1).is_some_and(|known| known.borrow() == encapsulation)
        };
        if let Some(number) = self.last.filter(is) {
            return Some(number);
        }
        let number = match self.numbers.get(encapsulation) {
            Some(&number) => number,
            None => {
                let number = u16::try_from(self.known.len() + 1).ok().filter(|&number| number < u16::MAX);
                let number = number.and_then(NonZeroU16::new)?;
                self.known.push(encapsulation.to_owned());
                self.numbers.insert(encapsulation.to_owned(), number);
                number
            }
        };
        self.last = Some(number);
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_a_number_from_one_on() {
        let mut encapsulations = Encapsulations::<String>::default();
        let numbers = ["5", "6", "5", "5", "7"].map(|one| encapsulations.number(one).map(NonZeroU16::get));
        assert_eq!(numbers, [Some(1), Some(2), Some(1), Some(1), Some(3)]);
        assert_eq!(encapsulations.all(), ["5", "6", "7"]);
    }

    #[test]
    fn there_is_a_last_number() {
        let mut encapsulations = Encapsulations::<u32>::default();
        let given = (0..70_000).filter(|one| encapsulations.number(one).is_some()).count();
        assert_eq!((given, encapsulations.all().len()), (65_534, 65_534));
        assert_eq!(encapsulations.number(&65_533).map(NonZeroU16::get), Some(65_534));
        assert_eq!(encapsulations.number(&65_534), None);
    }
}
