//! The form of the records on stdout, as the options choose it.

use std::sync::LazyLock;

use jiff::tz::TimeZone;

use crate::{
    cli::{DEFAULT_COLUMNS, Options, OutputFormat},
    output::Output,
    sink::SinkError,
};
use tcptrace_core::{
    filter::Emit,
    render::{Drawing, Events, Json, Ladder, Render},
};

/// The time zone of this host, or that of the environment variable `TZ`.
static TIME_ZONE: LazyLock<TimeZone> = LazyLock::new(TimeZone::system);

/// Opens stdout and the file of `--write`.
///
/// # Errors
/// As [`Output::open`].
pub(super) fn open(options: &Options) -> Result<Output, SinkError> {
    let Options { color, absolute_seq, unicode, columns, .. } = *options;
    let (render, emit): (Box<dyn Render>, Emit) = match options.output {
        OutputFormat::Json => (Box::new(Json), options.emit),
        OutputFormat::Timeline => {
            let drawing = Drawing { color, absolute_seq, unicode, zone: &TIME_ZONE };
            let width = move || columns.unwrap_or_else(terminal_columns).into();
            (Box::new(Ladder::new(drawing, width)), Emit::ALL)
        }
        OutputFormat::Events => (Box::new(Events { color, absolute_seq, unicode, zone: &TIME_ZONE }), Emit::ALL),
    };
    Output::open(render, emit, options.write.as_deref())
}

/// Width of the terminal on stdout in columns.
fn terminal_columns() -> u16 {
    terminal_size::terminal_size_of(std::io::stdout()).map_or(DEFAULT_COLUMNS, |(columns, _)| columns.0)
}
