//! Progress of reading a large file: a line on stderr, if that is a terminal.

use std::time::Duration;

use std::io::{self, IsTerminal as _};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use tcptrace_core::event::BootTime;

use crate::host_clock;

/// Time after which the line is shown.
const SHOW_AFTER: Duration = Duration::from_secs(1);

/// Number of batches of records between two reads of the clock.
const CLOCK_INTERVAL: u32 = 8;

const OF_SIZE: &str = "tcptrace: reading {msg}: {percent} %, {binary_bytes} of {binary_total_bytes}, {eta} left";
const OF_PIPE: &str = "tcptrace: reading {msg}: {binary_bytes}";

/// The progress line: it appears after a second and is cleared at the end.
#[derive(Debug)]
pub(super) struct Progress {
    /// Name of the input, as shown.
    name: String,
    /// Size of the input in bytes, if known.
    size: Option<u64>,
    began: BootTime,
    batches: u32,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// No line is shown.
    Silent,
    /// The line is not shown yet.
    Early,
    /// The line is shown.
    Shown(ProgressBar),
}

impl Progress {
    /// Starts the clock. The line is shown only if `wanted`, stderr is a terminal, and stdout, with the output, is not.
    pub(super) fn new(name: &str, size: Option<u64>, wanted: bool) -> Self {
        let watched = wanted && io::stderr().is_terminal() && !io::stdout().is_terminal();
        let began = host_clock::now();
        let stage = if watched { Stage::Early } else { Stage::Silent };
        Self { name: name.to_owned(), size, began, batches: 0, stage }
    }

    /// Updates the line after a batch of records: `bytes` have been read in all.
    pub(super) fn has_read(&mut self, bytes: u64) {
        self.batches = self.batches.wrapping_add(1);
        if !self.batches.is_multiple_of(CLOCK_INTERVAL) || matches!(self.stage, Stage::Silent) {
            return;
        }
        if matches!(self.stage, Stage::Early) && host_clock::now() > self.began + SHOW_AFTER {
            self.stage = Stage::Shown(self.line());
        }
        if let Stage::Shown(line) = &self.stage {
            line.set_position(bytes);
        }
    }

    /// Clears the line.
    pub(super) fn finish(&mut self) {
        if let Stage::Shown(line) = &self.stage {
            line.finish_and_clear();
        }
        self.stage = Stage::Silent;
    }

    fn line(&self) -> ProgressBar {
        let line = ProgressBar::with_draw_target(self.size, ProgressDrawTarget::stderr());
        let template = if self.size.is_some() { OF_SIZE } else { OF_PIPE };
        // The templates are valid; the default style would do no harm.
        line.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        line.with_message(self.name.clone())
    }
}
