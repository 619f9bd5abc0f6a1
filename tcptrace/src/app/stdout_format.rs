//! The form of the records on stdout, as the options choose it.

use std::{io, os::fd::AsFd as _, path::Path, sync::LazyLock};

use jiff::tz::TimeZone;

use super::top::Session;
use crate::{
    cli::{self, DEFAULT_COLUMNS, Options, OutputFormat, is_binary},
    host_clock::nanoseconds,
    output::{FileOutput, Output, Shown},
    sink::{BUDGET, FileForm, RotateAt, Rotation, Sink, SinkError},
};
use tcptrace_core::{
    decode::ttr::Sealer,
    filter::{Emit, Only},
    render::{Drawing, Events, Json, Ladder, List, Nothing, Render, Selection, Tally},
};

/// The time zone of this host, or that of the environment variable `TZ`.
static TIME_ZONE: LazyLock<TimeZone> = LazyLock::new(TimeZone::system);

/// How text is drawn.
pub(super) fn drawing(options: &Options) -> Drawing {
    let Options { color, absolute_seq, unicode, .. } = *options;
    Drawing { color, absolute_seq, unicode, zone: &TIME_ZONE }
}

/// Opens stdout and the file of `--write`. Where a user is at the terminal, that session gets the records instead.
///
/// # Errors
/// As [`Output::open`].
pub(super) fn open(options: &Options, session: Option<&Session>) -> Result<Output, SinkError> {
    if let Some(session) = session {
        return open_session(options, session);
    }
    let Options { color, absolute_seq, unicode, columns, .. } = *options;
    let on_stderr = !options.command.is_empty();
    let terminal = move || if on_stderr { terminal_columns(&io::stderr()) } else { terminal_columns(&io::stdout()) };
    let drawing = drawing(options);
    let (render, emit): (Box<dyn Render>, Emit) = match options.output {
        OutputFormat::Json => (Box::new(Json), options.emit),
        OutputFormat::Timeline => {
            let width = move || columns.unwrap_or_else(terminal).into();
            (Box::new(Ladder::new(drawing, width)), Emit::ALL)
        }
        OutputFormat::Events => (Box::new(Events { color, absolute_seq, unicode, zone: &TIME_ZONE }), Emit::ALL),
        OutputFormat::List => {
            // A file or a pipe gets whole lines.
            let width = columns.is_none().then(|| -> Box<dyn Fn() -> usize> { Box::new(move || terminal().into()) });
            (Box::new(List::new(drawing, width)), VERDICTS)
        }
        OutputFormat::None => (Box::new(Nothing), Emit::NONE),
    };
    let text = matches!(options.output, OutputFormat::Timeline | OutputFormat::Events | OutputFormat::List);
    let shown = Shown {
        render,
        emit,
        selection: selection(options),
        tally: text.then(Tally::default),
        discards: options.output == OutputFormat::None,
    };
    let file =
        |selection| options.write.as_deref().map(|path| FileOutput { path, form: form(path, options), selection });
    if options.command.is_empty() {
        let chosen = (!options.filter.who.is_empty()).then(|| choice(options, Only::default()));
        return Output::open(shown, file(chosen));
    }
    // stdout is the command's.
    let stderr = io::stderr().as_fd().try_clone_to_owned().map_err(SinkError::Start)?;
    let commands = Some(choice(options, Only::default()));
    let mut output = Output::open_to(Sink::stream(stderr, BUDGET)?, shown, file(commands))?;
    if let Some(fail_on) = options.fail_on {
        output.fail_on(choice(options, fail_on));
    }
    Ok(output)
}

/// How the file of `--write` is written.
fn form(path: &Path, options: &Options) -> FileForm {
    let at = options.rotate.map(|rotate| match rotate {
        cli::RotateAt::Size(bytes) => RotateAt::Size(bytes),
        cli::RotateAt::Age(age) => RotateAt::Age(age),
    });
    FileForm {
        sealer: is_binary(path).then(|| Sealer::new(options.compress.is_some())),
        rotation: at.map(|at| Rotation { at, keep: options.keep }),
    }
}

/// Opens the output of `tcptrace top`: its list gets all records of the processes that are chosen, and stdout nothing.
fn open_session(options: &Options, session: &Session) -> Result<Output, SinkError> {
    let nothing = session.nothing().map_err(SinkError::Start)?;
    let shown = Shown {
        render: session.sink(),
        emit: Emit::ALL,
        selection: (!options.filter.who.is_empty()).then(|| choice(options, Only::default())),
        tally: None,
        discards: false,
    };
    Output::open_to(Sink::stream(nothing, BUDGET)?, shown, None)
}

/// Records that tell what became of connections.
const VERDICTS: Emit = Emit::HANDSHAKE.with(Emit::CLOSE).with(Emit::STALLED);

/// The choice of `--only`, and of the filters on processes.
fn selection(options: &Options) -> Option<Selection> {
    if options.only.is_none() && options.command.is_empty() && options.filter.who.is_empty() {
        return None;
    }
    let selection = choice(options, options.only.unwrap_or_default());
    // A ladder or a line that tells of a stall is out of date when the verdict stands behind it.
    let current = matches!(options.output, OutputFormat::Timeline | OutputFormat::List);
    Some(if current { selection.without_past_stalls() } else { selection })
}

/// The choice of `only`, among the connections of the processes that the filters name and those of the command, if there is
/// one.
fn choice(options: &Options, only: Only) -> Selection {
    let slow_ns = nanoseconds(options.slow);
    let selection = Selection::new(only, slow_ns, options.max_connections.get());
    let selection = selection.of(options.filter.who.clone());
    if options.command.is_empty() { selection } else { selection.scoped() }
}

/// Width of a terminal in columns.
fn terminal_columns(on: &impl std::os::fd::AsFd) -> u16 {
    terminal_size::terminal_size_of(on).map_or(DEFAULT_COLUMNS, |(columns, _)| columns.0)
}
