//! The encapsulations that a recording names, numbered as a capture's are.

use std::{borrow::Cow, collections::HashMap, num::NonZeroU16};

use foldhash::fast::RandomState;

/// Maximum number of layers kept of one encapsulation, and maximum length of a word in bytes: more than the decoder of
/// captures passes, and no file can exhaust memory with them.
const MAX_LAYERS: usize = 16;
const MAX_WORD_LEN: usize = 64;

/// All that were named so far.
#[derive(Debug, Default)]
pub(super) struct Encapsulations {
    known: Vec<Vec<String>>,
    numbers: HashMap<Vec<String>, NonZeroU16, RandomState>,
}

impl Encapsulations {
    /// Returns the layers of all of them; number 1 is the first.
    pub(super) fn all(&self) -> &[Vec<String>] {
        &self.known
    }

    /// Returns the number of an encapsulation with these layers, adding it if it is new; `None` without layers, and for
    /// those that come after 65,534 others.
    pub(super) fn number(&mut self, layers: &[Cow<'_, str>]) -> Option<NonZeroU16> {
        if layers.is_empty() {
            return None;
        }
        let cut = |word: &str| word.get(..word.floor_char_boundary(MAX_WORD_LEN)).unwrap_or(word).to_owned();
        let layers: Vec<String> = layers.iter().take(MAX_LAYERS).map(|word| cut(word)).collect();
        if let Some(&number) = self.numbers.get(&layers) {
            return Some(number);
        }
        let number = u16::try_from(self.known.len() + 1).ok().filter(|&number| number < u16::MAX);
        let number = number.and_then(NonZeroU16::new)?;
        self.known.push(layers.clone());
        self.numbers.insert(layers, number);
        Some(number)
    }
}
