//! Attaching the TC programs to interfaces, and leaving nothing behind.
//!
//! TCX links end with the process whatever happens. Where the kernel has no TCX, the programs hang as clsact filters, which
//! carry their owner's name, and a qdisc is removed only if tcptrace made it and it holds nobody's filter.
//!
//! Clsact filters that somebody removes are hung again. A TCX link that somebody detaches tells nobody, and stays detached.

use std::{
    collections::BTreeMap,
    io,
    os::fd::{AsFd as _, BorrowedFd},
};

use aya::programs::{LinkOrder, ProgramError, SchedClassifier, TcAttach, TcAttachType, tc::SchedClassifierLink};
use log::{debug, warn};
use rtnetlink::Handle;
use tcptrace_ebpf::names;

use super::{
    clsact::Clsact,
    filter_name::{FilterName, Owner},
};
use crate::{
    bpf::{
        error::{LoadError, missing, refusal},
        object::Object,
    },
    interfaces::Interface,
};
use tcptrace_core::text::Escaped;

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

/// A side of an interface, and the program for it.
type Side = (&'static str, TcAttachType);

const INGRESS: Side = (names::TC_INGRESS, TcAttachType::Ingress);
const EGRESS: Side = (names::TC_EGRESS, TcAttachType::Egress);

/// What hangs on one interface.
#[derive(Debug)]
struct Attached {
    name: String,
    sides: &'static [Side],
    way: Way,
}

#[derive(Debug)]
enum Way {
    /// Dropping a link detaches it.
    Tcx { _links: Vec<SchedClassifierLink> },
    Clsact {
        /// Whether the qdisc that is there now was made by tcptrace.
        made_qdisc: bool,
    },
}

/// The interfaces that are attached to.
#[derive(Debug)]
pub struct Attachments {
    mode: AttachMode,
    /// By index.
    attached: BTreeMap<u32, Attached>,
    own: Owner,
}

impl Attachments {
    /// Loads the TC programs.
    ///
    /// # Errors
    /// When the kernel refuses them.
    pub fn load(object: &mut Object, mode: AttachMode) -> Result<Self, LoadError> {
        for (name, _) in [INGRESS, EGRESS] {
            classifier(object, name)?
                .load()
                .map_err(|error| LoadError::Program { program: name, cause: refusal(&error) })?;
        }
        Ok(Self { mode, ..Self::none() })
    }

    /// Attaches to nothing: no segments are wanted.
    pub fn none() -> Self {
        Self { mode: AttachMode::Auto, attached: BTreeMap::new(), own: Owner::this_process() }
    }

    /// The names of the interfaces attached to, in the order of their indices.
    pub fn names(&self) -> Vec<String> {
        self.attached.values().map(|attached| attached.name.clone()).collect()
    }

    /// Attaches to an interface, once; loopback passes every segment twice, so its egress suffices.
    ///
    /// # Errors
    /// When the kernel refuses, or the interface has gone meanwhile.
    pub async fn attach(
        &mut self,
        object: &mut Object,
        netlink: &Handle,
        interface: &Interface,
    ) -> Result<(), LoadError> {
        if let Some(attached) = self.attached.get_mut(&interface.index) {
            attached.name.clone_from(&interface.name);
            return Ok(());
        }
        let sides: &[Side] = if interface.loopback { &[EGRESS] } else { &[INGRESS, EGRESS] };
        let tcx = match self.mode {
            AttachMode::Clsact => None,
            AttachMode::Tcx => Some(link(object, interface.index, sides)?),
            AttachMode::Auto => link(object, interface.index, sides)
                .inspect_err(|error| debug!("no TCX on {}: {error}", interface.name))
                .ok(),
        };
        let way = match tcx {
            Some(links) => Way::Tcx { _links: links },
            None => {
                let made_qdisc = self.hang(object, &Clsact::of(netlink, interface.index), sides, false).await?;
                Way::Clsact { made_qdisc }
            }
        };
        self.attached.insert(interface.index, Attached { name: interface.name.clone(), sides, way });
        Ok(())
    }

    /// Hangs the filters of an interface again that are not there any more. `qdisc_removed`: whether the clsact qdisc was
    /// removed too. Returns the interface's name if any were missing, and whether they hang there again; if not, the interface
    /// is not attached to any more.
    pub async fn hang_again(
        &mut self,
        object: &Object,
        netlink: &Handle,
        index: u32,
        qdisc_removed: bool,
    ) -> Option<(String, Result<(), LoadError>)> {
        let Some(Attached { name, sides, way: Way::Clsact { made_qdisc } }) = self.attached.get_mut(&index) else {
            return None;
        };
        if qdisc_removed {
            *made_qdisc = false;
        }
        let (name, sides, known) = (name.clone(), *sides, *made_qdisc);
        let clsact = Clsact::of(netlink, index);
        let there = clsact.filters().await.unwrap_or_default();
        let own = self.own;
        if sides.iter().all(|&(_, side)| there.iter().any(|filter| filter.is_of(own) && filter.is_on(side))) {
            return None;
        }
        let hung = self.hang(object, &clsact, sides, known).await.map(|made| {
            if let Some(attached) = self.attached.get_mut(&index) {
                attached.way = Way::Clsact { made_qdisc: made };
            }
        });
        if hung.is_err() {
            self.attached.remove(&index);
        }
        Some((name, hung))
    }

    /// Another tracer has hung its filters on the same qdisc of an interface, and knows that tcptrace made it: it may have
    /// been about to do so when this one looked.
    pub fn qdisc_made(&mut self, index: u32) {
        if let Some(Attached { way: Way::Clsact { made_qdisc }, .. }) = self.attached.get_mut(&index) {
            *made_qdisc = true;
        }
    }

    /// Hangs on both sides what does not hang there yet, or nothing. Returns whether the qdisc is tcptrace's; `made_qdisc`:
    /// whether that is known already.
    async fn hang(
        &self,
        object: &Object,
        clsact: &Clsact<'_>,
        sides: &[Side],
        made_qdisc: bool,
    ) -> Result<bool, LoadError> {
        let mut programs = Vec::new();
        for &(name, side) in sides {
            programs.push((descriptor(object, name)?, side));
        }
        let mut result = self.try_hang(clsact, &programs, made_qdisc).await;
        if let Err(error) = &result {
            // Another tracer that ends may have taken its qdisc away in between.
            debug!("once more, after {error}");
            result = self.try_hang(clsact, &programs, made_qdisc).await;
        }
        result.map_err(|cause| LoadError::Attach { way: CLSACT, cause })
    }

    async fn try_hang(
        &self,
        clsact: &Clsact<'_>,
        programs: &[(BorrowedFd<'_>, TcAttachType)],
        made_qdisc: bool,
    ) -> io::Result<bool> {
        let made_now = clsact.make().await?;
        let there = clsact.filters().await?;
        // What another tracer made becomes the concern of whoever stays longest.
        let made_qdisc = made_qdisc || made_now || there.iter().any(|it| it.name.is_some_and(|name| name.made_qdisc));
        let name = FilterName { owner: self.own, made_qdisc };
        for &(program, side) in programs {
            if there.iter().any(|filter| filter.is_of(self.own) && filter.is_on(side)) {
                continue;
            }
            if let Err(error) = clsact.add(program, side, name).await {
                clsact.sweep(made_qdisc, |owner| owner == self.own).await?;
                return Err(error);
            }
        }
        Ok(made_qdisc)
    }

    /// Forgets an interface that has gone, and the kernel has detached everything from it.
    pub fn forget(&mut self, index: u32) {
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
    pub async fn detach(self, netlink: &Handle) {
        for (index, Attached { name, way, .. }) in self.attached {
            let Way::Clsact { made_qdisc } = way else { continue };
            if let Err(error) = Clsact::of(netlink, index).sweep(made_qdisc, |owner| owner == self.own).await {
                warn!("the clsact filters on {} could not be removed: {error}", Escaped(name.as_bytes()));
            }
        }
    }
}

/// Attaches by TCX, on all sides or on none.
fn link(object: &mut Object, index: u32, sides: &[Side]) -> Result<Vec<SchedClassifierLink>, LoadError> {
    let refused = |error: ProgramError| LoadError::Attach { way: TCX, cause: refusal(&error) };
    let mut links = Vec::new();
    for &(name, side) in sides {
        let program = classifier(object, name)?;
        let attach = TcAttach::Tcx { attach_type: side, order: LinkOrder::first() };
        let id = program.attach(index, attach).map_err(refused)?;
        links.push(program.take_link(id).map_err(refused)?);
    }
    Ok(links)
}

fn classifier<'a>(object: &'a mut Object, name: &'static str) -> Result<&'a mut SchedClassifier, LoadError> {
    let program = object.ebpf.program_mut(name).ok_or(LoadError::Program { program: name, cause: missing() })?;
    program.try_into().map_err(|error: ProgramError| LoadError::Program { program: name, cause: refusal(&error) })
}

fn descriptor<'a>(object: &'a Object, name: &'static str) -> Result<BorrowedFd<'a>, LoadError> {
    let refused = |error: ProgramError| LoadError::Program { program: name, cause: refusal(&error) };
    let program = object.ebpf.program(name).ok_or(LoadError::Program { program: name, cause: missing() })?;
    let program: &SchedClassifier = program.try_into().map_err(refused)?;
    Ok(program.fd().map_err(refused)?.as_fd())
}
