//! The verdicts on a connection, written without serde like the events.

use crate::{
    output_record::{CloseOutput, HandshakeOutput},
    render::line_writer::Line,
    verdict::{Bytes, Close, Each, Handshake, OpeningRetransmissions, Rtt},
};

/// Writes the outcome of a handshake.
pub(super) fn handshake(
    HandshakeOutput { stamp, encapsulation, joined, context, record }: &HandshakeOutput,
    line: &mut Line<'_>,
) {
    // Destructured, so that a new field does not compile before it is written.
    let Handshake {
        at: _,
        started: _,
        facts: _,
        encapsulation: _,
        conn,
        netns,
        kind,
        outcome,
        by_icmp,
        icmp,
        waiting_for,
        client,
        server,
        role_inferred,
        syn_to_synack_ns,
        synack_to_ack_ns,
        connect_ns,
        syn_left,
        deferred: _,
        ignored_reset: _,
        killed,
        reset,
        retransmissions: OpeningRetransmissions { syn, synack },
        dropped,
        dropped_segments,
        passed_over,
        accept_queue,
        syn_queue,
        same_as,
        nat,
        no_segments,
        incomplete,
        missing,
        summary,
    } = &**record;
    line.raw(r#"{"type":"handshake""#).stamp(stamp);
    line.encapsulation(encapsulation.as_deref()).joined(joined.as_deref()).context(context);
    line.raw(r#","conn":"#).long_number(*conn);
    line.raw(r#","netns":"#).number_or_null(*netns);
    line.raw(r#","kind":"#).word(*kind);
    line.raw(r#","outcome":"#).word_or_null(*outcome);
    line.raw(r#","by_icmp":"#).truth(*by_icmp);
    line.raw(r#","icmp":"#).icmp_or_null(icmp.as_ref());
    line.raw(r#","waiting_for":"#).word_or_null(*waiting_for);
    line.raw(r#","client":"#).handshake_end(client);
    line.raw(r#","server":"#).handshake_end(server);
    line.raw(r#","role_inferred":"#).truth(*role_inferred);
    line.raw(r#","syn_to_synack_ns":"#).long_number_or_null(*syn_to_synack_ns);
    line.raw(r#","synack_to_ack_ns":"#).long_number_or_null(*synack_to_ack_ns);
    line.raw(r#","connect_ns":"#).long_number_or_null(*connect_ns);
    line.raw(r#","syn_left":"#).truth_or_null(*syn_left);
    line.raw(r#","killed":"#).truth(*killed);
    line.raw(r#","reset":"#).reset_or_null(*reset);
    line.raw(r#","retransmissions":{"syn":"#).number_or_null(*syn);
    line.raw(r#","synack":"#).number_or_null(*synack);
    line.raw(r#"},"dropped":"#).drops_or_null(*dropped);
    line.raw(r#","dropped_segments":"#).segment_drops_or_null(*dropped_segments);
    line.raw(r#","passed_over":"#).address_or_null(*passed_over);
    line.raw(r#","accept_queue":"#).queue_or_null(*accept_queue);
    line.raw(r#","syn_queue":"#).queue_or_null(*syn_queue);
    line.raw(r#","same_as":"#).sides_or_null(same_as.as_deref(), nat.as_deref());
    line.raw(r#","no_segments":"#).word_or_null(*no_segments);
    line.raw(r#","incomplete":"#).truth(*incomplete);
    line.raw(r#","missing":"#).missing(missing);
    line.raw(r#","summary":"#).string(summary).raw("}");
}

/// Writes the close of a connection.
pub(super) fn close(CloseOutput { stamp, encapsulation, joined, context, record }: &CloseOutput, line: &mut Line<'_>) {
    let Close {
        at: _,
        started: _,
        facts: _,
        encapsulation: _,
        conn,
        netns,
        kind,
        initiator,
        client,
        server,
        half_close_ns,
        half_closed_bytes,
        bytes: Bytes { client_to_server, server_to_client },
        duration_ns,
        time_wait,
        reset,
        evidence,
        closed_before_ns,
        close_known,
        gave_up,
        icmp,
        dropped_segments,
        retransmissions,
        data_retransmissions,
        idle_ns,
        rtt: Rtt { handshake_ns, smoothed_ns, min_ns },
        states,
        same_as,
        nat,
        no_segments,
        incomplete,
        missing,
        summary,
    } = &**record;
    line.raw(r#"{"type":"close""#).stamp(stamp);
    line.encapsulation(encapsulation.as_deref()).joined(joined.as_deref()).context(context);
    line.raw(r#","conn":"#).long_number(*conn);
    line.raw(r#","netns":"#).number_or_null(*netns);
    line.raw(r#","kind":"#).word(*kind);
    line.raw(r#","initiator":"#).role_or_null(*initiator);
    line.raw(r#","client":"#).close_end(client);
    line.raw(r#","server":"#).close_end(server);
    line.raw(r#","half_close_ns":"#).long_number_or_null(*half_close_ns);
    line.raw(r#","half_closed_bytes":"#).long_number_or_null(*half_closed_bytes);
    line.raw(r#","bytes":{"client_to_server":"#).long_number_or_null(*client_to_server);
    line.raw(r#","server_to_client":"#).long_number_or_null(*server_to_client);
    line.raw(r#"},"duration_ns":"#).long_number_or_null(*duration_ns);
    line.raw(r#","time_wait":"#).word_or_null(*time_wait);
    line.raw(r#","reset":"#).reset_or_null(*reset);
    line.raw(r#","evidence":"#).evidence_or_null(evidence.as_ref());
    line.raw(r#","closed_before_ns":"#).long_number_or_null(*closed_before_ns);
    line.raw(r#","close_known":"#).truth_or_null(*close_known);
    line.raw(r#","gave_up":"#).role_or_null(*gave_up);
    line.raw(r#","icmp":"#).icmp_report_or_null(icmp.as_ref());
    line.raw(r#","dropped_segments":"#).segment_drops_or_null(*dropped_segments);
    let Each { client, server } = retransmissions;
    line.raw(r#","retransmissions":{"client":"#).number_or_null(*client);
    line.raw(r#","server":"#).number_or_null(*server);
    let Each { client, server } = data_retransmissions;
    line.raw(r#"},"data_retransmissions":{"client":"#).number_or_null(*client);
    line.raw(r#","server":"#).number_or_null(*server);
    line.raw(r#"},"idle_ns":"#).long_number_or_null(*idle_ns);
    line.raw(r#","rtt":{"handshake_ns":"#).long_number_or_null(*handshake_ns);
    line.raw(r#","smoothed_ns":"#).long_number_or_null(*smoothed_ns);
    line.raw(r#","min_ns":"#).long_number_or_null(*min_ns);
    let Each { client, server } = states;
    line.raw(r#"},"states":{"client":"#).state_times(client);
    line.raw(r#","server":"#).state_times(server);
    line.raw(r#"},"same_as":"#).sides_or_null(same_as.as_deref(), nat.as_deref());
    line.raw(r#","no_segments":"#).word_or_null(*no_segments);
    line.raw(r#","incomplete":"#).truth(*incomplete);
    line.raw(r#","missing":"#).missing(missing);
    line.raw(r#","summary":"#).string(summary).raw("}");
}

#[cfg(test)]
mod tests;
