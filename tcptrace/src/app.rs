//! Runs the program: the live trace with its signals and timers, the reading of files, and the doctor.

mod commanded;
pub mod doctor;
mod export;
pub mod leaks;
mod live;
mod no_traffic_notice;
mod owner_lookup;
mod priority;
mod replay;
mod service_manager;
mod signals;
mod stdout_format;
mod summary;
pub mod top;
mod trace;

use std::{process::ExitCode, time::Duration};

use anyhow::Result;

use self::top::Session;
use crate::cli::Options;

/// Interval at which the kernel's counters and clocks are read.
const TICK: Duration = Duration::from_secs(1);

/// Time for which the reader of an output may be idle when the trace ends, before the rest of the output is given up.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(200);

/// Traces until a signal, `--duration`, `--count` or a closed stdout ends it, or reads a file with `-r`.
///
/// # Errors
/// When tracing cannot start, fails later, or the file cannot be read.
pub fn run(options: &Options) -> Result<ExitCode> {
    let mut session = None;
    if options.top {
        if let Some(refused) = top::refused() {
            return Ok(refused);
        }
        session = Some(Session::new(options)?);
    }
    match options.read.as_slice() {
        [] => live::run(options, session),
        [path] => replay::run(path, options, session.as_mut()),
        paths => replay::merge(paths, options),
    }
}
