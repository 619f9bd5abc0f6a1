//! Records of segments that passed an interface, of those quoted by ICMP errors, and of those that the kernel dropped.

use std::{net::IpAddr, sync::Arc};

use super::{EndpointOutput, Passage, Stamp};
use crate::{
    event::{Direction, KernelName, SegmentNote, SynAckEcn},
    tcp::{TcpFlags, TcpOptions},
};

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
    /// Inode number of the network namespace by which the connection is known, if other than `netns`: it passes both. Absent
    /// otherwise.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "u32"))]
    pub conn_netns: Option<u32>,
    /// Name of the interface on which it was seen first.
    pub interface: Arc<str>,
    /// Direction in which it passed the interface; null if a capture does not state it.
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
    /// Inode number of the network namespace by which the connection is known, if other than `netns`: it passes both. Absent
    /// otherwise.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "u32"))]
    pub conn_netns: Option<u32>,
    /// Name of the interface on which it was seen first.
    pub interface: Arc<str>,
    /// Direction in which it passed the interface; null if a capture does not state it.
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
    /// Inode number of the network namespace by which the connection is known, if other than `netns`: it passes both. Absent
    /// otherwise.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Option::is_none"))]
    #[cfg_attr(feature = "schema", schemars(with = "u32"))]
    pub conn_netns: Option<u32>,
    /// Name of the interface at which it was dropped, or through which it had arrived; null for a segment of this host that
    /// had not reached any.
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
