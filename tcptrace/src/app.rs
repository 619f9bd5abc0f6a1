//! The live trace: the only place where tasks, signals and time meet.

pub mod doctor;
mod no_traffic_notice;
mod owner_lookup;
mod priority;
mod replay;
mod service_manager;
mod signals;
mod trace;

use std::{process::ExitCode, time::Duration};

use anyhow::Result;
use log::{debug, warn};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use self::{
    service_manager::Service,
    signals::{Signal, Signals},
    trace::Trace,
};
use crate::{cli::Options, host_clock, interfaces::InterfaceChange, pipeline::Pipeline, privileges, sink::Reopening};
use tcptrace_core::output_record::OutputRecord;

/// Records taken between two looks at everything else.
const BATCH: usize = 4096;

/// How long to let records gather while they keep coming. Each wake-up costs the traced processes something.
const GATHER: Duration = Duration::from_millis(5);

/// Records found at one look that are load: until a look finds none, the kernel need not wake anybody for more.
const LOAD: u64 = 64;

/// Nanoseconds that pass at the most before a record lies in the ring, but where its processor is taken away meanwhile. Deadlines
/// run that much later: in a recording they come behind all that happened before them.
const SETTLED: u64 = 1_000_000;

/// How often the kernel's counters and clocks are read.
const TICK: Duration = Duration::from_secs(1);

/// How long nothing may show before whoever waits at a terminal is told why.
const SILENCE: Duration = Duration::from_secs(5);

/// How long segments that belong to the last connection of `--count` may come late.
const LATE: Duration = Duration::from_millis(50);

/// How long readers of the output have to take what is left.
const FLUSH: Duration = Duration::from_millis(300);

/// Traces until somebody ends it, or reads a capture to its end.
///
/// # Errors
/// When tracing cannot begin, the kernel takes something away, or the capture cannot be read.
pub fn run(options: &Options) -> Result<ExitCode> {
    if let Some(path) = &options.read {
        return replay::run(path, options);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(trace(options));
    runtime.shutdown_background();
    outcome
}

/// Why tracing ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ending {
    /// A signal, `--duration` or `--count`.
    Asked,
    /// Nobody reads stdout any more.
    ReaderGone,
}

