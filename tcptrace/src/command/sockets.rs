//! The sockets of the command.

use std::collections::HashSet;

use tcptrace_core::{
    event::{SocketKey, StateChange},
    tcp::TcpState,
};
use tcptrace_ebpf::{KIND_COUNTED_STATE, KIND_STATE, PROOF_IN_GROUP, StateRecord};
use zerocopy::FromBytes as _;

use super::process_tree::ProcessTree;

/// The sockets made by processes of the command.
#[derive(Debug)]
pub struct Sockets {
    own: HashSet<SocketKey>,
    tree: Option<ProcessTree>,
}

impl Sockets {
    /// Recognises the sockets that the kernel programs mark, because they were made in the command's control group.
    pub fn of_group() -> Self {
        Self { own: HashSet::new(), tree: None }
    }

    /// Recognises the sockets that processes at and below `root` were seen to use.
    pub fn of_tree(root: u32) -> Self {
        Self { own: HashSet::new(), tree: Some(ProcessTree::new(root)) }
    }

    /// Notes the owner of a socket that changes its state; `bytes` are the record of that change.
    pub fn note(&mut self, bytes: &[u8], change: &StateChange) {
        let own = match &mut self.tree {
            None => Some(is_marked(bytes)),
            Some(tree) => match change.task {
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

/// Returns true if the kernel program has marked the socket.
fn is_marked(bytes: &[u8]) -> bool {
    StateRecord::read_from_prefix(bytes).is_ok_and(|(record, _)| {
        matches!(record.header.kind, KIND_STATE | KIND_COUNTED_STATE) && record.proof & PROOF_IN_GROUP != 0
    })
}
