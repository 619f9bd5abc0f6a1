use std::fs::File;

use jiff::tz::TimeZone;
use ratatui_core::{backend::TestBackend, terminal::Terminal};

use super::*;
use tcptrace_core::{
    correlate::{Correlator, NO_NAMESPACE},
    decode::{
        capture::{Capture, open},
        recording::{Record, Recording},
    },
    describe::Describer,
    event::BootTime,
    filter::Only,
    render::top::{Key, MOST},
};

static ZONE: TimeZone = TimeZone::UTC;

const DRAWING: Drawing = Drawing { color: false, absolute_seq: false, unicode: true, zone: &ZONE };

/// Returns the connections of recordings in the documents.
fn recorded(names: &[&str]) -> Top {
    let mut top = Top::new(MOST, 1_000_000_000);
    for (run, name) in names.iter().enumerate() {
        let file = File::open(format!("{}/../docs/{name}.jsonl", env!("CARGO_MANIFEST_DIR"))).expect("it is there");
        let Capture::Json(input) = open(file).expect("a recording") else { panic!("{name} is not a recording") };
        let mut describer = Describer::of_recording();
        let mut correlator = Correlator::recorded(NO_NAMESPACE);
        let mut last = BootTime::default();
        for record in Recording::new(input) {
            match record.expect("a record") {
                Record::Event(recorded) => {
                    last = recorded.event.at();
                    describer.clock.note(last, recorded.wall);
                    correlator.handle_event(&recorded.event, &mut |correlated| {
                        // Each recording numbers its connections from 1.
                        let mut record = describer.entry(correlated);
                        number(&mut record, run as u64 * 10);
                        top.apply(&record);
                    });
                }
                Record::End(moment) => last = moment.at,
                _ => {}
            }
        }
        correlator.handle_timeout(last, &mut |correlated| {
            let mut record = describer.entry(correlated);
            number(&mut record, run as u64 * 10);
            top.apply(&record);
        });
    }
    top
}

fn number(record: &mut tcptrace_core::output_record::OutputRecord, more: u64) {
    use tcptrace_core::output_record::OutputRecord as Of;
    match record {
        Of::State(state) => state.conn = state.conn.map(|conn| conn + more),
        Of::Segment(segment) => segment.conn += more,
        Of::Handshake(handshake) => handshake.record.conn += more,
        Of::Close(close) => close.record.conn += more,
        Of::Stalled(stalled) => stalled.record.conn += more,
        _ => {}
    }
}

fn check(name: &str, size: (u16, u16), keys: &str, drawing: Drawing) {
    let top = recorded(&["ladder", "reset", "unfinished"]);
    let mut view = View::new(Only::default());
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).expect("it never fails");
    let mut show = |view: &mut View| {
        let facts = Facts { now: top.last(), lost: 12, activity: "", message: "" };
        terminal.draw(|frame| draw(frame.buffer_mut(), &top, view, drawing, facts)).expect("it never fails");
    };
    show(&mut view);
    for key in keys.chars() {
        view.press(if key == '\r' { Key::Enter } else { Key::Char(key) });
        show(&mut view);
    }
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("pictures");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, terminal.backend().to_string()));
}

#[test]
fn the_list() {
    check("list", (80, 24), "", DRAWING);
}

#[test]
fn the_list_in_ascii_on_a_wide_terminal() {
    check("list_wide_ascii", (140, 12), "j", Drawing { unicode: false, ..DRAWING });
}

#[test]
fn the_list_on_a_narrow_terminal() {
    check("list_narrow", (40, 10), "", DRAWING);
}

#[test]
fn a_ladder() {
    check("ladder", (80, 24), "\r", DRAWING);
}

#[test]
fn a_filter_with_an_unknown_word() {
    check("filter", (80, 24), "/failed,nonsense", DRAWING);
}

#[test]
fn a_terminal_that_is_too_small() {
    check("too_small", (39, 10), "", DRAWING);
}
