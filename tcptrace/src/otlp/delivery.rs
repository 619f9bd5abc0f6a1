//! Delivers what is in the queue, on a thread of its own: a failure is followed by another attempt, and only this thread waits.

use std::{io::Write as _, sync::Arc, time::Duration};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use hyper::StatusCode;
use log::{debug, warn};
use opentelemetry_proto::tonic::collector::{
    logs::v1::ExportLogsServiceResponse, metrics::v1::ExportMetricsServiceResponse,
    trace::v1::ExportTraceServiceResponse,
};
use prost::{DecodeError, Message as _};
use tcptrace_core::text::Escaped;
use tokio::time::{Instant, sleep, sleep_until};

use super::{
    backoff::Backoff,
    client::{Answer, Client},
    endpoint::Signal,
    envelope::request,
    measurements::{self, Period},
    queue::{Batch, Items, Queue, Task},
};
use crate::{causes::with_causes, host_clock, host_clock::nanoseconds};

/// Attempts for what is left at the end of a live trace, and the pause between them. The trace waits two seconds at most.
const LAST_ATTEMPTS: u32 = 4;
const LAST_PAUSE: Duration = Duration::from_millis(250);

/// Time without success after which a recording is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Time for which failures of a collector that fails now and then are not told again.
const QUIET: Duration = Duration::from_secs(60);

/// Longest sentence of a collector that is shown, in bytes.
const MAX_SENTENCE: usize = 200;

/// Origin of the events that are exported.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Source {
    /// A live trace, which must not wait.
    Live,
    /// A file.
    Recording,
}

/// The thread that delivers.
#[derive(Debug)]
pub(super) struct Delivery {
    client: Client,
    queue: Arc<Queue>,
    source: Source,
    url: String,
    gzip: bool,
    /// Time between two exports of metrics.
    interval: Duration,
    /// The collector does not take anything.
    failing: bool,
    /// The user knows that.
    told_failing: bool,
    /// When the user was last told so.
    last_told: Option<Instant>,
    /// The user knows that items were dropped, since the last success.
    told_dropped: bool,
    /// Items dropped until then.
    dropped_before: Items,
    /// Faults that the user knows of.
    told: Vec<String>,
}

/// Consequence of an answer for a batch.
#[derive(Debug)]
enum Verdict {
    /// It needs no other attempt.
    Settled,
    /// It may be taken later.
    Later(StatusCode, Option<Duration>),
}

impl Delivery {
    pub(super) fn new(
        client: Client,
        queue: Arc<Queue>,
        source: Source,
        url: String,
        gzip: bool,
        interval: Duration,
    ) -> Self {
        Self {
            client,
            queue,
            source,
            url,
            gzip,
            interval,
            failing: false,
            told_failing: false,
            last_told: None,
            told_dropped: false,
            dropped_before: Items::default(),
            told: Vec::new(),
        }
    }

    /// Delivers until the queue is finished and empty, or nothing more can be delivered.
    pub(super) async fn run(mut self) {
        let mut measured = Instant::now();
        loop {
            let now = Instant::now();
            // At the end of a run, they come with its other records.
            let due = (self.source == Source::Live).then(|| measured + self.interval);
            if due.is_some_and(|due| due <= now) {
                measured = now;
                self.measure();
            }
            match self.queue.next(now) {
                Task::Deliver(batch) => {
                    if !self.deliver(&batch).await {
                        break;
                    }
                }
                Task::Wait(until) => {
                    let until = [until, due].into_iter().flatten().min();
                    tokio::select! {
                        () = self.queue.changed() => {}
                        () = until_or_never(until) => {}
                    }
                }
                Task::Over => break,
            }
        }
        self.queue.end();
    }

    fn measure(&self) {
        if let Some(run) = self.queue.run() {
            let period = Period { began: run.began, now: nanoseconds(host_clock::since_epoch()) };
            self.queue.push_metrics(measurements::encode(&run.metrics, period, true));
        }
    }

    /// Delivers a batch, or settles that it cannot be. Returns false to give up.
    async fn deliver(&mut self, batch: &Batch) -> bool {
        let body = self.body(batch);
        let (mut backoff, began, mut last_attempts) = (Backoff::default(), Instant::now(), 0);
        loop {
            let finishing = self.queue.is_finishing();
            let (why, after) = match self.client.send(batch.signal, body.clone()).await {
                Ok(answer) => match self.judge(batch, &answer) {
                    Verdict::Settled => {
                        self.recovered();
                        return true;
                    }
                    Verdict::Later(status, after) => (format!("it answers {status}"), after),
                },
                Err(error) => (with_causes(&error), None),
            };
            self.failed(&why);
            let pause = match self.source {
                Source::Live if finishing => {
                    last_attempts += 1;
                    if last_attempts >= LAST_ATTEMPTS {
                        return false;
                    }
                    after.unwrap_or(LAST_PAUSE)
                }
                Source::Live => after.unwrap_or_else(|| backoff.next_pause()),
                Source::Recording => {
                    let pause = after.unwrap_or_else(|| backoff.next_pause());
                    if began.elapsed() + pause > PATIENCE {
                        return false;
                    }
                    pause
                }
            };
            self.pause(pause, after.is_none()).await;
        }
    }

