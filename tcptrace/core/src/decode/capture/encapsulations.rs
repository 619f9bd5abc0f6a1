//! The encapsulations met in a capture, numbered: a segment carries the number.

use std::{collections::HashMap, num::NonZeroU16};

use foldhash::fast::RandomState;

use super::layer::Layers;

/// All that were met so far.
#[derive(Debug, Default)]
pub(super) struct Encapsulations {
    known: Vec<Layers>,
    numbers: HashMap<Layers, NonZeroU16, RandomState>,
    /// The one looked up last: most frames of a capture have the same.
    last: Option<(Layers, NonZeroU16)>,
}

impl Encapsulations {
    /// Returns all of them; number 1 is the first.
    pub(super) fn all(&self) -> &[Layers] {
        &self.known
    }

    /// Returns the number of an encapsulation, adding it if it is new; `None` for a packet without any, and for those that come
    /// after 65,534 others.
    pub(super) fn number(&mut self, layers: &Layers) -> Option<NonZeroU16> {
        if layers.is_empty() {
            return None;
        }
        if let Some((_, number)) = self.last.filter(|(last, _)| last == layers) {
            return Some(number);
        }
        let number = match self.numbers.get(layers) {
            Some(&number) => number,
            None => {
                let number = u16::try_from(self.known.len() + 1).ok().filter(|&number| number < u16::MAX);
                let number = number.and_then(NonZeroU16::new)?;
                self.known.push(*layers);
                self.numbers.insert(*layers, number);
                number
            }
        };
        self.last = Some((*layers, number));
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::capture::Layer;

    fn tagged(id: u16) -> Layers {
        let mut layers = Layers::default();
        assert!(layers.push(Layer::Vlan(id)));
        layers
    }

    #[test]
    fn each_has_a_number_and_none_has_none() {
        let mut encapsulations = Encapsulations::default();
        assert_eq!(encapsulations.number(&Layers::default()), None);
        let numbers = [5, 6, 5, 5, 7].map(|id| encapsulations.number(&tagged(id)).map(NonZeroU16::get));
        assert_eq!(numbers, [Some(1), Some(2), Some(1), Some(1), Some(3)]);
        assert_eq!(encapsulations.all(), [5, 6, 7].map(tagged));
    }
}
