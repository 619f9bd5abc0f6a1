//! The filters on processes: `--pid`, `--comm`, `--uid`, `--unit` and `--container`.

use std::{
    collections::HashSet,
    fmt::{self, Display, Formatter},
    str::FromStr,
};

use thiserror::Error;

use crate::event::{Cgroup, Comm, Container, ExistingSocket, Process};

/// Bytes of a process's name that the kernel keeps (`TASK_COMM_LEN` of include/linux/sched.h, without its zero).
const COMM_LEN: usize = 15;

/// Minimum number of characters of a container's ID that select it.
const ID_BEGINNING: usize = 4;

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

/// A name in which `*` stands for any characters, and `?` for any one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Glob(String);

/// A name that is empty.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("a name is missing: give names separated by commas, such as nginx,python3*")]
pub struct GlobError;

impl FromStr for Glob {
    type Err = GlobError;

    fn from_str(text: &str) -> Result<Self, GlobError> {
        let text = text.trim();
        if text.is_empty() { Err(GlobError) } else { Ok(Self(text.to_owned())) }
    }
}

impl Glob {
    fn matches(&self, name: &[u8]) -> bool {
        glob_matches(self.0.as_bytes(), name)
    }

    fn has_wildcards(&self) -> bool {
        self.0.contains(['*', '?'])
    }

    /// Returns true for the name of a process, of which the kernel keeps only the beginning.
    fn is_comm(&self, comm: Comm) -> bool {
        let Self(text) = self;
        let beginning = text.as_bytes().get(..COMM_LEN).filter(|_| !self.has_wildcards());
        glob_matches(beginning.unwrap_or(text.as_bytes()), comm.bytes())
    }

    fn is_unit(&self, unit: &str) -> bool {
        self.matches(unit.as_bytes()) || unit.strip_suffix(".service").is_some_and(|name| self.matches(name.as_bytes()))
    }

    fn is_container(&self, container: &Container) -> bool {
        let Container { id, name, runtime: _, pod, pod_uid } = container;
        let Self(text) = self;
        let named = [name, pod, pod_uid].into_iter().flatten().any(|name| self.matches(name.as_bytes()));
        named || text.len() >= ID_BEGINNING && id.starts_with(text.as_str()) || self.matches(id.as_bytes())
    }
}

/// Returns true if a pattern with `*` and `?` matches all of a name. After a mismatch, the last `*` takes one more byte.
fn glob_matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut in_name) = (0, 0);
    let mut retry = None;
    while let Some(&byte) = name.get(in_name) {
        match pattern.get(at) {
            Some(b'*') => {
                retry = Some((at, in_name));
                at += 1;
            }
            Some(&wanted) if wanted == b'?' || wanted == byte => (at, in_name) = (at + 1, in_name + 1),
            _ => match retry {
                Some((star, taken)) => {
                    retry = Some((star, taken + 1));
                    (at, in_name) = (star + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern.get(at..).is_some_and(|rest| rest.iter().all(|&byte| byte == b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{event::Endpoint, tcp::TcpState};

    fn globs(text: &str) -> Vec<Glob> {
        text.split(',').map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn stars_and_question_marks_stand_for_characters() {
        for (pattern, name, matches) in [
            ("nginx", "nginx", true),
            ("nginx", "nginx2", false),
            ("nginx*", "nginx", true),
            ("*", "", true),
            ("?", "", false),
            ("*ab*ab", "xxabyabab", true),
            ("*ab*ab?", "xxabyabab", false),
            ("a?c", "abc", true),
            ("a*c", "abcd", false),
            ("", "a", false),
        ] {
            assert_eq!(glob_matches(pattern.as_bytes(), name.as_bytes()), matches, "{pattern} {name}");
        }
    }

    #[test]
    fn long_names_of_processes_are_cut_as_the_kernel_cuts_them() {
        let comm = Comm(*b"prometheus-node\0");
        let is = |text: &str| globs(text).iter().any(|glob| glob.is_comm(comm));
        assert!(is("prometheus-node-exporter") && is("prometheus-*") && is("prometheus-node"));
        assert!(!is("prometheus") && !is("prometheus-node-exporter?"));
    }

    #[test]
    fn units_and_containers_have_several_names() {
        let [service, whole] = ["nginx", "nginx.service"].map(|text| globs(text).remove(0));
        assert!(service.is_unit("nginx.service") && whole.is_unit("nginx.service"));
        assert!(!service.is_unit("nginx.socket") && !whole.is_unit("nginx"));
        let id = "0123456789abcdef".repeat(4);
        let path = format!("/kubepods/pod7f1c4a2e-9b7d-4c55-8c5e-0f6f2f1b3a10/crio-{id}");
        let mut container = Cgroup::of_path(&path).container.unwrap();
        (container.name, container.pod) = (Some("web".to_owned()), Some("shop".to_owned()));
        let is = |text: &str| globs(text).remove(0).is_container(&container);
        assert!(is("web") && is("we*") && is("shop") && is("0123") && is("0123456789ab") && is(&id));
        assert!(is("7f1c4a2e-9b7d-4c55-8c5e-0f6f2f1b3a10"));
        assert!(!is("012") && !is("1234") && !is("api"));
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
        assert_eq!(" ".parse::<Glob>(), Err(GlobError));
    }
}
