//! Circumstances of the next events of an exchange: namespace, interface, socket state, and task.

use super::Exchange;
use crate::event::{Comm, Counters, Exit, Proof, Task};

impl Exchange {
    /// The next event happens in this namespace.
    pub(in crate::correlate) fn in_namespace(&mut self, netns: u32) -> &mut Self {
        self.netns = netns;
        self
    }

    /// The next segments pass this interface.
    pub(in crate::correlate) fn on_interface(&mut self, ifindex: u32) -> &mut Self {
        self.ifindex = ifindex;
        self
    }

    /// The next segments name their socket.
    pub(in crate::correlate) fn with_sockets(&mut self) -> &mut Self {
        self.with_sockets = true;
        self
    }

    /// State changes report neither namespace nor error.
    pub(in crate::correlate) fn without_btf(&mut self) -> &mut Self {
        self.btf = false;
        self
    }

    /// The socket has this error at the next change.
    pub(in crate::correlate) fn with_error(&mut self, error: u32) -> &mut Self {
        self.error = error;
        self
    }

    /// The socket has these properties at the next change.
    pub(in crate::correlate) fn with_proof(&mut self, proof: Proof) -> &mut Self {
        self.proof = proof;
        self
    }

    /// The next change is made by a process with this ID.
    pub(in crate::correlate) fn by(&mut self, pid: u32) -> &mut Self {
        self.task =
            Some(Task { pid, tid: pid, comm: Comm(*b"test\0\0\0\0\0\0\0\0\0\0\0\0"), thread: None, exit: None });
        self
    }

    /// The process set by [`Self::by`] has another name.
    pub(in crate::correlate) fn named(&mut self, comm: Comm) -> &mut Self {
        self.task = self.task.map(|task| Task { comm, ..task });
        self
    }

    /// The thread set by [`Self::by`] has a name of its own.
    pub(in crate::correlate) fn in_thread(&mut self, thread: Comm) -> &mut Self {
        self.task = self.task.map(|task| Task { tid: task.pid + 1, thread: Some(thread), ..task });
        self
    }

    /// The process set by [`Self::by`] ends in this way.
    pub(in crate::correlate) fn exiting(&mut self, exit: Exit) -> &mut Self {
        self.task = self.task.map(|task| Task { exit: Some(exit), ..task });
        self
    }

    /// The next change reports this user of the socket.
    pub(in crate::correlate) fn of_user(&mut self, uid: u32) -> &mut Self {
        self.uid = Some(uid);
        self
    }

    /// The next change reports these counters of the socket.
    pub(in crate::correlate) fn counting(&mut self, counters: Counters) -> &mut Self {
        self.counters = Some(counters);
        self
    }
}
