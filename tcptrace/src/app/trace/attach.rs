//! Attachment of the programs when the trace begins, and to interfaces that come later.

use anyhow::{Context as _, Result, bail};
use log::{debug, warn};

use super::{Trace, targets::is_wanted};
use crate::{
    app::no_traffic_notice::Passed,
    bpf::{Attachments, Drops, Hints, tc::stale_filters},
    causes::with_causes,
    cli::Segments,
    command::Running,
    conntrack::Conntrack,
    interfaces::{Interface, Interfaces},
    namespaces::Namespaces,
    privileges::{Duty, reduce},
};
use tcptrace_core::text::Escaped;

impl Trace {
    /// Attaches all programs, drops the rights that only this needed, and announces the trace.
    ///
    /// In between, when everything is seen and all rights are still held, it starts `command`.
    pub(in crate::app) async fn attach(&mut self, command: Option<&mut Running>) -> Result<()> {
        // Interfaces before states: if a connection's SYN_SENT is seen, its SYN must be seen too.
        let present = self.interfaces.list().await.context("cannot list the interfaces of this host")?;
        if self.segments != Segments::None {
            remove_stale_filters(&self.interfaces, &present).await;
        }
        for interface in &present {
            self.attach_interface(interface).await;
        }
        self.attachments.expect_new_interfaces();
        if self.segments != Segments::None
            && self.attachments.names().is_empty()
            && self.selection.as_ref().is_none_or(|selection| selection.contains(self.netns))
            && present.iter().any(|interface| interface.up)
        {
            bail!("cannot attach to any interface; run with -v for the kernel's errors");
        }
        let (hints, programs) = Hints::attach(&mut self.object);
        self.hints = hints;
        self.losses.watch(programs);
        if self.segments != Segments::None {
            self.drops = Drops::attach(&mut self.object);
        }
        if self.selection.as_ref().is_none_or(|selection| selection.contains(self.netns)) {
            let subscribed = Conntrack::subscribe();
            self.conntrack = subscribed
                .inspect_err(|error| debug!("connection tracking does not report what it forgets: {error}"))
                .ok();
        }
        let states = self.object.attach_states()?;
        // With two programs, the changes for which one is skipped are seen by the other.
        if !self.object.has_types() {
            self.losses.watch(states);
        }
        if self.watched {
            self.passed = Passed::of(&self.interfaces.list().await.unwrap_or_default());
        }
        self.cover_namespaces();
        // The listeners of connections from now on are known.
        self.pipeline.want_owners();
        let known = self.owners.all(self.selection.as_ref(), self.netns).await;
        if let Some(command) = command {
            self.pipeline.command = Some(command.start(self.object.marks_group)?);
        }
        reduce(Duty::Trace { interfaces: self.segments != Segments::None });
        self.announce();
        for snapshot in known {
            self.owners.report(&snapshot, &mut self.pipeline, snapshot.began);
        }
        Ok(())
    }

    /// Attaches to an existing interface, if it is to be traced and that has not been done. A failure is logged.
    pub(in crate::app) async fn attach_interface(&mut self, interface: &Interface) {
        // A bridge counts only if its ports are watched, too.
        let bridge = interface.bridge && self.wanted.is_empty();
        let tells_netns = self.object.tells_netns;
        self.pipeline.name_interface(self.netns, tells_netns, interface.index, &interface.name, bridge);
        let chosen = self.selection.as_ref().is_none_or(|selection| selection.contains(self.netns));
        if !is_wanted(&self.wanted, interface) || !chosen {
            return;
        }
        if !self.wanted.is_empty()
            && let Err(error) = self.object.add_interface(interface.index)
        {
            warn!("{}", with_causes(&error));
        }
        if self.segments != Segments::None
            && let Err(error) = self.attachments.attach(&mut self.object, self.interfaces.netlink(), interface).await
        {
            let name = Escaped(interface.name.as_bytes());
            if error.is_of_no_interface() {
                debug!("{name} has been removed again: {}", with_causes(&error));
            } else {
                warn!("segments on {name} are not seen: {}", with_causes(&error));
            }
        }
    }

    /// Forgets the interfaces of tcptrace's own namespace whose indices do not satisfy `exists`, as they have been removed.
    pub(in crate::app) fn forget_interfaces(&mut self, exists: impl Fn(u32) -> bool) {
        self.attachments.retain(&exists);
        self.pipeline.retain_interfaces(self.netns, exists);
    }

    /// Attaches the filters of an interface again if somebody has removed them. `qdisc`: their qdisc may have been removed,
    /// too.
    pub(in crate::app) async fn restore_filters(&mut self, index: u32, qdisc: bool) {
        let netlink = self.interfaces.netlink();
        let restored = self.attachments.restore_filters(&self.object, netlink, index, qdisc).await;
        let Some((name, restored)) = restored else { return };
        let name = Escaped(name.as_bytes());
        match restored {
            Ok(()) => warn!("{name} lost its clsact filters; attached again, segments in between were not seen"),
            Err(error) => {
                warn!("{name} lost its clsact filters, segments on it are not seen any more: {}", with_causes(&error));
            }
        }
    }

    /// Begins to attach to the interfaces of the other chosen namespaces.
    fn cover_namespaces(&mut self) {
        let Some(selection) = self.selection.clone().filter(|_| self.segments != Segments::None) else { return };
        if selection.is_only(self.netns) {
            return;
        }
        let covered = Attachments::programs(&self.object)
            .map_err(anyhow::Error::from)
            .and_then(|programs| Ok(Namespaces::cover(selection, self.netns, programs)?));
        match covered {
            Ok(namespaces) => self.namespaces = Some(namespaces),
            Err(error) => warn!("segments of other network namespaces are not seen: {error:#}"),
        }
    }
}

/// Removes filters that killed tracers have left behind, and logs that.
async fn remove_stale_filters(interfaces: &Interfaces, present: &[Interface]) {
    let cleaned = stale_filters::clean(interfaces.netlink(), present).await;
    if let Some(removed) = cleaned.removed_text() {
        warn!("removed filters that a killed tcptrace had left behind: {removed}");
    }
    for (interface, error) in cleaned.failed {
        warn!("cannot remove filters that a killed tcptrace may have left on {interface}: {error}");
    }
}
