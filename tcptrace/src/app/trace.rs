//! From options to a running trace.

use std::os::unix::fs::MetadataExt as _;

use anyhow::{Context as _, Result, bail};
use log::{debug, warn};
use rustix::system::uname;
use tcptrace_ebpf::{SEGMENTS_ALL, SEGMENTS_CONTROL, SEGMENTS_NONE};

use super::{no_traffic_notice::Passed, owner_lookup::OwnerSearch};
use crate::{
    bpf::{
        AttachMode, Attachments, Hints, LoadSettings, LossCounters, Messages, Object, Pending, Ring, tc::stale_filters,
    },
    cli::{Attach, Options, Segments, Verbosity},
    host_clock,
    interfaces::{Interface, Interfaces},
    output::Output,
    pipeline::Pipeline,
    preflight,
    privileges::{Duty, as_caller, reduce},
    procfs::kernel_threads::KernelThreads,
};
use tcptrace_core::{SCHEMA, describe::Describer, event::BootTime, output_record::StartOutput, text::Escaped};

/// A trace that runs.
#[derive(Debug)]
pub(super) struct Trace {
    pub(super) pipeline: Pipeline,
    pub(super) object: Object,
    pub(super) attachments: Attachments,
    pub(super) hints: Hints,
    pub(super) ring: Ring,
    pub(super) losses: LossCounters,
    pub(super) pending: Pending,
    pub(super) interfaces: Interfaces,
    pub(super) messages: Option<Messages>,
    pub(super) owners: OwnerSearch,
    /// Inode number of the network namespace that is traced.
    netns: u32,
    /// When it was made.
    began: BootTime,
    /// Names given with `--interface`; none for all that are up.
    wanted: Vec<String>,
    segments: Segments,
    filter: String,
    /// Somebody waits at a terminal, and is told what passes if nothing shows.
    watched: bool,
    /// What had passed the interfaces when everything was attached, if so.
    passed: Passed,
}

impl Trace {
    /// Loads the programs and opens the output. Nothing is attached yet.
    pub(super) async fn prepare(options: &Options) -> Result<Self> {
        let segments = options.segments != Segments::None;
        preflight::check(segments)?;
        let interfaces = Interfaces::follow().context("interfaces cannot be followed through netlink")?;
        let present = interfaces.list().await.context("the interfaces of this host cannot be listed")?;
        let wanted = options.filter.interfaces.clone();
        let netns = own_netns()?;
        let mut object = Object::load(&LoadSettings {
            filter: &options.filter,
            segments: match options.segments {
                Segments::Control => SEGMENTS_CONTROL,
                Segments::All => SEGMENTS_ALL,
                Segments::None => SEGMENTS_NONE,
            },
            ring_bytes: options.ring_buffer,
            interfaces: &indices(&wanted, &present)?,
            netns,
            use_btf: options.btf,
            verbose: options.verbosity >= Verbosity::Verbose,
        })?;
        if !object.btf && !wanted.is_empty() {
            warn!("without BTF a socket's interface is not known: --interface applies to segments alone");
        }
        let mode = match options.attach {
            Attach::Auto => AttachMode::Auto,
            Attach::Tcx => AttachMode::Tcx,
            Attach::Clsact => AttachMode::Clsact,
        };
        let attachments = if segments { Attachments::load(&mut object, mode)? } else { Attachments::none() };
        let ring = object.take_ring()?;
        let messages = if options.verbosity >= Verbosity::Verbose { object.messages() } else { None };
        let kernel_threads = (!object.btf).then(KernelThreads::default);
        let losses = object.take_loss_counters()?;
        let pending = object.take_pending()?;
        let owners = OwnerSearch::start(&options.filter);
        // Last, since it empties a file that may be there: only when nothing else can go wrong.
        let output = as_caller(|| Output::open(options))??;
        let describer = Describer::live(host_clock::wall_clock());
        let began = host_clock::now();
        let mut pipeline = Pipeline::new(netns, describer, output, kernel_threads);
        pipeline.limit(options.max_connections);
        if options.segments == Segments::All {
            pipeline.expect_all_segments();
        }
        pipeline.reset_reasons = object.reset_reasons();
        Ok(Self {
            pipeline,
            object,
            attachments,
            hints: Hints::default(),
            ring,
            losses,
            pending,
            interfaces,
            messages,
            owners,
            netns,
            began,
            wanted,
            segments: options.segments,
            filter: options.filter.to_string(),
            watched: options.watched,
            passed: Passed::default(),
        })
    }

    /// Attaches, gives up the rights that only that took, and says so.
    pub(super) async fn attach(&mut self) -> Result<()> {
        // Interfaces first: a connection whose SYN_SENT is seen shall have its SYN seen too.
        let present = self.interfaces.list().await.context("the interfaces of this host cannot be listed")?;
        if self.segments != Segments::None {
            clean(&self.interfaces, &present).await;
        }
        for interface in &present {
            self.meet(interface).await;
        }
        if self.segments != Segments::None
            && self.attachments.names().is_empty()
            && present.iter().any(|interface| interface.up)
        {
            bail!("no interface could be attached to; run with -v for what the kernel said");
        }
        let (hints, programs) = Hints::attach(&mut self.object);
        self.hints = hints;
        self.losses.watch(programs);
        self.losses.watch(self.object.attach_states()?);
        if self.watched {
            self.passed = Passed::of(&self.interfaces.list().await.unwrap_or_default());
        }
        reduce(Duty::Trace { interfaces: self.segments != Segments::None });
        self.announce();
        // Nothing waits for the answer.
        self.pipeline.want_owners();
        self.owners.list();
        Ok(())
    }

