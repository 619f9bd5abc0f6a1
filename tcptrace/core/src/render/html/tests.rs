use jiff::tz::TimeZone;
use serde_json::Value;

use super::*;
use crate::{
    render::samples,
    verdict::{CloseEnd, CloseKind, Reset, ResetCause},
};

static ZONE: TimeZone = TimeZone::UTC;

fn page(records: &[OutputRecord]) -> String {
    let mut html = Html::new(Drawing { color: true, absolute_seq: false, unicode: false, zone: &ZONE });
    let mut out = Vec::new();
    records.iter().for_each(|record| html.render(record, &mut out));
    String::from_utf8(out).expect("UTF-8")
}

/// The connections in the page.
fn connections(page: &str) -> Vec<Value> {
    let (_, data) = page.split_once("<script id=\"data\" type=\"application/json\">").expect("the data");
    let (data, _) = data.split_once("</script>").expect("its end");
    data.lines().filter(|line| !line.is_empty()).map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn the_page_stands_by_itself_and_has_each_connection_once() {
    let page = page(&samples::all());
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"), "{page}");
    for (tag, count) in
        [("<html", 1), ("</html>", 1), ("<style>", 1), ("</style>", 1), ("<script", 2), ("</script>", 2)]
    {
        assert_eq!(page.matches(tag).count(), count, "{tag}");
    }
    // Except for the names of XML namespaces, nothing refers to other sites.
    assert!(!page.replace("http://www.w3.org/2000/svg", "").contains("://"), "{page}");
    assert!(!page.contains(" src=") && !page.contains("url(") && !page.contains("import"), "{page}");
    let connections = connections(&page);
    assert!(!connections.is_empty());
    assert!(connections.iter().all(|connection| connection.as_array().is_some_and(|fields| fields.len() == 8)));
}

#[test]
fn a_connection_has_its_ends_verdict_and_steps() {
    let mut close = samples::close();
    (close.record.conn, close.record.kind) = (1, CloseKind::Reset);
    close.record.reset = Some(Reset { by: Role::Server, cause: ResetCause::UnreadData });
    close.record.client = CloseEnd { pid: Some(7), comm: Some(samples::comm("curl")), ..close.record.client };
    let records = [
        OutputRecord::Start(samples::start()),
        OutputRecord::State(samples::state()),
        OutputRecord::Segment(samples::segment()),
        OutputRecord::Close(close),
        OutputRecord::End(samples::end()),
    ];
    let page = page(&records);
    let connections = connections(&page);
    let [connection] = &connections[..] else { panic!("{page}") };
    assert_eq!((&connection[0], &connection[4], &connection[5]), (&1.into(), &2.into(), &"reset (unread_data)".into()));
    assert!(connection[2].as_str().is_some_and(|client| client.contains("curl[7]")), "{connection}");
    let kinds: Vec<_> = connection[7].as_array().expect("steps").iter().map(|step| step[0].clone()).collect();
    assert_eq!(kinds[..3], [0, 1, 2].map(Value::from), "{connection}");
    assert!(page.contains("tcptrace 0.1.0 on web7"), "{page}");
}

#[test]
fn names_do_not_become_markup() {
    let mut start = samples::start();
    start.hostname = "<img src=x onerror=alert(1)>".into();
    let mut close = samples::close();
    close.record.client = CloseEnd { comm: Some(samples::comm("</script><b>")), ..close.record.client };
    close.record.summary = "</script><script>alert(1)</script><!--".to_owned();
    let page =
        page(&[OutputRecord::Start(start), OutputRecord::Close(close.clone()), OutputRecord::End(samples::end())]);
    assert_eq!(page.matches("<script").count(), 2, "{page}");
    assert!(!page.contains("<img") && !page.contains("<b>") && !page.contains("<!--"), "{page}");
    let connections = connections(&page);
    assert_eq!(connections[0][6], close.record.summary.as_str(), "the text stays");
    // The script inserts text only, never markup, so that names from the network cannot inject any.
    for way in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function("] {
        assert!(!SCRIPT.contains(way), "{way}");
    }
}

#[test]
fn ten_thousand_connections_fit_into_fifteen_megabytes() {
    let mut close = samples::close();
    let mut records = Vec::new();
    let one = || [OutputRecord::Segment(samples::segment()), OutputRecord::State(samples::state())];
    for _ in 0..8 {
        records.extend(one());
    }
    // The addresses of other sides take more.
    (close.record.conn, close.record.nat) = (1, None);
    records.push(OutputRecord::Close(close));
    let length = data_length(&page(&records));
    assert!(length < 1_500, "a connection of 16 events takes {length} bytes");
}

/// Bytes of the connections in a page that has not ended.
fn data_length(page: &str) -> usize {
    page.rsplit_once("type=\"application/json\">\n").map_or(0, |(_, data)| data.len())
}
