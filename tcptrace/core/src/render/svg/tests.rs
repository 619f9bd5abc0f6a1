use jiff::tz::TimeZone;

use super::*;
use crate::render::samples;

static ZONE: TimeZone = TimeZone::UTC;

fn svg() -> Svg {
    Svg::new(Drawing { color: false, absolute_seq: false, unicode: false, zone: &ZONE })
}

fn rendered(records: &[OutputRecord]) -> String {
    let mut out = Vec::new();
    let mut svg = svg();
    records.iter().for_each(|record| svg.render(record, &mut out));
    String::from_utf8(out).expect("UTF-8")
}

fn end() -> OutputRecord {
    OutputRecord::End(samples::end())
}

/// The text of the picture.
fn words(svg: &str) -> String {
    let parts = svg.split('<').filter_map(|part| part.split_once('>')).map(|(_, text)| text);
    parts.collect::<String>().replace("&lt;", "<").replace("&gt;", ">")
}

#[test]
fn ladders_and_losses_are_drawn_and_the_lines_about_the_run_are_not() {
    let (handshake, close, lost) = (samples::handshake(), samples::close(), samples::lost());
    let says = [handshake.record.summary.clone(), close.record.summary.clone()];
    let records = [
        OutputRecord::Start(samples::start()),
        OutputRecord::Lost(lost),
        OutputRecord::Handshake(handshake),
        OutputRecord::Close(close),
        end(),
    ];
    assert_eq!(rendered(&records[..4]), "", "the size stands at the beginning");
    let picture = rendered(&records);
    assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"), "{picture}");
    let words = words(&picture);
    for said in says {
        let beginning: Vec<_> = said.split_whitespace().take(3).collect();
        assert!(words.contains(&beginning.join(" ")), "{said}\n{words}");
    }
    assert!(words.contains("lost"), "{words}");
    assert!(!words.contains("tracing") && !words.contains("end:"), "{words}");
}

#[test]
fn a_name_is_no_markup() {
    let mut handshake = samples::handshake();
    handshake.record.client.comm = Some(crate::event::Comm(*b"<script>&\"'\0\0\0\0\0"));
    let picture = rendered(&[OutputRecord::Handshake(handshake), end()]);
    assert!(!picture.contains("<script"), "{picture}");
    assert!(words(&picture).contains("<script>"), "{picture}");
}

#[test]
fn a_long_trace_is_drawn_in_part_which_is_said() {
    let mut svg = svg();
    let mut out = Vec::new();
    for _ in 0..2 * MOST_LINES {
        svg.render(&OutputRecord::Handshake(samples::handshake()), &mut out);
    }
    svg.render(&end(), &mut out);
    let picture = String::from_utf8(out).expect("UTF-8");
    assert!(words(&picture).contains("more lines are not in this picture"));
    assert!(picture.matches("<tspan x=\"10px\"").count() <= MOST_LINES + 2);
}

#[test]
fn nothing_to_draw_is_said_and_another_run_is_not_drawn() {
    assert!(words(&rendered(&[end()])).contains("no connection was opened or closed"));
    let once = rendered(&[OutputRecord::Handshake(samples::handshake()), end()]);
    let twice = rendered(&[
        OutputRecord::Handshake(samples::handshake()),
        end(),
        OutputRecord::Handshake(samples::handshake()),
        end(),
    ]);
    assert_eq!(once, twice);
}
