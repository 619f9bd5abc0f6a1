//! The sockets of other network namespaces at the start of tracing.

use log::debug;
use tokio::sync::oneshot;

use crate::{
    host_clock,
    namespaces::{Selection, visit},
    socket_owners::{self, Request, Socket},
};
use tcptrace_core::event::BootTime;

/// The sockets of other network namespaces, as they are being listed.
#[derive(Debug)]
pub(super) struct Elsewhere {
    /// Time at which the first of them was requested.
    asked: BootTime,
    /// `None` if there are no other namespaces.
    sockets: Option<oneshot::Receiver<Vec<Socket>>>,
}

impl Elsewhere {
    /// Begins to list the sockets of `selection` except `own`, the inode number of the tracer's namespace.
    pub(super) fn list(selection: Option<&Selection>, own: u32) -> Self {
        let asked = host_clock::now();
        let others = selection.filter(|selection| !selection.is_only(own));
        Self { asked, sockets: others.map(|selection| begin(selection.clone(), own)) }
    }

    /// Waits until they are listed; returns the request for their owners. Cancel safe.
    pub(super) async fn listed(&mut self) -> Request {
        let elsewhere = match &mut self.sockets {
            Some(sockets) => sockets.await.unwrap_or_default(),
            None => Vec::new(),
        };
        Request::AtStart { elsewhere, asked: self.asked }
    }
}

/// Lists the sockets of the chosen network namespaces except `own`. Failures are logged. For each namespace the kernel walks
/// its table of all sockets, which takes some 5 ms.
fn begin(selection: Selection, own: u32) -> oneshot::Receiver<Vec<Socket>> {
    let (sender, receiver) = oneshot::channel();
    // This thread inherits the rights that the calling one is about to give up; it ends soon.
    let look = move || {
        let mut all = Vec::new();
        for (inode, listed) in visit(&selection, own, socket_owners::list_all) {
            match listed.map_err(anyhow::Error::from).and_then(|listed| listed.map_err(anyhow::Error::from)) {
                Ok(sockets) => all.extend(sockets.into_iter().map(|socket| Socket { netns: Some(inode), ..socket })),
                Err(error) => debug!("the sockets of the network namespace {inode} are not listed: {error:#}"),
            }
        }
        // This fails only if tracing has ended.
        let _ended = sender.send(all);
    };
    if let Err(error) = std::thread::Builder::new().name("existing".to_owned()).spawn(look) {
        debug!("the sockets of other network namespaces are not listed: {error}");
    }
    receiver
}
