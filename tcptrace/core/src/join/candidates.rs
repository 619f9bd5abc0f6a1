//! The connections that a view may belong to, by what the views of one connection have in common. One initial sequence number
//! may be that of tens of thousands, as of a scan: comparing each view with all of them would take minutes.

use std::net::IpAddr;

use foldhash::{HashMap, HashMapExt as _};
use smallvec::SmallVec;

use super::view::View;

/// Maximum number of connections to compare a view with for one thing that they have in common: the oldest, whose other views
/// are the most likely to come.
const MOST_ALIKE: usize = 64;

/// What two views have in common besides the client's initial sequence number.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Common {
    Nothing,
    /// The server's initial sequence number.
    ServerIsn(u32),
    /// The timestamp of a SYN.
    Timestamp(u32),
    Client(IpAddr, Option<u16>),
    Server(IpAddr, Option<u16>),
}

/// Numbers of connections, in ascending order, by the client's initial sequence number and what else they have.
#[derive(Debug)]
pub(super) struct Candidates(HashMap<(u32, Common), SmallVec<[u64; 2]>>);

impl Candidates {
    pub(super) fn new() -> Self {
        Self(HashMap::new())
    }

    /// Notes a view of the connection with this number.
    pub(super) fn add(&mut self, view: &View, number: u64) {
        for key in keys(view) {
            let numbers = self.0.entry(key).or_default();
            if let Err(place) = numbers.binary_search(&number) {
                numbers.insert(place, number);
            }
        }
    }

    /// Forgets a view of the connection with this number.
    pub(super) fn remove(&mut self, view: &View, number: u64) {
        for key in keys(view) {
            let Some(numbers) = self.0.get_mut(&key) else { continue };
            if let Ok(place) = numbers.binary_search(&number) {
                numbers.remove(place);
            }
            if numbers.is_empty() {
                self.0.remove(&key);
            }
        }
    }

    /// Returns the connections that have more in common with a view than the client's number.
    pub(super) fn alike(&self, view: &View) -> impl Iterator<Item = u64> {
        keys(view).filter(|&(_, common)| common != Common::Nothing).flat_map(|key| self.numbers(key))
    }

    /// Returns the connections with this initial sequence number of the client.
    pub(super) fn with_isn(&self, isn: u32) -> impl Iterator<Item = u64> {
        self.numbers((isn, Common::Nothing))
    }

    fn numbers(&self, key: (u32, Common)) -> impl Iterator<Item = u64> {
        self.0.get(&key).into_iter().flatten().copied().take(MOST_ALIKE)
    }
}

/// Returns the keys of a view; none if the client's number is not known.
fn keys(view: &View) -> impl Iterator<Item = (u32, Common)> {
    let ends = view.ends().into_iter().flat_map(|(client, server)| {
        [Common::Client(client.addr, client.port), Common::Server(server.addr, server.port)]
    });
    let timestamps = view.syn_timestamps().map(Common::Timestamp);
    let server = view.server_isn().map(Common::ServerIsn);
    let all = [Common::Nothing].into_iter().chain(server).chain(ends).chain(timestamps);
    let isn = view.client_isn();
    all.filter_map(move |common| Some((isn?, common)))
}
