//! The network namespaces of this host besides the tracer's own: this module finds them, attaches the TC programs to their
//! interfaces, and follows them as they come and go.
//!
//! A thread of its own enters one namespace after another. It stays in none and keeps nothing of one open, neither a file
//! nor a socket: each would keep the namespace and its interfaces alive, however long ago its last process ended. It
//! therefore cannot be notified of changes inside, and scans repeatedly: soon after a sign of change, and then less and less
//! often. The one exception is a socket where connection tracking is in use, since that reports an entry only once. It is
//! closed by the first scan that no longer finds the namespace, a few milliseconds after its name is removed.
//!
//! The programs are attached as clsact filters, with which fifty namespaces take a fiftieth of the time of TCX links.

mod discovery;
mod entered;
mod folders;
mod news;
mod questions;
mod visit;
mod worker;

use std::{fs::File, io, os::fd::AsFd as _, thread::JoinHandle};

use thiserror::Error;
use tokio::sync::mpsc;

pub use self::{
    discovery::{Selection, UnknownNamespace},
    entered::OnInterface,
    news::News,
    visit::visit,
};

use self::entered::Entered;
use crate::{
    bpf::tc::{programs::Programs, stale_filters::Cleaned},
    socket_owners::FourTuple,
};
use tcptrace_core::text::Escaped;

/// The thread cannot be started.
#[derive(Debug, Error)]
#[error("cannot start the thread that enters network namespaces")]
pub struct StartError(#[source] io::Error);

/// A request to the worker.
#[derive(Clone, Debug)]
enum Command {
    /// There may be a namespace or an interface that is not known yet.
    Look,
    /// Find the listeners of these connections in the namespace with this inode number.
    FindListeners(u32, Vec<FourTuple>),
    /// Find sockets that make no progress.
    FindStuck,
}

/// The handle of the thread.
#[derive(Debug)]
pub struct Namespaces {
    commands: mpsc::UnboundedSender<Command>,
    news: mpsc::UnboundedReceiver<News>,
    thread: JoinHandle<()>,
}

impl Namespaces {
    /// Starts the thread, which begins at once to cover the namespaces of `selection` except `own`.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn cover(selection: Selection, own: u32, programs: Programs) -> Result<Self, StartError> {
        let (commands, received) = mpsc::unbounded_channel();
        let (sender, news) = mpsc::unbounded_channel();
        let job = move || worker::run(selection, own, programs, received, sender);
        let thread = std::thread::Builder::new().name("namespaces".to_owned()).spawn(job).map_err(StartError)?;
        Ok(Self { commands, news, thread })
    }

    /// Requests a scan, because there may be a new namespace or interface.
    pub fn look(&self) {
        // This fails only if the thread has ended, which has logged why.
        let _ended = self.commands.send(Command::Look);
    }

    /// Requests the listeners of these connections in the namespace with this inode number ([`News::Listeners`]).
    pub fn find_listeners(&self, netns: u32, tuples: Vec<FourTuple>) {
        // As above.
        let _ended = self.commands.send(Command::FindListeners(netns, tuples));
    }

    /// Requests the sockets that make no progress ([`News::Stuck`]) of one or more namespaces, in turn.
    pub fn find_stuck(&self) {
        // As above.
        let _ended = self.commands.send(Command::FindStuck);
    }

    /// Waits for news; never resolves once there will be none.
    pub async fn next(&mut self) -> News {
        match self.news.recv().await {
            Some(news) => news,
            None => std::future::pending().await,
        }
    }

    /// Makes the thread detach everything, and returns its handle, to be joined.
    pub fn stop(self) -> JoinHandle<()> {
        self.thread
    }
}

/// Removes filters that killed tracers have left in all network namespaces except `own`, an inode number. Returns the result
/// for each, by its name.
///
/// # Errors
/// When this thread's own namespace cannot be opened.
pub async fn clean_others(own: u32) -> io::Result<Vec<(String, Cleaned)>> {
    let home = File::open("/proc/thread-self/ns/net")?;
    let mut all = Vec::new();
    for (inode, found) in discovery::all().into_iter().filter(|&(inode, _)| inode != own) {
        let name = Escaped(worker::name(inode, &found).as_bytes()).to_string();
        let cleaned = match Entered::enter(&found.path, inode, home.as_fd(), false) {
            Ok(entered) => entered.clean().await,
            Err(error) => Err(error),
        };
        match cleaned {
            Ok(cleaned) => all.push((name, cleaned)),
            // The namespace is gone.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                let failed = vec![("the interfaces".to_owned(), error)];
                all.push((name, Cleaned { failed, ..Cleaned::default() }));
            }
        }
    }
    Ok(all)
}