async fn trace(options: &Options) -> Result<ExitCode> {
    // Before anything is attached, so that no signal can come too early to be handled.
    let mut signals = Signals::new()?;
    let mut service = privileges::as_caller(|| Service::from_environment(Instant::now()))?;
    let mut trace = Trace::prepare(options).await?;
    // Its other threads have begun by now, with the priority that everybody has.
    priority::raise();
    let began = Instant::now();
    // Whatever happens from here on, nothing stays attached.
    let ending = match trace.attach().await {
        Ok(()) => {
            service.ready(Instant::now(), status(&trace));
            follow(&mut trace, &mut signals, &mut service, options).await
        }
        Err(error) => Err(error),
    };
    service.stopping();
    let Trace { mut pipeline, mut object, attachments, hints, mut ring, losses, interfaces, .. } = trace;

    // First nothing new may come, then everything that has come is shown.
    attachments.detach(interfaces.netlink()).await;
    object.detach_states();
    drop(hints);
    let ending = ending?;
    while ring.drain(BATCH, |record| pipeline.take(record)) {}
    pipeline.count_losses(&losses.read()?, host_clock::now());
    drop(object);
    let now = host_clock::now();
    pipeline.end(now);

    let counts = counts(&pipeline);
    let fine = pipeline.output.finish(FLUSH);
    if ending == Ending::Asked {
        let seconds = began.elapsed().as_secs_f64();
        eprintln!("tcptrace: {counts}; traced for {seconds:.1} s");
    }
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What has come of it so far.
fn counts(pipeline: &Pipeline) -> String {
    let totals = pipeline.totals();
    let (events, lost) = pipeline.counts();
    let connections = if totals.numbered == 1 { "connection" } else { "connections" };
    format!("{} {connections}, {} still open; {events} events, {lost} lost", totals.numbered, totals.open())
}

fn status(trace: &Trace) -> String {
    service_manager::status(&trace.scope(), &counts(&trace.pipeline))
}

/// Shows what comes until it is time to end.
async fn follow(trace: &mut Trace, signals: &mut Signals, service: &mut Service, options: &Options) -> Result<Ending> {
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // A time too far off to be told is no limit.
    let mut end = options.duration.and_then(|duration| Instant::now().checked_add(duration));
    let mut counted = false;
    let mut silence = options.watched.then(|| Instant::now() + SILENCE);
    // While records keep coming, the ring is looked at again soon, instead of waiting for a wake-up.
    let mut next_look = None;
    loop {
        let deadline = trace
            .pipeline
            .poll_timeout()
            .map(|deadline| Instant::now() + Duration::from_nanos(deadline.plus(SETTLED).since(host_clock::now())));
        tokio::select! {
            biased;
            signal = signals.next() => match signal {
                Signal::HangUp if options.write.is_some() => service.reloading(reopen(trace)),
                Signal::End | Signal::HangUp => return Ok(Ending::Asked),
            },
            over = trace.pipeline.output.ended() => if over { return Ok(Ending::ReaderGone) },
            () = until(end) => return Ok(Ending::Asked),
            () = until(silence) => {
                silence = None;
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
                // What lies in the ring has happened before.
                pass_time(trace);
                let now = host_clock::now();
                let Trace { owners, pipeline, .. } = trace;
                owners.take(&snapshot, pipeline, now);
            }
            change = trace.interfaces.next() => follow_interface(trace, change).await,
            ready = ready(&trace.ring, next_look) => {
                ready?;
                next_look = drain(trace);
            }
            logged = messages(&mut trace.messages) => logged?,
        }
        if let Some(most) = options.count
            && !counted
            && trace.pipeline.totals().ended >= most.get()
        {
            counted = true;
            let late = Instant::now() + LATE;
            end = Some(end.map_or(late, |end| end.min(late)));
        }
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

async fn ready(ring: &crate::bpf::Ring, next_look: Option<Instant>) -> std::io::Result<()> {
    match next_look {
        Some(at) => {
            sleep_until(at).await;
            Ok(())
        }
        None => ring.readable().await,
    }
}

async fn messages(messages: &mut Option<crate::bpf::Messages>) -> std::io::Result<()> {
    match messages {
        Some(messages) => messages.forward().await,
        None => std::future::pending().await,
    }
}

/// Takes what is in the ring. Returns when to look again: at once where there is more, soon where there was something, and
/// not before the kernel says so where there was nothing; after load, there is one more look in between.
fn drain(trace: &mut Trace) -> Option<Instant> {
    let before = trace.pipeline.counts().0;
    let Trace { ring, pipeline, .. } = trace;
    let more = ring.drain(BATCH, |record| pipeline.take(record));
    pipeline.flush();
    let taken = pipeline.counts().0 - before;
    if taken > 0 {
        if taken >= LOAD {
            ring.stay_awake();
        }
        let pause = if more { Duration::ZERO } else { GATHER };
        return Some(Instant::now() + pause);
    }
    (!ring.rest()).then(|| Instant::now() + GATHER)
}

/// Deadlines run on event time: what lies in the ring has happened before now.
fn pass_time(trace: &mut Trace) {
    let now = host_clock::now();
    let Trace { ring, pipeline, .. } = trace;
    let more = ring.drain(BATCH, |record| pipeline.take(record));
    // Where even more lies there, its own times will do.
    if !more {
        pipeline.handle_timeout(now.minus(SETTLED));
    }
    pipeline.flush();
}

fn read_counters(trace: &mut Trace) {
    host_clock::compare(&mut trace.pipeline.describer.clock);
    // Read first: what was lost by then belongs behind what lies in the ring.
    let totals = trace.losses.read();
    pass_time(trace);
    let now = host_clock::now();
    match totals {
        Ok(totals) => {
            trace.pipeline.count_losses(&totals, now);
            if let Err(error) = trace.pending.make_room(&totals, now) {
                warn!("what waits for its port in the kernel cannot be looked at: {error}");
            }
        }
        Err(error) => warn!("the kernel's loss counters cannot be read: {error}"),
    }
    let Trace { owners, pipeline, .. } = trace;
    owners.look(pipeline, now);
    trace.pipeline.flush();
}

/// A new file begins with what is traced, as the first one did.
fn reopen(trace: &mut Trace) -> Option<Reopening> {
    let start = OutputRecord::Start(trace.start_entry());
    let reopening = trace.pipeline.reopen_file(&start);
    trace.pipeline.flush();
    reopening
}

async fn follow_interface(trace: &mut Trace, change: InterfaceChange) {
    match change {
        InterfaceChange::There(interface) => trace.meet(&interface).await,
        InterfaceChange::Gone(index) => trace.attachments.forget(index),
        InterfaceChange::QdiscMade(index) => trace.attachments.qdisc_made(index),
        InterfaceChange::Stripped { index, qdisc } => trace.hang_again(index, qdisc).await,
        InterfaceChange::Overrun => match trace.interfaces.list().await {
            Ok(interfaces) => {
                trace.attachments.retain(|index| interfaces.iter().any(|interface| interface.index == index));
                for interface in &interfaces {
                    trace.meet(interface).await;
                    // Its filters may be among what was missed.
                    trace.hang_again(interface.index, true).await;
                }
            }
            Err(error) => debug!("interfaces cannot be listed again: {error}"),
        },
    }
}
