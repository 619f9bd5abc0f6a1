//! Formats of the records on stdout, as chosen by the options.

use std::{
    io::{self, IsTerminal},
    num::NonZeroU32,
    os::fd::AsFd as _,
    path::Path,
    sync::LazyLock,
};

use jiff::tz::TimeZone;

use super::top::Session;
use crate::{
    cli::{Compression, DEFAULT_COLUMNS, Options, OutputFormat, is_binary},
    host_clock::nanoseconds,
    output::{FileOutput, Output, Shown},
    recorder,
    sink::{BUDGET, FileForm, Rotation, Sink, SinkError},
};
use tcptrace_core::{
    decode::ttr::{Compress, Sealer},
    filter::{Emit, Only},
    render::{
        Drawing, Events, Html, Json, Ladder, List, Mermaid, Nothing, Pcapng, RateLimited, Render, Selection, Svg, Tally,
    },
};

/// Number of ladders in a second that a user can still scroll through in a terminal.
const READ_BY_A_USER: NonZeroU32 = NonZeroU32::new(100).unwrap();

/// Number of ladders in a second that are written to a file or a pipe: two megabytes.
const READ_LATER: NonZeroU32 = NonZeroU32::new(1_000).unwrap();

/// The time zone of this host, or that of the environment variable `TZ`.
static TIME_ZONE: LazyLock<TimeZone> = LazyLock::new(TimeZone::system);

/// Returns the drawing options of text.
pub(super) fn drawing(options: &Options) -> Drawing {
    let Options { color, absolute_seq, unicode, .. } = *options;
    Drawing { color, absolute_seq, unicode, zone: &TIME_ZONE }
}

/// Opens stdout and the file of `--write`. If a user is at the terminal, that session gets the records instead.
///
/// # Errors
/// Those of [`Output::open`].
pub(super) fn open(options: &Options, session: Option<&Session>) -> Result<Output, SinkError> {
    if let Some(session) = session {
        return open_session(options, session);
    }
    let shown = shown(options);
    let file = |selection| options.write.as_deref().map(|path| file_output(path, options, selection));
    if options.command.is_empty() {
        let chosen = (!options.filter.who.is_empty()).then(|| choice(options, Only::default()));
        return Output::open(shown, file(chosen));
    }
    // stdout belongs to the command.
    let stderr = io::stderr().as_fd().try_clone_to_owned().map_err(SinkError::Start)?;
    let commands = Some(choice(options, Only::default()));
    let mut output = Output::open_to(Sink::stream(stderr, BUDGET)?, shown, file(commands))?;
    if let Some(fail_on) = options.fail_on {
        output.fail_on(choice(options, fail_on));
    }
    Ok(output)
}

/// Returns the types of records that the output of [`open`] uses.
pub(super) fn needs(options: &Options) -> Emit {
    if options.write.is_some() { Emit::ALL } else { shown(options).needs() }
}

/// Returns what stdout gets.
fn shown(options: &Options) -> Shown {
    let columns = options.columns;
    let on_stderr = !options.command.is_empty();
    let terminal = move || if on_stderr { terminal_columns(&io::stderr()) } else { terminal_columns(&io::stdout()) };
    let (render, emit): (Box<dyn Render>, Emit) = match options.output {
        OutputFormat::Json => (Box::new(Json), options.emit),
        OutputFormat::Timeline => {
            let width = move || columns.unwrap_or_else(terminal).into();
            let ladder = Ladder::new(drawing(options), width);
            // A file is read to its end, and those who ask for certain connections get them.
            let limited = options.read.is_empty() && options.only.is_none();
            let render: Box<dyn Render> = if limited {
                let limit = if on_stderr { ladder_limit(&io::stderr()) } else { ladder_limit(&io::stdout()) };
                Box::new(RateLimited::new(ladder, limit, options.max_connections.get()))
            } else {
                Box::new(ladder)
            };
            (render, Emit::ALL)
        }
        OutputFormat::Events => (Box::new(Events::from(drawing(options))), Emit::ALL),
        OutputFormat::List => {
            // A file or a pipe gets whole lines.
            let width =
                columns.is_none().then(|| -> Box<dyn Fn() -> usize + Send> { Box::new(move || terminal().into()) });
            (Box::new(List::new(drawing(options), width)), VERDICTS)
        }
        OutputFormat::Html => (Box::new(Html::new(drawing(options))), Emit::ALL),
        OutputFormat::Mermaid => (Box::new(Mermaid::new(drawing(options))), Emit::ALL),
        OutputFormat::Svg => (Box::new(Svg::new(drawing(options))), Emit::ALL),
        OutputFormat::None => (Box::new(Nothing), Emit::NONE),
    };
    let text = matches!(options.output, OutputFormat::Timeline | OutputFormat::Events | OutputFormat::List);
    Shown {
        render,
        emit,
        selection: selection(options),
        tally: text.then(Tally::default),
        discards: options.output == OutputFormat::None,
    }
}

/// The text of records that are not packets in a pcapng file; the file itself contains their times.
const WORDS: Events = Events { color: false, absolute_seq: false, unicode: true, zone: &TimeZone::UTC };

/// Returns the form of the file of `--write`, by its name; `selection` chooses connections.
fn file_output<'a>(path: &'a Path, options: &Options, selection: Option<Selection>) -> FileOutput<'a> {
    let packets = path.extension().is_some_and(|ending| ending == "pcapng");
    let render: Box<dyn Render> = if packets { Box::new(Pcapng::new(WORDS)) } else { Box::new(Json) };
    let compress = options.compress.map(|Compression::Zstd| recorder::zstd as Compress);
    let form = FileForm {
        sealer: is_binary(path).then(|| Sealer::new(compress)),
        rotation: options.rotate.map(|at| Rotation { at, keep: options.keep }),
    };
    FileOutput { path, form, render, selection }
}

/// Opens the output of `tcptrace top`: its list gets all records of the chosen processes, and stdout gets nothing.
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

/// The types of records that are verdicts.
const VERDICTS: Emit = Emit::HANDSHAKE.with(Emit::CLOSE).with(Emit::STALLED);

/// Returns the selection of `--only` and of the filters on processes.
fn selection(options: &Options) -> Option<Selection> {
    if options.only.is_none() && options.command.is_empty() && options.filter.who.is_empty() {
        return None;
    }
    let selection = choice(options, options.only.unwrap_or_default());
    // A ladder or a line about a stall is outdated once the verdict follows it.
    let current = matches!(
        options.output,
        OutputFormat::Timeline | OutputFormat::List | OutputFormat::Html | OutputFormat::Mermaid | OutputFormat::Svg
    );
    Some(if current { selection.without_past_stalls() } else { selection })
}

/// Returns the selection by `only`, among the connections of the processes that the filters name and those of the command,
/// if there is one.
pub(super) fn choice(options: &Options, only: Only) -> Selection {
    let slow_ns = nanoseconds(options.slow);
    let selection = Selection::new(only, slow_ns, options.max_connections.get());
    let selection = selection.of(options.filter.who.clone());
    if options.command.is_empty() { selection } else { selection.scoped() }
}

/// Returns the number of ladders in a second beyond which only those of failed and stalled connections are shown.
fn ladder_limit(on: &impl IsTerminal) -> NonZeroU32 {
    if on.is_terminal() { READ_BY_A_USER } else { READ_LATER }
}

/// Returns the width of a terminal in columns.
fn terminal_columns(on: &impl std::os::fd::AsFd) -> u16 {
    terminal_size::terminal_size_of(on).map_or(DEFAULT_COLUMNS, |(columns, _)| columns.0)
}
