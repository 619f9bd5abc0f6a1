use jiff::tz::TimeZone;

use super::*;
use crate::{
    filter::Only,
    output_record::StateOutput,
    render::samples,
    tcp::TcpState,
    verdict::{Bytes, CloseKind, Outcome, Reset, ResetCause, Role},
};

static ZONE: TimeZone = TimeZone::UTC;

pub(super) const DRAWING: Drawing = Drawing { color: false, absolute_seq: false, unicode: true, zone: &ZONE };

const SECOND: u64 = 1_000_000_000;

fn opens(conn: u64) -> OutputRecord {
    let state = StateOutput { conn: Some(conn), old: TcpState::Close, new: TcpState::SynSent, ..samples::state() };
    OutputRecord::State(state)
}

fn closes(conn: u64, kind: CloseKind) -> OutputRecord {
    let mut close = samples::close();
    close.record.conn = conn;
    close.record.kind = kind;
    close.record.reset =
        (kind == CloseKind::Reset).then_some(Reset { by: Role::Server, cause: ResetCause::UnreadData });
    close.stamp.time.0 += i64::try_from(conn).expect("a small number");
    OutputRecord::Close(close)
}

fn stalls(conn: u64) -> OutputRecord {
    let mut stalled = samples::stalled();
    stalled.record.conn = conn;
    OutputRecord::Stalled(stalled)
}

fn top(records: &[OutputRecord]) -> Top {
    let mut top = Top::new(100, SECOND);
    top.apply(&OutputRecord::Start(samples::start()));
    records.iter().for_each(|record| top.apply(record));
    top
}

/// Connections 1 (closed), 2 (reset), 3 (open) and 4 (stalled).
fn four() -> Top {
    top(&[
        opens(1),
        opens(2),
        opens(3),
        opens(4),
        closes(1, CloseKind::FourSegment),
        closes(2, CloseKind::Reset),
        stalls(4),
    ])
}

fn shown(view: &mut View, top: &Top) -> Vec<u64> {
    view.refresh(top, 20, top.last());
    view.page().0.iter().map(|id| id.conn).collect()
}

#[test]
fn stalled_connections_come_first_in_every_order() {
    let top = four();
    let mut view = View::new(Only::default());
    assert_eq!(shown(&mut view, &top), [4, 3, 2, 1]);
    view.press(Key::Char('r'));
    assert_eq!(shown(&mut view, &top), [4, 1, 2, 3]);
    for column in ["age", "client", "server", "process", "bytes", "state"] {
        view.press(Key::Char('s'));
        assert_eq!(shown(&mut view, &top)[0], 4, "{column}");
        assert!(view.scope(&top.counts()).ends_with(&format!("by {column}, reversed")));
    }
    let counts = Counts { kept: 4, open: 2, stalled: 1, failed: 1, left_out: 0 };
    assert_eq!(top.counts(), counts);
}

#[test]
fn orders_are_by_what_their_column_shows() {
    let mut records: Vec<_> = (1..=3).map(|conn| closes(conn, CloseKind::Orderly)).collect();
    for (record, (port, bytes, lasted)) in records.iter_mut().zip([(2, 5, 10), (3, 50, 30), (1, 0, 20)]) {
        let OutputRecord::Close(close) = record else { unreachable!("they are closes") };
        close.record.client.port = Some(port);
        close.record.server.comm = Some(samples::comm(["b", "c", "a"][usize::from(port) - 1]));
        close.record.bytes = Bytes { client_to_server: Some(bytes), server_to_client: None };
        close.record.duration_ns = Some(lasted);
    }
    let top = top(&records);
    let mut view = View::new(Only::default());
    view.press(Key::Char('s'));
    assert_eq!(shown(&mut view, &top), [2, 3, 1], "by age");
    view.press(Key::Char('s'));
    assert_eq!(shown(&mut view, &top), [3, 1, 2], "by client");
    view.press(Key::Char('s'));
    view.press(Key::Char('s'));
    assert_eq!(shown(&mut view, &top), [2, 3, 1], "by process");
    view.press(Key::Char('s'));
    assert_eq!(shown(&mut view, &top), [2, 1, 3], "by bytes");
}

