//! The most frequent records, written without serde, which takes three times as long.
//!
//! serde defines the format: a test compares the two for arbitrary values.

use super::by_serde;
use crate::{
    event::{Counters, Direction},
    output_record::{OwnerOutput, SegmentOutput, StateOutput},
    render::line_writer::Line,
    tcp::TcpState,
};

/// Writes a segment.
pub(super) fn segment(entry: &SegmentOutput, line: &mut Line<'_>) {
    // Destructured, so that a new field does not compile before it is written.
    let SegmentOutput {
        stamp,
        conn,
        netns,
        conn_netns,
        interface,
        direction,
        encapsulation,
        socket,
        src,
        dst,
        flags,
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
        options,
        passage,
    } = entry;
    line.raw(r#"{"type":"segment""#).stamp(stamp);
    line.raw(r#","conn":"#).long_number(*conn);
    if let Some(netns) = *netns {
        line.raw(r#","netns":"#).number(netns);
    }
    line.conn_netns(*conn_netns);
    line.raw(r#","interface":"#).string(interface);
    line.raw(match direction {
        Some(Direction::In) => r#","direction":"in""#,
        Some(Direction::Out) => r#","direction":"out""#,
        None => r#","direction":null"#,
    });
    line.encapsulation(encapsulation.as_deref());
    if let Some(socket) = *socket {
        line.raw(r#","socket":"#).long_number_or_null(socket);
    }
    line.raw(r#","src":"#).endpoint(src);
    line.raw(r#","dst":"#).endpoint(dst);
    line.raw(r#","flags":""#).raw(flags.letters()).raw("\"");
    if let Some(ace) = *ace {
        line.raw(r#","ace":"#).number(ace);
    }
    if let Some(ecn) = synack_ecn {
        line.raw(r#","synack_ecn":""#).raw(ecn.word()).raw("\"");
    }
    line.raw(r#","seq":"#).number(*seq);
    line.raw(r#","ack":"#).number_or_null(*ack);
    line.raw(r#","rel_seq":"#).number(*rel_seq);
    line.raw(r#","rel_ack":"#).number_or_null(*rel_ack);
    line.raw(r#","window":"#).number(*window);
    if let Some(urgent) = *urgent {
        line.raw(r#","urgent":"#).number(urgent);
    }
    line.raw(r#","length":"#).number(*length);
    if let Some(segments) = *gso_segments {
        line.raw(r#","gso_segments":"#).number(segments);
    }
    if let Some(note) = note {
        line.raw(r#","note":""#).raw(note.word()).raw("\"");
    }
    line.raw(r#","since_start_ns":"#).long_number_or_null(*since_start_ns);
    line.raw(r#","retransmission":"#).truth(*retransmission).late(*late);
    line.raw(r#","options":"#).options(options);
    if let Some(passage) = passage {
        by_serde(&**passage, line.raw(r#","passage":"#).out());
    }
    line.raw("}");
}

/// Writes a state change.
pub(super) fn state(entry: &StateOutput, line: &mut Line<'_>) {
    let StateOutput {
        stamp,
        conn,
        netns,
        conn_netns,
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
        exit,
        uid,
        old_state_ns,
        since_start_ns,
        continues_as,
        cgroup,
        counters,
        late,
    } = entry;
    line.raw(r#"{"type":"state""#).stamp(stamp);
    line.raw(r#","conn":"#).long_number_or_null(*conn);
    line.raw(r#","netns":"#).number_or_null(*netns).conn_netns(*conn_netns);
    line.raw(r#","socket":"#).long_number(*socket);
    if let Some(replaces) = *replaces {
        line.raw(r#","replaces":"#).long_number(replaces);
    }
    line.raw(r#","old":""#).raw(old.name()).raw("\"");
    line.raw(r#","new":""#).raw(new.name()).raw("\"");
    line.raw(r#","local":"#).endpoint(local);
    line.raw(r#","remote":"#).endpoint_or_null(remote);
    line.raw(r#","role":"#).role_or_null(*role);
    match error {
        Some(error) => line.raw(r#","error":""#).display(error).raw("\""),
        None => line.raw(r#","error":null"#),
    };
    if !evidence.is_empty() {
        by_serde(evidence, line.raw(r#","evidence":"#).out());
    }
    line.raw(r#","pid":"#).number_or_null(*pid);
    line.raw(r#","tid":"#).number_or_null(*tid);
    line.raw(r#","comm":"#).comm_or_null(*comm);
    line.raw(r#","thread":"#).comm_or_null(*thread);
    if exit.is_some() {
        line.raw(r#","exit":"#).exit_or_null(*exit);
    }
    if let Some(uid) = *uid {
        line.raw(r#","uid":"#).number(uid);
    }
    line.raw(r#","old_state_ns":"#).long_number_or_null(*old_state_ns);
    line.raw(r#","since_start_ns":"#).long_number_or_null(*since_start_ns);
    line.raw(r#","continues_as":"#).word_or_null(continues_as.map(TcpState::name));
    line.cgroup(cgroup.as_deref());
    if let Some(Counters {
        idle_ns,
        unread_bytes,
        unsent_bytes,
        smoothed_rtt_ns,
        min_rtt_ns,
        retransmissions,
        peer_window,
    }) = counters
    {
        line.raw(r#","counters":{"idle_ns":"#).long_number_or_null(*idle_ns);
        line.raw(r#","unread_bytes":"#).number_or_null(*unread_bytes);
        line.raw(r#","unsent_bytes":"#).number_or_null(*unsent_bytes);
        line.raw(r#","smoothed_rtt_ns":"#).long_number_or_null(*smoothed_rtt_ns);
        line.raw(r#","min_rtt_ns":"#).long_number_or_null(*min_rtt_ns);
        line.raw(r#","retransmissions":"#).number_or_null(*retransmissions);
        line.raw(r#","peer_window":"#).number_or_null(*peer_window).raw("}");
    }
    line.late(*late).raw("}");
}

/// Writes an owner of a socket.
pub(super) fn owner(entry: &OwnerOutput, line: &mut Line<'_>) {
    let OwnerOutput { stamp, conn, socket, netns, local, remote, sockets, asked_ns, pid, comm, source } = entry;
    line.raw(r#"{"type":"owner""#).stamp(stamp);
    line.raw(r#","conn":"#).long_number_or_null(*conn);
    line.raw(r#","socket":"#).long_number_or_null(*socket);
    if let Some(netns) = *netns {
        line.raw(r#","netns":"#).number(netns);
    }
    line.raw(r#","local":"#).endpoint(local);
    line.raw(r#","remote":"#).endpoint_or_null(remote);
    if let Some(sockets) = *sockets {
        line.raw(r#","sockets":"#).number(sockets);
    }
    if let Some(asked_ns) = *asked_ns {
        line.raw(r#","asked_ns":"#).long_number(asked_ns);
    }
    line.raw(r#","pid":"#).number_or_null(*pid);
    line.raw(r#","comm":"#).comm_or_null(*comm);
    line.raw(r#","source":"#).word(*source).raw("}");
}
