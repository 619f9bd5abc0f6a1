//! Proof, by one record or by several, that a connection is one of those that may be selected.

use crate::{
    filter::{KnownEnd, Who},
    output_record::OutputRecord,
};

/// Proof that a connection may be selected. Without restrictions, both are true.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Proof {
    /// True if a record was in scope.
    pub(super) own: bool,
    /// True if an end matches the filters on processes.
    pub(super) who: bool,
}

impl Proof {
    pub(super) fn with(self, more: Self) -> Self {
        Self { own: self.own || more.own, who: self.who || more.who }
    }

    pub(super) fn is_complete(self) -> bool {
        self.own && self.who
    }
}

/// Returns true if the record shows that an end of its connection matches.
pub(super) fn matches(who: &Who, record: &OutputRecord) -> bool {
    match record {
        OutputRecord::State(state) => who.matches(&KnownEnd {
            pid: state.pid,
            comm: state.comm,
            thread: state.thread,
            uid: state.uid,
            cgroup: state.cgroup.as_deref(),
        }),
        OutputRecord::Owner(owner) => {
            who.matches(&KnownEnd { pid: owner.pid, comm: owner.comm, ..KnownEnd::default() })
        }
        OutputRecord::Handshake(handshake) => {
            [&handshake.record.client, &handshake.record.server].into_iter().any(|end| {
                let cgroup = end.cgroup.as_deref();
                who.matches(&KnownEnd { pid: end.pid, comm: end.comm, thread: end.thread, uid: end.uid, cgroup })
            })
        }
        OutputRecord::Close(close) => [&close.record.client, &close.record.server].into_iter().any(|end| {
            let cgroup = end.cgroup.as_deref();
            who.matches(&KnownEnd { pid: end.pid, comm: end.comm, thread: end.thread, uid: end.uid, cgroup })
        }),
        _ => false,
    }
}
