//! Runs the program: the live trace with its signals and timers, the reading of files, and the doctor.

mod commanded;
pub mod doctor;
mod elsewhere;
mod existing;
mod export;
pub mod leaks;
mod no_traffic_notice;
mod owner_lookup;
mod priority;
mod replay;
mod service_manager;
mod signals;
mod stdout_format;
mod stuck;
mod summary;
pub mod top;
mod trace;

use std::{process::ExitCode, thread::JoinHandle, time::Duration};

use anyhow::Result;
use log::{debug, warn};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use self::{
    commanded::Commanded,
    service_manager::ServiceManager,
    signals::{Signal, Signals},
    top::Session,
    trace::Trace,
};
use crate::{
    cli::{Options, Verbosity},
    conntrack::{Conntrack, Forgotten},
    host_clock,
    interfaces::InterfaceChange,
    namespaces::{Namespaces, News},
    pipeline::Pipeline,
    privileges,
    sink::{Reopen, Reopening},
};

/// Most records taken from the ring before signals, timers and other inputs are handled.
const DRAIN_BATCH: usize = 4096;

/// Pause between two drains of the ring while records keep coming. Each wake-up of this thread costs the traced processes
/// time.
const DRAIN_INTERVAL: Duration = Duration::from_millis(5);

/// Records in one drain from which the ring counts as busy: the kernel then need not wake this thread until it is empty.
const BUSY_DRAIN: u64 = 64;

/// Upper bound in nanoseconds from an event to its readable record, unless the CPU is preempted in between. Timers run this
/// much later, so that in a recording they come after all events before them.
const RECORD_LATENCY_NS: u64 = 1_000_000;

/// Interval at which the kernel's counters and clocks are read.
const TICK: Duration = Duration::from_secs(1);

/// Time without any event after which a user at a terminal is told why.
const NOTICE_AFTER: Duration = Duration::from_secs(5);

/// Time to wait for the last segments after `--count` connections have ended.
const LAST_SEGMENTS: Duration = Duration::from_millis(50);

/// Time to wait for the last closes after the command has ended: a close that only one end shows is over a second after its
/// last segment.
const LAST_CLOSES: Duration = Duration::from_millis(1_500);

/// Time that readers of the output have to take what is left when the trace ends.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(300);

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
        [] => {}
        [path] => return replay::run(path, options, session.as_mut()),
        paths => return replay::merge(paths, options),
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(trace(options, session));
    runtime.shutdown_background();
    outcome
}

/// The reason why tracing ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ending {
    /// A signal, `--duration` or `--count`.
    Requested,
    /// Nothing more can be written ([`crate::output::Output::is_over`]).
    OutputOver,
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
    // From here on every path detaches the programs, also after an error.
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
    let failed_on = pipeline.output.has_failed_on();
    let complete = pipeline.output.finish(FLUSH_TIMEOUT);
    if ending == Ending::Requested {
        let seconds = began.elapsed().as_secs_f64();
        eprintln!("tcptrace: {counts}; traced for {seconds:.1} s");
        summary::print(&summary, options);
        if options.verbosity >= Verbosity::Verbose {
            match skipped {
                Ok(skipped) => eprintln!("tcptrace: skipped: {skipped}"),
                Err(error) => eprintln!("tcptrace: the counters of what was skipped cannot be read: {error}"),
            }
        }
    }
    let own = if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    Ok(command.finish(failed_on).unwrap_or(own))
}

/// The counts so far, in words.
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

