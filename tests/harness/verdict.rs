//! Comparison of a tracer's verdicts with those that a test expects, and with the events that they were derived from.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    netns::Netns,
    records::{endpoint, is_type, number, text},
    trace::Trace,
};

/// In an expected record: any value but null.
pub const SOME: &str = "anything but null";

/// In an expected record: any value, or no such field.
pub const ANY: &str = "anything";

/// The fields that every record has besides its verdict.
const NOT_COMPARED: [&str; 9] =
    ["type", "time", "boot_ns", "conn", "host", "run", "started", "started_ns", "community_id"];

/// Facts behind the advice, compared where a test names them.
const REASONS: [&str; 17] = [
    "severity",
    "netns_name",
    "icmp",
    "dropped",
    "dropped_segments",
    "syn_left",
    "killed",
    "no_segments",
    "evidence",
    "closed_before_ns",
    "close_known",
    "gave_up",
    "same_as",
    "nat",
    "idle_ns",
    "rtt",
    "data_retransmissions",
];

/// Fields of an end that are compared where a test names them.
const END_REASONS: [&str; 5] = ["netns_name", "uid", "exit", "unread_bytes", "unsent_bytes"];

/// Fields of an end that describe its control group.
const GROUP: [&str; 3] = ["container", "unit", "cgroup"];

/// The verdicts of a trace on one connection, and its events.
#[derive(Debug)]
pub struct Verdicts<'a> {
    /// The outcome of its handshake.
    pub handshake: &'a Value,
    /// The close, if there is one.
    pub close: Option<&'a Value>,
    /// Its events up to `handshake`, in order.
    events: Vec<&'a Value>,
}

/// Compares a `handshake` or a `close` as a whole. In `expected`, [`SOME`] and [`ANY`] stand for values that no test can
/// know, and a list in place of a text means that the text contains all of these words.
#[track_caller]
pub fn assert_record(record: &Value, expected: &Value) {
    let mut compared = record.clone();
    if let Some(fields) = compared.as_object_mut() {
        NOT_COMPARED.iter().for_each(|&field| drop(fields.remove(field)));
        let unnamed = REASONS.iter().filter(|&&field| expected.get(field).is_none());
        unnamed.for_each(|&field| drop(fields.remove(field)));
        // These depend on the machine that runs the tests.
        for role in ["client", "server"] {
            let Some(end) = fields.get_mut(role).and_then(Value::as_object_mut) else { continue };
            GROUP.iter().for_each(|&field| drop(end.remove(field)));
            let unnamed =
                END_REASONS.iter().filter(|&&field| expected.get(role).is_none_or(|end| end.get(field).is_none()));
            unnamed.for_each(|&field| drop(end.remove(field)));
        }
    }
    let masked = masked(&compared, expected);
    assert!(masked == *expected, "{}\nwas expected, but was\n{}", pretty(expected), pretty(&masked));
}

/// Returns a record with changes, which are merged into its objects.
pub fn but(mut record: Value, changes: Value) -> Value {
    match (&mut record, changes) {
        (Value::Object(fields), Value::Object(changes)) => {
            for (name, change) in changes {
                let field = fields.remove(&name).unwrap_or_default();
                fields.insert(name, but(field, change));
            }
            record
        }
        (_, changes) => changes,
    }
}

/// Returns the retransmissions of a record's two senders where nothing is lost: none, unless the namespace's kernel has sent
/// a segment again. It does so on a busy machine, where an ACK comes later than a tail loss probe (RFC 8985).
#[track_caller]
pub fn no_retransmissions(netns: &Netns, senders: [&str; 2]) -> Value {
    let again = if netns.counter("Tcp", "RetransSegs") == 0 { Value::from(0) } else { SOME.into() };
    senders.map(|sender| (sender.to_owned(), again.clone())).into_iter().collect()
}

