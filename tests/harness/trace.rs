//! The output of a tracer that has ended.

use std::{collections::BTreeSet, process::ExitStatus};

use serde_json::Value;

use crate::{
    netns::Netns,
    records::{is_type, number, port},
};

/// The complete output of a run of the tracer.
pub struct Trace {
    /// The records on stdout.
    pub records: Vec<Value>,
    /// The lines on stderr.
    pub log: Vec<String>,
    /// Its exit status.
    pub status: ExitStatus,
}

impl Trace {
    /// Checks the properties of every trace: only JSON objects, `start` first and `end` last if it traced at all, no port 0
    /// in a state change, and no address of a kernel object anywhere.
    #[track_caller]
    pub(crate) fn check(&self) {
        for record in &self.records {
            assert!(record.is_object(), "{record}");
            if is_type(record, "state") {
                assert_ne!(record["local"]["port"], 0, "{record}");
                assert_ne!(record["remote"]["port"], 0, "{record}");
            }
        }
        let count = |kind| self.of_type(kind).len();
        if let (Some(first), Some(last)) = (self.records.first(), self.records.last()) {
            assert!(is_type(first, "start") && count("start") == 1, "one `start`, first: {first}");
            assert!(is_type(last, "end") && count("end") == 1, "one `end`, last: {last}");
        }
        for line in self.records.iter().map(Value::to_string).chain(self.log.iter().cloned()) {
            assert!(!has_kernel_address(&line), "the address of a kernel object: {line}");
        }
    }

    /// The records of one type.
    pub fn of_type(&self, kind: &str) -> Vec<&Value> {
        self.records.iter().filter(|record| is_type(record, kind)).collect()
    }

    /// Returns the events about a port inside a namespace, in order: the states of its sockets, and the segments on its
    /// interfaces.
    pub fn about(&self, netns: &Netns, wanted: u16) -> Vec<&Value> {
        let is_event = |record: &&Value| ["state", "segment", "icmp"].iter().any(|kind| is_type(record, kind));
        self.concerning(netns, wanted).filter(is_event).collect()
    }

    /// The hints about a port inside a namespace, in order.
    pub fn hints(&self, netns: &Netns, wanted: u16) -> Vec<&Value> {
        self.concerning(netns, wanted).filter(|record| is_type(record, "hint")).collect()
    }

    fn concerning(&self, netns: &Netns, wanted: u16) -> impl Iterator<Item = &Value> {
        self.records.iter().filter(move |record| {
            ["local", "remote", "src", "dst"].iter().any(|&end| port(record, end) == Some(wanted))
                && (record["netns"].is_null() || record["netns"] == netns.inode())
        })
    }

    /// Like [`Self::about`], only the states.
    pub fn states(&self, netns: &Netns, port: u16) -> Vec<&Value> {
        self.about(netns, port).into_iter().filter(|record| is_type(record, "state")).collect()
    }

    /// Like [`Self::about`], only the segments.
    pub fn segments(&self, netns: &Netns, port: u16) -> Vec<&Value> {
        self.about(netns, port).into_iter().filter(|record| is_type(record, "segment")).collect()
    }

    /// Returns the number of the connection that all of these events belong to; those of the listener belong to none.
    #[track_caller]
    pub fn only_connection(events: &[&Value]) -> u64 {
        let numbers: BTreeSet<_> =
            events.iter().filter(|record| !listener(record)).map(|record| record["conn"].as_u64()).collect();
        assert_eq!(numbers.len(), 1, "one connection: {events:#?}");
        numbers.into_iter().next().flatten().expect("the number of a connection")
    }

    /// The last record.
    #[track_caller]
    pub fn end(&self) -> &Value {
        self.records.last().filter(|record| is_type(record, "end")).expect("the last record is `end`")
    }

    /// The first record.
    #[track_caller]
    pub fn start(&self) -> &Value {
        self.records.first().filter(|record| is_type(record, "start")).expect("the first record is `start`")
    }

    /// Asserts that nothing was lost, by every count.
    #[track_caller]
    pub fn nothing_lost(&self) {
        assert_eq!(self.of_type("lost"), Vec::<&Value>::new());
        assert_eq!(number(self.end(), "lost"), 0);
    }
}

fn listener(record: &Value) -> bool {
    is_type(record, "state") && (record["old"] == "LISTEN" && record["new"] == "CLOSE" || record["new"] == "LISTEN")
}

/// Returns true if a line contains a number, hexadecimal or decimal, that looks like a kernel address.
fn has_kernel_address(line: &str) -> bool {
    let words = line.split(|letter: char| !letter.is_ascii_alphanumeric());
    words.map(|word| word.trim_start_matches("0x")).any(|word| {
        let hexadecimal = word.len() == 16 && word.starts_with("ffff") && u64::from_str_radix(word, 16).is_ok();
        let decimal = word.parse().is_ok_and(|value: u64| value >= 0xffff_0000_0000_0000);
        hexadecimal || decimal
    })
}
