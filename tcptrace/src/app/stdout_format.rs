//! The form of the records on stdout, as the options choose it.

use std::sync::LazyLock;

use jiff::tz::TimeZone;

use crate::{
    cli::{DEFAULT_COLUMNS, Options, OutputFormat},
    output::{Output, Shown},
    sink::SinkError,
};
use tcptrace_core::{
    filter::Emit,
    render::{Drawing, Events, Json, Ladder, List, Nothing, Render, Selection, Tally},
};

/// The time zone of this host, or that of the environment variable `TZ`.
static TIME_ZONE: LazyLock<TimeZone> = LazyLock::new(TimeZone::system);

/// Opens stdout and the file of `--write`.
///
/// # Errors
/// As [`Output::open`].
pub(super) fn open(options: &Options) -> Result<Output, SinkError> {
    let Options { color, absolute_seq, unicode, columns, .. } = *options;
    let drawing = Drawing { color, absolute_seq, unicode, zone: &TIME_ZONE };
    let (render, emit): (Box<dyn Render>, Emit) = match options.output {
        OutputFormat::Json => (Box::new(Json), options.emit),
        OutputFormat::Timeline => {
            let width = move || columns.unwrap_or_else(terminal_columns).into();
            (Box::new(Ladder::new(drawing, width)), Emit::ALL)
        }
        OutputFormat::Events => (Box::new(Events { color, absolute_seq, unicode, zone: &TIME_ZONE }), Emit::ALL),
        OutputFormat::List => {
            // A file or a pipe gets whole lines.
            let width = columns.is_none().then(|| -> Box<dyn Fn() -> usize> { Box::new(|| terminal_columns().into()) });
            (Box::new(List::new(drawing, width)), VERDICTS)
        }
        OutputFormat::None => (Box::new(Nothing), Emit::NONE),
    };
    let text = matches!(options.output, OutputFormat::Timeline | OutputFormat::Events | OutputFormat::List);
    let shown = Shown {
        render,
        emit,
        selection: (options.output != OutputFormat::None).then(|| selection(options)).flatten(),
        tally: text.then(Tally::default),
        discards: options.output == OutputFormat::None,
    };
    Output::open(shown, options.write.as_deref())
}

/// Records that tell what became of connections.
const VERDICTS: Emit = Emit::HANDSHAKE.with(Emit::CLOSE).with(Emit::STALLED);

/// The choice of `--only`.
fn selection(options: &Options) -> Option<Selection> {
    let only = options.only?;
    let slow_ns = u64::try_from(options.slow.as_nanos()).unwrap_or(u64::MAX);
    let selection = Selection::new(only, slow_ns, options.max_connections.get());
    // A ladder or a line that tells of a stall is out of date when the verdict stands behind it.
    let current = matches!(options.output, OutputFormat::Timeline | OutputFormat::List);
    Some(if current { selection.without_past_stalls() } else { selection })
}

/// Width of the terminal on stdout in columns.
fn terminal_columns() -> u16 {
    terminal_size::terminal_size_of(std::io::stdout()).map_or(DEFAULT_COLUMNS, |(columns, _)| columns.0)
}
