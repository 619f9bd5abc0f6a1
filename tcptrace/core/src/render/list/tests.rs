use std::{net::IpAddr, sync::Arc};

use jiff::tz::TimeZone;

use super::*;
use crate::{
    output_record::HandshakeOutput,
    render::samples,
    verdict::{CloseEnd, CloseKind, Outcome, Reset, ResetCause, Role},
};

static ZONE: TimeZone = TimeZone::UTC;

fn list(unicode: bool, width: Option<usize>) -> List {
    let drawing = Drawing { color: false, absolute_seq: false, unicode, zone: &ZONE };
    List::new(drawing, width.map(|width| -> Width { Box::new(move || width) }))
}

fn rendered(list: &mut List, record: &OutputRecord) -> String {
    let mut out = Vec::new();
    list.render(record, &mut out);
    String::from_utf8(out).expect("UTF-8")
}

fn close(conn: u64, comm: &str, summary: &str) -> OutputRecord {
    let mut close = samples::close();
    close.record.conn = conn;
    close.record.summary = summary.to_owned();
    close.record.client = CloseEnd { comm: Some(samples::comm(comm)), ..close.record.client };
    OutputRecord::Close(close)
}

#[test]
fn a_line_has_its_facts_in_columns_and_the_verdict_last() {
    let summary =
        "closed by the server, four segments; 22 B →, 17 B ←; lasted 100.4 ms; the server holds TIME_WAIT for 60 s";
    let list = &mut list(true, None);
    let first = rendered(list, &close(3, "curl", summary));
    let second = rendered(list, &close(12, "a-longer-name", "reset by the client"));
    assert!(
        first.ends_with(
            "22 B →       17 B ←  closed by the server, four segments; the server holds TIME_WAIT for 60 s\n"
        ),
        "{first}"
    );
    assert!(first.contains(" #3  100.4 ms  10.0.0.1:54762 curl[1] → 10.0.0.1:9999 [1] "), "{first}");
    assert!(second.contains("10.0.0.1:54762 a-longer-name[1] → 10.0.0.1:9999 [1] "), "{second}");
    let third = rendered(list, &close(13, "curl", "reset by the client"));
    assert_eq!(third.find('→'), second.find('→'), "columns stay aligned:\n{second}{third}");
}

#[test]
fn an_end_names_its_container_or_else_its_network_namespace() {
    let mut close = samples::close();
    close.record.client.cgroup = Some(Arc::new(samples::cgroup()));
    close.record.client.netns_name = Some("blue".into());
    close.record.server.netns_name = Some("g\u{7}reen".into());
    let line = rendered(&mut list(true, None), &OutputRecord::Close(close));
    assert!(
        line.contains("10.0.0.1:54762 [1] (cri-o web, pod shop) → 10.0.0.1:9999 [1] (netns g\\x07reen) "),
        "{line}"
    );
}

#[test]
fn what_has_no_verdict_of_its_own_has_no_line() {
    let list = &mut list(true, None);
    let mut established = samples::handshake();
    established.record.outcome = Some(Outcome::Established);
    for record in [OutputRecord::Handshake(established), OutputRecord::State(samples::state())] {
        assert_eq!(rendered(list, &record), "");
    }
    let failed: HandshakeOutput = samples::handshake();
    let line = rendered(list, &OutputRecord::Handshake(failed));
    assert!(line.ends_with("-  three-way handshake\n") && line.contains("curl[6980]"), "{line}");
    let line = rendered(list, &OutputRecord::Stalled(samples::stalled()));
    assert!(line.contains("stalled: the server closed its side; the client has not: CLOSE_WAIT"), "{line}");
}

#[test]
fn the_verdict_is_whole_on_a_narrow_terminal_too() {
    let summary = "reset by the server: it closed with 18 bytes unread; 0 B were answered";
    let record = close(3, "curl", summary);
    let whole = rendered(&mut list(true, None), &record);
    assert!(whole.ends_with(&format!("  {summary}\n")) && whole.lines().count() == 1, "{whole}");
    assert_eq!(rendered(&mut list(true, Some(200)), &record), whole, "as long as it fits");
    for width in [40, 80, 120] {
        let lines = rendered(&mut list(true, Some(width)), &record);
        assert!(lines.lines().all(|line| columns(line) <= width), "{lines}");
        let (ends, verdict) = lines.split_once('\n').expect("two lines");
        assert!(ends.contains("  #3  100.4 ms  10.0.0.1") && ends.ends_with('…') == (width < 80), "{lines}");
        assert_eq!(verdict.split_whitespace().collect::<Vec<_>>().join(" "), summary, "{lines}");
        assert!(verdict.lines().all(|line| line.starts_with("   ")), "{lines}");
    }
}

#[test]
fn names_are_escaped_and_arrows_are_ascii_where_the_locale_is() {
    let line = rendered(&mut list(false, None), &close(3, "e\u{1b}[2J", "closed; 22 B →, 17 B ←; 5 B unread"));
    assert!(line.is_ascii() && !line.contains('\u{1b}') && line.contains("\\x1b"), "{line}");
    assert!(line.contains("22 B ->") && line.ends_with("closed; 5 B unread\n"), "{line}");
}

#[test]
fn a_reset_with_ipv6_is_whole() {
    let mut reset = samples::close();
    reset.record.kind = CloseKind::Reset;
    reset.record.reset = Some(Reset { by: Role::Server, cause: ResetCause::UnreadData });
    reset.record.client.addr = IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, 1_u16]);
    reset.record.bytes = Bytes { client_to_server: None, server_to_client: Some(0) };
    let line = rendered(&mut list(true, None), &OutputRecord::Close(reset));
    assert!(
        line.contains("[fd00::1]:54762 [1]   → 10.0.0.1:9999") && line.contains("  -        0 B ←  closed"),
        "{line}"
    );
}
