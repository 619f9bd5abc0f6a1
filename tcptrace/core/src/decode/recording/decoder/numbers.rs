//! The numbers by which events refer to sockets, interfaces and encapsulations.

use std::{borrow::Cow, collections::HashMap, num::NonZeroU16};

use super::{Decoder, Fault};
use crate::event::SocketKey;

/// Maximum number of interfaces in one file, and maximum length of a name in bytes: no file can exhaust memory with
/// them.
const MAX_INTERFACES: usize = 1 << 16;
const MAX_NAME_LEN: usize = 1024;

/// Maximum number of layers kept of one encapsulation, and maximum length of a layer's words in bytes: more than a capture
/// gives.
const MAX_LAYERS: usize = 16;
const MAX_LAYER_LEN: usize = 64;

impl Decoder {
    /// Returns the key of a socket: its number or, as live, that of the socket whose place in memory it took.
    pub(super) fn socket(&mut self, number: u64, replaces: Option<u64>) -> SocketKey {
        let known = |numbers: &HashMap<_, _, _>, number| numbers.get(&number).copied().unwrap_or(SocketKey(number));
        if let Some(before) = replaces {
            let key = known(&self.replacing, before);
            self.replacing.remove(&before);
            self.replacing.insert(number, key);
            return key;
        }
        known(&self.replacing, number)
    }

    /// Returns the number of an interface, adding it if it is new.
    pub(super) fn interface(&mut self, name: &str) -> Result<u32, Fault> {
        let name = name.get(..name.floor_char_boundary(MAX_NAME_LEN)).unwrap_or(name);
        if let Some(&number) = self.numbers.get(name) {
            return Ok(number);
        }
        if self.interfaces.len() >= MAX_INTERFACES {
            return Err(Fault::Nonsense("it names more interfaces than any host has"));
        }
        self.interfaces.push(name.to_owned());
        let number = self.interfaces.len() as u32;
        self.numbers.insert(name.to_owned(), number);
        Ok(number)
    }

    /// Returns the number of an encapsulation with these layers, if there are any.
    pub(super) fn encapsulation(&mut self, layers: &[Cow<'_, str>]) -> Option<NonZeroU16> {
        let cut = |word: &str| word.get(..word.floor_char_boundary(MAX_LAYER_LEN)).unwrap_or(word).to_owned();
        let layers: Vec<String> = layers.iter().take(MAX_LAYERS).map(|word| cut(word)).collect();
        if layers.is_empty() { None } else { self.encapsulations.number(layers.as_slice()) }
    }
}
