//! The event loop of a live trace: it waits for all inputs and handles them.

use std::time::Duration;

use anyhow::Result;
use log::{debug, warn};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::{
    ring_reader::{RECORD_LATENCY, drain, pass_time},
    status,
};
use crate::{
    app::{
        TICK,
        commanded::Commanded,
        service_manager::ServiceManager,
        signals::{Signal, Signals},
        top::Session,
        trace::Trace,
    },
    bpf::{ProgramLog, Ring},
    cli::Options,
    conntrack::Conntrack,
    host_clock,
    interfaces::InterfaceChange,
    namespaces::Namespaces,
    sink::{Reopen, Reopening},
};

/// Time without any event after which a user at a terminal is told why.
const NOTICE_AFTER: Duration = Duration::from_secs(5);

/// Time to wait for the last segments after `--count` connections have ended.
const LAST_SEGMENTS: Duration = Duration::from_millis(50);

/// Time to wait for the last closes after the command has ended: a close that only one end shows counts as over a second
/// after its last segment.
const LAST_CLOSES: Duration = Duration::from_millis(1_500);

/// The reason why tracing ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ending {
    /// By a signal, `--duration`, `--count`, the end of the command, or a key.
    Requested,
    /// Nothing more can be written ([`crate::output::Output::is_over`]).
    OutputOver,
}

/// Handles all inputs until the trace ends.
pub(super) async fn follow(
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
            Instant::now() + Duration::from_nanos((deadline + RECORD_LATENCY).since(host_clock::now()))
        });
        tokio::select! {
            biased;
            signal = signals.next() => match signal {
                signal if command.pass_on(signal) => {}
                Signal::HangUp if options.write.is_some() => service.reloading(reopen(trace, Reopen::ByName)),
                Signal::Interrupt | Signal::Terminate | Signal::HangUp | Signal::Quit => return Ok(Ending::Requested),
            },
            over = trace.pipeline.output.ended() => if over && !command.runs() { return Ok(Ending::OutputOver) },
            () = if_any(end.map(sleep_until)) => return Ok(Ending::Requested),
            () = command.ended() => {
                // Its last events are in the ring by now.
                pass_time(trace);
                end = Some(Instant::now() + LAST_CLOSES);
            }
            () = if_any(notice.map(sleep_until)) => {
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
            () = if_any(deadline.map(sleep_until)) => pass_time(trace),
            snapshot = trace.owners.next() => {
                // Records in the ring are older than the snapshot.
                pass_time(trace);
                let now = host_clock::now();
                let Trace { owners, pipeline, .. } = trace;
                owners.report(&snapshot, pipeline, now);
            }
            // Before the records in the ring: a forgotten translation may be the reason for them.
            forgotten = if_any(trace.conntrack.as_mut().map(Conntrack::next)) => {
                trace.forget_own_translations(&forgotten, &options.filter);
            }
            news = if_any(trace.namespaces.as_mut().map(Namespaces::next)) => {
                trace.follow_namespace(news, &options.filter);
            }
            change = trace.interfaces.next() => follow_interface(trace, change).await,
            ready = ready(&trace.ring, next_drain) => {
                ready?;
                next_drain = drain(trace);
            }
            logged = if_any(trace.program_log.as_mut().map(ProgramLog::forward)) => logged?,
            () = if_any(session.as_deref().map(Session::wake)) => {}
        }
        if trace.pipeline.output.is_due_for_rotation(host_clock::now()) {
            // Rotation continues in the sink's thread and is not awaited.
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

/// Reads the kernel's counters and clocks, and asks for the owners of new sockets.
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
    let Trace { owners, pipeline, namespaces, .. } = trace;
    owners.request_new(pipeline, namespaces.as_ref(), now);
    trace.pipeline.flush();
}

/// Reopens the file of `--write`. The new file begins with a start record, like the first one.
fn reopen(trace: &mut Trace, how: Reopen) -> Option<Reopening> {
    let start = trace.start_record();
    let reopening = trace.pipeline.reopen_file(how, start);
    trace.pipeline.flush();
    reopening
}

/// Attaches to a new interface, or forgets a removed one.
async fn follow_interface(trace: &mut Trace, change: InterfaceChange) {
    // The other end of a veth pair may be in another namespace.
    if let (Some(namespaces), InterfaceChange::Updated(_) | InterfaceChange::Removed(_)) = (&trace.namespaces, &change)
    {
        namespaces.look();
    }
    match change {
        InterfaceChange::Updated(interface) => trace.attach_interface(&interface).await,
        InterfaceChange::Removed(index) => trace.forget_interfaces(|existing| existing != index),
        InterfaceChange::QdiscMade(index) => trace.attachments.qdisc_made(index),
        InterfaceChange::FiltersRemoved { index, qdisc } => trace.restore_filters(index, qdisc).await,
        InterfaceChange::Overrun => match trace.interfaces.list().await {
            Ok(interfaces) => {
                trace.forget_interfaces(|index| interfaces.iter().any(|interface| interface.index == index));
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

/// Awaits a future if there is one; otherwise never resolves.
async fn if_any<T>(future: Option<impl Future<Output = T>>) -> T {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

/// Waits until the ring should be drained: at `next_drain`, or without that when the kernel wakes this thread.
async fn ready(ring: &Ring, next_drain: Option<Instant>) -> std::io::Result<()> {
    match next_drain {
        Some(at) => {
            sleep_until(at).await;
            Ok(())
        }
        None => ring.readable().await,
    }
}
