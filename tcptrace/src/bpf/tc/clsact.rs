//! The clsact qdisc of an interface and the filters on it, through netlink. What is ours there is told by name alone.

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

use super::filter_name::{FilterName, Owner};

/// What the kernel calls the qdisc.
pub(crate) const KIND: &str = "clsact";

/// Filters run in the order of their priorities; a program before ours could keep segments from us. Filters of one
/// priority are of one kind and protocol: where somebody's are of others, the next one is tried.
const PRIORITIES: std::ops::Range<u16> = 1..64;

/// Filters that take every protocol, `ETH_P_ALL`.
const ALL_PROTOCOLS: u16 = 0x0003;

/// The clsact qdisc of one interface, which need not be there.
#[derive(Debug)]
pub(crate) struct Clsact<'a> {
    netlink: &'a Handle,
    index: i32,
}

/// A filter on it.
#[derive(Debug)]
pub(crate) struct Filter {
    header: TcHeader,
    /// Nothing if it is not one of ours.
    pub(crate) name: Option<FilterName>,
}

impl From<TcMessage> for Filter {
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

impl Filter {
    /// Whether it is this process's.
    pub(crate) fn is_of(&self, owner: Owner) -> bool {
        self.name.is_some_and(|name| name.owner == owner)
    }

    /// Whether this is no filter, but stands for all of a priority, as when they are flushed.
    pub(crate) fn is_whole_priority(&self) -> bool {
        self.header.handle == TcHandle::UNSPEC
    }

    /// Whether it sees this side.
    pub(crate) fn is_on(&self, side: TcAttachType) -> bool {
        self.header.parent == parent(side)
    }
}

/// What was removed from an interface.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Swept {
    pub(crate) filters: usize,
    pub(crate) qdisc: bool,
}

impl<'a> Clsact<'a> {
    /// That of the interface with this index.
    pub(crate) fn of(netlink: &'a Handle, index: u32) -> Self {
        // The kernel gives positive ones only, and knows no interface 0.
        Self { netlink, index: i32::try_from(index).unwrap_or(0) }
    }

    /// Makes the qdisc. Returns whether it was not there before.
    pub(crate) async fn make(&self) -> io::Result<bool> {
        let mut request = TcMessage::with_index(self.index);
        place(&mut request.header);
        request.attributes.push(TcAttribute::Kind(KIND.to_owned()));
        match self.send(RouteNetlinkMessage::NewQueueDiscipline(request), NLM_F_CREATE | NLM_F_EXCL).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => match self.kind().await?.as_deref() {
                // The older one has the same place, and takes what is meant for egress at ingress.
                Some("ingress") => Err(io::Error::other("a qdisc of the kind `ingress` is in its place")),
                _ => Ok(false),
            },
            Err(error) => Err(error),
        }
    }

    /// The kind of qdisc in its place.
    async fn kind(&self) -> io::Result<Option<String>> {
        let mut request = TcMessage::with_index(self.index);
        place(&mut request.header);
        // Without the echo, the kernel would answer to those who listen for changes alone.
        let answers = self.send(RouteNetlinkMessage::GetQueueDiscipline(request), NLM_F_ECHO).await?;
        Ok(answers.into_iter().find_map(|answer| match answer {
            RouteNetlinkMessage::NewQueueDiscipline(qdisc) => kind(&qdisc),
            _ => None,
        }))
    }

    /// Hangs a program there, as the first that runs.
    pub(crate) async fn add(&self, program: BorrowedFd<'_>, side: TcAttachType, name: FilterName) -> io::Result<()> {
        let descriptor = u32::try_from(program.as_raw_fd()).map_err(io::Error::other)?;
        let options = [
            TcFilterBpfOption::ProgFd(descriptor),
            TcFilterBpfOption::ProgName(name.to_string()),
            TcFilterBpfOption::Flags(TcBpfFlags::DirectAction),
        ];
        let mut request = TcMessage::with_index(self.index);
        request.header.parent = parent(side);
        // The process's number: two tracers at once do not take each other's.
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

    /// All filters on both sides, those of others too.
    pub(crate) async fn filters(&self) -> io::Result<Vec<Filter>> {
        let filters = self.netlink.traffic_filter(self.index);
        let (mut ingress, mut egress) = (filters.clone(), filters);
        let sides = ingress.get().ingress().execute().chain(egress.get().egress().execute());
        sides.map_ok(Filter::from).map_err(cause).try_collect().await
    }

    /// Removes the filters whose owners `leaves`, and then the qdisc, if tcptrace has made it and nobody's filter is left.
    /// `made_qdisc`: whether it is known to be tcptrace's even where no filter says so.
    pub(crate) async fn sweep(&self, made_qdisc: bool, leaves: impl Fn(Owner) -> bool) -> io::Result<Swept> {
        let mut swept = Swept::default();
        let mut made_qdisc = made_qdisc;
        for filter in self.filters().await? {
            let Some(name) = filter.name.filter(|name| leaves(name.owner)) else { continue };
            made_qdisc |= name.made_qdisc;
            swept.filters += usize::from(self.remove_filter(filter.header).await?);
        }
        if made_qdisc && self.filters().await?.is_empty() {
            swept.qdisc = self.remove().await?;
        }
        Ok(swept)
    }

    /// Returns whether the filter was there.
    async fn remove_filter(&self, header: TcHeader) -> io::Result<bool> {
        let mut request = TcMessage::with_index(self.index);
        request.header = header;
        request.attributes.push(TcAttribute::Kind(TcFilterBpf::KIND.to_owned()));
        self.removed(RouteNetlinkMessage::DelTrafficFilter(request)).await
    }

    /// Returns whether the qdisc was there.
    async fn remove(&self) -> io::Result<bool> {
        let mut request = TcMessage::with_index(self.index);
        place(&mut request.header);
        self.removed(RouteNetlinkMessage::DelQueueDiscipline(request)).await
    }

    async fn removed(&self, request: RouteNetlinkMessage) -> io::Result<bool> {
        match self.send(request, 0).await {
            Ok(_) => Ok(true),
            // Somebody was faster: with the filter, with its qdisc, or with the interface.
            Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::NOENT | Errno::INVAL | Errno::NODEV)) => {
                debug!("nothing was left to be removed: {error}");
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Returns what the kernel says besides that it is done.
    async fn send(&self, request: RouteNetlinkMessage, flags: u16) -> io::Result<Vec<RouteNetlinkMessage>> {
        let mut request = NetlinkMessage::from(request);
        request.header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
        let mut answers = self.netlink.clone().request(request).map_err(cause)?;
        let mut said = Vec::new();
        while let Some(answer) = answers.next().await {
            match answer.payload {
                NetlinkPayload::Error(error) if error.code.is_some() => return Err(error.to_io()),
                NetlinkPayload::InnerMessage(message) => said.push(message),
                _ => {}
            }
        }
        Ok(said)
    }
}

/// The kind of a qdisc.
pub(crate) fn kind(qdisc: &TcMessage) -> Option<String> {
    qdisc.attributes.iter().find_map(|attribute| match attribute {
        TcAttribute::Kind(kind) => Some(kind.clone()),
        _ => None,
    })
}

/// Whether a qdisc is in clsact's place.
pub(crate) fn is_in_place(qdisc: &TcMessage) -> bool {
    qdisc.header.parent == TcHandle::CLSACT
}

fn place(header: &mut TcHeader) {
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

/// What the kernel said.
pub(crate) fn cause(error: Error) -> io::Error {
    match error {
        Error::NetlinkError(message) => message.to_io(),
        other => io::Error::other(other.to_string()),
    }
}
