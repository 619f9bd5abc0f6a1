//! Delivery of the queue, on a thread of its own: failures are retried, and only this thread waits.

mod answer;
mod notices;

use std::{io::Write as _, sync::Arc, time::Duration};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use hyper::StatusCode;
use log::debug;
use tcptrace_core::text::Escaped;
use tokio::time::{Instant, sleep, sleep_until};

use self::{answer::partial_success, notices::Notices};
use super::{
    backoff::Backoff,
    client::{Answer, Client},
    envelope::request,
    measurements::{self, Period},
    queue::{Batch, Items, Queue, Task},
    settings::{Histograms, Settings},
};
use crate::{causes::with_causes, host_clock, host_clock::nanoseconds};

/// Number of attempts for the rest at the end of a live trace, and the pause between them. The trace waits two seconds at
/// most.
const LAST_ATTEMPTS: u32 = 4;
const LAST_PAUSE: Duration = Duration::from_millis(250);

/// Time without success after which the delivery of a recording is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Maximum length of a collector's sentence in messages, in bytes.
const MAX_SENTENCE: usize = 200;

/// Origin of the exported events.
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
    gzip: bool,
    /// Time between two exports of metrics.
    interval: Duration,
    histograms: Histograms,
    notices: Notices,
}

/// Consequence of an answer for a batch.
#[derive(Debug)]
enum Verdict {
    /// No further attempt is needed.
    Settled,
    /// The collector may accept it later.
    Later(StatusCode, Option<Duration>),
}

impl Delivery {
    pub(super) fn new(client: Client, queue: Arc<Queue>, source: Source, url: String, settings: &Settings) -> Self {
        let &Settings { gzip, interval, histograms, .. } = settings;
        Self { client, queue, source, gzip, interval, histograms, notices: Notices::new(url) }
    }

    /// Delivers until the queue is finished and empty, or nothing more can be delivered.
    pub(super) async fn run(mut self) {
        let mut measured = Instant::now();
        loop {
            let now = Instant::now();
            // At the end of a run, they are sent with its other records.
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
            self.queue.push_metrics(measurements::encode(&run.metrics, period, true, self.histograms));
        }
    }

    /// Delivers a batch, or settles that it cannot be delivered. Returns false to give up.
    async fn deliver(&mut self, batch: &Batch) -> bool {
        let body = self.body(batch);
        let (mut backoff, began, mut last_attempts) = (Backoff::default(), Instant::now(), 0);
        loop {
            let finishing = self.queue.is_finishing();
            let (why, after) = match self.client.send(batch.signal, body.clone()).await {
                Ok(answer) => match self.judge(batch, &answer) {
                    Verdict::Settled => {
                        self.notices.recovered(&self.queue);
                        return true;
                    }
                    Verdict::Later(status, after) => (format!("it answers {status}"), after),
                },
                Err(error) => (with_causes(&error), None),
            };
            self.notices.failed(&why, &self.queue);
            // With no time to wait, it would be sent again at once, without end.
            let after = after.filter(|after| !after.is_zero());
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
        // Writing to memory cannot fail.
        let compressed = encoder.write_all(&request).and_then(|()| encoder.finish());
        compressed.unwrap_or_default().into()
    }

    /// Waits for `pause`, or with `can_be_cut` only until the end of the trace.
    async fn pause(&mut self, pause: Duration, can_be_cut: bool) {
        let was_finishing = self.queue.is_finishing();
        let over = sleep(pause);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => return,
                () = self.queue.changed() => {
                    self.notices.dropped(&self.queue);
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
                        self.notices.fault(format_args!("answers with something that is not OTLP: is it a collector?"));
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
                self.notices.fault(format_args!(
                    "refuses what is exported, with status {status}: check the URL and OTEL_EXPORTER_OTLP_HEADERS"
                ));
                self.queue.settle(|outcomes| outcomes.rejected += all);
                Verdict::Settled
            }
        }
    }

    /// Notes that the collector has accepted a batch, except `rejected` of its items.
    fn taken(&mut self, batch: &Batch, rejected: u64, sentence: &str) {
        // For metrics, points are rejected, but exports are counted.
        let rejected = rejected.min(batch.count);
        let (rejected, delivered) =
            (Items::of(batch.signal, rejected), Items::of(batch.signal, batch.count - rejected));
        let sentence = sentence.get(..sentence.floor_char_boundary(MAX_SENTENCE)).unwrap_or_default();
        let sentence = Escaped(sentence.as_bytes());
        if !rejected.is_empty() {
            self.notices.fault(format_args!("rejects some of what is exported: {sentence}"));
        } else if !sentence.0.is_empty() {
            self.notices.fault(format_args!("warns: {sentence}"));
        }
        self.queue.settle(|outcomes| {
            outcomes.rejected += rejected;
            outcomes.delivered += delivered;
        });
    }
}

async fn until_or_never(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}
