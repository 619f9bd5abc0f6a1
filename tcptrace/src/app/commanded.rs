//! The traced command, as seen by the main loop: its signals, its end and the exit status.

use std::{
    ffi::OsString,
    io::{self, IsTerminal as _},
    os::{fd::AsFd, unix::process::ExitStatusExt as _},
    process::{ExitCode, ExitStatus},
};

use anyhow::Result;
use log::error;
use nix::unistd::{getpgrp, tcgetpgrp};
use rustix::process::Signal as Number;
use tcptrace_core::filter::Only;

use super::signals::Signal;
use crate::{command::Running, say::say};

/// Exit status if `--fail-on` matched.
const FAILED_ON: u8 = 3;

/// The connections of the command that `--fail-on` chooses.
#[derive(Clone, Copy, Debug)]
pub(super) struct FailedOn {
    /// The words of the option, if it is given.
    pub(super) only: Option<Only>,
    /// Number of the connections.
    pub(super) connections: u64,
}

/// The command of `tcptrace -- COMMAND…`, if there is one.
#[derive(Debug)]
pub(super) struct Commanded {
    running: Option<Running>,
    status: Option<io::Result<ExitStatus>>,
}

impl Commanded {
    /// Prepares a command; `None` if `command` is empty.
    pub(super) fn prepare(command: &[OsString]) -> Result<Self> {
        let running = (!command.is_empty()).then(|| Running::prepare(command.to_vec())).transpose()?;
        Ok(Self { running, status: None })
    }

    /// Returns the ID of the command's control group, if it has one.
    pub(super) fn group(&self) -> Option<u64> {
        self.running.as_ref().and_then(Running::group)
    }

    /// Returns the command, ready to be started.
    pub(super) fn running(&mut self) -> Option<&mut Running> {
        self.running.as_mut()
    }

    /// Returns true if there is a command that has not ended.
    pub(super) fn runs(&self) -> bool {
        self.running.is_some() && self.status.is_none()
    }

    /// Returns true if there was a command and it has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.status.is_some()
    }

    /// Waits for the end of the command; forever if there is none or it has ended.
    pub(super) async fn ended(&mut self) {
        match &mut self.running {
            Some(running) if self.status.is_none() => self.status = Some(running.ended().await),
            _ => std::future::pending().await,
        }
    }

    /// Passes a signal on to the command. Returns true if there is one that runs.
    pub(super) fn pass_on(&self, signal: Signal) -> bool {
        let Some(running) = self.running.as_ref().filter(|_| self.runs()) else { return false };
        let number = match signal {
            Signal::Interrupt => Number::INT,
            Signal::Terminate => Number::TERM,
            Signal::HangUp => Number::HUP,
            Signal::Quit => Number::QUIT,
        };
        // The terminal sends these to the command, too, which is in the same process group.
        if !(matches!(signal, Signal::Interrupt | Signal::Quit) && is_in_foreground()) {
            running.signal(number);
        }
        true
    }

    /// Reports the processes that the command has left behind, and the connections of `--fail-on`. Returns the exit status;
    /// `None` if there was no command.
    pub(super) fn finish(self, failed_on: &FailedOn) -> Option<ExitCode> {
        let left = self.running?.finish();
        if !left.is_empty() {
            let pids: Vec<String> = left.iter().take(10).map(u32::to_string).collect();
            let more = if left.len() > pids.len() { ", …" } else { "" };
            let still = if left.len() == 1 { "still runs and is" } else { "still run and are" };
            say(format_args!(
                "tcptrace: the command has ended, but {} of its processes {still} not traced any more (PID {}{more})",
                left.len(),
                pids.join(", ")
            ));
        }
        let status = match self.status? {
            Ok(status) => status,
            Err(cause) => {
                error!("the exit status of the command is not known: {cause}");
                return Some(ExitCode::FAILURE);
            }
        };
        let own = code(status);
        let FailedOn { only: Some(only), connections: matching @ 1.. } = failed_on else { return Some(own.into()) };
        let (noun, verb) = if *matching == 1 { ("connection", "matches") } else { ("connections", "match") };
        // The reader of the exit status cannot know otherwise, whatever is shown.
        error!("{matching} {noun} {verb} --fail-on {only}; the exit status of the command is {own}");
        Some(FAILED_ON.into())
    }
}

/// Returns the exit status of a process as shells report it: 128 and the number of the signal if one killed it.
fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

/// Returns true if this process belongs to the foreground group of a terminal, whose keys then send signals to the whole
/// group.
fn is_in_foreground() -> bool {
    fn owns(terminal: impl AsFd) -> bool {
        tcgetpgrp(terminal).is_ok_and(|group| group == getpgrp())
    }
    io::stdin().is_terminal() && owns(io::stdin())
        || io::stderr().is_terminal() && owns(io::stderr())
        || io::stdout().is_terminal() && owns(io::stdout())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_counts_from_128() {
        assert_eq!(code(ExitStatus::from_raw(7 << 8)), 7);
        assert_eq!(code(ExitStatus::from_raw(15)), 143);
    }
}
