//! Listening sockets in the namespaces of this host, and their owners.
//!
//! There are two sources: state changes, as they happen, and the kernel's answers to queries, which take a while. A
//! fact known from both must count once, whichever comes first; the times of the event and of the query decide.

use std::{net::IpAddr, time::Duration};

use foldhash::HashMap;

use crate::event::{BootTime, Comm, Endpoint, ListenerOwner, Process};

/// Maximum number of endpoints remembered where listening has ceased: an older answer is in flight for less than a
/// second.
const MAX_GONE: usize = 1024;

/// Maximum number of processes whose names are remembered.
const MAX_NAMES: usize = 4096;

/// Time in which a change of a listener takes effect.
const SETTLES: Duration = Duration::from_millis(10);

/// Owner of the sockets that listen at one address and port.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Holder {
    /// One process.
    One(Process),
    /// Several processes, or none that could be found.
    NotOne,
}

/// The sockets that listen at one address and port: several with `SO_REUSEPORT`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Listener {
    addr: IpAddr,
    sockets: u32,
    holder: Holder,
    /// Time of the query whose answer this is: it includes everything that happened until then.
    asked: Option<BootTime>,
    /// Time of the last change that was seen.
    changed: Option<BootTime>,
}

/// Every known listener.
#[derive(Debug, Default)]
pub(in crate::correlate) struct Listeners {
    /// Listeners by namespace and port.
    known: HashMap<(u32, u16), Vec<Listener>>,
    /// Times at which the last socket at an endpoint ceased to listen.
    gone: HashMap<(u32, Endpoint), BootTime>,
    /// Names that processes which listen have taken since, by their IDs.
    names: HashMap<u32, Comm>,
}

impl Listeners {
    /// Notes that a socket begins to listen.
    pub(in crate::correlate) fn open(&mut self, netns: u32, local: Endpoint, at: BootTime, by: Option<Process>) {
        let holder = by.map_or(Holder::NotOne, Holder::One);
        self.remember(holder);
        let here = self.known.entry((netns, local.port)).or_default();
        match here.iter_mut().find(|listener| listener.addr == local.addr) {
            Some(known) => {
                let same = known.is_held_as(holder);
                if !known.has_counted(at) {
                    known.sockets += 1;
                    known.changed = known.changed.max(Some(at));
                    known.holder = if same { known.holder } else { Holder::NotOne };
                }
                if same {
                    // The event names the thread that listens; the kernel's answer, requested earlier, names the
                    // process.
                    known.holder = holder;
                }
            }
            None => {
                here.push(Listener { addr: local.addr, sockets: 1, holder, asked: None, changed: Some(at) });
                self.gone.remove(&(netns, local));
            }
        }
    }

    /// Notes the name of a process, which may listen under another one.
    pub(in crate::correlate) fn rename(&mut self, Process { pid, comm }: Process) {
        if let Some(name) = self.names.get_mut(&pid) {
            *name = comm;
        }
    }

    /// Remembers the name of a process that listens.
    fn remember(&mut self, holder: Holder) {
        if let Holder::One(Process { pid, comm }) = holder {
            if self.names.len() >= MAX_NAMES {
                self.names.clear();
            }
            self.names.insert(pid, comm);
        }
    }

    /// Notes that a socket no longer listens.
    pub(in crate::correlate) fn close(&mut self, netns: u32, local: Endpoint, at: BootTime) {
        let here = self.known.entry((netns, local.port)).or_default();
        if let Some(known) = here.iter_mut().find(|listener| listener.addr == local.addr) {
            if known.has_counted(at) {
                return;
            }
            known.sockets = known.sockets.saturating_sub(1);
            known.changed = known.changed.max(Some(at));
        }
        here.retain(|listener| listener.sockets > 0);
        let any = here.iter().any(|listener| listener.addr == local.addr);
        if here.is_empty() {
            self.known.remove(&(netns, local.port));
        }
        if !any {
            // An answer from before this change may still arrive, whether the listener was known here or not.
            if self.gone.len() >= MAX_GONE {
                self.gone.clear();
            }
            self.gone.insert((netns, local), at);
        }
    }

