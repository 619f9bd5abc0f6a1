//! Records of observations: state changes, segments, ICMP errors, owners, hints and dropped segments.

use std::{net::IpAddr, sync::Arc};

use super::{Passage, Stamp};
use crate::{
    event::{
        AcceptQueue, Cgroup, Comm, Counters, Direction, Endpoint, Exit, HintName, KernelName, OwnerSource, Proof, Role,
        SegmentNote, SynAckEcn, reset_reason::ResetReason,
    },
    tcp::{TcpFlags, TcpOptions, TcpState},
    text::Errno,
};

/// An IP address and a TCP port.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct EndpointOutput {
    /// IP address.
    pub addr: IpAddr,
    /// TCP port; null if the kernel had not chosen it yet.
    pub port: Option<u16>,
}

impl From<Endpoint> for EndpointOutput {
    /// Describes an end as its socket has it: port 0 stands for one not chosen yet.
    fn from(Endpoint { addr, port }: Endpoint) -> Self {
        Self { addr, port: (port != 0).then_some(port) }
    }
}

/// A socket changed its state.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct StateOutput {
    /// Time of the event.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub stamp: Stamp,
    /// Number of the connection, from 1; null for listeners.
    pub conn: Option<u64>,
    /// Inode number of the socket's network namespace; null if the kernel does not report it.
    pub netns: Option<u32>,
    /// Inode number of the network namespace under which the connection is known, where that is another than `netns`: it
    /// passes both. Absent otherwise.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "u32"))]
    pub conn_netns: Option<u32>,
    /// Number of the socket, from 1, unique while the socket exists.
    pub socket: u64,
    /// Number of an earlier socket at the same kernel address whose end was not seen; absent otherwise.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "u64"))]
    pub replaces: Option<u64>,
    /// State that the socket leaves.
    pub old: TcpState,
    /// State that the socket enters.
    pub new: TcpState,
    /// Local address and port of the socket.
    pub local: EndpointOutput,
    /// Remote address and port of the socket; null for listeners.
    pub remote: Option<EndpointOutput>,
    /// Role of the socket in the connection; null for listeners and if unknown.
    pub role: Option<Role>,
    /// Pending error of the socket (`sk_err`) by its errno name, such as ECONNRESET; null for none or if not readable.
    pub error: Option<Errno>,
    /// Properties of the socket as it entered CLOSE or ESTABLISHED that prove why a reset was sent, or that a handshake was
    /// none; absent if there are none.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Proof::is_empty"))]
    pub evidence: Proof,
    /// ID of the process in whose context the change ran; null if it ran in no process's context, as in an interrupt.
    pub pid: Option<u32>,
    /// ID of the thread in whose context the change ran; null as `pid`.
    pub tid: Option<u32>,
    /// Name of that process; null as `pid`.
    pub comm: Option<Comm>,
    /// Name of that thread, if it is not that of the process; null otherwise.
    pub thread: Option<Comm>,
    /// How that process ended, if it was exiting; absent otherwise.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "Exit"))]
    pub exit: Option<Exit>,
    /// User of the process that made or accepted the socket, by the initial user namespace; absent where the change does not
    /// tell.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "u32"))]
    pub uid: Option<u32>,
    /// Nanoseconds spent in the old state; null if its beginning was not seen.
    pub old_state_ns: Option<u64>,
    /// Nanoseconds since the connection's first event; null for listeners.
    pub since_start_ns: Option<u64>,
    /// State in which the kernel keeps the connection after it replaced the socket by a smaller one; else null.
    pub continues_as: Option<TcpState>,
    /// Control group in which the socket was made, with the container, the pod and the systemd unit that its path names; only
    /// in the first change of a socket, and absent if unknown.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub cgroup: Option<Arc<Cgroup>>,
    /// Counters of the socket as it leaves ESTABLISHED or enters CLOSE, and as it enters ESTABLISHED if its SYN or SYN,ACK was
    /// sent again; absent otherwise and if unknown.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "Counters"))]
    pub counters: Option<Counters>,
    /// Present and true if it was placed after the connection's last record.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "std::ops::Not::not"))]
    pub late: bool,
}