#[test]
fn a_stall_is_over_with_the_next_step() {
    let id = Id { run: 1, conn: 4 };
    let mut top = four();
    let state = |top: &Top| (top.row(id).expect("it is kept").state(), top.counts().stalled);
    assert_eq!(state(&top).1, 1);
    let OutputRecord::State(next) = opens(4) else { unreachable!("it is a state") };
    top.apply(&OutputRecord::State(StateOutput { new: TcpState::FinWait1, ..next }));
    assert_eq!(state(&top), ("FIN_WAIT1", 0));
    let mut view = View::new("stalled".parse().expect("a word"));
    assert_eq!(shown(&mut view, &top), [4], "as with --only, it has stalled once");
}

#[test]
fn a_state_that_the_kernel_keeps_in_something_smaller_goes_on_and_so_does_its_stall() {
    let id = Id { run: 1, conn: 4 };
    let mut top = four();
    let OutputRecord::State(next) = opens(4) else { unreachable!("it is a state") };
    let replaced = StateOutput {
        old: TcpState::FinWait2,
        new: TcpState::Close,
        continues_as: Some(TcpState::FinWait2),
        ..next.clone()
    };
    top.apply(&OutputRecord::State(StateOutput { new: TcpState::FinWait2, ..next }));
    top.apply(&stalls(4));
    let stalled = top.row(id).expect("it is kept").state();
    top.apply(&OutputRecord::State(replaced.clone()));
    assert_eq!((top.row(id).expect("it is kept").state(), top.counts().stalled), (stalled, 1));
    // The FIN that it waited for has come.
    top.apply(&OutputRecord::State(StateOutput { continues_as: Some(TcpState::TimeWait), ..replaced }));
    assert_eq!((top.row(id).expect("it is kept").state(), top.counts().stalled), ("TIME_WAIT", 0));
}

#[test]
fn filters_take_effect_as_they_are_typed() {
    let top = four();
    let mut view = View::new(Only::default());
    let press = |view: &mut View, text: &str| {
        for character in text.chars() {
            assert_eq!(view.press(Key::Char(character)), Action::Stay);
        }
    };
    press(&mut view, "/rese");
    assert_eq!(shown(&mut view, &top).len(), 4);
    assert_eq!(view.status(), "'rese' is not a known word; these begin with it: reset");
    press(&mut view, "t");
    assert_eq!((shown(&mut view, &top), view.status()), (vec![2], ""));
    press(&mut view, "x");
    assert_eq!(shown(&mut view, &top), [2], "the filter before stays");
    assert!(view.status().starts_with("'resetx' is not a known word: give any of "), "{}", view.status());
    view.press(Key::Enter);
    assert!(view.scope(&top.counts()).starts_with("showing 1 of 4: reset; by state"), "{}", view.scope(&top.counts()));
    press(&mut view, "/");
    view.press(Key::Clear);
    assert_eq!(shown(&mut view, &top).len(), 4);
    view.press(Key::Escape);
    assert_eq!(shown(&mut view, &top), [2], "as it was before");
    press(&mut view, "/");
    (0..5).for_each(|_| drop(view.press(Key::Backspace)));
    press(&mut view, "!failed");
    view.press(Key::Enter);
    assert_eq!(shown(&mut view, &top), [4, 3, 1]);
    press(&mut view, "f");
    assert_eq!(shown(&mut view, &top), [0; 0], "failures only, and none of them");
}

#[test]
fn keys_quit_write_and_open_a_ladder_that_grows() {
    let mut top = four();
    let mut view = View::new(Only::default());
    let id = |conn| Id { run: 1, conn };
    assert_eq!(shown(&mut view, &top), [4, 3, 2, 1]);
    assert_eq!(view.press(Key::Char('w')), Action::Write([4, 3, 2, 1].map(id).to_vec()));
    view.press(Key::Down);
    view.press(Key::Enter);
    assert_eq!(*view.mode(), Mode::Ladder(id(3), None));
    let ladder = |top: &Top| String::from_utf8(top.ladder(id(3), DRAWING, 80)).expect("UTF-8");
    let before = ladder(&top);
    assert!(before.contains("CLOSE → SYN_SENT") && before.contains('…'), "{before}");
    assert_eq!(view.press(Key::Char('w')), Action::Write(vec![id(3)]));
    top.apply(&closes(3, CloseKind::Reset));
    let after = ladder(&top);
    assert!(after.contains("CLOSE → SYN_SENT") && !after.contains('…') && after != before, "{after}");
    assert_eq!(view.press(Key::Char('q')), Action::Stay);
    assert_eq!(*view.mode(), Mode::List);
    for key in [Key::Char('q'), Key::Escape, Key::Interrupt] {
        assert_eq!(view.press(key), Action::Quit);
    }
    view.press(Key::Char('/'));
    assert_eq!(view.press(Key::Char('q')), Action::Stay, "a letter of a filter");
    assert_eq!(view.press(Key::Interrupt), Action::Quit);
}

