//! Sample records about sockets that the kernel lists.

use super::{cgroup, comm, endpoint, stamp};
use crate::{
    event::{BootTime, Existing, ExistingGroup, Process},
    output_record::{ExistingOutput, LeakOutput, NamespaceOutput, ReportOutput},
    tcp::TcpState,
};

fn processes() -> Vec<Process> {
    vec![Process { pid: 801, comm: comm("python3") }, Process { pid: 802, comm: comm("python3") }]
}

/// Thirty sockets that no process closes, and one of unknown age.
pub(crate) fn existing() -> ExistingOutput {
    let group = ExistingGroup {
        state: TcpState::CloseWait,
        count: 30,
        processes: processes(),
        container: cgroup().container,
        oldest_at_least_ns: Some(93_100_000_000),
    };
    let other = ExistingGroup {
        state: TcpState::LastAck,
        count: 1,
        processes: Vec::new(),
        container: None,
        oldest_at_least_ns: None,
    };
    ExistingOutput {
        stamp: stamp(),
        record: Box::new(Existing::of_groups(BootTime(9_876_543_210), vec![other, group])),
    }
}

/// A namespace with a name.
pub(crate) fn namespace() -> NamespaceOutput {
    NamespaceOutput {
        stamp: stamp(),
        netns: 4_026_532_177,
        netns_name: Some("blue".into()),
        interfaces: vec!["lo".to_owned(), "veth0".to_owned()],
    }
}

/// A socket that no process closes, with every field set.
pub(crate) fn leak() -> LeakOutput {
    LeakOutput {
        stamp: stamp(),
        conn: Some(3),
        netns: Some(4_026_531_840),
        state: TcpState::CloseWait,
        local: endpoint([10, 0, 0, 2], 9999),
        remote: endpoint([10, 0, 0, 1], 54762),
        processes: processes(),
        container: cgroup().container,
        age_ns: None,
        age_at_least_ns: Some(93_100_000_000),
        unread_bytes: Some(18),
        unacked_bytes: Some(7),
    }
}

/// A socket whose data is not acknowledged.
pub(crate) fn report() -> ReportOutput {
    ReportOutput {
        stamp: stamp(),
        conn: 3,
        netns: Some(4_026_531_840),
        conn_netns: None,
        state: TcpState::Established,
        local: endpoint([10, 0, 0, 2], 9999),
        remote: endpoint([10, 0, 0, 1], 54762),
        unaccepted: false,
        unacked_bytes: 2896,
        acked_bytes: Some(17),
        retransmissions: 3,
        window_closed: false,
        segment_size: Some(1448),
        stuck_ns: 1_400_000_000,
        since_start_ns: 2_000_000_000,
    }
}
