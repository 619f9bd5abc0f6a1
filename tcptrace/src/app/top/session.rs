//! A user at the terminal: keys in, screens out, at most ten a second, and only when something has changed.

use std::{
    fs::File,
    io,
    os::fd::OwnedFd,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc::RecvTimeoutError},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Signal, getpid, kill_process};

use super::{
    file::Files,
    keys::{Input, Inputs},
    messages, picture,
    terminal::Taken,
};
use crate::{
    app::stdout_format,
    cli::Options,
    host_clock::{self, nanoseconds},
    pipeline::Pipeline,
};
use tcptrace_core::{
    event::BootTime,
    output_record::OutputRecord,
    render::{
        Drawing, Json, Render,
        top::{Action, Id, MOST, Top, View},
    },
    text::WallTime,
};

/// Time between two screens if a key has changed what is shown.
const KEYS: Duration = Duration::from_millis(100);

/// Time between two screens if connections have changed: nobody reads faster, and each screen costs processor time.
const NEWS: Duration = Duration::from_millis(250);

/// Time between two screens if only ages have changed.
const AGES: Duration = Duration::from_secs(1);

/// The sink of records, which fills the list.
#[derive(Debug)]
struct Holder(Arc<Mutex<Top>>);

impl Render for Holder {
    fn render(&mut self, record: &OutputRecord, _: &mut Vec<u8>) {
        lock(&self.0).apply(record);
    }
}

fn lock(top: &Mutex<Top>) -> MutexGuard<'_, Top> {
    top.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A user at the terminal.
#[derive(Debug)]
pub(in crate::app) struct Session {
    top: Arc<Mutex<Top>>,
    view: View,
    drawing: Drawing,
    files: Files,
    /// Takes the place of stdout, which is used for screens.
    nothing: OwnedFd,
    user: Option<(Taken, Inputs)>,
    /// Time at which a screen was last due, and the version that the last one shows, if there was any.
    drawn: Option<(BootTime, Option<u64>)>,
    /// True if a key or a resize has changed what is shown.
    changed: bool,
    /// True if the user has quit.
    over: bool,
    /// True if the terminal is wanted back for a while.
    suspended: bool,
    /// The current activity, in a word.
    activity: &'static str,
}

impl Session {
    /// Prepares everything that needs rights. The terminal is not touched yet.
    ///
    /// # Errors
    /// When the current folder cannot be opened, or a thread cannot be started.
    pub(in crate::app) fn new(options: &Options) -> Result<Self> {
        Ok(Self {
            top: Arc::new(Mutex::new(Top::new(MOST, nanoseconds(options.slow)))),
            view: View::new(options.only.unwrap_or_default()),
            drawing: stdout_format::drawing(options),
            files: Files::start()?,
            nothing: File::options().write(true).open("/dev/null").context("cannot open /dev/null")?.into(),
            user: None,
            drawn: None,
            changed: true,
            over: false,
            suspended: false,
            activity: "",
        })
    }

    /// Returns a renderer for the pipeline, which fills the list.
    pub(in crate::app) fn sink(&self) -> Box<dyn Render> {
        Box::new(Holder(Arc::clone(&self.top)))
    }

    /// Returns a descriptor of /dev/null, which may no longer be opened when it is needed.
    ///
    /// # Errors
    /// When the kernel refuses a further descriptor.
    pub(in crate::app) fn nothing(&self) -> io::Result<OwnedFd> {
        self.nothing.try_clone()
    }

    /// Takes over the terminal. With `signals`, those that end the program end the session.
    ///
    /// # Errors
    /// When the terminal refuses it, or a thread cannot be started.
    pub(in crate::app) fn open(&mut self, signals: bool) -> Result<()> {
        let taken = Taken::take().context("cannot draw on this terminal")?;
        let inputs = Inputs::listen(signals).context("cannot start a thread to read keys")?;
        self.user = Some((taken, inputs));
        Ok(())
    }

    /// Restores the terminal.
    pub(in crate::app) fn close(&mut self) {
        self.user = None;
    }

    /// Sets the current activity, in a word; empty for none.
    pub(in crate::app) fn set_activity(&mut self, activity: &'static str) {
        self.changed |= self.activity != activity;
        self.activity = activity;
    }

