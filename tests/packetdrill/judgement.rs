//! Comparison of the verdicts on a script.

use std::fmt;

use serde_json::Value;
use tcptrace_tests::{is_type, port};

use crate::scene::{MARK, Scene};

/// The fields of a verdict that a capture can know as well as the host itself.
const COMPARED: [(&str, &[&str]); 2] =
    [("handshake", &["outcome", "kind"]), ("close", &["kind", "initiator", "reset.by", "reset.cause"])];

/// Words for facts that were not seen, which contradict nothing.
const UNKNOWN: [&str; 3] = ["unknown", "unseen", "unfinished"];

/// Comparison of the live verdict with that on the capture.
pub(crate) enum Agreement {
    /// They agree.
    Agree(String),
    /// Neither contains anything: no connection was opened or closed.
    Nothing(Option<String>),
    /// They contradict each other.
    Differ {
        /// The verdicts made while the script ran.
        live: String,
        /// The verdicts on the capture.
        captured: String,
    },
    /// The script could not be run.
    NotRun(String),
}

impl Agreement {
    /// Returns its index in the counts.
    pub(crate) fn index(&self) -> usize {
        match self {
            Self::Agree(_) => 0,
            Self::Nothing(_) => 1,
            Self::Differ { .. } => 2,
            Self::NotRun(_) => 3,
        }
    }
}

impl fmt::Display for Agreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agree(verdict) => write!(f, "agree: {verdict}"),
            Self::Nothing(None) => f.write_str("no connection"),
            Self::Nothing(Some(why)) => write!(f, "no connection, since the script failed: {why}"),
            Self::Differ { live, captured } => write!(f, "DIFFER\n  live:    {live}\n  capture: {captured}"),
            Self::NotRun(why) => write!(f, "not run: {why}"),
        }
    }
}

/// Compares the verdicts on a script.
pub(crate) fn judge(scene: &Scene) -> Agreement {
    let [live, captured] = [&scene.live, &scene.captured].map(|records| verdicts(records));
    if live.is_empty() && captured.is_empty() {
        return Agreement::Nothing(scene.failure.clone());
    }
    let [told_live, told_captured] = [&live, &captured].map(|verdicts| words(verdicts));
    if live.len() == captured.len() && live.iter().zip(&captured).all(|(live, captured)| agree(live, captured)) {
        Agreement::Agree(told_live)
    } else {
        Agreement::Differ { live: told_live, captured: told_captured }
    }
}

/// The verdict on one connection, a word for each field of [`COMPARED`].
type Verdict = Vec<(&'static str, String)>;

/// Returns the verdicts on all connections that have a segment, in the order of their numbers. A connection known only from
/// its socket is in no capture.
fn verdicts(records: &[Value]) -> Vec<Verdict> {
    let is_mark = |record: &&Value| ["src", "dst"].iter().any(|&end| port(record, end) == Some(MARK));
    let segments = records.iter().filter(|record| is_type(record, "segment") && !is_mark(record));
    let mut numbers: Vec<u64> = segments.filter_map(|record| record["conn"].as_u64()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers.into_iter().map(|conn| verdict(records, conn)).filter(|verdict| !verdict.is_empty()).collect()
}

fn verdict(records: &[Value], conn: u64) -> Verdict {
    let mut words = Vec::new();
    for (kind, fields) in COMPARED {
        let of_conn = |record: &&Value| is_type(record, kind) && record["conn"] == conn;
        let Some(record) = records.iter().find(of_conn) else { continue };
        for field in fields {
            let value = field.split('.').fold(record, |value, name| &value[name]);
            words.push((*field, value.as_str().unwrap_or("-").to_owned()));
        }
    }
    words
}

fn agree(live: &Verdict, captured: &Verdict) -> bool {
    live.len() == captured.len()
        && live
            .iter()
            .zip(captured)
            .all(|((_, live), (_, captured))| live == captured || is_no_contradiction(live, captured))
}

/// Returns true if `live` is consistent with `captured`: an end that times out shows nothing of that on the wire, and may
/// reset or be reset later.
fn is_no_contradiction(live: &str, captured: &str) -> bool {
    let unknown = |word: &str| word == "-" || UNKNOWN.contains(&word);
    let given_up = ["cancelled", "timed_out"].contains(&live) && ["reset", "refused", "unanswered"].contains(&captured);
    given_up || unknown(live) || unknown(captured)
}

fn words(verdicts: &[Verdict]) -> String {
    let words = |verdict: &Verdict| verdict.iter().map(|(_, word)| word.as_str()).collect::<Vec<_>>().join(" ");
    if verdicts.is_empty() { "nothing".to_owned() } else { verdicts.iter().map(words).collect::<Vec<_>>().join("; ") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn scene(live: &str, captured: &str) -> Scene {
        let records = |kind: &str| {
            vec![
                json!({"type": "segment", "conn": 1}),
                json!({"type": "handshake", "conn": 1, "outcome": "established", "kind": "full"}),
                json!({"type": "close", "conn": 1, "kind": kind, "initiator": "client"}),
            ]
        };
        Scene { live: records(live), captured: records(captured), failure: None }
    }

    #[test]
    fn the_same_words_agree() {
        assert_eq!(judge(&scene("orderly", "orderly")).to_string(), "agree: established full orderly client - -");
    }

    #[test]
    fn other_words_differ_and_are_both_shown() {
        let line = judge(&scene("reset", "orderly")).to_string();
        assert!(line.starts_with("DIFFER") && line.contains("full reset") && line.contains("full orderly"), "{line}");
    }

    #[test]
    fn what_a_capture_cannot_know_contradicts_nothing() {
        assert_eq!(judge(&scene("timed_out", "unfinished")).index(), 0);
    }

    #[test]
    fn a_socket_that_gave_up_may_look_reset() {
        assert_eq!(judge(&scene("timed_out", "reset")).index(), 0);
        assert_eq!(judge(&scene("reset", "timed_out")).index(), 2);
    }

    #[test]
    fn a_script_without_a_connection_is_no_agreement() {
        let nothing = Scene { live: Vec::new(), captured: Vec::new(), failure: None };
        assert_eq!(judge(&nothing).index(), 1);
    }
}
