//! State changes that wait in the kernel until their sockets have a port or a peer.

use std::{io, time::Duration};

use aya::maps::{HashMap, MapData};
use tcptrace_ebpf::StateRecord;
use zerocopy::{FromBytes as _, IntoBytes as _};

use tcptrace_core::event::{BootTime, LossSource};

/// Maximum duration of a connect(): with the default of six retransmissions, the kernel gives up after 127 s.
const PATIENCE: Duration = Duration::from_secs(150);

/// A value of the map, as words.
type Words = [u64; size_of::<StateRecord>() / 8];

/// The map of state changes that wait for a port or a peer, of limited size.
pub struct Pending {
    map: HashMap<MapData, u64, Words>,
    /// State changes lost so far.
    lost: u64,
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pending").finish_non_exhaustive()
    }
}

impl Pending {
    pub(in crate::bpf) fn new(map: HashMap<MapData, u64, Words>) -> Self {
        Self { map, lost: 0 }
    }

    /// Removes the entries that have waited for too long by `now`, if state changes have been lost since the last call,
    /// possibly because the map is full. The changes that would have settled these entries were skipped by the kernel,
    /// which counts them.
    ///
    /// # Errors
    /// When the kernel does not let the map be read.
    pub fn make_room(&mut self, totals: &[(LossSource, u64)], now: BootTime) -> io::Result<()> {
        let lost = totals.iter().find_map(|&(source, total)| (source == LossSource::State).then_some(total));
        if lost.is_none_or(|lost| lost == self.lost) {
            return Ok(());
        }
        self.lost = lost.unwrap_or(self.lost);
        let mut stale = Vec::new();
        for entry in self.map.iter() {
            let (socket, words) = entry.map_err(io::Error::other)?;
            if is_stale(&words, now) {
                stale.push(socket);
            }
        }
        for socket in stale {
            // This fails if the entry has been settled meanwhile.
            let _gone = self.map.remove(&socket);
        }
        Ok(())
    }
}

fn is_stale(words: &Words, now: BootTime) -> bool {
    let Ok(record) = StateRecord::read_from_bytes(words.as_bytes()) else { return false };
    u128::from(now.since(BootTime(record.header.boot_ns))) > PATIENCE.as_nanos()
}

#[cfg(test)]
mod tests {
    use zerocopy::FromZeros as _;

    use super::*;

    #[test]
    fn what_has_waited_for_longer_than_a_connect_takes_is_stale() {
        let mut record = StateRecord::new_zeroed();
        record.header.boot_ns = 5_000_000_000;
        let words: Words = zerocopy::transmute!(record);
        assert!(!is_stale(&words, BootTime(154_000_000_000)));
        assert!(is_stale(&words, BootTime(156_000_000_000)));
        assert!(!is_stale(&words, BootTime(4_000_000_000)), "a clock that was read a little earlier");
    }
}
