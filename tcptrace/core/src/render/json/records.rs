//! The verdicts of a connection, written without serde as the events are.

use super::by_serde;
use crate::{
    event::{AcceptQueue, Cgroup, Container, Exit, Proof},
    output_record::{CloseOutput, CommunityId, Context, HandshakeOutput, Joined},
    render::line_writer::Line,
    verdict::{
        Bytes, Close, CloseEnd, Each, Handshake, HandshakeEnd, IcmpAnswer, Missing, OpeningDrops,
        OpeningRetransmissions, Reset, Rtt, StateTime, TranslatedSide,
    },
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
        killed,
        reset,
        retransmissions: OpeningRetransmissions { syn, synack },
        dropped,
        accept_queue,
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
    line.raw(r#","accept_queue":"#).accept_queue_or_null(*accept_queue);
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
    line.raw(r#"},"states":{"client":"#).stays(client);
    line.raw(r#","server":"#).stays(server);
    line.raw(r#"},"same_as":"#).sides_or_null(same_as.as_deref(), nat.as_deref());
    line.raw(r#","no_segments":"#).word_or_null(*no_segments);
    line.raw(r#","incomplete":"#).truth(*incomplete);
    line.raw(r#","missing":"#).missing(missing);
    line.raw(r#","summary":"#).string(summary).raw("}");
}

impl Line<'_> {
    /// Writes the layers of an encapsulation, if there are any.
    pub(super) fn encapsulation(&mut self, layers: Option<&[String]>) -> &mut Self {
        let Some(layers) = layers else { return self };
        self.raw(r#","encapsulation":["#);
        for (index, layer) in layers.iter().enumerate() {
            self.raw(if index == 0 { "" } else { "," }).string(layer);
        }
        self.raw("]")
    }

    /// Writes what several hosts know, if they do.
    fn joined(&mut self, joined: Option<&Joined>) -> &mut Self {
        if let Some(joined) = joined {
            by_serde(joined, self.raw(r#","joined":"#).out());
        }
        self
    }

    fn context(&mut self, context: &Context) -> &mut Self {
        let Context { host, run, started, started_ns, severity, community_id, netns_name } = context;
        self.raw(r#","host":"#).string_or_null(host.as_deref());
        self.raw(r#","run":"#).string_or_null(run.as_deref());
        self.raw(r#","started":"#).time_or_null(*started);
        self.raw(r#","started_ns":"#).long_number_or_null(*started_ns);
        self.raw(r#","severity":"#).word(*severity);
        // It has no characters that need an escape.
        self.raw(r#","community_id":"#);
        match community_id.as_ref().and_then(CommunityId::text) {
            Some(id) => self.raw("\"").raw(id.as_str()).raw("\""),
            None => self.raw("null"),
        };
        self.raw(r#","netns_name":"#).string_or_null(netns_name.as_deref())
    }

    fn handshake_end(&mut self, end: &HandshakeEnd) -> &mut Self {
        let HandshakeEnd { addr, port, netns, netns_name, isn, pid, comm, thread, uid, options, cgroup } = end;
        self.raw(r#"{"addr":""#).address(*addr);
        self.raw(r#"","port":"#).number_or_null(*port);
        self.raw(r#","netns":"#).number_or_null(*netns);
        self.raw(r#","netns_name":"#).string_or_null(netns_name.as_deref());
        self.raw(r#","isn":"#).number_or_null(*isn);
        self.raw(r#","pid":"#).number_or_null(*pid);
        self.raw(r#","comm":"#).comm_or_null(*comm);
        self.raw(r#","thread":"#).comm_or_null(*thread);
        self.raw(r#","uid":"#).number_or_null(*uid);
        self.raw(r#","options":"#);
        match options {
            Some(options) => self.options(options),
            None => self.raw("null"),
        };
        self.cgroup(cgroup.as_deref()).raw("}")
    }

    fn close_end(&mut self, end: &CloseEnd) -> &mut Self {
        let CloseEnd {
            addr,
            port,
            netns,
            netns_name,
            pid,
            comm,
            thread,
            uid,
            exit,
            unread_bytes,
            unsent_bytes,
            cgroup,
        } = end;
        self.raw(r#"{"addr":""#).address(*addr);
        self.raw(r#"","port":"#).number_or_null(*port);
        self.raw(r#","netns":"#).number_or_null(*netns);
        self.raw(r#","netns_name":"#).string_or_null(netns_name.as_deref());
        self.raw(r#","pid":"#).number_or_null(*pid);
        self.raw(r#","comm":"#).comm_or_null(*comm);
        self.raw(r#","thread":"#).comm_or_null(*thread);
        self.raw(r#","uid":"#).number_or_null(*uid);
        self.raw(r#","exit":"#).exit_or_null(*exit);
        self.raw(r#","unread_bytes":"#).number_or_null(*unread_bytes);
        self.raw(r#","unsent_bytes":"#).number_or_null(*unsent_bytes);
        self.cgroup(cgroup.as_deref()).raw("}")
    }

    /// Writes the fields of a control group, if it is known.
    pub(super) fn cgroup(&mut self, cgroup: Option<&Cgroup>) -> &mut Self {
        let Some(Cgroup { path, container, unit }) = cgroup else { return self };
        self.raw(r#","container":"#);
        match container {
            Some(Container { id, name, runtime, pod, pod_uid }) => {
                self.raw(r#"{"id":"#).string(id);
                self.raw(r#","name":"#).string_or_null(name.as_deref());
                self.raw(r#","runtime":"#).word_or_null(*runtime);
                self.raw(r#","pod":"#).string_or_null(pod.as_deref());
                self.raw(r#","pod_uid":"#).string_or_null(pod_uid.as_deref()).raw("}")
            }
            None => self.raw("null"),
        };
        self.raw(r#","unit":"#).string_or_null(unit.as_deref());
        self.raw(r#","cgroup":"#).string(path)
    }

    fn string_or_null(&mut self, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.string(text),
            None => self.raw("null"),
        }
    }

    pub(super) fn exit_or_null(&mut self, exit: Option<Exit>) -> &mut Self {
        match exit {
            Some(Exit { signal, code }) => {
                self.raw(r#"{"signal":"#).number_or_null(signal);
                self.raw(r#","code":"#).number_or_null(code).raw("}")
            }
            None => self.raw("null"),
        }
    }

    fn drops_or_null(&mut self, dropped: Option<OpeningDrops>) -> &mut Self {
        match dropped {
            Some(OpeningDrops { reason, of_synack, segments }) => {
                self.raw(r#"{"reason":"#).string(reason.as_str());
                self.raw(r#","of_synack":"#).truth(of_synack);
                self.raw(r#","segments":"#).number(segments).raw("}")
            }
            None => self.raw("null"),
        }
    }

    fn accept_queue_or_null(&mut self, queue: Option<AcceptQueue>) -> &mut Self {
        match queue {
            Some(AcceptQueue { length, limit }) => {
                self.raw(r#"{"length":"#).number(length).raw(r#","limit":"#).number(limit).raw("}")
            }
            None => self.raw("null"),
        }
    }

    /// Writes `same_as`, and `nat` behind it.
    fn sides_or_null(&mut self, numbers: Option<&[u64]>, sides: Option<&[TranslatedSide]>) -> &mut Self {
        match numbers {
            Some(numbers) => {
                for (index, number) in numbers.iter().enumerate() {
                    self.raw(if index == 0 { "[" } else { "," }).long_number(*number);
                }
                self.raw(if numbers.is_empty() { "[]" } else { "]" });
            }
            None => _ = self.raw("null"),
        }
        self.raw(r#","nat":"#);
        let Some(sides) = sides else { return self.raw("null") };
        self.raw("[");
        for (index, TranslatedSide { conn, client, server }) in sides.iter().enumerate() {
            self.raw(if index == 0 { r#"{"conn":"# } else { r#",{"conn":"# }).long_number(*conn);
            self.raw(r#","client":{"addr":""#).address(client.addr).raw(r#"","port":"#).number(client.port);
            self.raw(r#"},"server":{"addr":""#).address(server.addr).raw(r#"","port":"#).number(server.port).raw("}}");
        }
        self.raw("]")
    }

    fn stays(&mut self, stays: &[StateTime]) -> &mut Self {
        self.raw("[");
        for (index, StateTime { state, ns, inferred }) in stays.iter().enumerate() {
            self.raw(if index == 0 { r#"{"state":""# } else { r#",{"state":""# }).raw(state.name());
            self.raw(r#"","ns":"#).long_number_or_null(*ns);
            self.raw(if *inferred { r#","inferred":true}"# } else { "}" });
        }
        self.raw("]")
    }

    fn reset_or_null(&mut self, reset: Option<Reset>) -> &mut Self {
        match reset {
            Some(Reset { by, cause }) => {
                self.raw(r#"{"by":"#).role_or_null(Some(by)).raw(r#","cause":"#).word(cause).raw("}")
            }
            None => self.raw("null"),
        }
    }

    fn icmp_or_null(&mut self, icmp: Option<&IcmpAnswer>) -> &mut Self {
        match icmp {
            Some(IcmpAnswer { from, kind, icmp_type, icmp_code, of_synack }) => {
                self.raw(r#"{"from":""#).address(*from).raw(r#"","kind":"#).word(*kind);
                self.raw(r#","icmp_type":"#).number(u32::from(*icmp_type));
                self.raw(r#","icmp_code":"#).number(u32::from(*icmp_code));
                self.raw(r#","of_synack":"#).truth(*of_synack).raw("}")
            }
            None => self.raw("null"),
        }
    }

    fn truth_or_null(&mut self, truth: Option<bool>) -> &mut Self {
        match truth {
            Some(truth) => self.truth(truth),
            None => self.raw("null"),
        }
    }

    fn evidence_or_null(&mut self, evidence: Option<&Proof>) -> &mut Self {
        match evidence {
            Some(evidence) => self.words(evidence.words()),
            None => self.raw("null"),
        }
    }

    fn missing(&mut self, missing: &[Missing]) -> &mut Self {
        self.words(missing.iter().map(|&what| what.into()))
    }

    fn words(&mut self, words: impl Iterator<Item = &'static str>) -> &mut Self {
        self.raw("[");
        for (index, word) in words.enumerate() {
            self.raw(if index == 0 { "" } else { "," }).word(word);
        }
        self.raw("]")
    }
}

#[cfg(test)]
mod tests;
