//! Conversion of text with colour escape sequences to SVG.

use anstyle::{Color, RgbColor};
use anstyle_svg::{Palette, Term};
use unicode_width::UnicodeWidthStr as _;

/// Width of a column in pixels, as anstyle-svg counts it.
const COLUMN: f64 = 8.4;
/// Left edge of the first column in pixels, as anstyle-svg places it.
const LEFT: f64 = 10.0;
/// Colours of the terminal.
const TEXT: Color = Color::Rgb(RgbColor(0xe6, 0xed, 0xf3));
const BACKGROUND: Color = Color::Rgb(RgbColor(0x0d, 0x11, 0x17));
/// Black, red, green, yellow, blue, magenta, cyan and white, then the bright ones.
const PALETTE: Palette = Palette([
    RgbColor(0x48, 0x4f, 0x58),
    RgbColor(0xff, 0x7b, 0x72),
    RgbColor(0x3f, 0xb9, 0x50),
    RgbColor(0xd2, 0x99, 0x22),
    RgbColor(0x58, 0xa6, 0xff),
    RgbColor(0xbc, 0x8c, 0xff),
    RgbColor(0x39, 0xc5, 0xcf),
    RgbColor(0xb1, 0xba, 0xc4),
    RgbColor(0x6e, 0x76, 0x81),
    RgbColor(0xff, 0xa1, 0x98),
    RgbColor(0x56, 0xd3, 0x64),
    RgbColor(0xe3, 0xb3, 0x41),
    RgbColor(0x79, 0xc0, 0xff),
    RgbColor(0xd2, 0xa8, 0xff),
    RgbColor(0x56, 0xd4, 0xdd),
    RgbColor(0xff, 0xff, 0xff),
]);

/// Draws a terminal that shows this text.
pub(super) fn draw(text: &str) -> String {
    let terminal = Term::new().palette(PALETTE).fg_color(TEXT).bg_color(BACKGROUND);
    // `opacity` does not apply to a tspan (SVG 2, chapter 3.5); `fill-opacity` does.
    let svg = terminal.render_svg(text).replace(".dimmed { opacity: 0.4; }", ".dimmed { fill-opacity: 0.6; }");
    svg.lines().map(|line| placed(line) + "\n").collect()
}

/// Gives each span of a line the x coordinate of its column. Fonts without arrow heads borrow wider ones from another font,
/// which would otherwise shift the rest of the line.
fn placed(line: &str) -> String {
    const SPAN: &str = "<tspan";
    let Some((start, spans)) = line.split_once("px\">").filter(|_| line.trim_start().starts_with("<tspan x=")) else {
        return line.to_owned();
    };
    let mut placed = format!("{start}px\">");
    let mut column = 0;
    for (index, span) in spans.split(SPAN).enumerate() {
        if index == 0 {
            placed.push_str(span);
            continue;
        }
        let x = LEFT + column as f64 * COLUMN;
        placed.push_str(&format!("{SPAN} x=\"{x:.1}px\"{span}"));
        column += columns(span);
    }
    placed
}

/// Returns the number of columns that the text in ` class="bold">text</tspan>` takes.
fn columns(span: &str) -> usize {
    let text = span.split_once('>').map_or("", |(_, text)| text);
    let text = text.split_once("</tspan>").map_or(text, |(text, _)| text);
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").width()
}
