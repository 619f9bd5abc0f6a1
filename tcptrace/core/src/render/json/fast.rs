//! The most frequent records, written without serde, which takes three times as long.
//!
//! serde defines the format: a test compares the two for arbitrary values.

use super::{
    by_serde,
    escape::{is_plain, is_plain_ascii},
};
use crate::{
    event::{Comm, Counters, Direction, Role},
    output_record::{EndpointOutput, OwnerOutput, SegmentOutput, Stamp, StateOutput},
    render::line_writer::Line,
    tcp::{OptionBytes, TcpOption, TcpOptions, TcpState, Timestamp, hex_digits},
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

impl Line<'_> {
    pub(super) fn stamp(&mut self, Stamp { time, boot_ns }: &Stamp) -> &mut Self {
        self.raw(r#","time":"#).time_or_null(*time);
        self.raw(r#","boot_ns":"#).long_number_or_null(*boot_ns)
    }

    /// Writes a field that is present only if true.
    fn late(&mut self, late: bool) -> &mut Self {
        self.raw(if late { r#","late":true"# } else { "" })
    }

    fn conn_netns(&mut self, conn_netns: Option<u32>) -> &mut Self {
        match conn_netns {
            Some(netns) => self.raw(r#","conn_netns":"#).number(netns),
            None => self,
        }
    }

    fn endpoint(&mut self, EndpointOutput { addr, port }: &EndpointOutput) -> &mut Self {
        self.raw(r#"{"addr":""#).address(*addr).raw(r#"","port":"#).number_or_null(*port).raw("}")
    }

    fn endpoint_or_null(&mut self, endpoint: &Option<EndpointOutput>) -> &mut Self {
        match endpoint {
            Some(endpoint) => self.endpoint(endpoint),
            None => self.raw("null"),
        }
    }

    pub(super) fn role_or_null(&mut self, role: Option<Role>) -> &mut Self {
        self.raw(match role {
            Some(Role::Client) => r#""client""#,
            Some(Role::Server) => r#""server""#,
            None => "null",
        })
    }

    /// Writes one of a fixed set of words, which need no escapes.
    #[inline]
    pub(super) fn word(&mut self, word: impl Into<&'static str>) -> &mut Self {
        self.raw("\"").raw(word.into()).raw("\"")
    }

    #[inline]
    pub(super) fn word_or_null(&mut self, word: Option<impl Into<&'static str>>) -> &mut Self {
        match word {
            Some(word) => self.word(word),
            None => self.raw("null"),
        }
    }

    pub(super) fn options(&mut self, options: &TcpOptions) -> &mut Self {
        let Some(Common { mss, window_scale, sack_permitted, timestamp, kinds, count }) = Common::of(options) else {
            by_serde(options, self.out());
            return self;
        };
        self.raw(r#"{"mss":"#).number_or_null(mss);
        self.raw(r#","window_scale":"#).number_or_null(window_scale);
        self.raw(r#","sack_permitted":"#).truth(sack_permitted);
        match timestamp {
            Some(Timestamp { value, echo }) => {
                self.raw(r#","timestamp":{"value":"#).number(value).raw(r#","echo":"#).number(echo).raw("}")
            }
            None => self.raw(r#","timestamp":null"#),
        };
        let bytes = options.0.as_slice();
        if !bytes.is_empty() {
            self.raw(r#","order":["#);
            for (index, &kind) in kinds.iter().take(count).enumerate() {
                self.raw(if index == 0 { "" } else { "," }).number(kind);
            }
            self.raw(r#"],"raw":""#);
            // Digits of all bytes, then one copy: to append them byte by byte takes four times as long.
            let mut digits = [[0; 2]; OptionBytes::MAX];
            digits.iter_mut().zip(bytes).for_each(|(digits, &byte)| *digits = hex_digits(byte));
            self.raw(digits.get(..bytes.len()).unwrap_or_default().as_flattened());
            self.raw("\"");
        }
        self.raw("}")
    }

    pub(super) fn string(&mut self, text: &str) -> &mut Self {
        if is_plain(text.as_bytes()) {
            return self.raw("\"").raw(text).raw("\"");
        }
        by_serde(text, self.out());
        self
    }

    pub(super) fn comm_or_null(&mut self, comm: Option<Comm>) -> &mut Self {
        match comm {
            Some(comm) if is_plain_ascii(comm.bytes()) => self.raw("\"").raw(comm.bytes()).raw("\""),
            Some(comm) => self.string(&String::from_utf8_lossy(comm.bytes())),
            None => self.raw("null"),
        }
    }

    pub(super) fn truth(&mut self, truth: bool) -> &mut Self {
        self.raw(if truth { "true" } else { "false" })
    }

    pub(super) fn number_or_null(&mut self, number: Option<impl Into<u32>>) -> &mut Self {
        match number {
            Some(number) => self.number(number),
            None => self.raw("null"),
        }
    }

    pub(super) fn long_number_or_null(&mut self, number: Option<u64>) -> &mut Self {
        match number {
            Some(number) => self.long_number(number),
            None => self.raw("null"),
        }
    }
}

/// The options of nearly every segment.
struct Common {
    mss: Option<u16>,
    window_scale: Option<u8>,
    sack_permitted: bool,
    timestamp: Option<Timestamp>,
    /// Kinds in the order of the header, so that the options are gone through once; those behind `count` mean nothing.
    kinds: [u8; OptionBytes::MAX],
    count: usize,
}

impl Common {
    /// Returns `None` if there are other options.
    fn of(options: &TcpOptions) -> Option<Self> {
        let mut common = Self {
            mss: None,
            window_scale: None,
            sack_permitted: false,
            timestamp: None,
            kinds: [0; OptionBytes::MAX],
            count: 0,
        };
        for option in &options.0 {
            if let Some(kind) = common.kinds.get_mut(common.count) {
                *kind = option.kind();
                common.count += 1;
            }
            match option {
                TcpOption::Eol | TcpOption::Nop => {}
                TcpOption::Mss(mss) => common.mss = Some(mss),
                TcpOption::WindowScale(shift) => common.window_scale = Some(shift),
                TcpOption::SackPermitted => common.sack_permitted = true,
                TcpOption::Timestamp(timestamp) => common.timestamp = Some(timestamp),
                _ => return None,
            }
        }
        Some(common)
    }
}