    /// Waits for a key, or until a screen is due. Cancel safe.
    pub(in crate::app) async fn wake(&self) {
        let Some((_, inputs)) = &self.user else { return std::future::pending().await };
        tokio::select! {
            () = inputs.bell.notified() => {}
            () = tokio::time::sleep(self.pause()) => {}
        }
    }

    /// Waits for a key, or until a screen is due, but no longer than `most`.
    pub(in crate::app) fn wait(&mut self, most: Duration) {
        let pause = self.pause().min(most);
        let Some((_, inputs)) = &self.user else { return };
        match inputs.inputs.recv_timeout(pause) {
            Ok(input) => self.take(input),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => self.over = true,
        }
    }

    /// Returns the time until the next screen.
    fn pause(&self) -> Duration {
        let Some((at, version)) = self.drawn else { return Duration::ZERO };
        let interval = match Some(lock(&self.top).version()) != version {
            _ if self.changed => KEYS,
            true => NEWS,
            false => AGES,
        };
        interval.saturating_sub(Duration::from_nanos(host_clock::now().since(at)))
    }

    fn take(&mut self, input: Input) {
        self.changed = true;
        let key = match input {
            Input::Key(key) => key,
            Input::Resized => return,
            Input::Suspend => {
                self.suspended = true;
                return;
            }
        };
        match self.view.press(key) {
            Action::Stay => {}
            Action::Quit => self.over = true,
            Action::Write(ids) => self.write(&ids),
        }
    }

    /// Writes the verdicts of these connections to a new file.
    fn write(&mut self, ids: &[Id]) {
        let mut lines = Vec::new();
        let mut records = 0;
        lock(&self.top).verdicts(ids, &mut |record| {
            records += 1;
            Json.render(record, &mut lines);
        });
        let said = if records == 0 {
            "nothing to write: there is no verdict yet".to_owned()
        } else {
            match self.files.write(lines) {
                Ok(name) => format!("wrote {records} records to {name}"),
                Err(error) => format!("not written: {error:#}"),
            }
        };
        self.view.say(said);
    }

    /// Restores the terminal, stops this process, and takes the terminal over again when it is continued.
    fn suspend(&mut self) -> Result<()> {
        let Some((taken, inputs)) = self.user.take() else { return Ok(()) };
        drop(taken);
        // SIGTSTP, for which there is a handler, would not stop it.
        kill_process(getpid(), Signal::STOP).context("this process cannot be stopped")?;
        self.user = Some((Taken::take().context("cannot draw on this terminal any more")?, inputs));
        self.drawn = None;
        self.changed = true;
        Ok(())
    }

    /// Handles the keys typed, and draws a screen if one is due. Returns true if the user has quit.
    ///
    /// # Errors
    /// When the terminal cannot be written to.
    pub(in crate::app) fn turn(&mut self, pipeline: &Pipeline, now: Option<WallTime>) -> Result<bool> {
        while let Some(input) = self.user.as_ref().and_then(|(_, inputs)| inputs.inputs.try_recv().ok()) {
            self.take(input);
        }
        if std::mem::take(&mut self.suspended) {
            self.suspend()?;
        }
        if self.over || !self.pause().is_zero() {
            return Ok(self.over);
        }
        let Some((taken, _)) = &mut self.user else { return Ok(self.over) };
        if !taken.is_taken() {
            bail!("a part of the program has failed, see above");
        }
        if !taken.is_ready() {
            // The next screen shows the changes until then.
            let version = self.drawn.and_then(|(_, version)| version);
            self.drawn = Some((host_clock::now(), version));
            return Ok(false);
        }
        let top = lock(&self.top);
        let version = Some(top.version());
        let ages = now.is_some() || self.changed || self.drawn.is_none_or(|(_, drawn)| drawn != version);
        if ages {
            let message = messages::last().unwrap_or_default();
            let facts = picture::Facts {
                now: now.unwrap_or_else(|| top.last()),
                lost: pipeline.counts().1,
                activity: self.activity,
                message: &message,
            };
            let Self { view, drawing, .. } = self;
            taken
                .terminal
                .draw(|frame| picture::draw(frame.buffer_mut(), &top, view, *drawing, facts))
                .context("cannot draw on this terminal any more")?;
        }
        self.drawn = Some((host_clock::now(), version));
        self.changed = false;
        Ok(false)
    }
}
