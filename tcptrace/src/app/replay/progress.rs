//! How far a long read has come, on stderr, for somebody who waits at a terminal.

use std::io::{self, IsTerminal as _};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use tcptrace_core::event::BootTime;

use crate::host_clock;

/// A read that takes less is not worth a word, in nanoseconds.
const SOON: u64 = 1_000_000_000;

/// Records between two looks at the clock.
const LOOK: u32 = 1024;

const OF_SIZE: &str = "tcptrace: reading {msg}: {percent} %, {binary_bytes} of {binary_total_bytes}, {eta} left";
const OF_PIPE: &str = "tcptrace: reading {msg}: {binary_bytes}";

/// A line that comes after a second, and goes at the end.
#[derive(Debug)]
pub(super) struct Progress {
    /// What is read, as it is shown.
    name: String,
    /// Bytes in all, where that is known.
    size: Option<u64>,
    began: BootTime,
    records: u32,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Nobody watches.
    Silent,
    /// It may be over soon.
    Early,
    /// The line is there.
    Shown(ProgressBar),
}

impl Progress {
    /// Nothing is shown unless it is `wanted` and stderr is a terminal, nor where the output itself runs over a terminal.
    pub(super) fn new(name: &str, size: Option<u64>, wanted: bool) -> Self {
        let watched = wanted && io::stderr().is_terminal() && !io::stdout().is_terminal();
        let began = host_clock::now();
        let stage = if watched { Stage::Early } else { Stage::Silent };
        Self { name: name.to_owned(), size, began, records: 0, stage }
    }

    /// So many bytes have been read.
    pub(super) fn has_read(&mut self, bytes: u64) {
        self.records = self.records.wrapping_add(1);
        if !self.records.is_multiple_of(LOOK) || matches!(self.stage, Stage::Silent) {
            return;
        }
        if matches!(self.stage, Stage::Early) && host_clock::now().since(self.began) > SOON {
            self.stage = Stage::Shown(self.line());
        }
        if let Stage::Shown(line) = &self.stage {
            line.set_position(bytes);
        }
    }

    /// Takes the line away.
    pub(super) fn finish(&mut self) {
        if let Stage::Shown(line) = &self.stage {
            line.finish_and_clear();
        }
        self.stage = Stage::Silent;
    }

    fn line(&self) -> ProgressBar {
        let line = ProgressBar::with_draw_target(self.size, ProgressDrawTarget::stderr());
        let template = if self.size.is_some() { OF_SIZE } else { OF_PIPE };
        // The templates above are right, and another style would do no harm.
        line.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        line.with_message(self.name.clone())
    }
}