fn masked(record: &Value, expected: &Value) -> Value {
    match (record, expected) {
        (_, Value::String(mark)) if mark == ANY || (mark == SOME && !record.is_null()) => expected.clone(),
        (Value::Object(fields), Value::Object(wanted)) => {
            let known = fields.iter().map(|(name, field)| {
                let masked = wanted.get(name).map_or_else(|| field.clone(), |wanted| masked(field, wanted));
                (name.clone(), masked)
            });
            let absent = wanted.iter().filter(|(name, wanted)| *wanted == ANY && !fields.contains_key(*name));
            known.chain(absent.map(|(name, wanted)| (name.clone(), wanted.clone()))).collect()
        }
        (Value::Array(items), Value::Array(wanted)) if items.len() == wanted.len() => {
            items.iter().zip(wanted).map(|(item, wanted)| masked(item, wanted)).collect()
        }
        (Value::String(text), Value::Array(words)) => {
            let all = words.iter().all(|word| word.as_str().is_some_and(|word| text.contains(word)));
            if all { expected.clone() } else { record.clone() }
        }
        _ => record.clone(),
    }
}

fn pretty(record: &Value) -> String {
    serde_json::to_string_pretty(record).expect("a value has a text")
}

impl Trace {
    /// Returns the verdicts on each connection inside a namespace, in the order of their numbers; connections that are still
    /// open are left out.
    ///
    /// Each must have exactly one handshake, and exactly one close if that was `established` or `unseen`; the numbers of a
    /// handshake must agree with the events before it; and nothing may be lost. All types of records must be included.
    #[track_caller]
    pub fn verdicts(&self, netns: &Netns) -> Vec<Verdicts<'_>> {
        self.nothing_lost();
        let numbers = self.numbers(|_| true);
        let verdicts: Vec<_> = numbers.iter().filter_map(|&conn| self.verdicts_of(conn)).collect();
        let (seen, over) = (numbers.len(), verdicts.iter().filter(|verdicts| verdicts.is_over()).count());
        let counts = ["connections", "open", "evicted"].map(|field| number(self.end(), field));
        assert_eq!(counts, [seen, seen - over, 0].map(|count| count as u64), "{:#?}", self.records);
        let verdicts: Vec<_> =
            verdicts.into_iter().filter(|verdicts| verdicts.handshake["netns"] == netns.inode()).collect();
        verdicts.iter().for_each(Verdicts::check);
        verdicts
    }

    /// Returns the verdict on the only connection inside a namespace.
    #[track_caller]
    pub fn only_verdicts(&self, netns: &Netns) -> Verdicts<'_> {
        let mut verdicts = self.verdicts(netns);
        // Segments do not name their namespace: there must be no others.
        let numbers = self.numbers(|record| record["netns"].is_null() || record["netns"] == netns.inode());
        assert_eq!((verdicts.len(), numbers.len()), (1, 1), "one connection: {:#?}", self.records);
        verdicts.remove(0)
    }

    /// Returns the verdict on the only connection inside a namespace, which was never established.
    #[track_caller]
    pub fn failed_handshake(&self, netns: &Netns) -> &Value {
        let verdicts = self.only_verdicts(netns);
        assert!(verdicts.close.is_none(), "{:#?}", self.records);
        verdicts.handshake
    }

    /// Returns the numbers of connections in some of the records.
    fn numbers(&self, of: impl Fn(&Value) -> bool) -> BTreeSet<u64> {
        self.records.iter().filter(|record| of(record)).filter_map(|record| record["conn"].as_u64()).collect()
    }

    #[track_caller]
    fn verdicts_of(&self, conn: u64) -> Option<Verdicts<'_>> {
        let of_conn = |kind| {
            let wanted = move |(_, record): &(usize, &Value)| is_type(record, kind) && record["conn"] == conn;
            let mut found = self.records.iter().enumerate().filter(wanted);
            let first = found.next();
            assert!(found.next().is_none(), "more than one {kind} of connection {conn}: {:#?}", self.records);
            first
        };
        let (handshake, close) = (of_conn("handshake"), of_conn("close"));
        assert!(handshake.is_some() || close.is_none(), "no handshake of connection {conn}: {:#?}", self.records);
        let (at, handshake) = handshake?;
        if let Some((close, _)) = close {
            let next = if handshake["kind"] == "unseen" { at + 1..at + 2 } else { at + 1..self.records.len() };
            assert!(next.contains(&close), "{handshake} has its close at another place: {:#?}", self.records);
        }
        let events = self.records[..at].iter().filter(|record| record["conn"] == conn).collect();
        Some(Verdicts { handshake, close: close.map(|(_, close)| close), events })
    }
}

