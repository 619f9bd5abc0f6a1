//! `--otlp`: handshakes and connections as spans, failures and stalls as log records, and the metrics of `--metrics`, for a
//! collector that takes OTLP over HTTP (<https://opentelemetry.io/docs/specs/otlp/>).
//!
//! The tracing thread encodes items into a queue of limited size and never waits for the collector. A thread of its own puts
//! them into requests and delivers these, with as many attempts as needed.

mod attributes;
mod backoff;
mod client;
mod delivery;
mod encoder;
mod endpoint;
mod envelope;
mod ids;
mod keys;
mod logs;
mod measurements;
mod own_connections;
mod queue;
mod settings;
mod spans;
mod target;

use std::{
    borrow::Cow,
    io,
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use log::warn;
use thiserror::Error;
use tokio::runtime;

use self::{
    client::Client,
    delivery::Delivery,
    encoder::Encoder,
    own_connections::OwnConnections,
    queue::{BUDGET, Outcomes, Queue},
};
pub use self::{
    delivery::Source,
    endpoint::{Endpoint, EndpointError},
    settings::SettingError,
    target::{Target, TargetError},
};
use crate::privileges::{Duty, reduce};
use tcptrace_core::{correlate::Totals, filter::Emit, output_record::OutputRecord, render::Selection};

/// Time for which a live trace waits at its end for the delivery of the rest.
const LAST_WAIT: Duration = Duration::from_secs(2);

/// The thread that delivers cannot be started.
#[derive(Debug, Error)]
#[error("cannot start a thread for --otlp; raise the limit on processes (ulimit -u)")]
pub struct StartError(#[from] io::Error);

/// Exports records to a collector.
pub struct Exporter {
    encoder: Encoder,
    /// Chooses connections; none for all of them.
    selection: Option<Selection>,
    queue: Arc<Queue>,
    source: Source,
    url: String,
    /// Disconnected when the thread has ended.
    running: mpsc::Receiver<()>,
}

impl std::fmt::Debug for Exporter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exporter").field("url", &self.url).field("queue", &self.queue).finish_non_exhaustive()
    }
}

impl Exporter {
    /// Starts the thread that delivers to `target`.
    ///
    /// # Errors
    /// When the kernel refuses a thread.
    pub fn start(target: Target, source: Source, selection: Option<Selection>) -> Result<Self, StartError> {
        let (queue, own) = (Arc::new(Queue::new(BUDGET)), OwnConnections::default());
        let url = target.endpoint.to_string();
        let (settings, port) = (target.settings.clone(), target.endpoint.port);
        let encoder = Encoder::new(Arc::clone(&queue), own.clone(), source, &settings);
        let client = Client::new(target, own);
        let delivery = Delivery::new(client, Arc::clone(&queue), source, url.clone(), &settings);
        let runtime = runtime::Builder::new_current_thread().enable_all().thread_name("otlp-lookup").build()?;
        let (alive, running) = mpsc::channel();
        let run = move || {
            let _alive: mpsc::Sender<()> = alive;
            reduce(Duty::Export { port });
            runtime.block_on(delivery.run());
            // A lookup of the collector's name may take longer.
            runtime.shutdown_background();
        };
        thread::Builder::new().name("otlp".to_owned()).spawn(run)?;
        Ok(Self { encoder, selection, queue, source, url, running })
    }

    /// Returns the types of records that are needed, apart from those that are always written.
    pub fn needs(&self) -> Emit {
        match &self.selection {
            Some(selection) if selection.is_scoped() => Emit::ALL,
            _ => Emit::HANDSHAKE.with(Emit::CLOSE).with(Emit::STALLED),
        }
    }

    /// Exports a record. Live, it never waits. `in_scope`: the record proves its connection to be the command's.
    pub fn write(&mut self, record: &OutputRecord, in_scope: bool) {
        if !self.needs().contains(record.emit()) {
            return;
        }
        if self.source == Source::Recording {
            self.queue.wait_for_room();
        }
        match &mut self.selection {
            Some(selection) => {
                selection.offer(Cow::Borrowed(record), in_scope, &mut |record| self.encoder.encode(record));
            }
            None => self.encoder.encode(record),
        }
    }

    /// Notes the number of open connections.
    pub fn note(&self, totals: Totals) {
        self.encoder.note(totals);
    }

    /// Begins to deliver the rest: no more records come.
    pub fn close(&self) {
        self.queue.finish();
    }

    /// Waits until everything is delivered, live two seconds at most, and logs what was not. Returns true if it is complete;
    /// a live trace always counts as complete, since its other outputs may be.
    pub fn finish(self) -> bool {
        self.close();
        let _ended_or_timed_out = match self.source {
            Source::Live => self.running.recv_timeout(LAST_WAIT).is_err(),
            Source::Recording => self.running.recv().is_err(),
        };
        let outcomes = self.queue.outcomes();
        let faults = faults(&outcomes);
        let delivered = outcomes.delivered;
        if faults.is_empty() {
            log::debug!("exported to {}: {delivered}", self.url);
        } else {
            warn!("exported to {}: {delivered}; {}", self.url, faults.join("; "));
        }
        faults.is_empty() || self.source == Source::Live
    }
}

/// Returns the outcomes of items that were not delivered, in words.
fn faults(outcomes: &Outcomes) -> Vec<String> {
    let Outcomes { unclear, rejected, dropped, left, .. } = outcomes;
    [
        (unclear, "sent and not answered as a collector does"),
        (rejected, "rejected by the collector"),
        (dropped, "dropped to make room for later ones"),
        (left, "not delivered in time"),
    ]
    .into_iter()
    .filter(|(items, _)| !items.is_empty())
    .map(|(items, words)| format!("{items} {words}"))
    .collect()
}
