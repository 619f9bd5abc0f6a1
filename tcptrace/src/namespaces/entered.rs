//! A network namespace from the inside: its interfaces, and the programs on them.

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    os::{
        fd::{AsFd as _, BorrowedFd, OwnedFd},
        unix::fs::MetadataExt as _,
    },
    path::Path,
};

use aya::programs::TcAttachType::{Egress, Ingress};
use futures_util::TryStreamExt as _;
use log::debug;
use rtnetlink::{Handle, new_connection};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::task::JoinHandle;

use crate::{
    bpf::tc::{
        clsact::{Clsact, cause},
        filter_name::TracerId,
        interface::Interface,
        programs::Programs,
        put_filters::put_filters,
        stale_filters,
    },
    conntrack,
    interfaces::describe,
};
use tcptrace_core::text::Escaped;

/// An interface with the programs attached.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OnInterface {
    /// Its name, which may change.
    pub name: String,
    /// True for a bridge.
    pub bridge: bool,
    /// True if a tcptrace process created its clsact qdisc.
    made_qdisc: bool,
}

/// The interfaces with the programs attached, by index.
pub(super) type Attached = BTreeMap<u32, OnInterface>;

/// A connection to the kernel inside a namespace, which lasts as long as this value.
pub(super) struct Entered {
    netlink: Handle,
    connection: JoinHandle<()>,
    /// A subscription to connection tracking, if that is in use.
    pub(super) conntrack: Option<OwnedFd>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Entered {
    /// Opens a connection inside the namespace that this file stands for, if it still has this inode number. The thread is
    /// back in its own namespace when this returns. With `subscribe`, it looks for connection tracking.
    pub(super) fn enter(path: &Path, inode: u32, home: BorrowedFd<'_>, subscribe: bool) -> io::Result<Self> {
        let namespace = File::open(path)?;
        if namespace.metadata()?.ino() != u64::from(inode) {
            return Err(io::ErrorKind::NotFound.into());
        }
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
        let opened = new_connection();
        let conntrack = (subscribe && conntrack::is_in_use()).then(conntrack::subscription);
        move_into_link_name_space(home, Some(LinkNameSpaceType::Network))?;
        let (connection, netlink, _) = opened?;
        let refused = |error: &io::Error| {
            debug!("connection tracking of the network namespace {inode} does not report what it forgets: {error}");
        };
        let conntrack = conntrack.and_then(|subscribed| subscribed.inspect_err(refused).ok());
        Ok(Self { netlink, connection: tokio::spawn(connection), conntrack })
    }

    /// Returns the interfaces of the namespace.
    async fn interfaces(&self) -> io::Result<Vec<Interface>> {
        self.netlink.link().get().execute().map_ok(|message| describe(&message)).try_collect().await.map_err(cause)
    }

    /// Removes filters that killed tracers have left on its interfaces.
    pub(super) async fn clean(&self) -> io::Result<stale_filters::Cleaned> {
        Ok(stale_filters::clean(&self.netlink, &self.interfaces().await?).await)
    }

    /// Attaches the programs to the interfaces that do not have them. Returns true if there were any.
    pub(super) async fn attach(&self, programs: &Programs, attached: &mut Attached, first: bool) -> io::Result<bool> {
        let interfaces = self.interfaces().await?;
        if first {
            let cleaned = stale_filters::clean(&self.netlink, &interfaces).await;
            if let Some(removed) = cleaned.removed_text() {
                debug!("removed filters that a killed tcptrace had left behind in a namespace: {removed}");
            }
        }
        let with_qdisc = stale_filters::with_qdisc(&self.netlink).await?;
        // Somebody has removed the filters, or the inode number belongs to another namespace by now.
        attached.retain(|index, _| with_qdisc.contains(index));
        let mut new = false;
        for interface in interfaces {
            if let Some(known) = attached.get_mut(&interface.index) {
                new |= known.name != interface.name;
                known.name = interface.name;
                continue;
            }
            let clsact = Clsact::of(&self.netlink, interface.index);
            let sides = [(programs.egress.as_fd(), Egress), (programs.ingress.as_fd(), Ingress)];
            // On loopback every segment passes in both directions.
            let sides = if interface.loopback { &sides[..1] } else { &sides[..] };
            match put_filters(&clsact, TracerId::this_process(), sides, false).await {
                Ok(made_qdisc) => {
                    let Interface { index, name, bridge, .. } = interface;
                    attached.insert(index, OnInterface { name, bridge, made_qdisc });
                    new = true;
                }
                Err(error) => debug!("segments on {} are not seen: {error}", Escaped(interface.name.as_bytes())),
            }
        }
        Ok(new)
    }

    /// Detaches the programs.
    pub(super) async fn detach(&self, attached: &Attached) {
        let own = TracerId::this_process();
        for (&index, OnInterface { name, made_qdisc, .. }) in attached {
            if let Err(error) = Clsact::of(&self.netlink, index).sweep(*made_qdisc, |owner| owner == own).await {
                debug!("cannot remove the clsact filters on {}: {error}", Escaped(name.as_bytes()));
            }
        }
    }
}
