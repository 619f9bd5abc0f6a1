//! The thread that finds network namespaces, enters them and attaches the TC programs to their interfaces.

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    os::fd::{AsFd as _, OwnedFd},
    time::Duration,
};

use log::{debug, warn};
use rustix::io::Errno;
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, sleep_until},
};

use super::{
    Command, Selection,
    discovery::{self, Found},
    entered::{Attached, Entered},
    folders,
    news::News,
};
use crate::{
    bpf::tc::programs::Programs,
    conntrack::Conntrack,
    privileges::{Duty, reduce},
    socket_owners::StuckSockets,
};

/// Minimum pause between two scans, used after a sign of change.
const SOON: Duration = Duration::from_millis(2);

/// Maximum pause between two scans.
const RARELY: Duration = Duration::from_secs(1);

/// Minimum ratio of the pause after a scan to its duration, up to [`RARELY`]: bounds the share of processor time.
const SHARE: u32 = 10;

/// A namespace that has been found.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) found: Found,
    attached: Attached,
    /// True once [`News::Covered`] has been sent.
    pub(super) announced: bool,
    /// Follows its connection tracking, and keeps a netlink socket of the namespace open.
    conntrack: Option<Following>,
    /// Its sockets that make no progress.
    pub(super) stuck: StuckSockets,
}

/// A task that is aborted on drop.
#[derive(Debug)]
struct Following(JoinHandle<()>);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Following {
    /// Starts to send the translations that the connection tracking of a namespace forgets; `subscription` is a netlink
    /// socket of that namespace.
    fn begin(netns: u32, subscription: OwnedFd, news: mpsc::UnboundedSender<News>) -> io::Result<Self> {
        let mut conntrack = Conntrack::of(subscription)?;
        debug!("connection tracking of the network namespace {netns} is followed");
        Ok(Self(tokio::spawn(async move {
            loop {
                let translations = conntrack.next().await;
                if news.send(News::Forgot { netns, translations }).is_err() {
                    break;
                }
            }
        })))
    }
}

pub(super) struct Worker {
    selection: Selection,
    /// Inode number of the tracer's own namespace, which is not covered here.
    own: u32,
    /// The tracer's own namespace, to return to.
    home: OwnedFd,
    programs: Programs,
    pub(super) news: mpsc::UnboundedSender<News>,
    pub(super) known: BTreeMap<u32, Known>,
    /// The one that was last asked for sockets that make no progress.
    pub(super) asked: u32,
    /// True once the user has been warned that namespaces cannot be entered.
    refused: bool,
}

/// Covers namespaces until the other end of `commands` is dropped, and detaches everything then.
pub(super) fn run(
    selection: Selection,
    own: u32,
    programs: Programs,
    commands: mpsc::UnboundedReceiver<Command>,
    news: mpsc::UnboundedSender<News>,
) {
    reduce(Duty::Namespaces);
    let prepared = File::open("/proc/thread-self/ns/net")
        .and_then(|home| Ok((home, tokio::runtime::Builder::new_current_thread().enable_all().build()?)));
    let (home, runtime) = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            warn!("other network namespaces are not covered: {error}");
            return;
        }
    };
    let known = BTreeMap::new();
    let worker = Worker { selection, own, home: home.into(), programs, news, known, asked: 0, refused: false };
    runtime.block_on(worker.run(commands));
}

