//! A live trace: its parts, and its set-up from the options.

mod announce;
mod attach;
mod outputs;
mod targets;

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use log::{debug, warn};
use tcptrace_ebpf::{SEGMENTS_ALL, SEGMENTS_CONTROL, SEGMENTS_NONE};

pub(super) use self::targets::{own_netns, select};
use self::{
    outputs::open_pipeline,
    targets::{indices, is_wanted},
};
use super::{
    no_traffic_notice::Passed,
    owner_lookup::{OwnerLookup, queues, reports},
    top::Session,
};
use crate::{
    bpf::{
        AttachMode, Attachments, Drops, Hints, LoadSettings, LossCounters, Object, Pending, ProgramLog, Ring,
        SkipCounters, SocketAccess,
    },
    cli::{Attach, Options, Segments, Verbosity},
    conntrack::{self, Conntrack, Forgotten},
    host_clock,
    interfaces::Interfaces,
    namespaces::{Namespaces, News, OnInterface, Selection},
    pid_namespace::{self, PidNamespace},
    pipeline::Pipeline,
    preflight,
};
use tcptrace_core::{
    event::BootTime,
    filter::{Filter, StatesOf},
};

/// A trace: the loaded programs, their attachments, and the pipeline that processes their records.
#[derive(Debug)]
pub(super) struct Trace {
    pub(super) pipeline: Pipeline,
    pub(super) object: Object,
    pub(super) attachments: Attachments,
    pub(super) hints: Hints,
    pub(super) drops: Drops,
    /// `None` if the kernel has no connection tracking, or tcptrace's own namespace is not traced.
    pub(super) conntrack: Option<Conntrack>,
    pub(super) ring: Ring,
    pub(super) losses: LossCounters,
    pub(super) skips: SkipCounters,
    pub(super) pending: Pending,
    pub(super) interfaces: Interfaces,
    pub(super) program_log: Option<ProgramLog>,
    pub(super) owners: OwnerLookup,
    /// The other network namespaces, if their segments are wanted.
    pub(super) namespaces: Option<Namespaces>,
    /// The traced namespaces; `None` for the states of all namespaces and the segments of tcptrace's own.
    selection: Option<Selection>,
    /// The namespaces given with `--netns`.
    chosen: Vec<String>,
    /// Inode number of tcptrace's own network namespace.
    netns: u32,
    /// Time at which the output was opened.
    began: BootTime,
    /// UUID of this run.
    run: Option<Arc<str>>,
    /// Names given with `--interface`; empty for all interfaces that are up.
    wanted: Vec<String>,
    segments: Segments,
    filter: String,
    /// The sockets whose states are traced, where options leave some out.
    states_of: Option<StatesOf>,
    /// True if stderr is a terminal that may be watched: it gets a notice if no event comes.
    watched: bool,
    /// The packet counters of the interfaces when everything had been attached, if `watched`.
    passed: Passed,
}

