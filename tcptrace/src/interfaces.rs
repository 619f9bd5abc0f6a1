//! The interfaces of this network namespace and their changes, through rtnetlink.

use std::io;

use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use log::debug;
use rtnetlink::{
    Handle, MulticastGroup, new_connection, new_multicast_connection,
    packet_core::NetlinkPayload,
    packet_route::{
        AddressFamily, RouteNetlinkMessage,
        link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage},
    },
};
use tokio::task::JoinSet;

pub use crate::bpf::tc::interface::Interface;
use crate::bpf::tc::{
    clsact::{TcFilter, has_clsact_parent},
    filter_name::TracerId,
};

/// A change of an interface. Numbers are interface indices.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum InterfaceChange {
    /// The interface is new, or something about it has changed.
    Updated(Interface),
    /// The interface has been removed from this namespace.
    Removed(u32),
    /// Filters of this process may have been removed from the interface, alone or with their clsact qdisc.
    FiltersRemoved {
        /// Index of the interface.
        index: u32,
        /// True if the qdisc was removed, too.
        qdisc: bool,
    },
    /// The name of another tracer's filter shows that a tcptrace created the clsact qdisc of the interface.
    QdiscMade(u32),
    /// Messages were lost: all interfaces must be listed again.
    Overrun,
}

/// Follows interfaces through rtnetlink. It subscribes before it lists, so that no interface is missed in between.
pub struct Interfaces {
    handle: Handle,
    changes: std::pin::Pin<Box<dyn Stream<Item = InterfaceChange>>>,
    /// The tasks that serve the two netlink sockets; dropping the set ends them.
    _connections: JoinSet<()>,
}

impl std::fmt::Debug for Interfaces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Interfaces").finish_non_exhaustive()
    }
}

impl Interfaces {
    /// Subscribes to changes. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When a netlink socket cannot be opened.
    pub fn follow() -> io::Result<Self> {
        let (news, _, messages) = new_multicast_connection(&[MulticastGroup::Link, MulticastGroup::Tc])?;
        // Requests use a socket of their own: notifications carry the sequence number of the request that caused them, and
        // could be taken for replies to ours.
        let (requests, handle, _) = new_connection()?;
        let mut connections = JoinSet::new();
        connections.spawn(news);
        connections.spawn(requests);
        let own = TracerId::this_process();
        let changes = messages.filter_map(move |(message, _)| async move { change(message.payload, own) });
        Ok(Self { handle, changes: Box::pin(changes), _connections: connections })
    }

    /// The netlink connection for requests.
    pub fn netlink(&self) -> &Handle {
        &self.handle
    }

    /// Lists all interfaces.
    ///
    /// # Errors
    /// When the kernel refuses, or the connection is closed.
    pub async fn list(&self) -> Result<Vec<Interface>, rtnetlink::Error> {
        self.handle.link().get().execute().map_ok(|message| describe(&message)).try_collect().await
    }

    /// Waits for the next change; never resolves once the netlink connection is closed.
    pub async fn next(&mut self) -> InterfaceChange {
        match self.changes.next().await {
            Some(change) => change,
            None => {
                debug!("the netlink connection is closed: changes of interfaces are no longer seen");
                std::future::pending().await
            }
        }
    }
}

fn change(payload: NetlinkPayload<RouteNetlinkMessage>, own: TracerId) -> Option<InterfaceChange> {
    // Messages of other families mean something else: DELLINK of AF_BRIDGE says that a port has left its bridge.
    let of_device = |link: &LinkMessage| link.header.interface_family == AddressFamily::Unspec;
    match payload {
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) if of_device(&link) => {
            Some(InterfaceChange::Updated(describe(&link)))
        }
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelLink(link)) if of_device(&link) => {
            Some(InterfaceChange::Removed(link.header.index))
        }
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelQueueDiscipline(qdisc)) if has_clsact_parent(&qdisc) => {
            Some(InterfaceChange::FiltersRemoved { index: u32::try_from(qdisc.header.index).ok()?, qdisc: true })
        }
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewTrafficFilter(message)) => {
            let index = u32::try_from(message.header.index).ok()?;
            let name = TcFilter::from(message).name?;
            (name.made_qdisc && name.owner != own).then_some(InterfaceChange::QdiscMade(index))
        }
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelTrafficFilter(message)) => {
            let index = u32::try_from(message.header.index).ok()?;
            let filter = TcFilter::from(message);
            let ours = filter.is_of(own) || filter.is_whole_priority();
            ours.then_some(InterfaceChange::FiltersRemoved { index, qdisc: false })
        }
        NetlinkPayload::Overrun(_) => Some(InterfaceChange::Overrun),
        _ => None,
    }
}

/// Returns the interface that a message of rtnetlink describes.
pub(crate) fn describe(link: &LinkMessage) -> Interface {
    let name = link.attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.clone()),
        _ => None,
    });
    let loopback = link.header.flags.contains(LinkFlags::Loopback);
    let is_bridge = |info: &LinkInfo| matches!(info, LinkInfo::Kind(InfoKind::Bridge));
    let bridge = link.attributes.iter().any(|attribute| match attribute {
        LinkAttribute::LinkInfo(infos) => infos.iter().any(is_bridge),
        _ => false,
    });
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
        bridge,
        packets: packets.unwrap_or_default(),
    }
}
