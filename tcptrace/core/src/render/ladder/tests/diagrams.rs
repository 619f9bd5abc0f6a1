//! Translated connections in the formats other than lines of text: one diagram for all sides.

use super::{
    PLAIN,
    exchanges::*,
    pictures,
    script::Script,
    translated::{Passing, lost_between, open, refused, reset_on_one_side, unanswered, whole},
};
use crate::{
    event::Role::{Client, Server},
    output_record::{EvictedOutput, OutputRecord},
    render::{Mermaid, Render, Svg, ladder::diagram::Diagrams, samples},
    tcp::TcpState::{Close, SynSent},
};

fn records(exchange: Exchange) -> Vec<OutputRecord> {
    let mut script = Script::new(PLAIN, 110);
    exchange(&mut script);
    script.finish();
    script.records
}

fn mermaid(records: &[OutputRecord]) -> String {
    let mut out = Vec::new();
    let mut mermaid = Mermaid::new(PLAIN);
    records.iter().for_each(|record| mermaid.render(record, &mut out));
    String::from_utf8(out).expect("UTF-8")
}

/// A refusal after a stall has been reported: the sides' verdicts are not expected at the same time any more.
fn refused_late(script: &mut Script) {
    let mut both = Passing(script);
    both.outer().at(0).by("curl", 6980).state(Client, Close, SynSent);
    both.segment(10, Client, SYN, C, None, 0);
    script.wait_until(1_050_000);
    let mut both = Passing(script);
    both.segment(1_100_000, Client, SYN, C, None, 0);
    both.segment(1_100_050, Server, RST, 0, Some(C + 1), 0);
    both.outer().at(1_100_075).error(ECONNREFUSED).state(Client, SynSent, Close);
    script.wait_until(4_000_000);
}

#[test]
fn all_sides_are_one_diagram() {
    for (name, exchange) in [
        ("translated_mermaid", whole as Exchange),
        ("translated_refused_mermaid", refused),
        ("translated_refused_late_mermaid", refused_late),
        ("translated_unanswered_mermaid", unanswered),
        ("translated_reset_on_one_side_mermaid", reset_on_one_side),
        ("translated_lost_between_mermaid", lost_between),
    ] {
        let text = mermaid(&records(exchange));
        assert_eq!(text.matches("sequenceDiagram").count(), 1, "{text}");
        pictures::check(name, text);
    }
}

#[test]
fn nothing_is_kept_of_a_connection_whose_sides_are_over() {
    for exchange in [whole as Exchange, refused, refused_late, unanswered] {
        let mut diagrams = Diagrams::new(PLAIN);
        let drawn: Vec<_> = records(exchange).iter().filter_map(|record| diagrams.take(record)).collect();
        let [diagram] = &drawn[..] else { panic!("{drawn:#?}") };
        assert_eq!((&diagram.conns[..], diagrams.kept()), (&[1, 2][..], 0));
    }
}

#[test]
fn what_is_forgotten_of_a_side_is_in_its_diagram() {
    let mut script = Script::new(PLAIN, 110);
    open(&mut script);
    let mut diagrams = Diagrams::new(PLAIN);
    let drawn = script.records.iter().filter_map(|record| diagrams.take(record)).count();
    assert_eq!(drawn, 0, "it is open");
    let mut evict = |conn| diagrams.take(&OutputRecord::Evicted(EvictedOutput { conn, ..samples::evicted() }));
    assert!(evict(1).is_none(), "the other side is open");
    let diagram = evict(2).expect("the last side is over");
    assert_eq!((diagram.outcome.verdict.as_str(), &diagram.conns[..]), ("evicted", &[1, 2][..]));
    let notes = format!("{:?}", diagram.steps);
    assert_eq!(notes.matches("forgotten:").count(), 2, "{notes}");
    assert_eq!(diagrams.kept(), 0);
}

/// However often a connection stalls and goes on: it has the first stalls and the last.
#[test]
fn a_connection_that_stalls_again_and_again_has_a_short_diagram() {
    const STALLS: usize = 1_000;
    let mut diagrams = Diagrams::new(PLAIN);
    let mut close = samples::close();
    close.record.conn = 1;
    for number in 0..STALLS {
        let (mut segment, mut stalled) = (samples::data_segment(), samples::stalled());
        (segment.conn, stalled.record.conn) = (1, 1);
        stalled.record.summary = format!("stall {number}.");
        segment.stamp.time.0 += 2_000 * i64::try_from(number).expect("few");
        stalled.stamp.time.0 = segment.stamp.time.0 + 1_000;
        assert!(diagrams.take(&OutputRecord::Segment(segment)).is_none());
        assert!(diagrams.take(&OutputRecord::Stalled(stalled)).is_none());
    }
    let diagram = diagrams.take(&OutputRecord::Close(close)).expect("it is over");
    let text = format!("{:?}", diagram.steps);
    assert!(diagram.steps.len() < 100, "{}: {text}", diagram.steps.len());
    assert!(text.contains("stall 0.") && text.contains("segments more"), "{text}");
    assert!(text.contains(&format!("stall {}.", STALLS - 1)), "the latest is among them: {text}");
    assert_eq!(diagrams.kept(), 0);
}

#[test]
fn a_picture_has_what_waits_at_the_end() {
    let mut script = Script::new(PLAIN, 110);
    let mut both = Passing(&mut script);
    both.segment(10, Client, SYN, C, None, 0);
    both.outer().at(50).segment(Server, RST, 0, Some(C + 1), 0);
    assert_eq!(script.text(), "", "the pod's side is waited for");
    let mut records = std::mem::take(&mut script.records);
    records.push(OutputRecord::End(samples::end()));
    let mut svg = Svg::new(PLAIN);
    let mut out = Vec::new();
    records.iter().for_each(|record| svg.render(record, &mut out));
    let picture = String::from_utf8(out).expect("UTF-8");
    assert!(picture.contains("10.96.0.10:80") && picture.contains("refused"), "{picture}");
}
