//! A loopback connection made and traced as a test.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use tcptrace_ebpf::SEGMENTS_CONTROL;
use tokio::{
    net::{TcpListener, TcpStream},
    time::{Instant, timeout, timeout_at},
};

use crate::{
    app::trace::own_netns,
    bpf::{
        AttachMode, Attachments, Drops, Hints, LoadSettings, LossCounters, Object, ProgramInfo, Ring, SkipCounters,
        Skipped, SocketAccess,
    },
    interfaces::{Interface, Interfaces},
    pid_namespace::PidNamespace,
};
use tcptrace_core::{
    decode::ring,
    event::{Event, KernelReasons, StateChange},
    filter::Filter,
    tcp::TcpState,
};

/// Number of segments of a connection closed by one end and, once that has been acknowledged, by the other.
pub(super) const SEGMENTS: usize = 7;

/// Number of state changes of its two sockets, without the listener's.
pub(super) const STATES: usize = 10;

/// Size of the ring buffer in bytes: enough for a connection and the traffic of others on this port in their namespaces.
const RING_BYTES: u32 = 64 << 10;

/// Maximum number of connections to try.
const CONNECTIONS: usize = 3;

/// Maximum duration of each step. All of them together take less than a millisecond, except for one delayed ACK.
const LIMIT: Duration = Duration::from_secs(1);

/// Events seen of the connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// Segments.
    pub(super) segments: usize,
    /// Changes of state.
    pub(super) states: usize,
    /// Number of records lost meanwhile, and of runs that the kernel skipped.
    pub(super) lost: u64,
    /// Frames that the programs skipped meanwhile, including other traffic of loopback, which a filter cannot exclude.
    pub(super) skipped: Skipped,
    /// True if the first end's FIN has been acknowledged.
    pub(super) half_closed: bool,
    /// True if the kernel compiles programs to machine code; `None` if it does not report that.
    pub(super) compiled: Option<bool>,
    /// True if the program for dropped segments was attached.
    pub(super) tells_drops: bool,
    /// True if the kernel counts the runs that it skips.
    pub(super) counts_skipped: bool,
    /// Number of previous connections that lacked an event although nothing was counted as lost.
    pub(super) incomplete_before: usize,
}

impl Seen {
    fn everything(&self) -> bool {
        self.segments >= SEGMENTS && self.states >= STATES
    }

    /// Counts a record of the ring, if it is about this port in this network namespace.
    fn take(&mut self, bytes: &[u8], port: u16, netns: u32) {
        let of_netns = |change: &StateChange| change.netns.is_none_or(|of| of == netns);
        let listens = |change: &StateChange| change.old == TcpState::Close && change.new == TcpState::Listen;
        match ring::decode(bytes, &KernelReasons::default()).map(|decoded| decoded.event) {
            Ok(Event::Segment(segment)) if [segment.src.port, segment.dst.port].contains(&port) => self.segments += 1,
            Ok(Event::State(change))
                if [change.local.port, change.remote.port].contains(&port)
                    && of_netns(&change)
                    && !listens(&change) =>
            {
                self.states += 1;
                self.half_closed |= change.new == TcpState::FinWait2;
            }
            _ => {}
        }
    }

    /// Notes how the kernel runs the programs.
    fn note<'a>(&mut self, mut programs: impl Iterator<Item = &'a ProgramInfo>) {
        if let Some(program) = programs.next() {
            self.compiled = program.is_compiled().unwrap_or_default();
            self.counts_skipped = matches!(program.skipped_runs(), Ok(Some(_)));
        }
    }
}

/// Opens and closes a connection of its own and reads the events seen; tries another one if events are missing that nobody
/// counted. Some hosts keep programs from running while an interrupt hits certain processes: so rarely that a single
/// connection cannot distinguish that from programs that never run.
pub(super) async fn trace_own_connection() -> Result<Seen> {
    let mut incomplete_before = 0;
    loop {
        let seen = trace_one_connection().await?;
        if seen.everything() || seen.lost > 0 || incomplete_before + 1 == CONNECTIONS {
            return Ok(Seen { incomplete_before, ..seen });
        }
        incomplete_before += 1;
    }
}

