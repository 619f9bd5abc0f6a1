//! The connections that a view may belong to, by what the views of one connection have in common. One initial sequence number
//! may be that of tens of thousands, as of a scan: comparing each view with all of them would take minutes.

use std::net::IpAddr;

use foldhash::{HashMap, HashMapExt as _};
use smallvec::SmallVec;

use super::view::{Member, View};

/// Maximum number of connections to compare a view with for one thing that they have in common: the oldest, whose other views
/// are the most likely to come.
const MOST_ALIKE: usize = 64;

/// What two views have in common besides the client's initial sequence number.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Common {
    /// The server's initial sequence number.
    ServerIsn(u32),
    /// The timestamp of a SYN.
    Timestamp(u32),
    Client(IpAddr, Option<u16>),
    Server(IpAddr, Option<u16>),
}

/// Numbers of connections, in ascending order.
type Numbers = SmallVec<[u64; 2]>;

/// Connections by the client's initial sequence number.
#[derive(Debug)]
pub(super) struct Candidates(HashMap<u32, Alike>);

/// Connections with one initial sequence number of the client.
#[derive(Debug, Default)]
struct Alike {
    numbers: Numbers,
    /// The same by what else they have, once they are too many to be compared one by one.
    by_common: Option<Box<HashMap<Common, Numbers>>>,
}

impl Candidates {
    pub(super) fn new() -> Self {
        Self(HashMap::new())
    }

    /// Notes the latest of the views of the connection with this number; `views_of` returns those of any connection.
    pub(super) fn add<'a>(&mut self, number: u64, views_of: impl Fn(u64) -> &'a [Member]) {
        let Some((_, view)) = views_of(number).last() else { return };
        let Some(isn) = view.client_isn() else { return };
        let Alike { numbers, by_common } = self.0.entry(isn).or_default();
        insert(numbers, number);
        if let Some(by_common) = by_common {
            index(by_common, view, number);
        } else if numbers.len() > MOST_ALIKE {
            let mut all = HashMap::new();
            for &number in &*numbers {
                let views = views_of(number).iter().map(|(_, view)| view);
                views.filter(|view| view.client_isn() == Some(isn)).for_each(|view| index(&mut all, view, number));
            }
            *by_common = Some(Box::new(all));
        }
    }

    /// Forgets a view of the connection with this number.
    pub(super) fn remove(&mut self, view: &View, number: u64) {
        let Some(isn) = view.client_isn() else { return };
        let Some(Alike { numbers, by_common }) = self.0.get_mut(&isn) else { return };
        remove(numbers, number);
        if numbers.is_empty() {
            self.0.remove(&isn);
            return;
        }
        let Some(by_common) = by_common else { return };
        for common in commons(view) {
            if let Some(numbers) = by_common.get_mut(&common) {
                remove(numbers, number);
                if numbers.is_empty() {
                    by_common.remove(&common);
                }
            }
        }
    }

    /// Returns the connections that have more in common with a view than the client's number. While few have that number, the
    /// others with it are among them.
    pub(super) fn alike(&self, view: &View) -> impl Iterator<Item = u64> {
        let alike = view.client_isn().and_then(|isn| self.0.get(&isn));
        let by_common = alike.and_then(|alike| alike.by_common.as_deref());
        let few = alike.filter(|_| by_common.is_none()).into_iter().flat_map(|alike| &alike.numbers);
        let same = move |common| by_common.and_then(|by_common| by_common.get(&common));
        let many = by_common.into_iter().flat_map(|_| commons(view));
        few.chain(many.filter_map(same).flat_map(|numbers| numbers.iter().take(MOST_ALIKE))).copied()
    }

    /// Returns the connections with this initial sequence number of the client.
    pub(super) fn with_isn(&self, isn: u32) -> impl Iterator<Item = u64> {
        self.0.get(&isn).into_iter().flat_map(|alike| &alike.numbers).copied().take(MOST_ALIKE)
    }
}

fn index(by_common: &mut HashMap<Common, Numbers>, view: &View, number: u64) {
    for common in commons(view) {
        insert(by_common.entry(common).or_default(), number);
    }
}

fn insert(numbers: &mut Numbers, number: u64) {
    if let Err(place) = numbers.binary_search(&number) {
        numbers.insert(place, number);
    }
}

fn remove(numbers: &mut Numbers, number: u64) {
    if let Ok(place) = numbers.binary_search(&number) {
        numbers.remove(place);
    }
}

/// Returns what a view may have in common with others besides the client's number.
fn commons(view: &View) -> impl Iterator<Item = Common> {
    let ends = view.ends().into_iter().flat_map(|(client, server)| {
        [Common::Client(client.addr, client.port), Common::Server(server.addr, server.port)]
    });
    let timestamps = view.syn_timestamps().map(Common::Timestamp);
    view.server_isn().map(Common::ServerIsn).into_iter().chain(ends).chain(timestamps)
}
