//! Manages the clsact qdisc of an interface and the filters on it through rtnetlink. Filters of tcptrace are recognized by
//! their names alone.

use std::{
    io::{self, ErrorKind},
    os::fd::{AsRawFd as _, BorrowedFd},
};

use aya::programs::TcAttachType;
use futures_util::{StreamExt as _, TryStreamExt as _};
use log::debug;
use rtnetlink::{
    Error, Handle,
    packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_ECHO, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload},
    packet_route::{
        RouteNetlinkMessage,
        tc::{TcAttribute, TcBpfFlags, TcFilterBpf, TcFilterBpfOption, TcHandle, TcHeader, TcMessage, TcOption},
    },
};
use rustix::io::Errno;

use super::filter_name::{FilterName, TracerId};

/// The kernel's name for the kind of qdisc.
pub(crate) const KIND: &str = "clsact";

/// Priorities to try. Filters run in the order of their priorities, and a program before ours could hide segments from it.
/// All filters of one priority have the same kind and protocol: if somebody's differ from ours, the next one is tried.
const PRIORITIES: std::ops::Range<u16> = 1..64;

/// The protocol of filters that see every frame, `ETH_P_ALL`.
const ALL_PROTOCOLS: u16 = 0x0003;

/// The clsact qdisc of one interface, which need not exist.
#[derive(Debug)]
pub(crate) struct Clsact<'a> {
    netlink: &'a Handle,
    index: i32,
}

/// A filter on a clsact qdisc.
#[derive(Debug)]
pub(crate) struct TcFilter {
    header: TcHeader,
    /// None unless the filter belongs to a tcptrace.
    pub(crate) name: Option<FilterName>,
}

impl From<TcMessage> for TcFilter {
    fn from(message: TcMessage) -> Self {
        let options = message.attributes.iter().find_map(|attribute| match attribute {
            TcAttribute::Options(options) => Some(options),
            _ => None,
        });
        let name = options.into_iter().flatten().find_map(|option| match option {
            TcOption::Bpf(TcFilterBpfOption::ProgName(name)) => FilterName::parse(name),
            _ => None,
        });
        Self { header: message.header, name }
    }
}

impl TcFilter {
    /// Returns whether the filter belongs to this tracer.
    pub(crate) fn is_of(&self, owner: TracerId) -> bool {
        self.name.is_some_and(|name| name.owner == owner)
    }

    /// Returns whether this stands for all filters of a priority, as in the notification that they were flushed, and before
    /// each of them in a list.
    pub(crate) fn is_whole_priority(&self) -> bool {
        self.header.handle == TcHandle::UNSPEC
    }

    /// Returns whether the filter is on this side.
    pub(crate) fn is_on(&self, side: TcAttachType) -> bool {
        self.header.parent == parent(side)
    }
}

/// The outcome of [`Clsact::sweep`].
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Swept {
    /// Number of filters removed.
    pub(crate) filters: usize,
    /// The qdisc was removed.
    pub(crate) qdisc: bool,
}

impl<'a> Clsact<'a> {
    /// The qdisc of the interface with this index.
    pub(crate) fn of(netlink: &'a Handle, index: u32) -> Self {
        // The kernel's interface indices are positive `int`s, so 0 names no interface.
        Self { netlink, index: i32::try_from(index).unwrap_or(0) }
    }