/// A segment passed an interface.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct SegmentOutput {
    /// Time of the event.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub stamp: Stamp,
    /// Number of the connection, from 1.
    pub conn: u64,
    /// Inode number of the interface's network namespace; absent if unknown, as in a capture.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "u32"))]
    pub netns: Option<u32>,
    /// Inode number of the network namespace under which the connection is known, where that is another than `netns`: it
    /// passes both. Absent otherwise.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "u32"))]
    pub conn_netns: Option<u32>,
    /// Name of the interface on which it was seen first.
    pub interface: Arc<str>,
    /// Direction in which it passed the interface; null if a capture does not tell.
    pub direction: Option<Direction>,
    /// Encapsulation in which it travelled, outermost layer first: VLAN tags, labels, sessions and tunnels, in words, with the
    /// identifier where both directions share one. Absent without any, and live.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<String>"))]
    pub encapsulation: Option<Arc<[String]>>,
    /// Number of the socket that sent it; null if no state change of that socket was seen, as for a request. Absent if
    /// no socket of this host is known to have sent it.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "Option<u64>"))]
    pub socket: Option<Option<u64>>,
    /// Source address and port.
    pub src: EndpointOutput,
    /// Destination address and port.
    pub dst: EndpointOutput,
    /// TCP flags in the letters and order of tcpdump; `none` without flags.
    pub flags: TcpFlags,
    /// ACE field (RFC 9768 §3.2.2): the flags AE, CWR and ECE as a number, which they are after a handshake that negotiated
    /// Accurate ECN. Unless `synack_ecn` is present, a counter of segments received with CE, modulo 8. Absent if the three
    /// are flags, and where zeros are no counter: without a socket, as in TIME_WAIT.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "u8", range(max = 7)))]
    pub ace: Option<u8>,
    /// IP-ECN field with which the SYN,ACK arrived, as `ace` says in the ACK that answers it; absent otherwise.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "SynAckEcn"))]
    pub synack_ecn: Option<SynAckEcn>,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number; null without the ACK flag.
    pub ack: Option<u32>,
    /// Sequence number relative to the sender's initial sequence number, modulo 2^32.
    pub rel_seq: u32,
    /// Acknowledgement number relative to the receiver's initial sequence number, modulo 2^32; null without the ACK flag.
    pub rel_ack: Option<u32>,
    /// Window field of the header, unscaled.
    pub window: u16,
    /// Urgent pointer; absent without the URG flag.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub urgent: Option<u16>,
    /// Payload length in bytes, from the IP length; of all segments together if offloading merged several.
    pub length: u32,
    /// Number of segments that offloading merged; absent for 1.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub gso_segments: Option<u16>,
    /// Meaning of the segment in the light of earlier ones; absent if there is none.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "SegmentNote"))]
    pub note: Option<SegmentNote>,
    /// Nanoseconds since the connection's first event; null if nobody recorded when events happened.
    pub since_start_ns: Option<u64>,
    /// True if it carries sequence numbers that its sender was seen to send before.
    pub retransmission: bool,
    /// Present and true if it was placed after the connection's last record.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "std::ops::Not::not"))]
    pub late: bool,
    /// TCP options of the header.
    pub options: TcpOptions,
    /// Where it was seen, if the files of several hosts are read together and more than one has the connection. Absent otherwise.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "Passage"))]
    pub passage: Option<Box<Passage>>,
}

/// An ICMP error that quotes a segment passed an interface.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct IcmpOutput {
    /// Time of the event.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub stamp: Stamp,
    /// Number of the connection that the quoted segment belongs to.
    pub conn: u64,
    /// Inode number of the interface's network namespace; absent if unknown, as in a capture.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "u32"))]
    pub netns: Option<u32>,
    /// Inode number of the network namespace under which the connection is known, where that is another than `netns`: it
    /// passes both. Absent otherwise.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "u32"))]
    pub conn_netns: Option<u32>,
    /// Name of the interface on which it was seen first.
    pub interface: Arc<str>,
    /// Direction in which it passed the interface; null if a capture does not tell.
    pub direction: Option<Direction>,
    /// Address of the sender of the ICMP error.
    pub from: IpAddr,
    /// Meaning of type and code, in words.
    pub kind: &'static str,
    /// ICMP or ICMPv6 type.
    pub icmp_type: u8,
    /// ICMP or ICMPv6 code.
    pub icmp_code: u8,
    /// Source address and port of the quoted segment.
    pub src: EndpointOutput,
    /// Destination address and port of the quoted segment.
    pub dst: EndpointOutput,
    /// Sequence number of the quoted segment.
    pub seq: u32,
    /// Nanoseconds since the connection's first event; null if nobody recorded when events happened.
    pub since_start_ns: Option<u64>,
    /// Present and true if it was placed after the connection's last record.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "std::ops::Not::not"))]
    pub late: bool,
}

/// The process that holds a socket, if no state change shows it: the socket existed before tracing, or was accepted.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct OwnerOutput {
    /// Time at which the owner was found.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub stamp: Stamp,
    /// Number of the connection, from 1; null for listeners.
    pub conn: Option<u64>,
    /// Number of the socket, as in `state`; null if none of its state changes was seen, and for listeners.
    pub socket: Option<u64>,
    /// Inode number of the socket's network namespace; absent for the tracer's own.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "u32"))]
    pub netns: Option<u32>,
    /// Local address and port of the socket.
    pub local: EndpointOutput,
    /// Remote address and port of the socket; null for listeners.
    pub remote: Option<EndpointOutput>,
    /// Number of sockets that listen there (SO_REUSEPORT); absent for 1.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    pub sockets: Option<u32>,
    /// Age of the answer in nanoseconds: listeners may have come or gone since. Present for listeners only.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "u64"))]
    pub asked_ns: Option<u64>,
    /// ID of the process that holds the socket; null if several do, or if none is visible.
    pub pid: Option<u32>,
    /// Name of the process; null as `pid`.
    pub comm: Option<Comm>,
    /// Source of the knowledge of the owner.
    pub source: OwnerSource,
}

