//! Strategies for arbitrary records, including contradictory ones.

use std::{net::IpAddr, sync::Arc};

use proptest::{collection::vec, option::of, prelude::*, sample::select};

use super::cgroup;
use crate::{
    event::{Comm, Counters, Direction, Exit, OwnerSource, Proof, Role, SegmentNote, SynAckEcn},
    output_record::{EndpointOutput, OwnerOutput, SegmentOutput, Stamp, StateOutput},
    tcp::{OptionBytes, TcpFlags, TcpOptions, TcpState},
    text::{Errno, WallTime},
};

pub(crate) fn any_address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![any::<[u8; 4]>().prop_map(IpAddr::from), any::<[u16; 8]>().prop_map(IpAddr::from)]
}

fn any_endpoint() -> impl Strategy<Value = EndpointOutput> {
    (any_address(), any::<Option<u16>>()).prop_map(|(addr, port)| EndpointOutput { addr, port })
}

pub(crate) fn any_stamp() -> impl Strategy<Value = Stamp> {
    let time = prop_oneof![9 => any::<i64>().prop_map(WallTime), 1 => Just(WallTime::UNKNOWN)];
    (time, any::<Option<u64>>()).prop_map(|(time, boot_ns)| Stamp { time, boot_ns })
}

/// Any segment, including contradictory ones.
pub(crate) fn any_segment() -> impl Strategy<Value = SegmentOutput> {
    let whose = any::<(u64, Option<Option<u64>>, String, Option<u64>, [bool; 2])>();
    let place =
        (any_stamp(), whose, of(select(vec![Direction::In, Direction::Out])), of(select(SegmentNote::ALL.to_vec())));
    let numbers = any::<(u32, Option<u32>, u32, Option<u32>, u16, Option<u16>, u32, Option<u16>)>();
    let ace = (of(0_u8..8), of(select(SynAckEcn::ALL.to_vec())));
    let header = (any_endpoint(), any_endpoint(), 0u16..0x200, ace, numbers, vec(any::<u8>(), 0..=40));
    (place, header).prop_map(|(place, header)| {
        let (stamp, (conn, socket, interface, since_start_ns, [retransmission, late]), direction, note) = place;
        let (src, dst, flags, (ace, synack_ecn), numbers, options) = header;
        let (seq, ack, rel_seq, rel_ack, window, urgent, length, gso_segments) = numbers;
        SegmentOutput {
            conn_netns: None,
            netns: None,
            stamp,
            conn,
            interface: Arc::from(interface),
            direction,
            encapsulation: None,
            socket,
            src,
            dst,
            flags: TcpFlags(flags),
            ace,
            synack_ecn,
            seq,
            ack,
            rel_seq,
            rel_ack,
            window,
            urgent,
            length,
            gso_segments,
            note,
            since_start_ns,
            retransmission,
            late,
            options: TcpOptions(OptionBytes::new(&options)),
            passage: None,
        }
    })
}

/// Any state change.
pub(crate) fn any_state() -> impl Strategy<Value = StateOutput> {
    let state = || select(TcpState::ALL.to_vec());
    let numbers = any::<(Option<u64>, Option<u32>, u64, Option<u64>)>();
    let place = (any_stamp(), numbers, state(), state(), any_endpoint(), of(any_endpoint()));
    let task = any::<(Option<u32>, Option<u32>, Option<u32>, [Option<[u8; 16]>; 2], Option<u64>)>();
    let proof = any::<[bool; 7]>().prop_map(|[linger, unread, unaccepted, restored, deferred, repair, linger2]| {
        Proof { linger, unread, unaccepted, restored, deferred, repair, linger2 }
    });
    let rest =
        (of(select(vec![Role::Client, Role::Server])), proof, task, any::<(Option<u64>, bool, bool)>(), of(state()));
    let end = (of(any::<u16>()), any::<Option<u32>>(), of(any_counters()));
    (place, rest, end).prop_map(|(place, rest, (status, uid, counters))| {
        let (stamp, (conn, netns, socket, replaces), old, new, local, remote) = place;
        let (
            role,
            evidence,
            (error, pid, tid, [comm, thread], old_state_ns),
            (since_start_ns, late, has_cgroup),
            continues_as,
        ) = rest;
        let (error, comm, thread) = (error.map(Errno), comm.map(Comm), thread.map(Comm));
        StateOutput {
            conn_netns: None,
            stamp,
            conn,
            netns,
            socket,
            replaces,
            old,
            new,
            local,
            remote,
            role,
            error,
            evidence,
            pid,
            tid,
            comm,
            thread,
            exit: status.map(|status| Exit::of_wait_status(status.into())),
            uid,
            old_state_ns,
            since_start_ns,
            continues_as,
            cgroup: has_cgroup.then(|| Arc::new(cgroup())),
            counters,
            late,
        }
    })
}

fn any_counters() -> impl Strategy<Value = Counters> {
    any::<([Option<u64>; 3], [Option<u32>; 4])>().prop_map(|(times, counts)| {
        let [idle_ns, smoothed_rtt_ns, min_rtt_ns] = times;
        let [unread_bytes, unsent_bytes, retransmissions, peer_window] = counts;
        Counters { idle_ns, unread_bytes, unsent_bytes, smoothed_rtt_ns, min_rtt_ns, retransmissions, peer_window }
    })
}

/// Any owner.
pub(crate) fn any_owner() -> impl Strategy<Value = OwnerOutput> {
    let numbers =
        any::<(Option<u64>, Option<u64>, Option<u32>, Option<u32>, Option<u64>, Option<u32>, Option<[u8; 16]>)>();
    let source = select(vec![OwnerSource::Event, OwnerSource::SockDiag, OwnerSource::Listener, OwnerSource::Capture]);
    (any_stamp(), numbers, any_endpoint(), of(any_endpoint()), source).prop_map(|entry| {
        let (stamp, (conn, socket, netns, sockets, asked_ns, pid, comm), local, remote, source) = entry;
        OwnerOutput { stamp, conn, socket, netns, local, remote, sockets, asked_ns, pid, comm: comm.map(Comm), source }
    })
}