/// Handles everything that happens until the trace ends.
async fn follow(
    trace: &mut Trace,
    signals: &mut Signals,
    service: &mut ServiceManager,
    command: &mut Commanded,
    mut session: Option<&mut Session>,
    options: &Options,
) -> Result<Ending> {
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // A duration that overflows the clock is no limit.
    let mut end = options.duration.and_then(|duration| Instant::now().checked_add(duration));
    let mut count_reached = false;
    let mut notice = options.watched.then(|| Instant::now() + NOTICE_AFTER);
    // While records keep coming, the ring is drained again at this time, instead of waiting for a wake-up.
    let mut next_drain = None;
    loop {
        let deadline = trace.pipeline.poll_timeout().map(|deadline| {
            Instant::now() + Duration::from_nanos(deadline.plus(RECORD_LATENCY_NS).since(host_clock::now()))
        });
        tokio::select! {
            biased;
            signal = signals.next() => match signal {
                signal if command.pass_on(signal) => {}
                Signal::HangUp if options.write.is_some() => service.reloading(reopen(trace, Reopen::ByName)),
                Signal::Interrupt | Signal::Terminate | Signal::HangUp | Signal::Quit => return Ok(Ending::Requested),
            },
            over = trace.pipeline.output.ended() => if over && !command.runs() { return Ok(Ending::OutputOver) },
            () = until(end) => return Ok(Ending::Requested),
            () = command.ended() => {
                // Its last events are in the ring by now.
                pass_time(trace);
                end = Some(Instant::now() + LAST_CLOSES);
            }
            () = until(notice) => {
                notice = None;
                if trace.pipeline.counts().0 == 0 {
                    trace.explain_silence().await;
                }
            }
            _ = tick.tick() => {
                read_counters(trace);
                service.tick(Instant::now(), || status(trace));
            }
            () = service.reloaded() => {}
            () = until(deadline) => pass_time(trace),
            snapshot = trace.owners.next() => {
                // Records in the ring are older than the snapshot.
                pass_time(trace);
                let now = host_clock::now();
                let Trace { owners, pipeline, .. } = trace;
                owners.report(&snapshot, pipeline, now);
            }
            // Before the records in the ring: what was forgotten may be the reason for them.
            forgotten = next_forgotten(&mut trace.conntrack) => trace.forget_own_translations(&forgotten, &options.filter),
            news = next_news(&mut trace.namespaces) => trace.follow_namespace(news, &options.filter),
            change = trace.interfaces.next() => follow_interface(trace, change).await,
            ready = ready(&trace.ring, next_drain) => {
                ready?;
                next_drain = drain(trace);
            }
            logged = forward_log(&mut trace.program_log) => logged?,
            () = wake(session.as_deref()) => {}
        }
        if trace.pipeline.output.is_due_for_rotation(host_clock::now()) {
            // Nobody waits for that.
            let _reopening = reopen(trace, Reopen::Rotated);
        }
        if let Some(session) = session.as_deref_mut() {
            let now = trace.pipeline.describer.stamp(host_clock::now()).time;
            if session.turn(&trace.pipeline, Some(now))? {
                return Ok(Ending::Requested);
            }
        }
        if command.has_ended() && trace.pipeline.output.in_scope().is_some_and(|(_, open)| open == 0) {
            return Ok(Ending::Requested);
        }
        if let Some(limit) = options.count
            && !count_reached
            && trace.pipeline.ended() >= limit.get()
        {
            count_reached = true;
            let last = Instant::now() + LAST_SEGMENTS;
            end = Some(end.map_or(last, |end| end.min(last)));
        }
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

async fn wake(session: Option<&Session>) {
    match session {
        Some(session) => session.wake().await,
        None => std::future::pending().await,
    }
}

async fn ready(ring: &crate::bpf::Ring, next_drain: Option<Instant>) -> std::io::Result<()> {
    match next_drain {
        Some(at) => {
            sleep_until(at).await;
            Ok(())
        }
        None => ring.readable().await,
    }
}

async fn next_news(namespaces: &mut Option<Namespaces>) -> News {
    match namespaces {
        Some(namespaces) => namespaces.next().await,
        None => std::future::pending().await,
    }
}

async fn next_forgotten(conntrack: &mut Option<Conntrack>) -> Vec<Forgotten> {
    match conntrack {
        Some(conntrack) => conntrack.next().await,
        None => std::future::pending().await,
    }
}

async fn forward_log(log: &mut Option<crate::bpf::ProgramLog>) -> std::io::Result<()> {
    match log {
        Some(log) => log.forward().await,
        None => std::future::pending().await,
    }
}

/// Handles the records in the ring. Returns the time of the next drain: now if more records are left, after
/// [`DRAIN_INTERVAL`] if there were any or the ring has been busy until now, and none, to wait for a wake-up, otherwise.
fn drain(trace: &mut Trace) -> Option<Instant> {
    let before = trace.pipeline.counts().0;
    let Trace { ring, pipeline, namespaces, .. } = trace;
    let more = ring.drain(DRAIN_BATCH, |record| pipeline.take(record));
    pipeline.flush();
    if std::mem::take(&mut pipeline.strange_netns)
        && let Some(namespaces) = namespaces
    {
        namespaces.look();
    }
    let taken = pipeline.counts().0 - before;
    if taken > 0 {
        if taken >= BUSY_DRAIN {
            ring.stay_awake();
        }
        let pause = if more { Duration::ZERO } else { DRAIN_INTERVAL };
        return Some(Instant::now() + pause);
    }
    (!ring.rest()).then(|| Instant::now() + DRAIN_INTERVAL)
}

/// Advances the time of events: handles the records in the ring, which are older than now, and then the timers that are due.
fn pass_time(trace: &mut Trace) {
    let now = host_clock::now();
    let Trace { ring, pipeline, .. } = trace;
    let more = ring.drain(DRAIN_BATCH, |record| pipeline.take(record));
    // Records that are left advance the time themselves.
    if !more {
        pipeline.handle_timeout(now.minus(RECORD_LATENCY_NS));
    }
    pipeline.flush();
}

fn read_counters(trace: &mut Trace) {
    trace.pipeline.compare_clocks();
    // The counters are read before the ring is drained: those losses come after the records in it.
    let totals = trace.losses.read();
    pass_time(trace);
    let now = host_clock::now();
    match totals {
        Ok(totals) => {
            trace.pipeline.count_losses(&totals, now);
            if let Err(error) = trace.pending.make_room(&totals, now) {
                warn!("cannot read the kernel's map of sockets that wait for a port: {error}");
            }
        }
        Err(error) => warn!("cannot read the kernel's loss counters: {error}"),
    }
    let Trace { owners, pipeline, .. } = trace;
    owners.request_new(pipeline, now);
    trace.pipeline.flush();
}

/// Reopens the file of `--write`. The new file begins with a start record, as the first one did.
fn reopen(trace: &mut Trace, how: Reopen) -> Option<Reopening> {
    let start = trace.start_record();
    let reopening = trace.pipeline.reopen_file(how, start);
    trace.pipeline.flush();
    reopening
}

async fn follow_interface(trace: &mut Trace, change: InterfaceChange) {
    // The other end of a veth pair may be in another namespace.
    if let (Some(namespaces), InterfaceChange::Updated(_) | InterfaceChange::Removed(_)) = (&trace.namespaces, &change)
    {
        namespaces.look();
    }
    match change {
        InterfaceChange::Updated(interface) => trace.attach_interface(&interface).await,
        InterfaceChange::Removed(index) => trace.attachments.forget(index),
        InterfaceChange::QdiscMade(index) => trace.attachments.qdisc_made(index),
        InterfaceChange::FiltersRemoved { index, qdisc } => trace.restore_filters(index, qdisc).await,
        InterfaceChange::Overrun => match trace.interfaces.list().await {
            Ok(interfaces) => {
                trace.attachments.retain(|index| interfaces.iter().any(|interface| interface.index == index));
                for interface in &interfaces {
                    trace.attach_interface(interface).await;
                    // The removal of its filters may be among the lost messages.
                    trace.restore_filters(interface.index, true).await;
                }
            }
            Err(error) => debug!("cannot list the interfaces again: {error}"),
        },
    }
}
