//! Names of attributes: OpenTelemetry's where there is one, and otherwise `tcptrace.` with the path of the JSON field.

use strum::{IntoStaticStr, VariantNames};

/// The name of an attribute of a span or a log record.
#[derive(Clone, Copy, Debug, Eq, IntoStaticStr, PartialEq, VariantNames)]
pub(super) enum Key {
    #[strum(serialize = "network.transport")]
    Transport,
    #[strum(serialize = "network.type")]
    NetworkType,
    #[strum(serialize = "client.address")]
    ClientAddress,
    #[strum(serialize = "client.port")]
    ClientPort,
    #[strum(serialize = "server.address")]
    ServerAddress,
    #[strum(serialize = "server.port")]
    ServerPort,
    #[strum(serialize = "network.local.address")]
    LocalAddress,
    #[strum(serialize = "network.local.port")]
    LocalPort,
    #[strum(serialize = "network.peer.address")]
    PeerAddress,
    #[strum(serialize = "network.peer.port")]
    PeerPort,
    #[strum(serialize = "error.type")]
    ErrorType,
    #[strum(serialize = "network.tcp.handshake.role")]
    Role,
    #[strum(serialize = "network.tcp.reset.by")]
    ResetBy,
    #[strum(serialize = "network.tcp.reset.cause")]
    ResetCause,
    #[strum(serialize = "process.pid")]
    ProcessPid,
    #[strum(serialize = "process.executable.name")]
    ProcessName,
    #[strum(serialize = "process.user.id")]
    ProcessUser,
    #[strum(serialize = "process.linux.cgroup")]
    ProcessCgroup,
    #[strum(serialize = "thread.name")]
    ThreadName,
    #[strum(serialize = "container.id")]
    ContainerId,
    #[strum(serialize = "container.name")]
    ContainerName,
    #[strum(serialize = "container.runtime.name")]
    ContainerRuntime,
    #[strum(serialize = "k8s.pod.name")]
    PodName,
    #[strum(serialize = "k8s.pod.uid")]
    PodUid,
    #[strum(serialize = "tcptrace.server.pid")]
    ServerPid,
    #[strum(serialize = "tcptrace.server.comm")]
    ServerComm,
    #[strum(serialize = "tcptrace.server.uid")]
    ServerUid,
    #[strum(serialize = "tcptrace.server.cgroup")]
    ServerCgroup,
    #[strum(serialize = "tcptrace.server.thread")]
    ServerThread,
    #[strum(serialize = "tcptrace.server.container.id")]
    ServerContainerId,
    #[strum(serialize = "tcptrace.server.container.name")]
    ServerContainerName,
    #[strum(serialize = "tcptrace.server.container.runtime")]
    ServerContainerRuntime,
    #[strum(serialize = "tcptrace.server.container.pod")]
    ServerPodName,
    #[strum(serialize = "tcptrace.server.container.pod_uid")]
    ServerPodUid,
    #[strum(serialize = "tcptrace.client.unit")]
    ClientUnit,
    #[strum(serialize = "tcptrace.server.unit")]
    ServerUnit,
    #[strum(serialize = "tcptrace.client.netns_name")]
    ClientNetnsName,
    #[strum(serialize = "tcptrace.server.netns_name")]
    ServerNetnsName,
    #[strum(serialize = "tcptrace.conn")]
    Conn,
    #[strum(serialize = "tcptrace.netns")]
    Netns,
    #[strum(serialize = "tcptrace.netns_name")]
    NetnsName,
    #[strum(serialize = "tcptrace.community_id")]
    CommunityId,
    #[strum(serialize = "tcptrace.severity")]
    Severity,
    #[strum(serialize = "tcptrace.summary")]
    Summary,
    #[strum(serialize = "tcptrace.kind")]
    Kind,
    #[strum(serialize = "tcptrace.role_inferred")]
    RoleInferred,
    #[strum(serialize = "tcptrace.no_segments")]
    NoSegments,
    #[strum(serialize = "tcptrace.missing")]
    Missing,
    #[strum(serialize = "tcptrace.same_as")]
    SameAs,
    #[strum(serialize = "tcptrace.outcome")]
    Outcome,
    #[strum(serialize = "tcptrace.waiting_for")]
    WaitingFor,
    #[strum(serialize = "tcptrace.by_icmp")]
    ByIcmp,
    #[strum(serialize = "tcptrace.icmp.from")]
    IcmpFrom,
    #[strum(serialize = "tcptrace.icmp.kind")]
    IcmpKind,
    #[strum(serialize = "tcptrace.client.isn")]
    ClientIsn,
    #[strum(serialize = "tcptrace.server.isn")]
    ServerIsn,
    #[strum(serialize = "tcptrace.syn_to_synack_ns")]
    SynToSynack,
    #[strum(serialize = "tcptrace.synack_to_ack_ns")]
    SynackToAck,
    #[strum(serialize = "tcptrace.connect_ns")]
    Connect,
    #[strum(serialize = "tcptrace.retransmissions.syn")]
    SynRetransmissions,
    #[strum(serialize = "tcptrace.retransmissions.synack")]
    SynackRetransmissions,
    #[strum(serialize = "tcptrace.accept_queue.length")]
    AcceptQueueLength,
    #[strum(serialize = "tcptrace.accept_queue.limit")]
    AcceptQueueLimit,
    #[strum(serialize = "tcptrace.syn_queue.length")]
    SynQueueLength,
    #[strum(serialize = "tcptrace.syn_queue.limit")]
    SynQueueLimit,
    #[strum(serialize = "tcptrace.dropped.reason")]
    DroppedReason,
    #[strum(serialize = "tcptrace.dropped.of_synack")]
    DroppedOfSynack,
    #[strum(serialize = "tcptrace.dropped.segments")]
    DroppedCount,
    #[strum(serialize = "tcptrace.dropped_segments.sender")]
    DroppedSegmentsSender,
    #[strum(serialize = "tcptrace.dropped_segments.reason")]
    DroppedSegmentsReason,
    #[strum(serialize = "tcptrace.dropped_segments.segments")]
    DroppedSegmentsCount,
    #[strum(serialize = "tcptrace.initiator")]
    Initiator,
    #[strum(serialize = "tcptrace.duration_ns")]
    Duration,
    #[strum(serialize = "tcptrace.bytes.client_to_server")]
    BytesToServer,
    #[strum(serialize = "tcptrace.bytes.server_to_client")]
    BytesToClient,
    #[strum(serialize = "tcptrace.half_close_ns")]
    HalfClose,
    #[strum(serialize = "tcptrace.idle_ns")]
    Idle,
    #[strum(serialize = "tcptrace.time_wait")]
    TimeWait,
    #[strum(serialize = "tcptrace.gave_up")]
    GaveUp,
    #[strum(serialize = "tcptrace.rtt.handshake_ns")]
    RttHandshake,
    #[strum(serialize = "tcptrace.rtt.smoothed_ns")]
    RttSmoothed,
    #[strum(serialize = "tcptrace.rtt.min_ns")]
    RttMin,
    #[strum(serialize = "tcptrace.retransmissions.client")]
    ClientFinRetransmissions,
    #[strum(serialize = "tcptrace.retransmissions.server")]
    ServerFinRetransmissions,
    #[strum(serialize = "tcptrace.data_retransmissions.client")]
    ClientDataRetransmissions,
    #[strum(serialize = "tcptrace.data_retransmissions.server")]
    ServerDataRetransmissions,
    #[strum(serialize = "tcptrace.client.unread_bytes")]
    ClientUnread,
    #[strum(serialize = "tcptrace.server.unread_bytes")]
    ServerUnread,
    #[strum(serialize = "tcptrace.client.unsent_bytes")]
    ClientUnsent,
    #[strum(serialize = "tcptrace.server.unsent_bytes")]
    ServerUnsent,
    #[strum(serialize = "tcptrace.client.exit.signal")]
    ClientExitSignal,
    #[strum(serialize = "tcptrace.server.exit.signal")]
    ServerExitSignal,
    #[strum(serialize = "tcptrace.client.exit.code")]
    ClientExitCode,
    #[strum(serialize = "tcptrace.server.exit.code")]
    ServerExitCode,
    #[strum(serialize = "tcptrace.since")]
    Since,
    #[strum(serialize = "tcptrace.state.client")]
    ClientState,
    #[strum(serialize = "tcptrace.state.server")]
    ServerState,
    #[strum(serialize = "tcptrace.turn")]
    Turn,
    #[strum(serialize = "tcptrace.unacked_bytes")]
    UnackedBytes,
    #[strum(serialize = "tcptrace.retransmissions")]
    Retransmissions,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The first column of the table of attributes.
    fn documented() -> BTreeSet<&'static str> {
        let page = include_str!("../../../docs/otlp.md");
        let (_, section) = page.split_once("## Attributes\n").expect("a section for them");
        let section = section.split("\n## ").next().unwrap_or_default();
        let rows = section.lines().filter(|line| line.starts_with("| `"));
        let names = rows.filter_map(|row| row.split('|').nth(1));
        names.flat_map(|cell| cell.split('`').skip(1).step_by(2)).collect()
    }

    #[test]
    fn the_table_of_attributes_is_complete() {
        assert_eq!(documented(), Key::VARIANTS.iter().copied().collect());
    }
}
