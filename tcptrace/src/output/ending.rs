//! The end of the output: because its readers have gone, because nothing can be written any more, or as planned.

use std::time::Duration;

use log::error;

use super::Output;
use crate::{
    causes::with_causes,
    otlp::Exporter,
    sink::{Finish, SinkEnd, WriteError},
};

/// The name of stdout in messages.
const STDOUT: &str = "stdout";

impl Output {
    /// Returns true if writing is pointless: the reader of stdout has gone, or nothing more can be written anywhere. If
    /// stdout is /dev/null, as for a service, a failed file is enough.
    pub fn is_over(&self) -> bool {
        let file = self.file_sink().map(|sink| sink.end().is_some());
        match self.stdout.sink.end() {
            Some(SinkEnd::Closed) => true,
            Some(SinkEnd::Failed(_)) => file != Some(false),
            None => file == Some(true) && (self.stdout.discards || self.stdout.sink.discards()),
        }
    }

    /// Waits until a destination ends on its own, and then returns [`Self::is_over`]. An error is logged once and remembered
    /// for the exit status.
    pub async fn ended(&mut self) -> bool {
        let sink = self.file.as_mut().map(|file| &mut file.sink);
        let sink = sink.or(self.recorder.as_mut().map(|recorder| &mut recorder.sink));
        let file = async {
            match sink {
                Some(sink) => sink.ended().await,
                None => std::future::pending().await,
            }
        };
        let end = tokio::select! {
            end = self.stdout.sink.ended() => end,
            end = file => end,
        };
        self.failed |= log_failure(&end);
        self.is_over()
    }

    /// Writes the rest, and gives up a reader that has taken nothing for as long as `idle` ([`Sink::finish`]). With
    /// `--otlp`, it also takes the time of [`Exporter::finish`]. Returns true if everything was written.
    ///
    /// [`Sink::finish`]: crate::sink::Sink::finish
    pub fn finish(self, idle: Duration) -> bool {
        let Self { mut stdout, file, recorder, exporter, failed, .. } = self;
        // The exporter delivers in parallel.
        exporter.iter().for_each(Exporter::close);
        let _counted_already = stdout.flush();
        let mut complete = !failed;
        // The file first: a disk is seldom slow, while a reader that has stopped uses up its time.
        if let Some(file) = file {
            complete &= is_complete(file.finish(idle), "the file", failed);
        }
        if let Some(mut recorder) = recorder {
            let _counted_already = recorder.end_block();
            complete &= is_complete(recorder.sink.finish(idle), "the file", failed);
        }
        complete &= is_complete(stdout.finish(idle), STDOUT, failed);
        exporter.is_none_or(Exporter::finish) && complete
    }
}

/// Returns true if a destination counts as complete, and logs why if not. A reader that has gone is no failure; one that has
/// stopped reading misses records, which is logged. `logged`: the failure has been logged before.
fn is_complete(finish: Finish, name: &str, logged: bool) -> bool {
    match finish {
        Finish::Flushed | Finish::Ended(SinkEnd::Closed) => true,
        Finish::Ended(end) if !logged => !log_failure(&end),
        Finish::Ended(SinkEnd::Failed(_)) => false,
        Finish::GivenUp { bytes } => {
            error!("{name} did not take the last {bytes} bytes in time: they are missing, including the end record");
            // The user who stopped the trace knows whether stdout is still read; nobody watches a file.
            name == STDOUT
        }
    }
}

/// Logs the failure of a sink. Returns true if it was one.
fn log_failure(end: &SinkEnd) -> bool {
    match end {
        SinkEnd::Closed => false,
        SinkEnd::Failed(error) => {
            // The writer logged this when it began.
            if !matches!(**error, WriteError::Full { .. }) {
                error!("{}", with_causes(&**error));
            }
            true
        }
    }
}
