//! Sets up a trace from the options, and attaches it to interfaces.

use std::{os::unix::fs::MetadataExt as _, sync::Arc};

use anyhow::{Context as _, Result, bail};
use caps::{CapSet, Capability, has_cap};
use log::{debug, warn};
use rustix::system::uname;
use tcptrace_ebpf::{SEGMENTS_ALL, SEGMENTS_CONTROL, SEGMENTS_NONE};

use super::{export, no_traffic_notice::Passed, owner_lookup::OwnerSearch, stdout_format, top::Session};
use crate::{
    bpf::{
        AttachMode, Attachments, Drops, Hints, LoadSettings, LossCounters, Object, Pending, ProgramLog, Ring,
        SkipCounters, Skipped, tc::stale_filters,
    },
    causes::with_causes,
    cgroups::CgroupNames,
    cli::{Attach, Options, Segments, Verbosity},
    command::Running,
    conntrack::{self, Conntrack, Forgotten},
    host_clock,
    interfaces::{Interface, Interfaces},
    metrics::{self, Listener},
    namespaces::{Namespaces, News, OnInterface, Selection, in_first_pid_namespace},
    otlp,
    pipeline::Pipeline,
    preflight,
    privileges::{Duty, as_caller, reduce},
    procfs::kernel_threads::KernelThreads,
};
use tcptrace_core::{
    SCHEMA, describe::Describer, event::BootTime, filter::Filter, output_record::StartOutput, text::Escaped,
};

/// A trace: the loaded programs, their attachments, and the pipeline that takes their records.
#[derive(Debug)]
pub(super) struct Trace {
    pub(super) pipeline: Pipeline,
    pub(super) object: Object,
    pub(super) attachments: Attachments,
    pub(super) hints: Hints,
    pub(super) drops: Drops,
    /// `None` where the kernel has no connection tracking, or this namespace is not traced.
    pub(super) conntrack: Option<Conntrack>,
    pub(super) ring: Ring,
    pub(super) losses: LossCounters,
    pub(super) skips: SkipCounters,
    pub(super) pending: Pending,
    pub(super) interfaces: Interfaces,
    pub(super) program_log: Option<ProgramLog>,
    pub(super) owners: OwnerSearch,
    /// The other network namespaces, where their segments are wanted.
    pub(super) namespaces: Option<Namespaces>,
    /// The namespaces that are traced; none for the states of all, and the segments of the own one.
    selection: Option<Selection>,
    /// The namespaces as they were given with `--netns`.
    chosen: Vec<String>,
    /// Inode number of the own network namespace.
    netns: u32,
    /// Time when the output was opened.
    began: BootTime,
    /// UUID of this run.
    run: Option<Arc<str>>,
    /// Names given with `--interface`; empty for all interfaces that are up.
    wanted: Vec<String>,
    segments: Segments,
    filter: String,
    /// Somebody may be watching a terminal, and is told why if no event comes.
    watched: bool,
    /// The packet counters of the interfaces when everything was attached, if `watched`.
    passed: Passed,
}

