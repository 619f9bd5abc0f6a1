//! Being run as a service: what systemd, or whoever speaks its protocol (sd_notify(3)), is told of the trace.
//!
//! Without `NOTIFY_SOCKET` nobody is told anything. The socket is connected once, before the thread gives up its rights: in
//! a Landlock domain it could not connect to an abstract address any more. What it sends, it sends from the loop, so that a
//! loop that is stuck sends nothing, and at ticks that are there anyway.

use std::{
    env,
    ffi::OsStr,
    io,
    os::{
        linux::net::SocketAddrExt as _,
        unix::{
            ffi::OsStrExt as _,
            net::{SocketAddr, UnixDatagram},
        },
    },
    time::Duration,
};

use log::{Level, log, warn};
use sd_notify::NotifyState;
use tokio::time::Instant;

use super::TICK;
use crate::sink::Reopening;
use tcptrace_core::text::Escaped;

/// Names the socket of the service manager.
const SOCKET: &str = "NOTIFY_SOCKET";

/// How long a manager that does not read may hold up the loop, each time. Meanwhile the ring holds what happens.
const PATIENCE: Duration = Duration::from_millis(100);

/// How often the status may change.
const STATUS: Duration = Duration::from_secs(5);

/// Bytes of what is traced that the status shows: systemd takes no message of more than 4096, and a host of containers has
/// hundreds of interfaces.
const SHOWN: usize = 1024;

/// The service that the trace is run as, if it is.
#[derive(Debug)]
pub(super) struct Service {
    manager: Option<Manager>,
    /// The file is being opened again.
    reopening: Option<Reopening>,
}

/// A service manager that listens.
#[derive(Debug)]
struct Manager {
    socket: UnixDatagram,
    /// A failure has been told.
    failed: bool,
    /// When it has to hear next that the loop goes on, and how much later after that.
    watchdog: Option<(Instant, Duration)>,
    /// The status that it knows, and when it may be told another.
    status: (String, Instant),
}

impl Service {
    /// Connects to the service manager that the environment names.
    pub(super) fn from_environment(now: Instant) -> Self {
        let manager = env::var_os(SOCKET).filter(|name| !name.is_empty()).and_then(|name| {
            let socket = connect(&name).map_err(|error| {
                let name = Escaped(name.as_bytes());
                warn!("the service manager is told nothing, since {SOCKET}={name} cannot be used: {error}");
            });
            let watchdog = sd_notify::watchdog_enabled().map(|limit| (now, interval(limit)));
            Some(Manager { socket: socket.ok()?, failed: false, watchdog, status: (String::new(), now) })
        });
        Self { manager, reopening: None }
    }

    /// Everything is attached.
    pub(super) fn ready(&mut self, now: Instant, status: String) {
        if let Some(manager) = &mut self.manager {
            manager.notify(&[NotifyState::Ready, NotifyState::Status(&status)]);
            manager.status = (status, now + STATUS);
        }
    }

    /// The file has been asked to be opened again, which its writer does behind all that it has to write before.
    pub(super) fn reloading(&mut self, reopening: Option<Reopening>) {
        if let Some(manager) = &mut self.manager {
            // Since systemd 253 it takes the time too, where it waits for the end of this (Type=notify-reload).
            let states = [Some(NotifyState::Reloading), NotifyState::monotonic_usec_now().ok()];
            manager.notify(&states.into_iter().flatten().collect::<Vec<_>>());
            self.reopening = reopening;
        }
    }

    /// Waits until that is done, the last of several, and tells it. A file that cannot be opened is told by others, and
    /// there is nothing more to wait for.
    pub(super) async fn reloaded(&mut self) {
        match &mut self.reopening {
            Some(reopening) => drop(reopening.await),
            None => std::future::pending().await,
        }
        self.reopening = None;
        if let Some(manager) = &mut self.manager {
            manager.notify(&[NotifyState::Ready]);
        }
    }

