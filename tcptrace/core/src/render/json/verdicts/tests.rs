//! Records written without serde are equal to those that serde would write.

use std::sync::Arc;

use proptest::{collection::vec, option::of, prelude::*, sample::select};
use serde::Serialize;
use strum::IntoEnumIterator;

use super::Line;
use crate::{
    event::{Cgroup, Comm, Exit, OwnerSource},
    output_record::OutputRecord,
    render::{Json, Render as _, json::by_serde, samples},
    tcp::{OptionBytes, TcpOptions, TcpState},
    verdict::{
        Bytes, Close, CloseEnd, CloseKind, Each, Handshake, HandshakeEnd, HandshakeKind, Missing,
        OpeningRetransmissions, Outcome, ResetCause, StateTime, TimeWait, WaitingFor,
    },
};

fn hold_to_serde(entry: &OutputRecord) -> Result<(), TestCaseError> {
    let (mut line, mut expected) = (Vec::new(), Vec::new());
    Json.render(entry, &mut line);
    by_serde(entry, &mut expected);
    expected.push(b'\n');
    prop_assert_eq!(String::from_utf8(line), String::from_utf8(expected));
    Ok(())
}

fn any_handshake_end() -> impl Strategy<Value = HandshakeEnd> {
    let rest = any::<(Option<u16>, Option<u32>, Option<u32>, Option<[u8; 16]>, Option<[u8; 16]>)>();
    let cgroup = of(any::<String>().prop_map(|path| Arc::new(Cgroup::of_path(&path))));
    let cgroup = prop_oneof![cgroup, Just(Some(Arc::new(samples::cgroup())))];
    (samples::any_address(), rest, of(vec(any::<u8>(), 0..=40)), cgroup).prop_map(|(addr, rest, options, cgroup)| {
        let (port, isn, pid, comm, thread) = rest;
        let options = options.map(|bytes| TcpOptions(OptionBytes::new(&bytes)));
        HandshakeEnd {
            netns: None,
            netns_name: None,
            addr,
            port,
            isn,
            pid,
            comm: comm.map(Comm),
            thread: thread.map(Comm),
            uid: isn.map(|isn| isn / 2),
            exit: port.map(|status| Exit::of_wait_status(status.into())),
            options,
            cgroup,
        }
    })
}

fn any_close_end() -> impl Strategy<Value = CloseEnd> {
    let more = any::<(Option<u16>, Option<u32>, Option<u32>)>();
    (any_handshake_end(), more).prop_map(|(end, (status, unread_bytes, unsent_bytes))| {
        let HandshakeEnd { addr, port, pid, comm, thread, uid, cgroup, .. } = end;
        CloseEnd {
            netns: None,
            netns_name: None,
            cgroup,
            addr,
            port,
            pid,
            comm,
            thread,
            uid,
            exit: status.map(|status| Exit::of_wait_status(status.into())),
            unread_bytes,
            unsent_bytes,
        }
    })
}

fn any_stays() -> impl Strategy<Value = Vec<StateTime>> {
    let stay = (select(TcpState::ALL.to_vec()), any::<(Option<u64>, bool)>());
    vec(stay.prop_map(|(state, (ns, inferred))| StateTime { state, ns, inferred }), 0..4)
}

#[test]
fn every_word_is_as_serde_writes_it() {
    fn hold<T: IntoEnumIterator + Into<&'static str> + Serialize>() {
        for value in T::iter() {
            let (mut out, mut expected) = (Vec::new(), Vec::new());
            by_serde(&value, &mut expected);
            Line::new(&mut out).word(value);
            assert_eq!(String::from_utf8(out), String::from_utf8(expected));
        }
    }
    hold::<HandshakeKind>();
    hold::<Outcome>();
    hold::<WaitingFor>();
    hold::<Missing>();
    hold::<CloseKind>();
    hold::<ResetCause>();
    hold::<TimeWait>();
    hold::<OwnerSource>();
}

proptest! {
    #[test]
    fn any_handshake_is_as_serde_writes_it(
        stamp in samples::any_stamp(),
        client in any_handshake_end(),
        server in any_handshake_end(),
        numbers: (u64, Option<u32>, Option<u64>, Option<u64>, Option<u64>, Option<u32>, Option<u32>),
        truths: [bool; 5],
        summary: String,
    ) {
        let mut entry = samples::handshake();
        let (conn, netns, syn_to_synack_ns, synack_to_ack_ns, connect_ns, syn, synack) = numbers;
        let [by_icmp, role_inferred, incomplete, known, reset] = truths;
        *entry.record = Handshake {
            conn,
            netns,
            outcome: entry.record.outcome.filter(|_| known),
            by_icmp,
            waiting_for: entry.record.waiting_for.filter(|_| known),
            client,
            server,
            role_inferred,
            syn_to_synack_ns,
            synack_to_ack_ns,
            connect_ns,
            reset: entry.record.reset.filter(|_| reset),
            retransmissions: OpeningRetransmissions { syn, synack },
            incomplete,
            summary,
            ..*entry.record
        };
        entry.stamp = stamp;
        hold_to_serde(&OutputRecord::Handshake(entry))?;
    }

    #[test]
    fn any_close_is_as_serde_writes_it(
        stamp in samples::any_stamp(),
        ends in (any_close_end(), any_close_end()),
        kind in select(vec![CloseKind::Simultaneous, CloseKind::TimedOut, CloseKind::Unseen]),
        numbers: (u64, Option<u32>, [Option<u64>; 5], [Option<u32>; 2]),
        stays in (any_stays(), any_stays()),
        truths: [bool; 4],
        summary: String,
    ) {
        let mut entry = samples::close();
        let (conn, netns, long, [client, server]) = numbers;
        let [half_close_ns, half_closed_bytes, client_to_server, server_to_client, duration_ns] = long;
        let [incomplete, known, held, reset] = truths;
        *entry.record = Close {
            conn,
            netns,
            kind,
            initiator: entry.record.initiator.filter(|_| known),
            client: ends.0,
            server: ends.1,
            half_close_ns,
            half_closed_bytes,
            bytes: Bytes { client_to_server, server_to_client },
            duration_ns,
            time_wait: entry.record.time_wait.filter(|_| held),
            reset: entry.record.reset.filter(|_| reset),
            retransmissions: Each { client, server },
            states: Each { client: stays.0, server: stays.1 },
            incomplete,
            missing: if incomplete { vec![Missing::Fin, Missing::States] } else { Vec::new() },
            summary,
            ..*entry.record
        };
        entry.stamp = stamp;
        hold_to_serde(&OutputRecord::Close(entry))?;
    }
}
