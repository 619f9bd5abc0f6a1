//! Attaches the TC programs to interfaces, and removes them again.
//!
//! TCX links end with the process, however it ends. On kernels without TCX the programs are attached as clsact filters, whose
//! names identify the tracer that owns them. A qdisc is removed only if a tcptrace created it and it holds no filter.
//!
//! Clsact filters that somebody removes are attached again. The kernel does not report when somebody detaches a TCX link, so
//! that stays detached.

use std::{
    collections::BTreeMap,
    os::fd::{AsFd as _, BorrowedFd},
};

use aya::programs::{LinkOrder, ProgramError, SchedClassifier, TcAttach, TcAttachType, tc::SchedClassifierLink};
use log::{debug, warn};
use rtnetlink::Handle;
use tcptrace_ebpf::names;

use super::{clsact::Clsact, filter_name::TracerId, programs::Programs, put_filters::put_filters};
use crate::{
    bpf::{
        error::{LoadError, missing, refusal},
        object::Object,
        tc::interface::Interface,
    },
    causes::with_causes,
};
use tcptrace_core::text::Escaped;

/// The mechanism used to attach to interfaces.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AttachMode {
    /// TCX on the interfaces that are there at the start, if the kernel has it and they are few, clsact otherwise; each where
    /// the other is refused.
    Auto,
    /// TCX only.
    Tcx,
    /// clsact only.
    Clsact,
}

/// Number of interfaces up to which TCX is preferred. For each TCX link the kernel waits for a grace period, about 15 ms, at
/// attachment and again at detachment; for a filter it does not. Processes that create or delete interfaces at that time wait
/// as well, and those that delete an interface with a TCX link always do: interfaces that come later may go again soon.
const FEW_INTERFACES: usize = 4;

const TCX: &str = "TCX (Linux 6.6)";
const CLSACT: &str = "clsact (modules sch_ingress and cls_bpf)";