impl Trace {
    /// Loads the programs and opens the output. Nothing is attached yet.
    /// `group` is the ID of a control group whose sockets are to be marked; `session` gets the records, if there is one.
    pub(super) async fn prepare(options: &Options, group: Option<u64>, session: Option<&Session>) -> Result<Self> {
        let segments = options.segments != Segments::None;
        preflight::check(segments)?;
        let interfaces = Interfaces::follow().context("cannot follow interfaces through netlink")?;
        let present = interfaces.list().await.context("cannot list the interfaces of this host")?;
        let wanted = options.filter.interfaces.clone();
        let netns = own_netns()?;
        let mut selection = select(&options.netns, &wanted, netns)?;
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
            namespaces: match &selection {
                Some(Selection::Only(inodes)) => Some(inodes),
                Some(Selection::All) | None => None,
            },
            group,
            use_btf: options.btf,
            verbose: options.verbosity >= Verbosity::Verbose,
        })?;
        let elsewhere = selection.as_ref().is_some_and(|selection| !selection.is_only(netns));
        if elsewhere && !object.tells_netns {
            if !options.netns.is_empty() {
                bail!(
                    "--netns needs the kernel's type information (BTF), which tells the namespace of a socket and of a \
                     segment"
                );
            }
            debug!("without BTF, the segments of other network namespaces are not seen");
            selection = None;
        }
        let across = elsewhere && object.tells_netns;
        if !object.btf && !wanted.is_empty() {
            warn!("without BTF a socket's interface is unknown: --interface applies to segments only");
        }
        let mode = match options.attach {
            Attach::Auto => AttachMode::Auto,
            Attach::Tcx => AttachMode::Tcx,
            Attach::Clsact => AttachMode::Clsact,
        };
        let attachments =
            Attachments::new(mode, present.iter().filter(|interface| is_wanted(&wanted, interface)).count());
        let ring = object.take_ring()?;
        let program_log = if options.verbosity >= Verbosity::Verbose { object.messages() } else { None };
        let kernel_threads = (!object.btf).then(KernelThreads::default);
        let losses = object.take_loss_counters()?;
        let skips = object.take_skip_counters()?;
        let pending = object.take_pending()?;
        let owners =
            OwnerSearch::start(&options.filter, selection.as_ref().is_none_or(|selection| selection.contains(netns)));
        let cgroups = CgroupNames::start().inspect_err(|error| debug!("containers and units are not named: {error}"));
        let exporter = export::start(options, otlp::Source::Live)?;
        let listener = options.metrics.map(|address| as_caller(|| Listener::bind(address))).transpose()?.transpose()?;
        // Opened last, because this empties the file of `--write`: by now nothing else can fail.
        let output = as_caller(|| stdout_format::open(options, session))??;
        let describer = Describer::live(host_clock::wall_clock());
        let began = host_clock::now();
        let mut pipeline = Pipeline::new(netns, describer, output, kernel_threads);
        if let Some(listener) = listener {
            let address = listener.address;
            pipeline.output.count_in(metrics::serve(listener)?);
            if options.verbosity > Verbosity::Quiet {
                eprintln!("tcptrace: metrics at http://{address}/metrics");
            }
        }
        if let Some(exporter) = exporter {
            pipeline.output.export_by(exporter);
        }
        pipeline.across_namespaces = across;
        pipeline.cgroups = cgroups.ok();
        pipeline.limit(options.max_connections);
        pipeline.record_only(options.count.is_some() || options.top);
        match options.segments {
            Segments::All => pipeline.expect_all_segments(),
            Segments::None => pipeline.expect_no_segments(),
            Segments::Control => {}
        }
        pipeline.reasons = object.reasons();
        Ok(Self {
            pipeline,
            object,
            attachments,
            hints: Hints::default(),
            drops: Drops::default(),
            conntrack: None,
            ring,
            losses,
            skips,
            pending,
            interfaces,
            program_log,
            owners,
            namespaces: None,
            selection,
            chosen: options.netns.clone(),
            netns,
            began,
            run: new_uuid(),
            wanted,
            segments: options.segments,
            filter: options.filter.to_string(),
            watched: options.watched,
            passed: Passed::default(),
        })
    }

    /// Attaches all programs, drops the rights that only this needed, and says that the trace has begun.
    ///
    /// In between, when everything is seen and all rights are still there, it starts `command`.
    pub(super) async fn attach(&mut self, command: Option<&mut Running>) -> Result<()> {
        // Interfaces before states: if a connection's SYN_SENT is seen, its SYN must be seen too.
        let present = self.interfaces.list().await.context("cannot list the interfaces of this host")?;
        if self.segments != Segments::None {
            remove_stale_filters(&self.interfaces, &present).await;
        }
        for interface in &present {
            self.attach_interface(interface).await;
        }
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
            let told =
                subscribed.inspect_err(|error| debug!("connection tracking does not tell what it forgets: {error}"));
            self.conntrack = told.ok();
        }
        let states = self.object.attach_states()?;
        // Where there are two, what one of them is skipped for is seen by the other.
        if !self.object.btf {
            self.losses.watch(states);
        }
        if self.watched {
            self.passed = Passed::of(&self.interfaces.list().await.unwrap_or_default());
        }
        self.cover_namespaces();
        // Connections that come from now on find their listeners known.
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

    /// Attaches to an interface that exists, if it is to be traced and that has not been done. A failure is logged.
    pub(super) async fn attach_interface(&mut self, interface: &Interface) {
        // Of a bridge, only if its ports are watched too.
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
            warn!("segments on {} are not seen: {}", Escaped(interface.name.as_bytes()), with_causes(&error));
        }
    }

    /// Begins to attach to the interfaces of the other namespaces that were chosen.
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

    /// Connection tracking of a namespace has forgotten how to translate addresses of open connections.
    fn forget_translations(&mut self, netns: u32, forgotten: &[Forgotten], filter: &Filter) {
        let now = host_clock::now();
        let events = forgotten.iter().flat_map(|one| conntrack::events(one, filter, netns, now));
        events.for_each(|event| self.pipeline.learn(&event));
    }

    /// Connection tracking of the own namespace has forgotten how to translate addresses of open connections.
    pub(super) fn forget_own_translations(&mut self, forgotten: &[Forgotten], filter: &Filter) {
        self.forget_translations(self.netns, forgotten, filter);
    }

    /// Something about the other namespaces has changed.
    pub(super) fn follow_namespace(&mut self, news: News, filter: &Filter) {
        match news {
            News::Covered { netns, name, interfaces } => {
                let mut names = Vec::new();
                for (index, OnInterface { name, bridge, .. }) in interfaces {
                    self.pipeline.name_interface(netns, true, index, &name, bridge);
                    names.push(name);
                }
                self.pipeline.cover_netns(host_clock::now(), netns, name.map(Arc::from), names);
            }
            News::Gone(netns) => self.pipeline.forget_netns(netns),
            News::Forgot { netns, translations } => self.forget_translations(netns, &translations, filter),
        }
    }

    /// Attaches the filters of an interface again if somebody has removed them. `qdisc` says that their qdisc may have been
    /// removed too.
    pub(super) async fn restore_filters(&mut self, index: u32, qdisc: bool) {
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

    /// The start record: what is traced from now on.
    pub(super) fn start_record(&self) -> StartOutput {
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
            run: self.run.clone(),
        }
    }

    /// The interfaces and the filter of the trace, in words.
    pub(super) fn scope(&self) -> String {
        let names: Vec<_> = self.attachments.names().iter().map(|name| Escaped(name.as_bytes()).to_string()).collect();
        let on = match &names[..] {
            [] if self.segments == Segments::None || self.chosen.is_empty() => " socket states only".to_owned(),
            [] => String::new(),
            names => format!(" on {}", names.join(", ")),
        };
        let namespaces = match &self.chosen[..] {
            [] => String::new(),
            chosen => format!("; network namespaces: {}", Escaped(chosen.join(", ").as_bytes())),
        };
        let filter = if self.filter.is_empty() { "everything" } else { &self.filter };
        format!("tracing{on}{namespaces}; filter: {filter}")
    }

    /// Tells a user who waits at a terminal what is traced, and how many packets have passed the interfaces meanwhile.
    pub(super) async fn explain_silence(&self) {
        let scope = self.scope();
        match self.interfaces.list().await {
            Ok(interfaces) => {
                let passed = Passed::of(&interfaces).since(&self.passed);
                let skipped = self.skipped().map(|skipped| format!("; skipped: {skipped}")).unwrap_or_default();
                eprintln!("tcptrace: nothing yet: {scope}; meanwhile {passed}{skipped}");
            }
            Err(error) => debug!("nothing yet: {scope}; cannot read the packet counters of interfaces: {error}"),
        }
    }

    /// Frames that the programs have skipped so far; none if there are none, or they cannot be read.
    pub(super) fn skipped(&self) -> Option<Skipped> {
        let skipped = self.skips.read().inspect_err(|error| debug!("the counters of what was skipped: {error}"));
        skipped.ok().filter(|skipped| !skipped.is_empty())
    }

    /// Says on stderr that everything is attached, and writes the start record.
    fn announce(&mut self) {
        eprintln!("tcptrace: {}", self.scope());
        self.pipeline.start(self.start_record());
        self.pipeline.flush();
        debug!("the ring buffer has {} bytes", self.ring.size());
    }
}

