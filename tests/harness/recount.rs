//! Recomputation of the numbers in a close record from the events that it was derived from.

use serde_json::Value;

use crate::{
    netns::Netns,
    records::{endpoint, is_type, number, text},
    trace::Trace,
};

impl Trace {
    /// Returns the close of the only connection inside a namespace, which was opened without anything unusual.
    #[track_caller]
    pub fn closed(&self, netns: &Netns) -> &Value {
        let verdicts = self.only_verdicts(netns);
        assert_opened(verdicts.handshake);
        let close = verdicts.close.unwrap_or_else(|| panic!("no close: {:#?}", self.records));
        self.recount(close);
        close
    }

    /// Recomputes the numbers of a close.
    #[track_caller]
    pub fn recount(&self, close: &Value) {
        let at = self.records.iter().position(|record| record == close).expect("a close of this trace");
        let of_conn = |record: &&Value| record["conn"] == close["conn"] && !record["boot_ns"].is_null();
        let events: Vec<_> = self.records[..at].iter().filter(of_conn).filter(is_event).collect();
        let shown = || format!("{close:#}\nof {events:#?}");
        assert_eq!(Some(&close["boot_ns"]), events.last().map(|event| &event["boot_ns"]), "{}", shown());
        let missing = close["missing"].as_array().expect("a list");
        assert_eq!(close["incomplete"], !missing.is_empty(), "{}", shown());

        let sent = |end: &str, flag: char| {
            let by = endpoint(close, end);
            let by = move |event: &&&Value| is_type(event, "segment") && endpoint(event, "src") == by;
            events.iter().filter(by).filter(|event| text(event, "flags").contains(flag)).copied().collect::<Vec<_>>()
        };
        for (end, other) in [("client", "server"), ("server", "client")] {
            let again = sent(end, 'F').len().checked_sub(1).map_or(Value::Null, Value::from);
            assert_eq!(close["retransmissions"][end], again, "{}", shown());
            if close["reset"]["by"] == end {
                assert!(!sent(end, 'R').is_empty(), "{}", shown());
            }
            if let (Some(fin), Some(others)) = (sent(end, 'F').first(), sent(other, 'F').first())
                && number(fin, "boot_ns") <= number(others, "boot_ns")
            {
                assert_eq!(close["half_close_ns"], since(fin, others), "{}", shown());
            }
            // close() after shutdown() shows as no change at all.
            let is_change = |event: &&&Value| event["role"] == end && event["old"] != event["new"];
            let changes: Vec<_> = events.iter().filter(is_change).collect();
            let stays = close["states"][end].as_array().expect("a list");
            for ((stay, next), pair) in stays.iter().zip(&stays[1.min(stays.len())..]).zip(changes.windows(2)) {
                assert_eq!(stay["state"], pair[0]["new"], "{}", shown());
                if next["state"] == pair[1]["new"] {
                    assert_eq!(stay["ns"], since(pair[0], pair[1]), "{}", shown());
                }
            }
        }
        let opened = events.iter().find(|event| event["new"] == "SYN_SENT").or_else(|| events.first());
        let lasted = opened.map(|opened| since(opened, close));
        assert_eq!(Some(&close["duration_ns"]), lasted.as_ref(), "{}", shown());
    }
}

/// Asserts a three-way handshake that was seen completely, with every segment sent once.
#[track_caller]
pub fn assert_opened(handshake: &Value) {
    let said = ["kind", "outcome", "incomplete", "missing", "retransmissions"].map(|field| &handshake[field]);
    let plain = serde_json::json!(["three_way", "established", false, [], { "syn": 0, "synack": 0 }]);
    assert_eq!(serde_json::json!(said), plain, "{handshake:#}");
}

fn is_event(record: &&Value) -> bool {
    !is_type(record, "handshake") && !is_type(record, "close")
}

/// Returns the nanoseconds from one record's time to another's. Two processors may disagree by microseconds.
fn since(from: &Value, to: &Value) -> Value {
    number(to, "boot_ns").saturating_sub(number(from, "boot_ns")).into()
}
