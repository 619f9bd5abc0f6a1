//! Notification of systemd, or another service manager that speaks its protocol (sd_notify(3)), about the state of the
//! trace.
//!
//! Without `NOTIFY_SOCKET` nothing is sent. The socket is connected once, before the thread drops its rights: in a Landlock
//! domain it could no longer connect to an abstract address. Messages are sent from the main loop, so that a stuck loop sends
//! none and the watchdog notices.

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

/// The environment variable that names the socket of the service manager.
const SOCKET_VARIABLE: &str = "NOTIFY_SOCKET";

/// Maximum time for which a service manager that does not read may block the main loop per message. The ring holds the
/// events meanwhile.
const SEND_TIMEOUT: Duration = Duration::from_millis(100);

/// Minimum time between two changes of the status.
const STATUS_INTERVAL: Duration = Duration::from_secs(5);

/// Maximum length of the trace's scope in the status, in bytes: systemd accepts messages of at most 4096 bytes, and a
/// container host may have hundreds of interfaces.
const MAX_SCOPE_BYTES: usize = 1024;

/// The service manager that runs the trace, if there is one.
#[derive(Debug)]
pub(super) struct ServiceManager {
    connection: Option<Connection>,
    /// Resolves when the file of `--write` has been reopened.
    reopening: Option<Reopening>,
}

/// The connection to a service manager.
#[derive(Debug)]
struct Connection {
    socket: UnixDatagram,
    /// True if a failure to send has been logged.
    failed: bool,
    /// Time of the next keep-alive message, and the interval after that.
    watchdog: Option<(Instant, Duration)>,
    /// The last status sent, and the time from which another may be sent.
    status: (String, Instant),
}

impl ServiceManager {
    /// Connects to the service manager that the environment names. A failure is logged.
    pub(super) fn from_environment(now: Instant) -> Self {
        let connection = env::var_os(SOCKET_VARIABLE).filter(|name| !name.is_empty()).and_then(|name| {
            let socket = connect(&name).map_err(|error| {
                let name = Escaped(name.as_bytes());
                warn!("cannot connect to the service manager at {SOCKET_VARIABLE}={name}: {error}");
            });
            let watchdog = sd_notify::watchdog_enabled().map(|limit| (now, interval(limit)));
            Some(Connection { socket: socket.ok()?, failed: false, watchdog, status: (String::new(), now) })
        });
        Self { connection, reopening: None }
    }

    /// Reports that everything is attached.
    pub(super) fn ready(&mut self, now: Instant, status: String) {
        if let Some(connection) = &mut self.connection {
            connection.notify(&[NotifyState::Ready, NotifyState::Status(&status)]);
            connection.status = (status, now + STATUS_INTERVAL);
        }
    }

    /// Reports that the file of `--write` is being reopened; `reopening` resolves when that is done.
    pub(super) fn reloading(&mut self, reopening: Option<Reopening>) {
        if let Some(connection) = &mut self.connection {
            // Since systemd 253, Type=notify-reload waits for the end of the reload and needs the time as well.
            let states = [Some(NotifyState::Reloading), NotifyState::monotonic_usec_now().ok()];
            connection.notify(&states.into_iter().flatten().collect::<Vec<_>>());
            self.reopening = reopening;
        }
    }

    /// Waits until the latest reopening is done, and reports it. If it has failed, the sink logs that, and the reload counts as
    /// done.
    pub(super) async fn reloaded(&mut self) {
        match &mut self.reopening {
            Some(reopening) => drop(reopening.await),
            None => std::future::pending().await,
        }
        self.reopening = None;
        if let Some(connection) = &mut self.connection {
            connection.notify(&[NotifyState::Ready]);
        }
    }

    /// Sends a keep-alive message if one is due, and the status if it has changed.
    pub(super) fn tick(&mut self, now: Instant, status: impl FnOnce() -> String) {
        let Some(connection) = &mut self.connection else { return };
        if let Some((due, interval)) = &mut connection.watchdog
            && now >= *due
        {
            *due = now + *interval;
            connection.notify(&[NotifyState::Watchdog]);
        }
        if now >= connection.status.1 {
            let status = status();
            if status != connection.status.0 {
                connection.notify(&[NotifyState::Status(&status)]);
            }
            connection.status = (status, now + STATUS_INTERVAL);
        }
    }

    /// Reports that the trace is ending.
    pub(super) fn stopping(&mut self) {
        if let Some(connection) = &mut self.connection {
            connection.notify(&[NotifyState::Stopping]);
        }
    }
}

impl Connection {
    /// Sends a message. Only the first failure is logged as a warning.
    fn notify(&mut self, states: &[NotifyState<'_>]) {
        let lines: Vec<_> = states.iter().map(NotifyState::to_string).collect();
        if let Err(error) = self.send(lines.join("\n").as_bytes()) {
            let level = if self.failed { Level::Debug } else { Level::Warn };
            self.failed = true;
            log!(level, "cannot send {} to the service manager: {error}", lines.join(", "));
        }
    }

    fn send(&self, message: &[u8]) -> io::Result<()> {
        loop {
            match self.socket.send(message) {
                // With a timeout the kernel does not restart the call after a signal or a freeze (signal(7)).
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                sent => return sent.map(drop),
            }
        }
    }
}

fn connect(name: &OsStr) -> io::Result<UnixDatagram> {
    let address = address(name)?;
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(SEND_TIMEOUT))?;
    socket.connect_addr(&address)?;
    Ok(socket)
}

/// Parses a socket address: an absolute path, or `@` followed by an abstract name.
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes() {
        [b'@', name @ ..] if !name.is_empty() => SocketAddr::from_abstract_name(name),
        [b'/', ..] => SocketAddr::from_pathname(name),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is neither an absolute path nor @ and a name")),
    }
}

/// Returns the interval of keep-alive messages for a watchdog that expects one within `limit`: two in that time, as far as
/// ticks allow.
fn interval(limit: Duration) -> Duration {
    if limit < 2 * TICK {
        warn!("a watchdog timeout of {limit:?} is too short: set it to at least {:?}", 2 * TICK);
    }
    (limit / 2).saturating_sub(TICK)
}

/// Returns the status text: the scope, shortened to [`MAX_SCOPE_BYTES`], and the counts.
pub(super) fn status(scope: &str, counts: &str) -> String {
    let shown = scope.get(..scope.floor_char_boundary(MAX_SCOPE_BYTES)).unwrap_or_default();
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
        let status = status(&"é".repeat(MAX_SCOPE_BYTES), "counts");
        assert_eq!(status.len(), MAX_SCOPE_BYTES + "…; counts".len());
        assert!(status.ends_with("é…; counts"));
    }
}
