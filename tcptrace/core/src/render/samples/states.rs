//! Sample state changes, and what they tell of a socket.

use super::{comm, endpoint, stamp};
use crate::{
    event::{Cgroup, Counters, Proof, Role},
    output_record::StateOutput,
    tcp::TcpState,
    text::Errno,
};

pub(crate) fn state() -> StateOutput {
    StateOutput {
        conn_netns: None,
        stamp: stamp(),
        conn: Some(1),
        netns: Some(4_026_531_840),
        socket: 77,
        replaces: None,
        old: TcpState::SynSent,
        new: TcpState::Established,
        local: endpoint([127, 0, 0, 1], 39870),
        remote: Some(endpoint([127, 0, 0, 1], 9502)),
        role: Some(Role::Client),
        error: None,
        evidence: Proof::default(),
        pid: Some(6980),
        tid: Some(6980),
        comm: Some(comm("curl")),
        thread: None,
        exit: None,
        uid: None,
        old_state_ns: Some(31_000),
        since_start_ns: Some(40_000),
        continues_as: None,
        cgroup: None,
        counters: None,
        late: false,
    }
}

/// Counters, with every optional field set.
pub(super) fn counters() -> Counters {
    Counters {
        idle_ns: Some(60_004_000_000),
        unread_bytes: Some(18),
        unsent_bytes: Some(3_791_873),
        smoothed_rtt_ns: Some(70_000),
        min_rtt_ns: Some(31_000),
        retransmissions: Some(2),
        peer_window: Some(0),
    }
}

/// The control group of a container in a pod.
pub(crate) fn cgroup() -> Cgroup {
    let id = "0123456789abcdef".repeat(4);
    let mut cgroup = Cgroup::of_path(&format!(
        "/kubepods.slice/kubepods-pod7f1c4a2e_9b7d_4c55_8c5e_0f6f2f1b3a10.slice/crio-{id}.scope/init.scope"
    ));
    if let Some(container) = &mut cgroup.container {
        (container.name, container.pod) = (Some("web".to_owned()), Some("shop".to_owned()));
    }
    cgroup
}

pub(crate) fn listener() -> StateOutput {
    StateOutput {
        conn: None,
        old: TcpState::Close,
        new: TcpState::Listen,
        local: endpoint([0, 0, 0, 0], 80),
        remote: None,
        role: None,
        pid: Some(12),
        tid: Some(12),
        comm: Some(comm("nginx")),
        thread: Some(comm("pool-1")),
        old_state_ns: None,
        since_start_ns: None,
        ..state()
    }
}

/// A socket that sends a reset, with every field set.
pub(crate) fn abort() -> StateOutput {
    StateOutput {
        old: TcpState::Established,
        new: TcpState::Close,
        error: Some(Errno(104)),
        evidence: Proof { linger: true, unread: true, unaccepted: true, ..Proof::default() },
        ..state()
    }
}
