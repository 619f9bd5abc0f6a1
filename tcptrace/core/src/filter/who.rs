//! The filters on processes: `--pid`, `--comm`, `--uid`, `--unit` and `--container`.

use std::{
    collections::HashSet,
    fmt::{self, Display, Formatter},
};

use super::Glob;
use crate::event::{Cgroup, Comm, ExistingSocket, Process};

/// Selects connections by the process, the user, the systemd unit or the container of an end. A connection matches if one of
/// its ends matches all of the lists that are not empty; the default matches every connection.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Who {
    /// Process IDs.
    pub pids: Vec<u32>,
    /// Names of processes or threads.
    pub comms: Vec<Glob>,
    /// User IDs, by the initial user namespace.
    pub uids: Vec<u32>,
    /// Names of systemd units; `.service` need not be written.
    pub units: Vec<Glob>,
    /// Names of containers or pods, UIDs of pods, or the beginning of a container's ID.
    pub containers: Vec<Glob>,
}

/// Facts known of an end at one time.
#[derive(Clone, Copy, Debug, Default)]
pub struct KnownEnd<'a> {
    /// ID of its process.
    pub pid: Option<u32>,
    /// Name of the process.
    pub comm: Option<Comm>,
    /// Name of the thread, if it is another.
    pub thread: Option<Comm>,
    /// User of its socket.
    pub uid: Option<u32>,
    /// Control group of its socket.
    pub cgroup: Option<&'a Cgroup>,
}

impl Who {
    /// Returns true if it matches every connection.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns true if an end of which this is known matches.
    pub fn matches(&self, known: &KnownEnd<'_>) -> bool {
        let Self { pids, comms, uids, units, containers } = self;
        let unit = known.cgroup.and_then(|cgroup| cgroup.unit.as_deref());
        let container = known.cgroup.and_then(|cgroup| cgroup.container.as_ref());
        let is_named = |glob: &Glob| [known.comm, known.thread].into_iter().flatten().any(|comm| glob.is_comm(comm));
        (pids.is_empty() || known.pid.is_some_and(|pid| pids.contains(&pid)))
            && (comms.is_empty() || comms.iter().any(is_named))
            && (uids.is_empty() || known.uid.is_some_and(|uid| uids.contains(&uid)))
            && (units.is_empty() || unit.is_some_and(|unit| units.iter().any(|glob| glob.is_unit(unit))))
            && (containers.is_empty()
                || container.is_some_and(|container| containers.iter().any(|glob| glob.is_container(container))))
    }
}

/// Sockets that existed when tracing began.
impl Who {
    /// Returns those whose connection has an end that matches: their own, or that of the other socket in the list.
    pub fn existing(&self, sockets: Vec<ExistingSocket>) -> Vec<ExistingSocket> {
        if self.is_empty() {
            return sockets;
        }
        // A loopback address is another one in each network namespace.
        let netns = |socket: &ExistingSocket| socket.netns.filter(|_| socket.local.addr.is_loopback());
        let matching: HashSet<_> = sockets
            .iter()
            .filter(|socket| self.matches_existing(socket))
            .map(|socket| (netns(socket), socket.local, socket.remote))
            .collect();
        let is_end = |socket: &ExistingSocket| {
            let (local, remote) = (socket.local, socket.remote);
            [(local, remote), (remote, local)]
                .into_iter()
                .any(|(one, other)| matching.contains(&(netns(socket), one, other)))
        };
        sockets.into_iter().filter(is_end).collect()
    }

    fn matches_existing(&self, socket: &ExistingSocket) -> bool {
        let known = KnownEnd { uid: socket.uid, cgroup: socket.cgroup.as_deref(), ..KnownEnd::default() };
        let held =
            |process: &Process| self.matches(&KnownEnd { pid: Some(process.pid), comm: Some(process.comm), ..known });
        self.matches(&known) || socket.processes.iter().any(held)
    }
}

/// Describes the filters in words, such as `pid 1,2 and comm nginx*`; empty without any.
impl Display for Who {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { pids, comms, uids, units, containers } = self;
        let numbers = |name, numbers: &[u32]| list(name, numbers.iter().map(u32::to_string));
        let globs = |name, globs: &[Glob]| list(name, globs.iter().map(|Glob(text)| text.clone()));
        let all = [
            numbers("pid", pids),
            globs("comm", comms),
            numbers("uid", uids),
            globs("unit", units),
            globs("container", containers),
        ];
        f.write_str(&all.into_iter().flatten().collect::<Vec<_>>().join(" and "))
    }
}

fn list(name: &str, items: impl Iterator<Item = String>) -> Option<String> {
    let items: Vec<String> = items.collect();
    (!items.is_empty()).then(|| format!("{name} {}", items.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{event::Endpoint, tcp::TcpState};

    fn globs(text: &str) -> Vec<Glob> {
        text.split(',').map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn of_existing_sockets_those_with_a_matching_end_remain() {
        let end = |port| Endpoint { addr: [127, 0, 0, 1].into(), port };
        let socket = |netns, local, remote, name: &[u8; 16], uid| ExistingSocket {
            netns: Some(netns),
            local: end(local),
            remote: end(remote),
            state: TcpState::CloseWait,
            processes: vec![Process { pid: local.into(), comm: Comm(*name) }],
            uid: Some(uid),
            cgroup: None,
            at_least_ns: None,
        };
        let (nginx, curl) = (b"nginx\0\0\0\0\0\0\0\0\0\0\0", b"curl\0\0\0\0\0\0\0\0\0\0\0\0");
        let all = vec![
            socket(1, 80, 4000, nginx, 33),
            socket(1, 4000, 80, curl, 0),
            socket(2, 4000, 80, curl, 0),
            socket(1, 4001, 81, curl, 0),
        ];
        let kept = |who: Who| -> Vec<_> {
            who.existing(all.clone()).iter().map(|socket| (socket.netns, socket.local.port)).collect()
        };
        assert_eq!(kept(Who::default()).len(), 4);
        let both = [(Some(1), 80), (Some(1), 4000)];
        assert_eq!(kept(Who { comms: globs("ngin*"), ..Who::default() }), both);
        assert_eq!(kept(Who { uids: vec![33], ..Who::default() }), both);
        assert_eq!(kept(Who { uids: vec![33], pids: vec![4000], ..Who::default() }), []);
        assert_eq!(kept(Who { pids: vec![4001], ..Who::default() }), [(Some(1), 4001)]);
        assert_eq!(kept(Who { units: globs("nginx"), ..Who::default() }), []);
    }

    #[test]
    fn words_name_every_list() {
        let who = Who {
            pids: vec![1, 2],
            comms: globs("nginx*"),
            uids: vec![0],
            units: globs("ssh"),
            containers: globs("web,db"),
        };
        assert_eq!(who.to_string(), "pid 1,2 and comm nginx* and uid 0 and unit ssh and container web,db");
    }
}
