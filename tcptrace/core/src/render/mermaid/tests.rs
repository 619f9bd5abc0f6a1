use jiff::tz::TimeZone;

use super::*;
use crate::{
    render::samples,
    verdict::{CloseEnd, Outcome, Reset, ResetCause},
};

static ZONE: TimeZone = TimeZone::UTC;

fn mermaid() -> Mermaid {
    Mermaid::new(Drawing { color: true, absolute_seq: false, unicode: false, zone: &ZONE })
}

fn rendered(records: &[OutputRecord]) -> String {
    let mut out = Vec::new();
    let mut mermaid = mermaid();
    records.iter().for_each(|record| mermaid.render(record, &mut out));
    String::from_utf8(out).expect("UTF-8")
}

/// The part of Mermaid's grammar that diagrams use.
fn assert_valid(text: &str) {
    let mut in_fence = false;
    for line in text.lines() {
        assert!(!line.contains(['#', ';', '\u{1b}']) && !line.contains("%%"), "{line}");
        match line {
            "```mermaid" => assert!(!std::mem::replace(&mut in_fence, true), "{text}"),
            "```" => assert!(std::mem::take(&mut in_fence), "{text}"),
            "sequenceDiagram" => assert!(in_fence),
            line if in_fence => {
                let statement = line.strip_prefix("    ").expect("statements are indented");
                let plain = |prefix: &str| statement.strip_prefix(prefix).is_some_and(|rest| !rest.trim().is_empty());
                let known = ["title ", "participant c as ", "participant s as ", "Note over c,s: ", "Note left of c: "];
                let arrows = ["c->>s: ", "s->>c: ", "c-->>s: ", "s-->>c: ", "c-xs: ", "s-xc: "];
                let known = known.into_iter().chain(["Note right of s: "]).chain(arrows);
                assert!({ known }.any(plain), "not a statement: {line}");
            }
            _ => {}
        }
    }
    assert!(!in_fence, "{text}");
}

#[test]
fn a_connection_is_one_diagram_with_both_verdicts() {
    let mut handshake = samples::handshake();
    let mut close = samples::close();
    (handshake.record.conn, close.record.conn) = (1, 1);
    handshake.record.outcome = Some(Outcome::Established);
    let (handshake_says, close_says) = (handshake.record.summary.clone(), close.record.summary.clone());
    let records = [
        OutputRecord::State(samples::state()),
        OutputRecord::Segment(samples::segment()),
        OutputRecord::Handshake(handshake),
        OutputRecord::Segment(samples::data_segment()),
        OutputRecord::Close(close),
        OutputRecord::End(samples::end()),
    ];
    assert_eq!(rendered(&records[..4]), "", "it is not over yet");
    let text = rendered(&records);
    assert_valid(&text);
    assert_eq!(text.matches("sequenceDiagram").count(), 1);
    let expected = [
        "title connection 1",
        "participant c as ",
        "participant s as ",
        "Note over c,s: 2026-11-20T",
        "SYN_SENT → ESTABLISHED",
        "SYN seq 2927179378 win 32792 mss 16396",
        &plain(&handshake_says),
        "PSH,ACK answers it 14480 B",
        &plain(&close_says),
    ];
    let mut rest = text.as_str();
    for words in expected {
        rest = rest.split_once(words).unwrap_or_else(|| panic!("`{words}` is not at its place in:\n{text}")).1;
    }
}

#[test]
fn every_record_leaves_the_diagrams_valid() {
    assert_valid(&rendered(&samples::all()));
}

#[test]
fn names_cannot_leave_the_text() {
    let mut close = samples::close();
    close.record.summary = "it's #1; <script>%%{init: {}}%% $$x$$ ```\nend".to_owned();
    close.record.client = CloseEnd { comm: Some(samples::comm("a;b#c\n```<x>")), ..close.record.client };
    let text = rendered(&[OutputRecord::Close(close)]);
    assert_valid(&text);
    assert!(!text.contains('<') && text.matches("```").count() == 2, "{text}");
    assert!(text.contains("it's ＃1, ‹script›"), "{text}");
}

#[test]
fn a_failed_handshake_is_a_diagram_and_a_stall_is_told_once() {
    let stall = || OutputRecord::Stalled(samples::stalled());
    let mut handshake = samples::handshake();
    let OutputRecord::Stalled(stalled) = stall() else { unreachable!("it is a stall") };
    handshake.record.conn = stalled.record.conn;
    handshake.record.outcome = Some(Outcome::Refused);
    handshake.record.reset = Some(Reset { by: Role::Server, cause: ResetCause::NoListener });
    let text = rendered(&[stall(), stall(), OutputRecord::Handshake(handshake)]);
    assert_valid(&text);
    assert_eq!(text.matches(&*plain(&stalled.record.summary)).count(), 1, "{text}");
    assert_eq!(text.matches("sequenceDiagram").count(), 1, "{text}");
}

#[test]
fn what_is_forgotten_is_shown_as_far_as_it_went() {
    let mut handshake = samples::handshake();
    handshake.record.outcome = Some(Outcome::Established);
    let mut evicted = samples::evicted();
    evicted.conn = handshake.record.conn;
    let text = rendered(&[OutputRecord::Handshake(handshake), OutputRecord::Evicted(evicted)]);
    assert_valid(&text);
    assert!(text.contains("forgotten:"), "{text}");
}

#[test]
fn what_is_open_at_the_end_is_shown_as_far_as_it_went() {
    let mut handshake = samples::handshake();
    handshake.record.outcome = Some(Outcome::Established);
    let text = rendered(&[OutputRecord::Handshake(handshake), OutputRecord::End(samples::end())]);
    assert_valid(&text);
    assert_eq!(text.matches("sequenceDiagram").count(), 1, "{text}");
}