    /// An interface is there: attach to it if it is wanted.
    pub(super) async fn meet(&mut self, interface: &Interface) {
        self.pipeline.describer.name_interface(interface.index, &interface.name);
        let wanted = if self.wanted.is_empty() { interface.up } else { self.wanted.contains(&interface.name) };
        if !wanted {
            return;
        }
        if !self.wanted.is_empty()
            && let Err(error) = self.object.add_interface(interface.index)
        {
            warn!("{error}");
        }
        if self.segments != Segments::None
            && let Err(error) = self.attachments.attach(&mut self.object, self.interfaces.netlink(), interface).await
        {
            warn!("segments on {} are not seen: {error}", Escaped(interface.name.as_bytes()));
        }
    }

    /// Somebody may have removed the filters of an interface, with their qdisc or without it.
    pub(super) async fn hang_again(&mut self, index: u32, qdisc: bool) {
        let netlink = self.interfaces.netlink();
        let Some((name, hung)) = self.attachments.hang_again(&self.object, netlink, index, qdisc).await else { return };
        let name = Escaped(name.as_bytes());
        match hung {
            Ok(()) => warn!("{name} lost its clsact filters; attached again, what passed meanwhile was not seen"),
            Err(error) => warn!("{name} lost its clsact filters, segments on it are not seen any more: {error}"),
        }
    }

    /// What is traced, from now on.
    pub(super) fn start_entry(&self) -> StartOutput {
        let host = uname();
        StartOutput {
            stamp: self.pipeline.describer.stamp(host_clock::now()),
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION"),
            hostname: host.nodename().to_string_lossy().into_owned(),
            kernel: Some(host.release().to_string_lossy().into_owned()),
            netns: Some(self.netns),
            interfaces: self.attachments.names(),
            segments: self.segments.into(),
            filter: self.filter.clone(),
            began_ns: Some(self.began.0),
        }
    }

    /// What is traced, in words.
    pub(super) fn scope(&self) -> String {
        let names: Vec<_> = self.attachments.names().iter().map(|name| Escaped(name.as_bytes()).to_string()).collect();
        let on = if names.is_empty() { "socket states only".to_owned() } else { format!("on {}", names.join(", ")) };
        let filter = if self.filter.is_empty() { "everything" } else { &self.filter };
        format!("tracing {on}; filter: {filter}")
    }

    /// Tells whoever waits why nothing shows, as far as that can be known.
    pub(super) async fn explain_silence(&self) {
        let scope = self.scope();
        match self.interfaces.list().await {
            Ok(interfaces) => {
                let passed = Passed::of(&interfaces).since(&self.passed);
                eprintln!("tcptrace: nothing yet: {scope}; meanwhile {passed}");
            }
            Err(error) => debug!("nothing yet: {scope}; interfaces cannot be asked for their packets: {error}"),
        }
    }

    /// Begins the output, and tells whoever waits for it that everything is attached.
    fn announce(&mut self) {
        eprintln!("tcptrace: {}", self.scope());
        self.pipeline.start(self.start_entry());
        self.pipeline.flush();
        debug!("{} bytes of memory hold events on their way", self.ring.size());
    }
}

/// Removes what tracers that were killed have left behind, and says so.
async fn clean(interfaces: &Interfaces, present: &[Interface]) {
    let cleaned = stale_filters::clean(interfaces.netlink(), present).await;
    if let Some(removed) = cleaned.removed_text() {
        warn!("removed what a tcptrace that was killed had left behind: {removed}");
    }
    for (interface, error) in cleaned.failed {
        warn!("what may be left of a killed tcptrace on {interface} stays: {error}");
    }
}

/// Inode number of this process's network namespace.
pub(super) fn own_netns() -> Result<u32> {
    let link = "/proc/self/ns/net";
    let inode = std::fs::metadata(link).with_context(|| format!("{link} cannot be read; is /proc mounted?"))?.ino();
    u32::try_from(inode).with_context(|| format!("{link} has the unexpected inode number {inode}"))
}

/// The indices of the interfaces named.
fn indices(wanted: &[String], present: &[Interface]) -> Result<Vec<u32>> {
    let index = |name: &String| {
        present.iter().find(|interface| interface.name == *name).map(|interface| interface.index).ok_or_else(|| {
            let names: Vec<String> =
                present.iter().map(|interface| Escaped(interface.name.as_bytes()).to_string()).collect();
            anyhow::anyhow!("there is no interface {}; there are: {}", Escaped(name.as_bytes()), names.join(", "))
        })
    };
    wanted.iter().map(index).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(index: u32, name: &str) -> Interface {
        Interface { index, name: name.to_owned(), up: true, loopback: false, packets: 0 }
    }

    #[test]
    fn an_interface_that_is_not_there_is_named_with_those_that_are() {
        let present = [interface(1, "lo"), interface(4, "eth0")];
        assert_eq!(indices(&["eth0".to_owned()], &present).expect("it is there"), [4]);
        let error = indices(&["eth9".to_owned()], &present).expect_err("it is not there");
        assert_eq!(error.to_string(), "there is no interface eth9; there are: lo, eth0");
    }
}
