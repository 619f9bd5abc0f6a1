//! The sockets of the command.

use std::collections::{HashMap, HashSet};

use tcptrace_core::{
    event::{CgroupKey, SocketKey, StateChange},
    tcp::TcpState,
};
use tcptrace_ebpf::{KIND_COUNTED_STATE, KIND_STATE, PROOF_IN_GROUP, StateRecord};
use zerocopy::FromBytes as _;

use super::process_tree::ProcessTree;

/// Maximum number of control groups that are remembered.
const GROUPS: usize = 4096;

/// The sockets made by processes of the command.
#[derive(Debug)]
pub struct Sockets {
    own: HashSet<SocketKey>,
    by: Recognition,
}

/// How processes of the command are recognised.
#[derive(Debug)]
enum Recognition {
    Group(Group),
    Tree(ProcessTree),
}

/// The command's control group, and the groups that its processes make below it, as runtimes of containers do.
#[derive(Debug)]
struct Group {
    id: CgroupKey,
    /// Its path, once it has been asked for.
    path: Option<String>,
    /// Whether other groups lie below it.
    below: HashMap<CgroupKey, bool>,
}

impl Sockets {
    /// Recognises the sockets that the kernel programs mark, because they were made in the command's control group.
    ///
    /// `id` is that of the group.
    pub fn of_group(id: u64) -> Self {
        let group = Group { id: CgroupKey(id), path: None, below: HashMap::new() };
        Self { own: HashSet::new(), by: Recognition::Group(group) }
    }

    /// Recognises the sockets that processes at and below `root` were seen to use.
    pub fn of_tree(root: u32) -> Self {
        Self { own: HashSet::new(), by: Recognition::Tree(ProcessTree::new(root)) }
    }

    /// Notes the owner of a socket that changes its state; `bytes` are the record of that change, and `path` looks up the path
    /// of a control group.
    pub fn note(&mut self, bytes: &[u8], change: &StateChange, path: &mut dyn FnMut(CgroupKey) -> Option<String>) {
        let own = match &mut self.by {
            Recognition::Group(group) => {
                Some(is_marked(bytes) || change.cgroup.is_some_and(|key| group.contains(key, path)))
            }
            Recognition::Tree(tree) => match change.task {
                Some(task) if tree.contains(task.pid) => Some(true),
                // This is another socket at the same address.
                _ => (change.old == TcpState::Close || change.old == TcpState::Listen).then_some(false),
            },
        };
        match own {
            Some(true) => drop(self.own.insert(change.socket)),
            Some(false) => drop(self.own.remove(&change.socket)),
            None => {}
        }
    }

    /// Returns true if a socket belongs to the command.
    pub fn contains(&self, socket: SocketKey) -> bool {
        self.own.contains(&socket)
    }
}

impl Group {
    /// Returns true if another group lies below this one, as far as that can be found.
    fn contains(&mut self, key: CgroupKey, path: &mut dyn FnMut(CgroupKey) -> Option<String>) -> bool {
        if let Some(&known) = self.below.get(&key) {
            return known;
        }
        if self.path.is_none() {
            self.path = path(self.id);
        }
        let (Some(own), Some(other)) = (&self.path, path(key)) else { return false };
        let below = other.strip_prefix(own.as_str()).is_some_and(|rest| rest.starts_with('/'));
        if self.below.len() >= GROUPS {
            self.below.clear();
        }
        self.below.insert(key, below);
        below
    }
}

/// Returns true if the kernel program has marked the socket.
fn is_marked(bytes: &[u8]) -> bool {
    StateRecord::read_from_prefix(bytes).is_ok_and(|(record, _)| {
        matches!(record.header.kind, KIND_STATE | KIND_COUNTED_STATE) && record.proof & PROOF_IN_GROUP != 0
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_below_are_the_commands() {
        let mut group = Group { id: CgroupKey(7), path: None, below: HashMap::new() };
        let mut asked = Vec::new();
        let mut path = |key: CgroupKey| {
            asked.push(key.0);
            let paths = ["/user/tcptrace-1", "/user/tcptrace-1/inner", "/user/tcptrace-12", "/user"];
            paths.get(usize::try_from(key.0 - 7).expect("small")).map(|&path| path.to_owned())
        };
        let contains: Vec<bool> = [8, 9, 10, 8, 99].map(|id| group.contains(CgroupKey(id), &mut path)).into();
        assert_eq!(contains, [true, false, false, true, false]);
        assert_eq!(asked, [7, 8, 9, 10, 99], "each is looked up once");
        group.contains(CgroupKey(99), &mut |_| Some("/user/tcptrace-1/late".to_owned()));
        assert!(group.contains(CgroupKey(99), &mut |_| None), "it was not found before");
    }
}