impl Worker {
    async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let folders = folders::watch();
        let mut pause = SOON;
        loop {
            let began = Instant::now();
            self.look().await;
            let next = began + pause.max((began.elapsed() * SHARE).min(RARELY));
            pause = (pause * 2).min(RARELY);
            tokio::select! {
                changed = self.answer(&mut commands) => match changed {
                    Some(()) => pause = SOON,
                    None => break,
                },
                () = folders::changed(&folders) => pause = SOON,
                () = sleep_until(next) => {}
            }
        }
        self.detach().await;
    }

    /// Scans for namespaces, and attaches the programs to new interfaces in them.
    async fn look(&mut self) {
        let mut there = discovery::all();
        there.remove(&self.own);
        there.retain(|&inode, _| self.selection.contains(inode));
        let news = &self.news;
        self.known.retain(|inode, known| {
            let there = there.contains_key(inode);
            if !there && known.announced {
                let _nobody_listens = news.send(News::Gone(*inode));
            }
            there
        });
        for (inode, found) in there {
            let renamed = self.known.get(&inode).is_some_and(|known| known.found.name != found.name);
            let first = !self.known.contains_key(&inode);
            let known = self.known.entry(inode).or_insert_with(|| Known {
                found: found.clone(),
                attached: Attached::new(),
                announced: false,
                conntrack: None,
                stuck: StuckSockets::default(),
            });
            known.found = found;
            let subscribe = known.conntrack.is_none();
            let mut entered = match Entered::enter(&known.found.path, inode, self.home.as_fd(), subscribe) {
                Ok(entered) => entered,
                Err(error) => {
                    if !self.refused && is_refusal(&error) {
                        self.refused = true;
                        warn!("{}", refusal(&error));
                    }
                    debug!("cannot enter the network namespace {inode}: {error}");
                    continue;
                }
            };
            if let Some(subscription) = entered.conntrack.take() {
                match Following::begin(inode, subscription, self.news.clone()) {
                    Ok(following) => known.conntrack = Some(following),
                    Err(error) => debug!("cannot follow connection tracking of the network namespace {inode}: {error}"),
                }
            }
            match entered.attach(&self.programs, &mut known.attached, first).await {
                Ok(new) if new || renamed || !known.announced => {
                    known.announced = true;
                    let (name, interfaces) = (known.found.name.clone(), known.attached.clone());
                    let text = self::name(inode, &known.found);
                    debug!("the network namespace {text} is covered: {} interfaces", interfaces.len());
                    let _nobody_listens = self.news.send(News::Covered { netns: inode, name, interfaces });
                }
                Ok(_) => {}
                Err(error) => debug!("cannot look at the network namespace {inode}: {error}"),
            }
        }
    }

    async fn detach(mut self) {
        let there = discovery::all();
        for (inode, known) in std::mem::take(&mut self.known) {
            let Some(found) = there.get(&inode).filter(|_| !known.attached.is_empty()) else { continue };
            match Entered::enter(&found.path, inode, self.home.as_fd(), false) {
                Ok(entered) => entered.detach(&known.attached).await,
                Err(error) => debug!("cannot enter the network namespace {inode} to detach: {error}"),
            }
        }
    }
}

/// Returns the name of a namespace, for messages.
pub(super) fn name(inode: u32, found: &Found) -> String {
    match (&found.name, found.pid) {
        (Some(name), _) => name.clone(),
        (None, Some(pid)) => format!("net:[{inode}] of pid {pid}"),
        (None, None) => format!("net:[{inode}]"),
    }
}

/// Returns true if other namespaces will fail in the same way.
fn is_refusal(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::PERM | Errno::ACCESS | Errno::MFILE | Errno::NFILE))
}

fn refusal(error: &io::Error) -> String {
    match Errno::from_io_error(error) {
        Some(Errno::MFILE | Errno::NFILE) => {
            "some network namespaces are not covered: too many open files; raise the limit (`ulimit -n`)".to_owned()
        }
        _ => {
            "other network namespaces are not covered: to enter them takes CAP_SYS_ADMIN, and CAP_SYS_PTRACE for those \
              without a name"
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn a_namespace_without_a_name_is_told_by_a_process() {
        let found = |name: Option<&str>, pid| Found { path: PathBuf::new(), name: name.map(str::to_owned), pid };
        assert_eq!(name(7, &found(Some("blue"), None)), "blue");
        assert_eq!(name(7, &found(None, Some(9))), "net:[7] of pid 9");
    }

    #[test]
    fn a_refusal_names_what_is_missing() {
        let of = |errno: Errno| io::Error::from(errno);
        assert!(is_refusal(&of(Errno::PERM)) && is_refusal(&of(Errno::MFILE)) && !is_refusal(&of(Errno::NOENT)));
        assert!(refusal(&of(Errno::PERM)).contains("CAP_SYS_ADMIN"));
        assert!(refusal(&of(Errno::MFILE)).contains("ulimit -n"));
    }
}