impl Trace {
    /// Loads the programs and opens the output. Nothing is attached yet.
    ///
    /// `group` is the ID of a control group whose sockets are to be marked; `session` gets the records, if there is one.
    pub(super) async fn prepare(options: &Options, group: Option<u64>, session: Option<&Session>) -> Result<Self> {
        preflight::check(options.segments != Segments::None)?;
        let interfaces = Interfaces::follow().context("cannot follow interfaces through netlink")?;
        let present = interfaces.list().await.context("cannot list the interfaces of this host")?;
        let wanted = options.filter.interfaces.clone();
        let netns = own_netns()?;
        let mut selection = select(&options.netns, &wanted, netns)?;
        let pid_namespace = PidNamespace::within_host();
        let mut object = load(options, &indices(&wanted, &present)?, netns, pid_namespace, selection.as_ref(), group)?;
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
        if !object.has_types() && !wanted.is_empty() {
            warn!("without BTF a socket's interface is unknown: --interface applies to segments only");
        }
        if pid_namespace.is_some() {
            warn!("{}", pid_namespace::NOTICE);
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
        let losses = object.take_loss_counters()?;
        let skips = object.take_skip_counters()?;
        let pending = object.take_pending()?;
        let own = selection.as_ref().is_none_or(|selection| selection.contains(netns));
        let owners = OwnerLookup::start(&options.filter, own, object.held_sockets());
        // The output is opened last, because this empties the file of `--write`: nothing else can fail after it.
        let (mut pipeline, began) = open_pipeline(options, session, &object, netns, across)?;
        let traced_netns = matches!(selection, Some(Selection::Only(_))) || !wanted.is_empty();
        let states_of = StatesOf::of(&options.filter, traced_netns && object.has_types());
        pipeline.expect_states_of(states_of.clone());
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
            states_of,
            watched: options.watched,
            passed: Passed::default(),
        })
    }

    /// Reports address translations of open connections that the connection tracking of a namespace has forgotten.
    fn forget_translations(&mut self, netns: u32, forgotten: &[Forgotten], filter: &Filter) {
        let now = host_clock::now();
        let events = forgotten.iter().flat_map(|one| conntrack::events(one, filter, netns, now));
        events.for_each(|event| self.pipeline.learn(&event));
    }

    /// Reports address translations of open connections that the connection tracking of tcptrace's own namespace has
    /// forgotten.
    pub(super) fn forget_own_translations(&mut self, forgotten: &[Forgotten], filter: &Filter) {
        self.forget_translations(self.netns, forgotten, filter);
    }

    /// Handles a change of the other namespaces.
    pub(super) fn follow_namespace(&mut self, news: News, filter: &Filter) {
        match news {
            News::Covered { netns, name, interfaces } => {
                let mut names = Vec::new();
                self.pipeline.retain_interfaces(netns, |index| interfaces.contains_key(&index));
                for (index, OnInterface { name, bridge, .. }) in interfaces {
                    self.pipeline.name_interface(netns, true, index, &name, bridge);
                    names.push(name);
                }
                self.pipeline.cover_netns(host_clock::now(), netns, name.map(Arc::from), names);
            }
            News::Gone(netns) => self.pipeline.forget_netns(netns),
            News::Listeners { netns, listeners } => {
                let queues = queues(Some(netns), &listeners, filter, host_clock::now());
                queues.for_each(|event| self.pipeline.learn(&event));
                self.pipeline.flush();
            }
            News::Stuck { netns, asked, sockets } => {
                let reports = reports(Some(netns), &sockets, asked, filter, host_clock::now());
                reports.for_each(|event| self.pipeline.learn(&event));
                self.pipeline.flush();
            }
            News::Forgot { netns, translations } => self.forget_translations(netns, &translations, filter),
        }
    }
}

/// Loads the kernel programs; `indices` are those of the interfaces named by the options, and `group` is the ID of the
/// control group whose sockets are to be marked.
fn load(
    options: &Options,
    indices: &[u32],
    netns: u32,
    pid_namespace: Option<PidNamespace>,
    selection: Option<&Selection>,
    group: Option<u64>,
) -> Result<Object> {
    let object = Object::load(&LoadSettings {
        filter: &options.filter,
        segments: match options.segments {
            Segments::Control => SEGMENTS_CONTROL,
            Segments::All => SEGMENTS_ALL,
            Segments::None => SEGMENTS_NONE,
        },
        ring_bytes: options.ring_buffer,
        interfaces: indices,
        netns,
        pid_namespace,
        namespaces: match selection {
            Some(Selection::Only(inodes)) => Some(inodes),
            Some(Selection::All) | None => None,
        },
        // Who withholds the capabilities that /proc asks for does not want the kernel's list to show all processes either.
        lists_holders: pid_namespace.is_none() && preflight::may_inspect(),
        group,
        access: match (options.btf, options.typed_loads) {
            (false, _) => SocketAccess::Fields,
            (true, false) => SocketAccess::Untyped,
            (true, true) => SocketAccess::Typed,
        },
        verbose: options.verbosity >= Verbosity::Verbose,
    })?;
    Ok(object)
}

/// Returns a new UUID made by the kernel; `None` if /proc does not provide it.
fn new_uuid() -> Option<Arc<str>> {
    let source = "/proc/sys/kernel/random/uuid";
    let uuid = std::fs::read_to_string(source).inspect_err(|error| debug!("cannot read {source}: {error}"));
    uuid.ok().map(|uuid| uuid.trim().into())
}