/// A reason that the kernel gave for a segment it sent, or for one it did not answer.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct HintOutput {
    /// Time of the event.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub stamp: Stamp,
    /// Number of the connection; null if it matches no known connection.
    pub conn: Option<u64>,
    /// Inode number of the network namespace; null if unknown.
    pub netns: Option<u32>,
    /// Inode number of the network namespace under which the connection is known, where that is another than `netns`: it
    /// passes both. Absent otherwise.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "u32"))]
    pub conn_netns: Option<u32>,
    /// Number of the socket that the segment was sent for, which may be a listener; null if unknown.
    pub socket: Option<u64>,
    /// Tracepoint that reported it, or `accept_queue`, `defer_accept`, `nat_expired` or `nat_deleted`.
    pub name: HintName,
    /// Reason for a reset (`enum sk_rst_reason`); null on kernels before 6.10 and for other hints.
    pub value: Option<ResetReason>,
    /// State of that socket or request; null without one.
    pub state: Option<TcpState>,
    /// Address and port of the sender, or of the end that did not answer.
    pub local: EndpointOutput,
    /// Address and port of the receiver, or of the end that waits for an answer.
    pub remote: EndpointOutput,
    /// Present and true if that socket is a listener whose accept queue was full.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "std::ops::Not::not"))]
    pub queue_full: bool,
    /// Accept queue of the listener; present with `accept_queue` only.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "AcceptQueue"))]
    pub queue: Option<AcceptQueue>,
    /// Nanoseconds since the connection's first event; null without a connection.
    pub since_start_ns: Option<u64>,
    /// Present and true if it was placed after the connection's last record.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "std::ops::Not::not"))]
    pub late: bool,
}

/// The kernel of this host dropped a segment.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct DropOutput {
    /// Time of the event.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub stamp: Stamp,
    /// Number of the connection; null if it belongs to no known connection.
    pub conn: Option<u64>,
    /// Inode number of the network namespace; null if unknown.
    pub netns: Option<u32>,
    /// Inode number of the network namespace under which the connection is known, where that is another than `netns`: it
    /// passes both. Absent otherwise.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "u32"))]
    pub conn_netns: Option<u32>,
    /// Name of the interface on which it was, or by which it had come to this host; null for one that this host sends and that
    /// had not got to any.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub interface: Option<Arc<str>>,
    /// Source address and port.
    pub src: EndpointOutput,
    /// Destination address and port.
    pub dst: EndpointOutput,
    /// TCP flags in the letters and order of tcpdump; `none` without flags.
    pub flags: TcpFlags,
    /// Sequence number.
    pub seq: u32,
    /// Sequence number relative to the sender's initial sequence number, modulo 2^32; null if that is unknown.
    pub rel_seq: Option<u32>,
    /// Payload length in bytes, from the IP length.
    pub length: u32,
    /// The kernel's reason, by its name in `enum skb_drop_reason` (include/net/dropreason-core.h) without the prefix.
    pub reason: KernelName,
    /// The kernel's function that dropped it, with its module; null if it has no name.
    pub location: Option<KernelName>,
    /// Nanoseconds since the connection's first event; null without a connection.
    pub since_start_ns: Option<u64>,
    /// Present and true if it was placed after the connection's last record.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "std::ops::Not::not"))]
    pub late: bool,
}

/// The state of a socket that makes no progress, or does so again, as the kernel told it when it was asked.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct ReportOutput {
    /// Time of the answer.
    #[cfg_attr(feature = "serde", serde(flatten))]
    pub stamp: Stamp,
    /// Number of the connection.
    pub conn: u64,
    /// Inode number of the socket's network namespace; null if unknown.
    pub netns: Option<u32>,
    /// Inode number of the network namespace under which the connection is known, where that is another than `netns`. Absent
    /// otherwise.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "u32"))]
    pub conn_netns: Option<u32>,
    /// State of the socket.
    pub state: TcpState,
    /// Local end.
    pub local: EndpointOutput,
    /// Remote end.
    pub remote: EndpointOutput,
    /// True if it waits for a process that accepts it.
    pub unaccepted: bool,
    /// Payload bytes written that the other end has not acknowledged.
    pub unacked_bytes: u32,
    /// Payload bytes acknowledged so far; null if unknown.
    pub acked_bytes: Option<u64>,
    /// Number of retransmission timeouts since the last ACK that acknowledged something.
    pub retransmissions: u32,
    /// True if the other end's receive window is closed, and is probed.
    pub window_closed: bool,
    /// Maximum payload of its segments in bytes; null if unknown.
    pub segment_size: Option<u32>,
    /// Nanoseconds for which it has made no progress at least: those of its timeouts.
    pub stuck_ns: u64,
    /// Nanoseconds since the connection's first event.
    pub since_start_ns: u64,
}
