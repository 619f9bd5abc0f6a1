//! Drawings of exchanges. `INSTA_UPDATE=always cargo test` draws them anew; review the changes.

use super::{
    PLAIN,
    exchanges::{self, Exchange},
    script::Script,
};
use crate::render::Drawing;

fn drawn(exchange: Exchange, drawing: Drawing, width: usize) -> String {
    let mut script = Script::new(drawing, width);
    exchange(&mut script);
    script.finish()
}

/// Compares with the picture of that name.
pub(super) fn check(name: &str, text: String) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("pictures");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    // Escape sequences are shown as they are written.
    settings.bind(|| insta::assert_snapshot!(name, text.replace('\u{1b}', "ESC")));
}

macro_rules! pictures {
    ($($name:ident: $drawing:expr, $width:expr;)*) => {$(
        #[test]
        fn $name() {
            check(stringify!($name), drawn(exchanges::$name, $drawing, $width));
        }
    )*};
}

pictures! {
    port_54321: PLAIN, 100;
    port_9502: PLAIN, 100;
    port_9999: PLAIN, 100;
    port_9999_open_before: PLAIN, 100;
    port_20000: Drawing { absolute_seq: true, ..PLAIN }, 100;
    port_10000: PLAIN, 100;
    port_10000_server: PLAIN, 100;
    refused: PLAIN, 100;
    unreachable: PLAIN, 100;
    syn_sent_again: PLAIN, 100;
    simultaneous_close: PLAIN, 100;
    half_close: PLAIN, 100;
    unread_data: PLAIN, 100;
    download: PLAIN, 100;
    keep_alive: PLAIN, 100;
    accurate_ecn: PLAIN, 100;
    long_options: PLAIN, 100;
    version_6: PLAIN, 100;
}

#[test]
fn everything_fits_into_80_columns() {
    for (name, exchange) in [
        ("port_9999_80", exchanges::port_9999 as Exchange),
        ("half_close_80", exchanges::half_close),
        ("version_6_80", exchanges::version_6),
    ] {
        check(name, drawn(exchange, PLAIN, 80));
    }
}

#[test]
fn wide_terminals_show_more() {
    check("port_9502_140", drawn(exchanges::port_9502, PLAIN, 140));
    check("half_close_140", drawn(exchanges::half_close, PLAIN, 140));
    check("long_options_140", drawn(exchanges::long_options, PLAIN, 140));
}

#[test]
fn ascii_will_do() {
    let ascii = Drawing { unicode: false, ..PLAIN };
    for (name, width) in [("half_close_ascii_80", 80), ("half_close_ascii_140", 140)] {
        let text = drawn(exchanges::half_close, ascii, width);
        assert!(text.is_ascii(), "{text}");
        check(name, text);
    }
}

#[test]
fn colours_show_what_went_wrong() {
    check("refused_color", drawn(exchanges::refused, Drawing { color: true, ..PLAIN }, 100));
}
