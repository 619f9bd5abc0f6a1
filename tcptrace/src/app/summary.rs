//! The summary on stderr for readers of text: the number of connections left out, and those of each verdict.

use crate::{
    cli::{Options, Verbosity},
    pipeline::Pipeline,
    say::say,
};

/// Returns the lines of the summary; empty if stdout's reader is a program.
pub(super) fn lines(pipeline: &Pipeline, options: &Options) -> Vec<String> {
    let Some(tally) = pipeline.output.tally() else { return Vec::new() };
    let mut lines = Vec::new();
    if let (Some((chosen, _)), Some(only)) = (pipeline.output.chosen(), options.only) {
        let left_out = pipeline.output.left_out().unwrap_or(0);
        lines.push(format!("{chosen} of {} connections shown, {left_out} left out (--only {only})", chosen + left_out));
    }
    lines.extend(tally.lines(options.unicode));
    lines
}

/// Prints the lines on stderr.
pub(super) fn print(lines: &[String], options: &Options) {
    if options.verbosity > Verbosity::Quiet {
        for line in lines {
            say(format_args!("tcptrace: {line}"));
        }
    }
}
