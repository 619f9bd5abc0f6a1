//! Attaching the TC programs to interfaces, and leaving nothing behind.
//!
//! TCX links end with the process whatever happens. Where the kernel has no TCX, clsact filters have a priority and a
//! handle of their own, and a qdisc is removed only if it was made here and holds nobody else's filter.

use std::collections::BTreeMap;

use aya::programs::{
    LinkOrder, ProgramError, SchedClassifier, TcAttach, TcAttachType, TcHandle,
    tc::{NlOptions, SchedClassifierLink, TcError, qdisc_add_clsact},
};
use futures_util::TryStreamExt as _;
use log::{debug, warn};
use rtnetlink::packet_route::tc::TcHandle as NetlinkHandle;
use tcptrace_ebpf::names;

use super::{
    error::{LoadError, missing, refusal},
    interfaces::Interface,
    object::Object,
};

/// How to attach to interfaces.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AttachMode {
    /// TCX where the kernel has it, clsact otherwise.
    Auto,
    /// TCX or nothing.
    Tcx,
    /// clsact.
    Clsact,
}

const TCX: &str = "TCX (Linux 6.6)";
const CLSACT: &str = "clsact (modules sch_ingress and cls_bpf)";

/// Filters run in the order of their priorities; a program before ours could keep segments from us.
const PRIORITY: u16 = 1;

/// The programs attached to one interface.
#[derive(Debug)]
struct Attached {
    name: String,
    /// Ingress and egress, loopback only egress. Dropping a link detaches it.
    links: Vec<SchedClassifierLink>,
}

/// The interfaces that are attached to.
#[derive(Debug)]
pub struct Attachments {
    mode: AttachMode,
    attached: BTreeMap<u32, Attached>,
    /// Interfaces for which a clsact qdisc was made, by index, with their names.
    made_qdiscs: BTreeMap<u32, String>,
}

impl Attachments {
    /// Loads the TC programs.
    ///
    /// # Errors
    /// When the kernel refuses them.
    pub fn load(object: &mut Object, mode: AttachMode) -> Result<Self, LoadError> {
        for name in [names::TC_INGRESS, names::TC_EGRESS] {
            classifier(object, name)?
                .load()
                .map_err(|error| LoadError::Program { program: name, cause: refusal(&error) })?;
        }
        Ok(Self { mode, ..Self::none() })
    }

    /// Attaches to nothing: no segments are wanted.
    pub fn none() -> Self {
        Self { mode: AttachMode::Auto, attached: BTreeMap::new(), made_qdiscs: BTreeMap::new() }
    }

    /// The names of the interfaces attached to, in the order of their indices.
    pub fn names(&self) -> Vec<String> {
        self.attached.values().map(|attached| attached.name.clone()).collect()
    }

    /// Attaches to an interface, once; loopback passes every segment twice, so its egress suffices.
    ///
    /// # Errors
    /// When the kernel refuses, or the interface has gone meanwhile.
    pub fn attach(&mut self, object: &mut Object, interface: &Interface) -> Result<(), LoadError> {
        if let Some(attached) = self.attached.get_mut(&interface.index) {
            attached.name.clone_from(&interface.name);
            return Ok(());
        }
        let mut attached = Attached { name: interface.name.clone(), links: Vec::new() };
        let sides: &[_] = if interface.loopback {
            &[(names::TC_EGRESS, TcAttachType::Egress)]
        } else {
            &[(names::TC_INGRESS, TcAttachType::Ingress), (names::TC_EGRESS, TcAttachType::Egress)]
        };
        for &(program, side) in sides {
            // When the second fails, dropping `attached` takes the first back.
            let link = self.attach_side(object, program, side, interface)?;
            attached.links.push(link);
        }
        self.attached.insert(interface.index, attached);
        Ok(())
    }