#[test]
fn the_selected_connection_stays_selected() {
    let mut top = top(&(1..=50).map(opens).collect::<Vec<_>>());
    let mut view = View::new(Only::default());
    let selected = |view: &mut View, top: &Top| {
        view.refresh(top, 10, top.last());
        let (page, place) = view.page();
        page[place].conn
    };
    assert_eq!(selected(&mut view, &top), 50);
    for (key, conn) in [
        (Key::Down, 49),
        (Key::PageDown, 39),
        (Key::Char('k'), 40),
        (Key::Char('j'), 39),
        (Key::PageUp, 49),
        (Key::End, 1),
        (Key::Down, 1),
        (Key::Up, 2),
    ] {
        view.press(key);
        assert_eq!(selected(&mut view, &top), conn, "{key:?}");
    }
    top.apply(&stalls(60));
    top.apply(&closes(2, CloseKind::Orderly));
    assert_eq!(selected(&mut view, &top), 2);
    view.press(Key::Home);
    assert_eq!(selected(&mut view, &top), 60);
}

#[test]
fn those_that_ended_first_leave_first_and_are_counted() {
    let mut top = Top::new(3, SECOND);
    top.apply(&OutputRecord::Start(samples::start()));
    for record in [opens(1), opens(2), opens(3), closes(3, CloseKind::Orderly), closes(2, CloseKind::Orderly)] {
        top.apply(&record);
    }
    let kept = |top: &Top| top.rows().map(|row| row.id.conn).collect::<Vec<_>>();
    top.apply(&opens(4));
    assert_eq!(kept(&top), [1, 3, 4], "2 ended at an earlier time than 3");
    top.apply(&opens(5));
    assert_eq!(kept(&top), [1, 4, 5]);
    top.apply(&opens(6));
    assert_eq!(kept(&top), [4, 5, 6], "none has ended: the oldest leaves");
    assert_eq!((top.counts().left_out, top.counts().kept), (3, 3));
    let OutputRecord::State(late) = opens(1) else { unreachable!("it is a state") };
    top.apply(&OutputRecord::State(StateOutput { late: true, ..late }));
    assert_eq!(kept(&top), [4, 5, 6], "who comes late does not come back");
}

#[test]
fn runs_of_a_recording_do_not_mix() {
    let mut top = four();
    top.apply(&OutputRecord::Start(samples::start()));
    top.apply(&opens(1));
    let ids: Vec<_> = top.rows().map(|row| (row.id.run, row.id.conn)).collect();
    assert_eq!(ids, [(1, 1), (1, 2), (1, 3), (1, 4), (2, 1)]);
}

#[test]
fn verdicts_are_written_and_events_are_not() {
    let mut top = four();
    let mut handshake = samples::handshake();
    handshake.record.conn = 2;
    handshake.record.outcome = Some(Outcome::Established);
    top.apply(&OutputRecord::Handshake(handshake));
    let ids: Vec<Id> = top.rows().map(|row| row.id).collect();
    let mut written = Vec::new();
    top.verdicts(&ids, &mut |record| {
        written.push(match record {
            OutputRecord::Handshake(_) => "handshake",
            OutputRecord::Close(_) => "close",
            OutputRecord::Stalled(_) => "stalled",
            _ => "another",
        });
    });
    assert_eq!(written, ["close", "close", "handshake", "stalled"]);
    // Of a stall that is reported repeatedly, one record is kept.
    (0..100).for_each(|_| top.apply(&stalls(4)));
    let mut stalled = 0;
    top.verdicts(&[Id { run: 1, conn: 4 }], &mut |_| stalled += 1);
    assert_eq!(stalled, 1);
}

#[test]
fn names_are_escaped() {
    let OutputRecord::State(state) = opens(1) else { unreachable!("it is a state") };
    let top = top(&[OutputRecord::State(StateOutput { comm: Some(samples::comm("e\u{1b}[2J")), ..state })]);
    let row = top.row(Id { run: 1, conn: 1 }).expect("it is kept");
    assert_eq!(row.processes(), "e\\x1b[2J[6980]");
}