/// Loads and attaches everything for a port of its own, opens and closes one connection to it, and reads the events seen.
async fn trace_one_connection() -> Result<Seen> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("no port of 127.0.0.1 is available")?;
    let address = listener.local_addr().context("a listener has no address")?;
    let interfaces = Interfaces::follow().context("interfaces cannot be followed through netlink")?;
    let present = interfaces.list().await.context("the interfaces of this host cannot be listed")?;
    let Some(loopback) = present.iter().find(|interface| interface.loopback) else { bail!("there is no loopback") };
    if !loopback.up {
        bail!("loopback is down, so nothing can be tried: `ip link set lo up`");
    }
    let netns = own_netns()?;
    let filter = Filter { ports: Some(address.port().to_string().parse()?), ..Filter::default() };
    let mut object = Object::load(&LoadSettings {
        namespaces: None,
        filter: &filter,
        segments: SEGMENTS_CONTROL,
        ring_bytes: RING_BYTES,
        interfaces: &[],
        netns,
        pid_namespace: PidNamespace::within_host(),
        lists_holders: false,
        group: None,
        access: SocketAccess::Typed,
        verbose: false,
    })?;
    let mut attachments = Attachments::new(AttachMode::Auto, 1);
    let (ring, losses, skips) = (object.take_ring()?, object.take_loss_counters()?, object.take_skip_counters()?);
    let trial = Trial { seen: Seen::default(), ring, losses, skips, address, netns };
    let seen = trial.run(&mut object, &mut attachments, &interfaces, loopback, listener).await;
    // Reached after an error, too.
    attachments.detach(interfaces.netlink()).await;
    seen
}

struct Trial {
    seen: Seen,
    ring: Ring,
    losses: LossCounters,
    skips: SkipCounters,
    /// Address of the listener.
    address: SocketAddr,
    netns: u32,
}

impl Trial {
    async fn run(
        mut self,
        object: &mut Object,
        attachments: &mut Attachments,
        interfaces: &Interfaces,
        loopback: &Interface,
        listener: TcpListener,
    ) -> Result<Seen> {
        attachments.attach(object, interfaces.netlink(), loopback).await?;
        let (_hints, hint_programs) = Hints::attach(object);
        let drops = Drops::attach(object);
        self.seen.tells_drops = drops.is_attached();
        let state_programs = object.attach_states()?;
        self.seen.note(hint_programs.iter().chain(&state_programs));
        self.losses.watch(hint_programs);
        if !object.has_types() {
            self.losses.watch(state_programs);
        }

        let client = timeout(LIMIT, TcpStream::connect(self.address)).await;
        let client = client.context("nothing answers on loopback; does a firewall drop it?")?;
        let client = client.context("no connection can be made over loopback")?;
        let server = timeout(LIMIT, listener.accept()).await;
        let (server, _) =
            server.context("a connection over loopback does not arrive")?.context("it is not accepted")?;
        drop(client);
        // Otherwise its ACK would ride on the other end's FIN.
        self.watch(|seen| seen.half_closed).await?;
        drop(server);
        self.watch(Seen::everything).await?;
        self.seen.lost = self.losses.read()?.iter().map(|(_, count)| count).sum();
        self.seen.skipped = self.skips.read()?;
        Ok(self.seen)
    }

    /// Takes records until `enough` returns true, or until the limit.
    async fn watch(&mut self, enough: impl Fn(&Seen) -> bool) -> Result<()> {
        let end = Instant::now() + LIMIT;
        loop {
            let Self { ring, seen, address, netns, .. } = self;
            while ring.drain(usize::from(u8::MAX), |record| seen.take(record, address.port(), *netns)) {}
            if enough(seen) {
                return Ok(());
            }
            match timeout_at(end, ring.readable()).await {
                Ok(readable) => readable?,
                Err(_) => return Ok(()),
            }
        }
    }
}
