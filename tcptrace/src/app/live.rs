//! The live trace, from its set-up to the summary on stderr.

mod event_loop;
mod ring_reader;

use std::{process::ExitCode, thread::JoinHandle};

use anyhow::Result;
use log::warn;
use tokio::time::Instant;

use self::{
    event_loop::{Ending, follow},
    ring_reader::DRAIN_BATCH,
};
use super::{
    FLUSH_TIMEOUT,
    commanded::{Commanded, FailedOn},
    priority,
    service_manager::{self, ServiceManager},
    signals::Signals,
    summary,
    top::Session,
    trace::Trace,
};
use crate::{
    cli::{Options, Verbosity},
    host_clock,
    namespaces::Namespaces,
    pipeline::Pipeline,
    privileges,
    say::say,
};

/// Traces until a signal, `--duration`, `--count` or a closed stdout ends it.
///
/// # Errors
/// When tracing cannot start, or fails later.
pub(super) fn run(options: &Options, session: Option<Session>) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(trace(options, session));
    runtime.shutdown_background();
    outcome
}

async fn trace(options: &Options, mut session: Option<Session>) -> Result<ExitCode> {
    // Signals are handled before anything is attached, so that none can leave anything attached.
    let mut signals = Signals::new(!options.command.is_empty() || options.top)?;
    let mut service = privileges::as_caller(|| ServiceManager::from_environment(Instant::now()))?;
    let mut command = Commanded::prepare(&options.command)?;
    let mut trace = Trace::prepare(options, command.group(), session.as_ref()).await?;
    // The other threads have started by now and keep the default priority.
    priority::raise();
    let began = Instant::now();
    // From here on every path detaches the programs, including those after an error.
    let ending = match trace.attach(command.running()).await {
        Ok(()) => {
            service.ready(Instant::now(), status(&trace));
            match session.as_mut().map_or(Ok(()), |session| session.open(false)) {
                Ok(()) => follow(&mut trace, &mut signals, &mut service, &mut command, session.as_mut(), options).await,
                Err(error) => Err(error),
            }
        }
        Err(error) => Err(error),
    };
    if let Some(session) = &mut session {
        session.close();
    }
    service.stopping();
    let Trace {
        mut pipeline,
        mut object,
        attachments,
        hints,
        drops,
        mut ring,
        losses,
        skips,
        interfaces,
        namespaces,
        ..
    } = trace;

    // Detach first, so that nothing new arrives, and then write out everything that has arrived.
    let leaving = namespaces.map(Namespaces::stop);
    attachments.detach(interfaces.netlink()).await;
    object.detach_states();
    drop((hints, drops));
    if let Some(Err(_)) = leaving.map(JoinHandle::join) {
        warn!("filters may be left in other network namespaces: the thread that removes them has failed");
    }
    let ending = ending?;
    while ring.drain(DRAIN_BATCH, |record| pipeline.take(record)) {}
    pipeline.count_losses(&losses.read()?, host_clock::now());
    let skipped = skips.read();
    drop(object);
    let now = host_clock::now();
    pipeline.end(now);

    let counts = counts(&pipeline);
    let summary = summary::lines(&pipeline, options);
    let failed_on = FailedOn { only: options.fail_on, connections: pipeline.output.failed_on() };
    let complete = pipeline.output.finish(FLUSH_TIMEOUT);
    if ending == Ending::Requested {
        let seconds = began.elapsed().as_secs_f64();
        say(format_args!("tcptrace: {counts}; traced for {seconds:.1} s"));
        summary::print(&summary, options);
        if options.verbosity >= Verbosity::Verbose {
            match skipped {
                Ok(skipped) => say(format_args!("tcptrace: skipped: {skipped}")),
                Err(error) => say(format_args!("tcptrace: the counters of what was skipped cannot be read: {error}")),
            }
        }
    }
    let own = if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    Ok(command.finish(&failed_on).unwrap_or(own))
}

/// Returns the counts so far, in words.
fn counts(pipeline: &Pipeline) -> String {
    let totals = pipeline.totals();
    let (events, lost) = pipeline.counts();
    if !pipeline.correlates() {
        return format!("{events} events recorded, {lost} lost");
    }
    if let Some((all, open)) = pipeline.output.in_scope() {
        let connections = if all == 1 { "connection" } else { "connections" };
        let whose = if pipeline.command.is_some() { " of the command" } else { " that match" };
        return format!("{all} {connections}{whose}, {open} still open; {events} events, {lost} lost");
    }
    let connections = if totals.numbered == 1 { "connection" } else { "connections" };
    format!("{} {connections}, {} still open; {events} events, {lost} lost", totals.numbered, totals.open())
}

fn status(trace: &Trace) -> String {
    service_manager::status(&trace.scope(), &counts(&trace.pipeline))
}
