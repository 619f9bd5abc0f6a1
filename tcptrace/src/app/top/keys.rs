//! Keys, read on a thread of their own.

use std::{
    io,
    sync::{
        Arc,
        mpsc::{self, Receiver, SyncSender},
    },
    thread,
};

use ratatui_crossterm::crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, read};
use rustix::process::Signal;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::Notify,
};

use crate::{
    app::signals::Signals,
    privileges::{Duty, reduce},
};
use tcptrace_core::render::top::Key;

/// Maximum number of keys that wait to be handled.
const WAITING: usize = 64;

/// Input from the terminal or by a signal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Input {
    /// A key.
    Key(Key),
    /// The terminal has been resized.
    Resized,
    /// The user wants the terminal back for a while (SIGTSTP).
    Suspend,
}

/// The keys, and a notification of each.
#[derive(Debug)]
pub(super) struct Inputs {
    pub(super) inputs: Receiver<Input>,
    pub(super) bell: Arc<Notify>,
}

impl Inputs {
    /// Listens to the terminal and to SIGTSTP. With `signals`, those that end the program count as [`Key::Interrupt`].
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub(super) fn listen(signals: bool) -> io::Result<Self> {
        let (sender, inputs) = mpsc::sync_channel(WAITING);
        let bell = Arc::new(Notify::new());
        let sender = InputSender { sender, bell: Arc::clone(&bell) };
        let signal_sender = sender.clone();
        thread::Builder::new().name("signals".to_owned()).spawn(move || wait_for_signals(&signal_sender, signals))?;
        thread::Builder::new().name("keys".to_owned()).spawn(move || read_keys(&sender))?;
        Ok(Self { inputs, bell })
    }
}

#[derive(Clone, Debug)]
struct InputSender {
    sender: SyncSender<Input>,
    bell: Arc<Notify>,
}

impl InputSender {
    /// Sends an input; returns false if the session has ended.
    fn send(&self, input: Input) -> bool {
        let sent = self.sender.send(input).is_ok();
        self.bell.notify_one();
        sent
    }
}

fn read_keys(sender: &InputSender) {
    reduce(Duty::Stream);
    loop {
        let input = match read() {
            Ok(Event::Key(key)) if key.kind != KeyEventKind::Release => of_key(key),
            Ok(Event::Resize(..)) => Some(Input::Resized),
            Ok(_) => None,
            // The terminal is gone.
            Err(_) => {
                sender.send(Input::Key(Key::Interrupt));
                return;
            }
        };
        if input.is_some_and(|input| !sender.send(input)) {
            return;
        }
    }
}

/// Passes on SIGTSTP and, with `ending`, the signals that end the program.
fn wait_for_signals(sender: &InputSender, ending: bool) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    runtime.block_on(async {
        let Ok(mut stop) = signal(SignalKind::from_raw(Signal::TSTP.as_raw())) else { return };
        let mut ending = ending.then(|| Signals::new(true).ok()).flatten();
        loop {
            let end = async {
                match &mut ending {
                    Some(ending) => drop(ending.next().await),
                    None => std::future::pending().await,
                }
            };
            let input = tokio::select! {
                _ = stop.recv() => Input::Suspend,
                () = end => Input::Key(Key::Interrupt),
            };
            if !sender.send(input) {
                return;
            }
        }
    });
}

/// Returns the meaning of a key; `None` if it has none here.
fn of_key(KeyEvent { code, modifiers, .. }: KeyEvent) -> Option<Input> {
    if modifiers.contains(KeyModifiers::CONTROL) {
        return match code {
            KeyCode::Char('c') => Some(Input::Key(Key::Interrupt)),
            KeyCode::Char('u') => Some(Input::Key(Key::Clear)),
            KeyCode::Char('h') => Some(Input::Key(Key::Backspace)),
            KeyCode::Char('z') => Some(Input::Suspend),
            _ => None,
        };
    }
    Some(Input::Key(match code {
        KeyCode::Char(character) if !modifiers.contains(KeyModifiers::ALT) => Key::Char(character),
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Escape,
        KeyCode::Backspace => Key::Backspace,
        _ => return None,
    }))
}