/// The program for a direction of an interface, and that direction.
type Side = (&'static str, TcAttachType);

const INGRESS: Side = (names::TC_INGRESS, TcAttachType::Ingress);
const EGRESS: Side = (names::TC_EGRESS, TcAttachType::Egress);

/// An interface that the programs are attached to.
#[derive(Debug)]
struct Attached {
    name: String,
    sides: &'static [Side],
    mechanism: Mechanism,
}

#[derive(Debug)]
enum Mechanism {
    /// Dropping a link detaches it.
    Tcx { _links: Vec<SchedClassifierLink> },
    Clsact {
        /// The present qdisc was created by this tcptrace or another.
        made_qdisc: bool,
    },
}

/// The interfaces that the TC programs are attached to.
#[derive(Debug)]
pub struct Attachments {
    mode: AttachMode,
    /// TCX is preferred: tracing is about to begin, and there are few interfaces.
    prefers_tcx: bool,
    /// By interface index.
    attached: BTreeMap<u32, Attached>,
    own: TracerId,
}

impl Attachments {
    /// Creates it without attachments. `expected` is the number of interfaces that are there to attach to.
    pub fn new(mode: AttachMode, expected: usize) -> Self {
        Self { mode, prefers_tcx: expected <= FEW_INTERFACES, attached: BTreeMap::new(), own: TracerId::this_process() }
    }

    /// Notes that what comes from now on was not there at the start.
    pub fn expect_new_interfaces(&mut self) {
        self.prefers_tcx = false;
    }

    /// The programs, for interfaces of other namespaces.
    ///
    /// # Errors
    /// When they are not loaded, or too many files are open.
    pub fn programs(object: &Object) -> Result<Programs, LoadError> {
        let [ingress, egress] = [names::TC_INGRESS, names::TC_EGRESS];
        Programs::new(descriptor(object, ingress)?, descriptor(object, egress)?)
            .map_err(|cause| LoadError::Program { program: ingress, cause })
    }

    /// The names of the interfaces attached to, ordered by index.
    pub fn names(&self) -> Vec<String> {
        self.attached.values().map(|attached| attached.name.clone()).collect()
    }

    /// Attaches to an interface unless that has been done; on loopback to egress only, as every segment passes both ways there.
    ///
    /// # Errors
    /// When the kernel refuses, or the interface no longer exists.
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
        let clsact = Clsact::of(netlink, interface.index);
        let refused = |error: &LoadError| debug!("on {}: {}", interface.name, with_causes(error));
        let mechanism = match (self.mode, self.prefers_tcx) {
            (AttachMode::Tcx, _) => link(object, interface.index, sides)?,
            (AttachMode::Clsact, _) => self.filter(object, &clsact, sides).await?,
            (AttachMode::Auto, true) => match link(object, interface.index, sides).inspect_err(refused) {
                Ok(links) => links,
                Err(_) => self.filter(object, &clsact, sides).await?,
            },
            (AttachMode::Auto, false) => match self.filter(object, &clsact, sides).await.inspect_err(refused) {
                Ok(filters) => filters,
                Err(error) if error.is_of_no_interface() => return Err(error),
                Err(error) => link(object, interface.index, sides).inspect_err(refused).map_err(|_| error)?,
            },
        };
        self.attached.insert(interface.index, Attached { name: interface.name.clone(), sides, mechanism });
        Ok(())
    }

    /// Attaches the filters of an interface again that have been removed. `qdisc_removed` says that the clsact qdisc was
    /// removed too. Returns the interface's name if any filter was missing, and whether attaching worked; if not, the interface
    /// counts as not attached to any more.
    pub async fn restore_filters(
        &mut self,
        object: &Object,
        netlink: &Handle,
        index: u32,
        qdisc_removed: bool,
    ) -> Option<(String, Result<(), LoadError>)> {
        let Some(Attached { name, sides, mechanism: Mechanism::Clsact { made_qdisc } }) = self.attached.get_mut(&index)
        else {
            return None;
        };
        if qdisc_removed {
            *made_qdisc = false;
        }
        let (name, sides, known) = (name.clone(), *sides, *made_qdisc);
        let clsact = Clsact::of(netlink, index);
        let present = clsact.filters().await.unwrap_or_default();
        let own = self.own;
        if sides.iter().all(|&(_, side)| present.iter().any(|filter| filter.is_of(own) && filter.is_on(side))) {
            return None;
        }
        let restored = self.attach_filters(object, &clsact, sides, known).await.map(|made| {
            if let Some(attached) = self.attached.get_mut(&index) {
                attached.mechanism = Mechanism::Clsact { made_qdisc: made };
            }
        });
        if restored.is_err() {
            self.attached.remove(&index);
        }
        Some((name, restored))
    }

    /// Notes that a tcptrace created the qdisc of an interface, as the name of another tracer's filter says. When this tracer
    /// looked, that filter may not have been there yet.
    pub fn qdisc_made(&mut self, index: u32) {
        if let Some(Attached { mechanism: Mechanism::Clsact { made_qdisc }, .. }) = self.attached.get_mut(&index) {
            *made_qdisc = true;
        }
    }

    async fn filter(&self, object: &Object, clsact: &Clsact<'_>, sides: &[Side]) -> Result<Mechanism, LoadError> {
        let made_qdisc = self.attach_filters(object, clsact, sides, false).await?;
        Ok(Mechanism::Clsact { made_qdisc })
    }

    /// Attaches the filters that are missing on these sides, all or none. Returns whether a tcptrace created the qdisc;
    /// `made_qdisc` says that this is already known.
    async fn attach_filters(
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
        put_filters(clsact, self.own, &programs, made_qdisc)
            .await
            .map_err(|cause| LoadError::Attach { way: CLSACT, cause })
    }

    /// Forgets the interfaces whose indices do not satisfy `exists`; the kernel has detached everything from them.
    pub fn retain(&mut self, exists: impl Fn(u32) -> bool) {
        self.attached.retain(|&index, attached| {
            let stays = exists(index);
            if !stays {
                debug!("interface {} has been removed", Escaped(attached.name.as_bytes()));
            }
            stays
        });
    }

    /// Detaches from all interfaces, and removes the qdiscs created for that.
    pub async fn detach(self, netlink: &Handle) {
        for (index, Attached { name, mechanism, .. }) in self.attached {
            let Mechanism::Clsact { made_qdisc } = mechanism else { continue };
            if let Err(error) = Clsact::of(netlink, index).sweep(made_qdisc, |owner| owner == self.own).await {
                warn!("cannot remove the clsact filters on {}: {error}", Escaped(name.as_bytes()));
            }
        }
    }
}

/// Attaches TCX links on all sides or on none.
fn link(object: &mut Object, index: u32, sides: &[Side]) -> Result<Mechanism, LoadError> {
    let refused = |error: ProgramError| LoadError::Attach { way: TCX, cause: refusal(&error) };
    let mut links = Vec::new();
    for &(name, side) in sides {
        let program = classifier(object, name)?;
        let attach = TcAttach::Tcx { attach_type: side, order: LinkOrder::first() };
        let id = program.attach(index, attach).map_err(refused)?;
        links.push(program.take_link(id).map_err(refused)?);
    }
    Ok(Mechanism::Tcx { _links: links })
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
