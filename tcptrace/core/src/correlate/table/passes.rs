//! The network namespaces that connections within this host pass: a segment that leaves a pod goes through the pod's
//! namespace, the host's, and perhaps another pod's.
//!
//! A connection is known by one of them, in which it was seen first. Its identity with a connection in another namespace
//! must be proven: by one of its sockets that sent the segment seen there, or by the same segment seen in both. Equal
//! addresses prove nothing, since every container uses them again.

use super::{Table, connection::Key};

impl Table {
    /// Returns the key by which a connection with these ends that passes this namespace is known.
    pub(in crate::correlate) fn known_as(&self, key: Key) -> Key {
        key.within(self.known_in(&key))
    }

    /// Returns the namespace by which a connection with these ends that passes this one is known.
    pub(in crate::correlate) fn known_in(&self, key: &Key) -> u32 {
        // Most hosts have one namespace, and every segment asks.
        if self.passes.is_empty() { key.netns } else { self.passes.get(key).copied().unwrap_or(key.netns) }
    }

    /// Notes that a segment of the connection known in `from` was seen with the same ends in the namespace of `key`, too.
    pub(in crate::correlate) fn note_pass(&mut self, key: Key, from: u32) {
        let known = self.known_as(key.within(from));
        if key.netns == known.netns || self.passes.contains_key(&key) {
            return;
        }
        let Some(at) = self.find(&known) else { return };
        // Records of another connection there cannot be taken back.
        if self.find(&key).and_then(|other| self.get(other)).is_some_and(|other| !other.ended) {
            return;
        }
        if let Some(conn) = self.get_mut(at) {
            conn.rare_mut().passes.push(key.netns);
            self.passes.insert(key, known.netns);
        }
    }

    /// Forgets the namespaces passed by a connection that is no longer the newest with its ends, or is forgotten.
    pub(super) fn forget_passes(&mut self, key: Key, passes: &[u32]) {
        for &netns in passes {
            self.passes.remove(&key.within(netns));
        }
    }
}
