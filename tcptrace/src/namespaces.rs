//! The network namespaces of this host besides the tracer's own: finds them, attaches the TC programs to their interfaces,
//! and follows them as they come and go.
//!
//! A thread of its own enters one namespace after another. It stays in none and keeps nothing of one open, neither a file
//! nor a socket: each would keep the namespace and its interfaces alive, however long ago its last process has ended. So it
//! cannot be told of changes inside, and looks again: soon after something has shown that there is news, and then less and
//! less often.
//!
//! The programs are attached as clsact filters, with which fifty namespaces take a fiftieth of the time that TCX links take.

mod discovery;
mod entered;
mod visit;
mod worker;

use std::{io, thread::JoinHandle};

use thiserror::Error;
use tokio::sync::mpsc;

pub use self::{
    discovery::{Selection, UnknownNamespace, in_first_pid_namespace},
    visit::visit,
    worker::News,
};

use crate::bpf::tc::programs::Programs;

/// The thread cannot be started.
#[derive(Debug, Error)]
#[error("cannot start the thread that enters network namespaces")]
pub struct StartError(#[source] io::Error);

/// What the worker is asked for.
#[derive(Clone, Copy, Debug)]
enum Command {
    /// There may be a namespace or an interface that is not known yet.
    Look,
}

/// The handle of the thread.
#[derive(Debug)]
pub struct Namespaces {
    commands: mpsc::UnboundedSender<Command>,
    news: mpsc::UnboundedReceiver<News>,
    thread: JoinHandle<()>,
}

impl Namespaces {
    /// Starts the thread, which begins at once to cover the namespaces of `selection` but `own`.
    ///
    /// # Errors
    /// When there can be no further thread.
    pub fn cover(selection: Selection, own: u32, programs: Programs) -> Result<Self, StartError> {
        let (commands, received) = mpsc::unbounded_channel();
        let (tell, news) = mpsc::unbounded_channel();
        let job = move || worker::run(selection, own, programs, received, tell);
        let thread = std::thread::Builder::new().name("namespaces".to_owned()).spawn(job).map_err(StartError)?;
        Ok(Self { commands, news, thread })
    }

    /// There may be a namespace or an interface that is not known yet.
    pub fn look(&self) {
        // It has ended by itself if that fails, and has said why.
        let _ended = self.commands.send(Command::Look);
    }

    /// Waits for news; never resolves when there will be none.
    pub async fn next(&mut self) -> News {
        match self.news.recv().await {
            Some(news) => news,
            None => std::future::pending().await,
        }
    }

    /// Tells the thread to detach everything, and returns it, to be waited for.
    pub fn stop(self) -> JoinHandle<()> {
        self.thread
    }
}