/// Is this one of the interfaces named, or where none is named, is it up?
fn is_wanted(named: &[String], interface: &Interface) -> bool {
    if named.is_empty() { interface.up } else { named.contains(&interface.name) }
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

/// A new UUID, made by the kernel; none where /proc does not show it.
fn new_uuid() -> Option<Arc<str>> {
    let source = "/proc/sys/kernel/random/uuid";
    let uuid = std::fs::read_to_string(source).inspect_err(|error| debug!("cannot read {source}: {error}"));
    uuid.ok().map(|uuid| uuid.trim().into())
}

/// The inode number of this process's network namespace.
pub(super) fn own_netns() -> Result<u32> {
    let link = "/proc/self/ns/net";
    let inode = std::fs::metadata(link).with_context(|| format!("cannot read {link}; is /proc mounted?"))?.ino();
    u32::try_from(inode).with_context(|| format!("{link} has the unexpected inode number {inode}"))
}

/// The namespaces that the options choose; none where interfaces are chosen, or by default without the right to enter
/// namespaces: then the states of all are traced, and the segments of the own one.
pub(super) fn select(netns: &[String], interfaces: &[String], own: u32) -> Result<Option<Selection>> {
    match netns {
        [] if !in_first_pid_namespace() => Ok(Some(Selection::Only(vec![own]))),
        [] if !interfaces.is_empty() => Ok(None),
        [] if !has_cap(None, CapSet::Effective, Capability::CAP_SYS_ADMIN).unwrap_or_default() => {
            debug!("without CAP_SYS_ADMIN, the segments of other network namespaces are not seen");
            Ok(None)
        }
        [] => Ok(Some(Selection::All)),
        list => Ok(Some(Selection::of(list, own)?)),
    }
}

/// The indices of the interfaces with these names.
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
        Interface { index, name: name.to_owned(), up: true, loopback: false, bridge: false, packets: 0 }
    }

    #[test]
    fn an_interface_that_is_not_there_is_named_with_those_that_are() {
        let present = [interface(1, "lo"), interface(4, "eth0")];
        assert_eq!(indices(&["eth0".to_owned()], &present).expect("it is there"), [4]);
        let error = indices(&["eth9".to_owned()], &present).expect_err("it is not there");
        assert_eq!(error.to_string(), "there is no interface eth9; there are: lo, eth0");
    }
}
