//! The interfaces of this network namespace, and how they come and go.

use std::io;

use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use log::debug;
use rtnetlink::{
    Handle, MulticastGroup, new_connection, new_multicast_connection,
    packet_core::NetlinkPayload,
    packet_route::{
        AddressFamily, RouteNetlinkMessage,
        link::{LinkAttribute, LinkFlags, LinkMessage},
    },
};
use tokio::task::JoinSet;

use crate::bpf::tc::{
    clsact::{Filter, is_in_place},
    filter_name::Owner,
};

/// A network interface that is there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Interface {
    /// Its index in this namespace.
    pub index: u32,
    /// Its name, which may change.
    pub name: String,
    /// Whether it is up.
    pub up: bool,
    /// Whether it is loopback.
    pub loopback: bool,
    /// Packets of all kinds that have passed it, in and out, as it counts them itself; over loopback each counts once.
    pub packets: u64,
}

/// What happened to an interface.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum InterfaceChange {
    /// It is there, or something about it has changed.
    There(Interface),
    /// It has gone.
    Gone(u32),
    /// Somebody may have removed this process's filters from it: alone, or with the clsact qdisc they hang on.
    Stripped {
        /// Which one it is.
        index: u32,
        /// Whether the qdisc was removed too.
        qdisc: bool,
    },
    /// Another tracer says that tcptrace has made the clsact qdisc of this one.
    QdiscMade(u32),
    /// Messages were lost: all interfaces have to be listed again.
    Overrun,
}

/// Follows interfaces through rtnetlink. It listens before it lists, so that none is missed in between.
pub struct Interfaces {
    handle: Handle,
    changes: std::pin::Pin<Box<dyn Stream<Item = InterfaceChange>>>,
    /// Ends with this.
    _connections: JoinSet<()>,
}

impl std::fmt::Debug for Interfaces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Interfaces").finish_non_exhaustive()
    }
}

impl Interfaces {
    /// Begins to listen. Has to be called within a tokio runtime.
    ///
    /// # Errors
    /// When netlink cannot be used.
    pub fn follow() -> io::Result<Self> {
        let (news, _, messages) = new_multicast_connection(&[MulticastGroup::Link, MulticastGroup::Tc])?;
        // Requests go through a socket of their own: news carry the numbers of the requests that somebody caused them
        // with, and could pass for answers to ours.
        let (requests, handle, _) = new_connection()?;
        let mut connections = JoinSet::new();
        connections.spawn(news);
        connections.spawn(requests);
        let own = Owner::this_process();
        let changes = messages.filter_map(move |(message, _)| async move { change(message.payload, own) });
        Ok(Self { handle, changes: Box::pin(changes), _connections: connections })
    }

    /// The connection to netlink, for other requests.
    pub fn netlink(&self) -> &Handle {
        &self.handle
    }

    /// All interfaces that are there now.
    ///
    /// # Errors
    /// When netlink does not answer.
    pub async fn list(&self) -> Result<Vec<Interface>, rtnetlink::Error> {
        self.handle.link().get().execute().map_ok(|message| describe(&message)).try_collect().await
    }

    /// Waits for the next change; for ever when netlink has nothing more to say.
    pub async fn next(&mut self) -> InterfaceChange {
        match self.changes.next().await {
            Some(change) => change,
            None => {
                debug!("netlink says no more about interfaces");
                std::future::pending().await
            }
        }
    }
}

fn change(payload: NetlinkPayload<RouteNetlinkMessage>, own: Owner) -> Option<InterfaceChange> {
    // Messages of another family are about something else: AF_BRIDGE's DELLINK says that a port has left its bridge.
    let of_device = |link: &LinkMessage| link.header.interface_family == AddressFamily::Unspec;
    match payload {
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) if of_device(&link) => {
            Some(InterfaceChange::There(describe(&link)))
        }
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelLink(link)) if of_device(&link) => {
            Some(InterfaceChange::Gone(link.header.index))
        }
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelQueueDiscipline(qdisc)) if is_in_place(&qdisc) => {
            Some(InterfaceChange::Stripped { index: u32::try_from(qdisc.header.index).ok()?, qdisc: true })
        }
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewTrafficFilter(message)) => {
            let index = u32::try_from(message.header.index).ok()?;
            let name = Filter::from(message).name?;
            (name.made_qdisc && name.owner != own).then_some(InterfaceChange::QdiscMade(index))
        }
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelTrafficFilter(message)) => {
            let index = u32::try_from(message.header.index).ok()?;
            let filter = Filter::from(message);
            let ours = filter.is_of(own) || filter.is_whole_priority();
            ours.then_some(InterfaceChange::Stripped { index, qdisc: false })
        }
        NetlinkPayload::Overrun(_) => Some(InterfaceChange::Overrun),
        _ => None,
    }
}

fn describe(link: &LinkMessage) -> Interface {
    let name = link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.clone()),
        _ => None,
    });
    let loopback = link.header.flags.contains(LinkFlags::Loopback);
    let packets = link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Stats64(stats) if loopback => Some(stats.rx_packets),
        LinkAttribute::Stats64(stats) => Some(stats.rx_packets.saturating_add(stats.tx_packets)),
        _ => None,
    });
    Interface {
        index: link.header.index,
        name: name.unwrap_or_else(|| format!("if{}", link.header.index)),
        up: link.header.flags.contains(LinkFlags::Up),
        loopback,
        packets: packets.unwrap_or_default(),
    }
}