    fn attach_side(
        &mut self,
        object: &mut Object,
        name: &'static str,
        side: TcAttachType,
        interface: &Interface,
    ) -> Result<SchedClassifierLink, LoadError> {
        let refused = |way, error: &dyn std::error::Error| LoadError::Attach { way, cause: refusal(error) };
        let program = classifier(object, name)?;
        if self.mode != AttachMode::Clsact {
            let attach = TcAttach::Tcx { attach_type: side, order: LinkOrder::first() };
            match program.attach(interface.index, attach) {
                Ok(id) => return program.take_link(id).map_err(|error| refused(TCX, &error)),
                Err(error) if self.mode == AttachMode::Tcx => return Err(refused(TCX, &error)),
                Err(error) => debug!("no TCX on {}: {}", interface.name, refusal(&error)),
            }
        }
        match qdisc_add_clsact(interface.index) {
            Ok(()) => {
                self.made_qdiscs.insert(interface.index, interface.name.clone());
            }
            Err(TcError::AlreadyAttached) => {}
            Err(error) => debug!("no clsact qdisc made on {}: {error}", interface.name),
        }
        let id = attach_filter(program, interface.index, side, PRIORITY)
            // Somebody's filter of another kind may have that priority.
            .or_else(|_| attach_filter(program, interface.index, side, 0))
            .map_err(|error| refused(CLSACT, &error))?;
        program.take_link(id).map_err(|error| refused(CLSACT, &error))
    }

    /// Forgets an interface that has gone, and the kernel has detached everything from it.
    pub fn forget(&mut self, index: u32) {
        self.made_qdiscs.remove(&index);
        if let Some(attached) = self.attached.remove(&index) {
            debug!("{} has gone", attached.name);
        }
    }

    /// Forgets the interfaces that are not there any more.
    pub fn retain(&mut self, is_there: impl Fn(u32) -> bool) {
        let gone: Vec<u32> = self.attached.keys().copied().filter(|&index| !is_there(index)).collect();
        gone.into_iter().for_each(|index| self.forget(index));
    }

    /// Detaches from every interface, and removes what was made for it.
    pub async fn detach(self, netlink: &rtnetlink::Handle) {
        drop(self.attached);
        for (index, name) in self.made_qdiscs {
            if let Err(error) = remove_qdisc(netlink, index).await {
                warn!("the clsact qdisc made on {name} could not be removed: {error}");
            }
        }
    }
}

fn classifier<'a>(object: &'a mut Object, name: &'static str) -> Result<&'a mut SchedClassifier, LoadError> {
    let program = object.ebpf.program_mut(name).ok_or(LoadError::Program { program: name, cause: missing() })?;
    program.try_into().map_err(|error: ProgramError| LoadError::Program { program: name, cause: refusal(&error) })
}

fn attach_filter(
    program: &mut SchedClassifier,
    index: u32,
    side: TcAttachType,
    priority: u16,
) -> Result<aya::programs::tc::SchedClassifierLinkId, ProgramError> {
    // The handle is the process's number: two tracers at once do not touch each other's filters.
    let pid = std::process::id();
    let handle = TcHandle::new((pid >> 16) as u16, pid as u16);
    program.attach(
        index,
        TcAttach::Netlink { parent: side.into(), options: NlOptions { priority, handle, classid: None } },
    )
}

/// Removes a clsact qdisc, unless somebody has put a filter into it meanwhile.
async fn remove_qdisc(netlink: &rtnetlink::Handle, index: u32) -> Result<(), rtnetlink::Error> {
    let Ok(index) = i32::try_from(index) else { return Ok(()) };
    let mut filters = netlink.traffic_filter(index);
    let others = filters.get().ingress().execute().try_next().await?.is_some()
        || filters.get().egress().execute().try_next().await?.is_some();
    if others {
        return Ok(());
    }
    let mut request = netlink.qdisc().del(index);
    let header = &mut request.message_mut().header;
    header.parent = NetlinkHandle::CLSACT;
    header.handle = NetlinkHandle { major: u16::MAX, minor: 0 };
    request.execute().await
}
