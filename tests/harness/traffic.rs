//! Clients and servers in processes of their own.

use std::process::{Command, Stdio};

use crate::{lines::Lines, netns::Netns, process::Process, tracer::LIMIT};

/// A process that makes traffic, killed on drop.
pub struct Traffic {
    process: Process,
    lines: Lines<String>,
}

impl Traffic {
    /// Starts one inside `netns`.
    #[track_caller]
    pub fn start(netns: &Netns, command: &mut Command) -> Self {
        let mut process = netns.start(command.stdout(Stdio::piped()));
        let lines = Lines::read(process.stdout(), |line| line);
        Self { process, lines }
    }

    /// Process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Waits until a server is ready.
    #[track_caller]
    pub fn wait_ready(&self) {
        self.lines.wait_until("ready", LIMIT, |lines| lines.iter().any(|line| line == "ready"));
    }

    /// Returns the number of lines that it has written so far.
    pub fn count(&self) -> usize {
        let mut count = 0;
        self.lines.look(|lines| count = lines.len());
        count
    }

    /// Waits until it has ended successfully; returns its lines.
    #[track_caller]
    pub fn finish(mut self) -> Vec<String> {
        let status = self.process.wait(3 * LIMIT);
        let lines = self.lines.finish();
        assert!(status.success(), "{status}: {lines:#?}");
        lines
    }

    /// Ends it; returns its lines.
    #[track_caller]
    pub fn kill(self) -> Vec<String> {
        drop(self.process);
        self.lines.finish()
    }
}
