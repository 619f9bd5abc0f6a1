//! Objects and lists within the records of verdicts.

use super::by_serde;
use crate::{
    event::{AcceptQueue, Cgroup, Container, Exit, Proof},
    output_record::{CommunityId, Context, Joined},
    render::line_writer::Line,
    verdict::{
        CloseEnd, HandshakeEnd, IcmpAnswer, IcmpReport, Missing, OpeningDrops, Reset, SegmentDrops, StateTime,
        TranslatedSide,
    },
};

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

    /// Writes the views of several hosts, if there are any.
    pub(super) fn joined(&mut self, joined: Option<&Joined>) -> &mut Self {
        if let Some(joined) = joined {
            by_serde(joined, self.raw(r#","joined":"#).out());
        }
        self
    }

    pub(super) fn context(&mut self, context: &Context) -> &mut Self {
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

    pub(super) fn handshake_end(&mut self, end: &HandshakeEnd) -> &mut Self {
        let HandshakeEnd { addr, port, netns, netns_name, isn, pid, comm, thread, uid, exit, options, cgroup } = end;
        self.raw(r#"{"addr":""#).address(*addr);
        self.raw(r#"","port":"#).number_or_null(*port);
        self.raw(r#","netns":"#).number_or_null(*netns);
        self.raw(r#","netns_name":"#).string_or_null(netns_name.as_deref());
        self.raw(r#","isn":"#).number_or_null(*isn);
        self.raw(r#","pid":"#).number_or_null(*pid);
        self.raw(r#","comm":"#).comm_or_null(*comm);
        self.raw(r#","thread":"#).comm_or_null(*thread);
        self.raw(r#","uid":"#).number_or_null(*uid);
        self.raw(r#","exit":"#).exit_or_null(*exit);
        self.raw(r#","options":"#);
        match options {
            Some(options) => self.options(options),
            None => self.raw("null"),
        };
        self.cgroup(cgroup.as_deref()).raw("}")
    }

    pub(super) fn close_end(&mut self, end: &CloseEnd) -> &mut Self {
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

    pub(super) fn exit_or_null(&mut self, exit: Option<Exit>) -> &mut Self {
        match exit {
            Some(Exit { signal, code }) => {
                self.raw(r#"{"signal":"#).number_or_null(signal);
                self.raw(r#","code":"#).number_or_null(code).raw("}")
            }
            None => self.raw("null"),
        }
    }

    pub(super) fn drops_or_null(&mut self, dropped: Option<OpeningDrops>) -> &mut Self {
        match dropped {
            Some(OpeningDrops { reason, of_synack, segments, ends_of }) => {
                self.raw(r#"{"reason":"#).string(reason.as_str());
                self.raw(r#","of_synack":"#).truth(of_synack);
                self.raw(r#","segments":"#).number(segments);
                if let Some(number) = ends_of {
                    self.raw(r#","ends_of":"#).long_number(number);
                }
                self.raw("}")
            }
            None => self.raw("null"),
        }
    }

    pub(super) fn segment_drops_or_null(&mut self, dropped: Option<SegmentDrops>) -> &mut Self {
        match dropped {
            Some(SegmentDrops { sender, reason, segments }) => {
                self.raw(r#"{"sender":"#).role_or_null(Some(sender));
                self.raw(r#","reason":"#).string(reason.as_str());
                self.raw(r#","segments":"#).number(segments).raw("}")
            }
            None => self.raw("null"),
        }
    }

    pub(super) fn queue_or_null(&mut self, queue: Option<AcceptQueue>) -> &mut Self {
        match queue {
            Some(AcceptQueue { length, limit }) => {
                self.raw(r#"{"length":"#).number(length).raw(r#","limit":"#).number(limit).raw("}")
            }
            None => self.raw("null"),
        }
    }

    /// Writes `same_as`, and `nat` after it.
    pub(super) fn sides_or_null(&mut self, numbers: Option<&[u64]>, sides: Option<&[TranslatedSide]>) -> &mut Self {
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

    pub(super) fn state_times(&mut self, times: &[StateTime]) -> &mut Self {
        self.raw("[");
        for (index, StateTime { state, ns, inferred }) in times.iter().enumerate() {
            self.raw(if index == 0 { r#"{"state":""# } else { r#",{"state":""# }).raw(state.name());
            self.raw(r#"","ns":"#).long_number_or_null(*ns);
            self.raw(if *inferred { r#","inferred":true}"# } else { "}" });
        }
        self.raw("]")
    }

    pub(super) fn reset_or_null(&mut self, reset: Option<Reset>) -> &mut Self {
        match reset {
            Some(Reset { by, cause }) => {
                self.raw(r#"{"by":"#).role_or_null(Some(by)).raw(r#","cause":"#).word(cause).raw("}")
            }
            None => self.raw("null"),
        }
    }

    pub(super) fn icmp_or_null(&mut self, icmp: Option<&IcmpAnswer>) -> &mut Self {
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

    pub(super) fn icmp_report_or_null(&mut self, icmp: Option<&IcmpReport>) -> &mut Self {
        match icmp {
            Some(IcmpReport { from, kind, icmp_type, icmp_code }) => {
                self.raw(r#"{"from":""#).address(*from).raw(r#"","kind":"#).word(*kind);
                self.raw(r#","icmp_type":"#).number(u32::from(*icmp_type));
                self.raw(r#","icmp_code":"#).number(u32::from(*icmp_code)).raw("}")
            }
            None => self.raw("null"),
        }
    }

    pub(super) fn evidence_or_null(&mut self, evidence: Option<&Proof>) -> &mut Self {
        match evidence {
            Some(evidence) => self.words(evidence.words()),
            None => self.raw("null"),
        }
    }

    pub(super) fn missing(&mut self, missing: &[Missing]) -> &mut Self {
        self.words(missing.iter().map(|&what| what.into()))
    }
}