    /// The loop goes on, which is told as often as the manager wants it, and the status where it has changed.
    pub(super) fn tick(&mut self, now: Instant, status: impl FnOnce() -> String) {
        let Some(manager) = &mut self.manager else { return };
        if let Some((due, interval)) = &mut manager.watchdog
            && now >= *due
        {
            *due = now + *interval;
            manager.notify(&[NotifyState::Watchdog]);
        }
        if now >= manager.status.1 {
            let status = status();
            if status != manager.status.0 {
                manager.notify(&[NotifyState::Status(&status)]);
            }
            manager.status = (status, now + STATUS);
        }
    }

    /// It begins to end.
    pub(super) fn stopping(&mut self) {
        if let Some(manager) = &mut self.manager {
            manager.notify(&[NotifyState::Stopping]);
        }
    }
}

impl Manager {
    /// Sends a message of these lines. The first time that fails is worth a warning.
    fn notify(&mut self, states: &[NotifyState<'_>]) {
        let lines: Vec<_> = states.iter().map(NotifyState::to_string).collect();
        if let Err(error) = self.send(lines.join("\n").as_bytes()) {
            let level = if self.failed { Level::Debug } else { Level::Warn };
            self.failed = true;
            log!(level, "the service manager cannot be told {}: {error}", lines.join(", "));
        }
    }

    fn send(&self, message: &[u8]) -> io::Result<()> {
        loop {
            match self.socket.send(message) {
                // With a time-out the kernel does not go on by itself after a signal, or where it has been frozen.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                sent => return sent.map(drop),
            }
        }
    }
}

fn connect(name: &OsStr) -> io::Result<UnixDatagram> {
    let address = address(name)?;
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.connect_addr(&address)?;
    Ok(socket)
}

/// An absolute path, or `@` and an abstract name.
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes() {
        [b'@', name @ ..] if !name.is_empty() => SocketAddr::from_abstract_name(name),
        [b'/', ..] => SocketAddr::from_pathname(name),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is neither an absolute path nor @ and a name")),
    }
}

/// How often the watchdog is told, which expects to be within `limit`: twice in that time, as far as ticks allow.
fn interval(limit: Duration) -> Duration {
    if limit < 2 * TICK {
        warn!("a watchdog that waits for {limit:?} may bite by mistake: at least {:?} is right", 2 * TICK);
    }
    (limit / 2).saturating_sub(TICK)
}

/// What is traced, and how far it has come, in no more words than fit into a message.
pub(super) fn status(scope: &str, counts: &str) -> String {
    let shown = scope.get(..scope.floor_char_boundary(SHOWN)).unwrap_or_default();
    let cut = if shown.len() < scope.len() { "…" } else { "" };
    format!("{shown}{cut}; {counts}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_have_a_path_or_an_abstract_name() {
        let address = |name: &str| address(OsStr::new(name)).ok();
        let path = address("/run/systemd/notify").expect("a path");
        assert_eq!(path.as_pathname(), Some(std::path::Path::new("/run/systemd/notify")));
        let name = address("@a/b").expect("a name");
        assert_eq!(name.as_abstract_name(), Some(&b"a/b"[..]));
        for other in ["", "@", "notify", "vsock:2:1", &format!("/{}", "a".repeat(200))] {
            assert!(address(other).is_none(), "{other}");
        }
    }

    #[test]
    fn a_watchdog_hears_of_the_loop_twice_in_its_time() {
        let seconds = Duration::from_secs;
        // A tick later at most.
        assert_eq!([30, 10, 2, 1].map(|limit| interval(seconds(limit)) + TICK), [15, 5, 1, 1].map(seconds));
    }

    #[test]
    fn a_status_fits_into_a_message() {
        assert_eq!(status("tracing on lo; filter: everything", "counts"), "tracing on lo; filter: everything; counts");
        let status = status(&"é".repeat(SHOWN), "counts");
        assert_eq!(status.len(), SHOWN + "…; counts".len());
        assert!(status.ends_with("é…; counts"));
    }
}
