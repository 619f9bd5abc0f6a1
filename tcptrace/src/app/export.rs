//! Creation of the exporter of `--otlp` from the options.

use anyhow::Result;
use tcptrace_core::filter::Only;

use super::stdout_format::choice;
use crate::{
    cli::{Options, Verbosity},
    otlp::{Exporter, Source, Target},
    privileges::as_caller,
    say::say,
};

/// Starts to export to the collector that the options name; `None` without one. The delivering thread keeps the rights that
/// it needs, so that the others can give up theirs afterwards.
///
/// # Errors
/// When the collector or an environment variable cannot be used, or a thread cannot be started.
pub(super) fn start(options: &Options, source: Source) -> Result<Option<Exporter>> {
    let Some(endpoint) = &options.otlp else { return Ok(None) };
    // This reads a file that the environment names.
    let target = as_caller(|| Target::prepare(endpoint))??;
    // Like --write, --otlp ignores --only.
    let scoped = !options.command.is_empty() || !options.filter.who.is_empty();
    let selection = scoped.then(|| choice(options, Only::default()));
    let exporter = Exporter::start(target, source, selection)?;
    if source == Source::Live && options.verbosity > Verbosity::Quiet {
        say(format_args!("tcptrace: exporting to {endpoint}"));
    }
    Ok(Some(exporter))
}