impl Verdicts<'_> {
    /// Returns true if no more of its records can come.
    #[track_caller]
    fn is_over(&self) -> bool {
        let opened = self.handshake["outcome"] == "established" || self.handshake["kind"] == "unseen";
        assert!(opened || self.close.is_none(), "a close of what was never open: {self:#?}");
        assert!(self.handshake["kind"] != "unseen" || self.close.is_some(), "unseen, and no close: {self:#?}");
        !opened || self.close.is_some()
    }

    /// Recomputes the numbers of the handshake.
    #[track_caller]
    fn check(&self) {
        let handshake = self.handshake;
        assert_eq!(handshake["incomplete"], !handshake["missing"].as_array().expect("a list").is_empty(), "{self:#?}");
        let at = &handshake["boot_ns"];
        assert!(self.events.iter().any(|event| event["boot_ns"] == *at), "the time of an event: {self:#?}");
        let (client, server) = (endpoint(handshake, "client"), endpoint(handshake, "server"));
        if handshake["kind"] == "unseen" || client == server {
            return;
        }
        let sent = |who, what: fn(&str) -> bool| {
            let by = move |segment: &&&Value| is_type(segment, "segment") && endpoint(segment, "src") == who;
            self.events.iter().filter(by).filter(|segment| what(text(segment, "flags"))).copied().collect::<Vec<_>>()
        };
        let is_syn = |flags: &str| flags.starts_with('S') && !flags.contains('.');
        let is_synack = |flags: &str| flags.starts_with("S.");
        let is_ack = |flags: &str| flags.contains('.') && !flags.contains(['S', 'R']);
        let (syns, synacks, acks) = (sent(client, is_syn), sent(server, is_synack), sent(client, is_ack));
        let again = |sent: &[&Value]| sent.len().checked_sub(1).map_or(Value::Null, Value::from);
        assert_eq!(handshake["retransmissions"]["syn"], again(&syns), "{self:#?}");
        assert_eq!(handshake["retransmissions"]["synack"], again(&synacks), "{self:#?}");
        for (end, address) in [("client", client), ("server", server)] {
            let syns = sent(address, |flags| flags.starts_with('S'));
            if let Some(first) = syns.first() {
                // The cookie that is acknowledged may differ from one that was lost: they change every minute.
                assert!(syns.iter().any(|syn| handshake[end]["isn"] == syn["seq"]), "{self:#?}");
                assert_eq!(handshake[end]["options"], first["options"], "{self:#?}");
            } else {
                assert_eq!(handshake[end]["options"], Value::Null, "{self:#?}");
            }
        }
        let between = |from: Option<&Value>, to: Option<&Value>| match (from, to) {
            (Some(from), Some(to)) => number(to, "boot_ns").saturating_sub(number(from, "boot_ns")).into(),
            _ => Value::Null,
        };
        let went = |new: &str| {
            let by_client = |record: &&&Value| is_type(record, "state") && record["role"] == "client";
            self.events.iter().filter(by_client).find(|record| record["new"] == new).copied()
        };
        let (syn, synack, ack) = (syns.first(), synacks.first(), acks.first());
        assert_eq!(handshake["syn_to_synack_ns"], between(syn.copied(), synack.copied()), "{self:#?}");
        if handshake["kind"] != "simultaneous" {
            assert_eq!(handshake["synack_to_ack_ns"], between(synack.copied(), ack.copied()), "{self:#?}");
        }
        assert_eq!(handshake["connect_ns"], between(went("SYN_SENT"), went("ESTABLISHED")), "{self:#?}");
    }
}