    /// Updates a listener with the kernel's answer about its owner. Returns true if that is new.
    pub(in crate::correlate) fn learn(&mut self, netns: u32, owner: &ListenerOwner) -> bool {
        let holder = owner.process.map_or(Holder::NotOne, Holder::One);
        let (sockets, asked) = (owner.sockets.max(1), Some(owner.asked));
        let place = (netns, owner.local.port);
        let known =
            self.known.get_mut(&place).and_then(|here| here.iter_mut().find(|known| known.addr == owner.local.addr));
        let changed =
            known.as_ref().map_or_else(|| self.gone.get(&(netns, owner.local)).copied(), |known| known.changed);
        // The answer may or may not include later changes: what was seen takes precedence.
        if changed > asked {
            return false;
        }
        match known {
            // A process may have taken another name since.
            Some(known) if known.sockets == sockets && known.holder == holder => return false,
            Some(known) => *known = Listener { sockets, holder, asked, ..*known },
            None => {
                let listener = Listener { addr: owner.local.addr, sockets, holder, asked, changed };
                self.gone.remove(&(netns, owner.local));
                self.known.entry(place).or_default().push(listener);
            }
        }
        self.remember(holder);
        true
    }

    /// Returns true if a socket listens at the port, at any address.
    pub(in crate::correlate) fn listens(&self, netns: u32, port: u16) -> bool {
        self.known.contains_key(&(netns, port))
    }

    /// Returns the address of a listener to which connections to `local` should go, and which is to be found at `now`: when
    /// the state of one changes, that takes effect a moment later.
    pub(in crate::correlate) fn should_take(&self, netns: u32, local: Endpoint, now: BootTime) -> Option<IpAddr> {
        let here = self.known.get(&(netns, local.port))?;
        let any = |addr: IpAddr| addr.is_unspecified() && addr.is_ipv4() == local.addr.is_ipv4();
        let settled = |listener: &&Listener| listener.changed.is_none_or(|at| at + SETTLES < now);
        let takes = |listener: &&Listener| listener.addr == local.addr || any(listener.addr);
        here.iter().filter(settled).find(takes).map(|listener| listener.addr)
    }

    /// Returns the owner of the listener that connections to `local` go to, if there is one: one for the address takes
    /// precedence over those for all addresses, and among these the one of the same family. The process is `None`
    /// unless there is exactly one.
    pub(in crate::correlate) fn holder(&self, netns: u32, local: Endpoint) -> Option<Option<Process>> {
        let here = self.known.get(&(netns, local.port))?;
        let rank = |listener: &Listener| match listener.addr {
            addr if addr == local.addr => Some(0),
            addr if !addr.is_unspecified() => None,
            addr if addr.is_ipv4() == local.addr.is_ipv4() => Some(1),
            IpAddr::V6(_) => Some(2),
            IpAddr::V4(_) => None,
        };
        let ranked = here.iter().filter_map(|listener| Some((rank(listener)?, listener.holder)));
        ranked.min_by_key(|&(rank, _)| rank).map(|(_, holder)| match holder {
            Holder::One(process) => {
                Some(Process { comm: self.names.get(&process.pid).copied().unwrap_or(process.comm), ..process })
            }
            Holder::NotOne => None,
        })
    }
}

impl Listener {
    /// Returns true if the owner is the same process. The name may differ, depending on which thread was looked at.
    fn is_held_as(&self, holder: Holder) -> bool {
        match (self.holder, holder) {
            (Holder::One(one), Holder::One(other)) => one.pid == other.pid,
            (Holder::NotOne, Holder::NotOne) => true,
            _ => false,
        }
    }

    /// Returns true if what happened at `at` was included when the kernel was asked.
    fn has_counted(&self, at: BootTime) -> bool {
        self.asked >= Some(at)
    }
}

#[cfg(test)]
mod tests;