    /// Creates the qdisc. Returns whether it did not exist before.
    pub(crate) async fn make(&self) -> io::Result<bool> {
        let mut request = TcMessage::with_index(self.index);
        address_clsact(&mut request.header);
        request.attributes.push(TcAttribute::Kind(KIND.to_owned()));
        match self.send(RouteNetlinkMessage::NewQueueDiscipline(request), NLM_F_CREATE | NLM_F_EXCL).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => match self.kind().await?.as_deref() {
                // The older `ingress` qdisc has the same parent, and would attach egress filters to ingress.
                Some("ingress") => Err(io::Error::other("a qdisc of the kind `ingress` is in its place")),
                _ => Ok(false),
            },
            Err(error) => Err(error),
        }
    }

    /// The kind of the existing qdisc with the parent of clsact.
    async fn kind(&self) -> io::Result<Option<String>> {
        let mut request = TcMessage::with_index(self.index);
        address_clsact(&mut request.header);
        // Without the echo flag the kernel sends the reply only to subscribers of changes.
        let answers = self.send(RouteNetlinkMessage::GetQueueDiscipline(request), NLM_F_ECHO).await?;
        Ok(answers.into_iter().find_map(|answer| match answer {
            RouteNetlinkMessage::NewQueueDiscipline(qdisc) => kind(&qdisc),
            _ => None,
        }))
    }

    /// Attaches a program so that it runs before others.
    pub(crate) async fn add(&self, program: BorrowedFd<'_>, side: TcAttachType, name: FilterName) -> io::Result<()> {
        let descriptor = u32::try_from(program.as_raw_fd()).map_err(io::Error::other)?;
        let options = [
            TcFilterBpfOption::ProgFd(descriptor),
            TcFilterBpfOption::ProgName(name.to_string()),
            TcFilterBpfOption::Flags(TcBpfFlags::DirectAction),
        ];
        let mut request = TcMessage::with_index(self.index);
        request.header.parent = parent(side);
        // The PID as the handle keeps concurrent tracers apart. If it is taken, the next priority is tried.
        request.header.handle = name.owner.pid().into();
        request.attributes = vec![
            TcAttribute::Kind(TcFilterBpf::KIND.to_owned()),
            TcAttribute::Options(options.map(TcOption::Bpf).into()),
        ];
        let mut result = Err(ErrorKind::InvalidInput.into());
        for priority in PRIORITIES {
            request.header.info = TcHandle { major: priority, minor: ALL_PROTOCOLS.to_be() }.into();
            let attempt = RouteNetlinkMessage::NewTrafficFilter(request.clone());
            result = self.send(attempt, NLM_F_CREATE | NLM_F_EXCL).await.map(drop);
            let taken = [ErrorKind::InvalidInput, ErrorKind::AlreadyExists];
            if !result.as_ref().is_err_and(|error| taken.contains(&error.kind())) {
                break;
            }
        }
        result
    }

    /// All filters on both sides, including those of other programs.
    pub(crate) async fn filters(&self) -> io::Result<Vec<TcFilter>> {
        let filters = self.netlink.traffic_filter(self.index);
        let (mut ingress, mut egress) = (filters.clone(), filters);
        let sides = ingress.get().ingress().execute().chain(egress.get().egress().execute());
        sides.map_ok(TcFilter::from).map_err(cause).try_collect().await
    }

    /// Removes the filters whose owners satisfy `leaves`, and then the qdisc if a tcptrace created it and no filter is left.
    /// `made_qdisc` says that a tcptrace is known to have created it, even if no filter's name says so.
    pub(crate) async fn sweep(&self, made_qdisc: bool, leaves: impl Fn(TracerId) -> bool) -> io::Result<Swept> {
        let filters = self.filters().await?;
        let leaving = |filter: &TcFilter| filter.name.filter(|name| leaves(name.owner));
        let made_qdisc = made_qdisc || filters.iter().filter_map(leaving).any(|name| name.made_qdisc);
        let (own, others): (Vec<_>, Vec<_>) = filters.into_iter().partition(|filter| leaving(filter).is_some());
        if made_qdisc && others.iter().all(TcFilter::is_whole_priority) {
            // The filters go with it, which takes half the requests, during each of which others wait for the kernel.
            let qdisc = self.remove().await?;
            return Ok(Swept { filters: if qdisc { own.len() } else { 0 }, qdisc });
        }
        let mut swept = Swept::default();
        for filter in own {
            swept.filters += usize::from(self.remove_filter(filter.header).await?);
        }
        if made_qdisc && self.filters().await?.is_empty() {
            swept.qdisc = self.remove().await?;
        }
        Ok(swept)
    }

    /// Returns whether the filter existed.
    async fn remove_filter(&self, header: TcHeader) -> io::Result<bool> {
        let mut request = TcMessage::with_index(self.index);
        request.header = header;
        request.attributes.push(TcAttribute::Kind(TcFilterBpf::KIND.to_owned()));
        self.removed(RouteNetlinkMessage::DelTrafficFilter(request)).await
    }

    /// Returns whether the qdisc existed.
    async fn remove(&self) -> io::Result<bool> {
        let mut request = TcMessage::with_index(self.index);
        address_clsact(&mut request.header);
        self.removed(RouteNetlinkMessage::DelQueueDiscipline(request)).await
    }

    async fn removed(&self, request: RouteNetlinkMessage) -> io::Result<bool> {
        match self.send(request, 0).await {
            Ok(_) => Ok(true),
            // The filter, its qdisc or the interface has been removed already.
            Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::NOENT | Errno::INVAL | Errno::NODEV)) => {
                debug!("nothing left to remove: {error}");
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Sends a request and returns the replies other than the acknowledgment.
    async fn send(&self, request: RouteNetlinkMessage, flags: u16) -> io::Result<Vec<RouteNetlinkMessage>> {
        let mut request = NetlinkMessage::from(request);
        request.header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
        let mut answers = self.netlink.clone().request(request).map_err(cause)?;
        let mut replies = Vec::new();
        while let Some(answer) = answers.next().await {
            match answer.payload {
                NetlinkPayload::Error(error) if error.code.is_some() => return Err(error.to_io()),
                NetlinkPayload::InnerMessage(message) => replies.push(message),
                _ => {}
            }
        }
        Ok(replies)
    }
}

/// The kind of a qdisc.
pub(crate) fn kind(qdisc: &TcMessage) -> Option<String> {
    qdisc.attributes.iter().find_map(|attribute| match attribute {
        TcAttribute::Kind(kind) => Some(kind.clone()),
        _ => None,
    })
}

/// Returns whether a qdisc has the parent of clsact, which an `ingress` qdisc has too.
pub(crate) fn has_clsact_parent(qdisc: &TcMessage) -> bool {
    qdisc.header.parent == TcHandle::CLSACT
}

fn address_clsact(header: &mut TcHeader) {
    header.parent = TcHandle::CLSACT;
    header.handle = TcHandle { major: u16::MAX, minor: 0 };
}

fn parent(side: TcAttachType) -> TcHandle {
    let minor = match side {
        TcAttachType::Ingress => TcHandle::MIN_INGRESS,
        TcAttachType::Egress => TcHandle::MIN_EGRESS,
    };
    TcHandle { major: u16::MAX, minor }
}

/// The kernel's error, or the text of an error of the library.
pub(crate) fn cause(error: Error) -> io::Error {
    match error {
        Error::NetlinkError(message) => message.to_io(),
        other => io::Error::other(other.to_string()),
    }
}
