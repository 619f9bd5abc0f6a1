//! `tcptrace doctor`: what this host can do, what is missing and how to get it.
//!
//! First come the things that can be asked for one by one, then a connection that is really traced: whatever nobody has
//! thought of shows there.

mod checks;
mod live;
mod report;

use std::{
    io::{ErrorKind, Write as _},
    process::ExitCode,
};

use anyhow::Result;

use self::report::Report;
use crate::preflight;

/// Prints what this host can do. It fails where tracing would.
///
/// # Errors
/// When nothing can be printed. A reader of stdout who has gone is none.
pub fn run() -> Result<ExitCode> {
    let report = examine()?;
    let works = report.works();
    match anstream::stdout().write_all(report.to_string().as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => return Err(error.into()),
        _ => {}
    }
    Ok(if works { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn examine() -> Result<Report> {
    let mut report = Report::default();
    checks::host(&mut report);
    checks::capabilities(&mut report);
    let seen = preflight::check(true).map_err(anyhow::Error::from).and_then(|()| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(live::trace_own_connection())
    });
    checks::programs(&mut report, seen.as_ref().ok());
    checks::processes(&mut report);
    checks::live(&mut report, &seen);
    Ok(report)
}