    fn body(&self, batch: &Batch) -> Bytes {
        let request = request(&batch.resource, &batch.items);
        if !self.gzip {
            return request.into();
        }
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        // Writing to memory does not fail.
        let compressed = encoder.write_all(&request).and_then(|()| encoder.finish());
        compressed.unwrap_or_default().into()
    }

    /// Waits, or until the end of the trace if `can_be_cut`.
    async fn pause(&mut self, pause: Duration, can_be_cut: bool) {
        let was_finishing = self.queue.is_finishing();
        let over = sleep(pause);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => return,
                () = self.queue.changed() => {
                    self.tell_dropped();
                    if can_be_cut && !was_finishing && self.queue.is_finishing() {
                        return;
                    }
                }
            }
        }
    }

    fn judge(&mut self, batch: &Batch, answer: &Answer) -> Verdict {
        let Answer { status, retry_after, body } = answer;
        let all = batch.counted();
        match *status {
            status if status.is_success() => {
                match partial_success(batch.signal, body) {
                    Ok((rejected, sentence)) => self.taken(batch, rejected, &sentence),
                    Err(error) => {
                        debug!("the answer cannot be decoded: {error}");
                        self.tell(format!("{} answers with something that is not OTLP: is it a collector?", self.url));
                        self.queue.settle(|outcomes| outcomes.unclear += all);
                    }
                }
                Verdict::Settled
            }
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Verdict::Later(*status, *retry_after),
            status => {
                self.tell(format!(
                    "{} refuses what is exported, with status {status}: check the URL and OTEL_EXPORTER_OTLP_HEADERS",
                    self.url
                ));
                self.queue.settle(|outcomes| outcomes.rejected += all);
                Verdict::Settled
            }
        }
    }

    /// The collector has taken a batch, apart from `rejected` of its items.
    fn taken(&mut self, batch: &Batch, rejected: u64, sentence: &str) {
        // Of metrics, points are rejected, and exports counted.
        let rejected = rejected.min(batch.count);
        let (rejected, delivered) =
            (Items::of(batch.signal, rejected), Items::of(batch.signal, batch.count - rejected));
        let sentence = sentence.get(..sentence.floor_char_boundary(MAX_SENTENCE)).unwrap_or_default();
        let sentence = Escaped(sentence.as_bytes());
        if !rejected.is_empty() {
            self.tell(format!("{} rejects some of what is exported: {sentence}", self.url));
        } else if !sentence.0.is_empty() {
            self.tell(format!("{} warns: {sentence}", self.url));
        }
        self.queue.settle(|outcomes| {
            outcomes.rejected += rejected;
            outcomes.delivered += delivered;
        });
    }

    /// Tells a fault once.
    fn tell(&mut self, fault: String) {
        // Sentences of a collector may differ each time.
        if self.told.len() < 8 && !self.told.contains(&fault) {
            warn!("{fault}");
            self.told.push(fault);
        }
    }

    fn failed(&mut self, why: &str) {
        let first = !std::mem::replace(&mut self.failing, true);
        if first && self.last_told.is_none_or(|told| told.elapsed() >= QUIET) {
            self.last_told = Some(Instant::now());
            self.told_failing = true;
            warn!("nothing is exported to {} for now: {why}; it is tried again", self.url);
        } else {
            debug!("{}: {why}", self.url);
        }
        self.tell_dropped();
    }

    fn tell_dropped(&mut self) {
        if !self.told_dropped && self.queue.dropped() != self.dropped_before {
            self.told_dropped = true;
            warn!("{} has not taken anything for too long: the oldest of what is to be exported is dropped", self.url);
        }
    }

    fn recovered(&mut self) {
        self.failing = false;
        let (told_failing, told_dropped) = (&mut self.told_failing, &mut self.told_dropped);
        if std::mem::take(told_failing) | std::mem::take(told_dropped) {
            self.dropped_before = self.queue.dropped();
            warn!("{} takes what is exported again; dropped so far: {}", self.url, self.dropped_before);
        }
    }
}

async fn until_or_never(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}

/// The number of items that an answer rejects, and the collector's sentence about it. No body is an empty message.
fn partial_success(signal: Signal, body: &[u8]) -> Result<(u64, String), DecodeError> {
    let partial = match signal {
        Signal::Traces => {
            let partial = ExportTraceServiceResponse::decode(body)?.partial_success;
            partial.map(|partial| (partial.rejected_spans, partial.error_message))
        }
        Signal::Logs => {
            let partial = ExportLogsServiceResponse::decode(body)?.partial_success;
            partial.map(|partial| (partial.rejected_log_records, partial.error_message))
        }
        Signal::Metrics => {
            let partial = ExportMetricsServiceResponse::decode(body)?.partial_success;
            partial.map(|partial| (partial.rejected_data_points, partial.error_message))
        }
    };
    let (rejected, sentence) = partial.unwrap_or_default();
    Ok((u64::try_from(rejected).unwrap_or(0), sentence))
}
