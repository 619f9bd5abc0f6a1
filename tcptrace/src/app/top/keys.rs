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
use tokio::sync::Notify;

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
}

/// The keys, and a notification of each.
#[derive(Debug)]
pub(super) struct Inputs {
    pub(super) inputs: Receiver<Input>,
    pub(super) bell: Arc<Notify>,
}

impl Inputs {
    /// Listens to the terminal. With `signals`, those that end the program count as [`Key::Interrupt`].
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub(super) fn listen(signals: bool) -> io::Result<Self> {
        let (sender, inputs) = mpsc::sync_channel(WAITING);
        let bell = Arc::new(Notify::new());
        let sender = InputSender { sender, bell: Arc::clone(&bell) };
        if signals {
            let sender = sender.clone();
            thread::Builder::new().name("signals".to_owned()).spawn(move || wait_for_signal(&sender))?;
        }
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
            Ok(Event::Key(key)) if key.kind != KeyEventKind::Release => of_key(key).map(Input::Key),
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

fn wait_for_signal(sender: &InputSender) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    runtime.block_on(async {
        if let Ok(mut signals) = Signals::new(true) {
            signals.next().await;
            sender.send(Input::Key(Key::Interrupt));
            // The session may not quit at the first interrupt.
            signals.next().await;
        }
    });
}

/// Returns the meaning of a key; `None` if it has none here.
fn of_key(KeyEvent { code, modifiers, .. }: KeyEvent) -> Option<Key> {
    if modifiers.contains(KeyModifiers::CONTROL) {
        return match code {
            KeyCode::Char('c') => Some(Key::Interrupt),
            KeyCode::Char('u') => Some(Key::Clear),
            KeyCode::Char('h') => Some(Key::Backspace),
            _ => None,
        };
    }
    Some(match code {
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
    })
}
