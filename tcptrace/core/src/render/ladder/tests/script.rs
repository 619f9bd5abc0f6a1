//! A builder of exchanges that are drawn by the ladder; `events` makes their events.

mod events;

use std::{
    net::IpAddr,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use super::PLAIN;
use crate::{
    correlate::{Correlated, Correlator},
    describe::Describer,
    event::{BootTime, Endpoint, Event, Proof, Role, SocketKey, Task},
    output_record::{EndOutput, OutputRecord},
    render::{Drawing, Ladder, Render, samples},
    text::{LocalTime, WallTime},
};

const NETNS: u32 = 1;

/// Time at which every exchange begins, in nanoseconds since 1970: 2023-11-14T22:13:20Z.
const BEGAN: u64 = 1_700_000_000_000_000_000;

/// An exchange between a client and a server, drawn as it proceeds. Times are in microseconds since it began.
pub(super) struct Script {
    connections: Correlator,
    describer: Describer,
    pub(super) ladder: Ladder,
    pub(super) width: Arc<AtomicUsize>,
    pub(super) out: Vec<u8>,
    /// The records so far.
    pub(super) records: Vec<OutputRecord>,
    now: u64,
    client: Endpoint,
    server: Endpoint,
    task: Option<Task>,
    error: u32,
    proof: Proof,
    options: Vec<u8>,
    here: Vec<Role>,
    ifindex: u32,
    times: Vec<WallTime>,
}

impl Script {
    pub(super) fn new(drawing: Drawing, width: usize) -> Self {
        let width = Arc::new(AtomicUsize::new(width));
        let shared = Arc::clone(&width);
        let mut describer = Describer::of_capture();
        describer.name_interface(None, 1, "lo");
        Self {
            connections: Correlator::new(NETNS),
            describer,
            ladder: Ladder::new(drawing, move || shared.load(Relaxed)),
            width,
            out: Vec::new(),
            records: Vec::new(),
            now: 0,
            client: Endpoint { addr: IpAddr::from([10, 0, 0, 1]), port: 54762 },
            server: Endpoint { addr: IpAddr::from([10, 0, 0, 2]), port: 9999 },
            task: None,
            error: 0,
            proof: Proof::default(),
            options: Vec::new(),
            here: Vec::new(),
            ifindex: 1,
            times: Vec::new(),
        }
    }

    /// The next events are between these ends.
    pub(super) fn between(&mut self, client: (impl Into<IpAddr>, u16), server: (impl Into<IpAddr>, u16)) -> &mut Self {
        self.client = Endpoint { addr: client.0.into(), port: client.1 };
        self.server = Endpoint { addr: server.0.into(), port: server.1 };
        self
    }

    /// Puts these ends on this host: their segments carry their socket keys.
    pub(super) fn here(&mut self, ends: &[Role]) -> &mut Self {
        self.here = ends.to_vec();
        self
    }

    /// The next segments pass this interface.
    pub(super) fn on(&mut self, ifindex: u32) -> &mut Self {
        self.ifindex = ifindex;
        self
    }

    /// The correlator keeps at most this many connections.
    pub(super) fn limit(&mut self, most: u32) {
        self.connections.limit(NonZeroU32::new(most).expect("some"));
    }

    /// The next event happens at this time.
    pub(super) fn at(&mut self, microseconds: u64) -> &mut Self {
        self.now = microseconds;
        self
    }

    /// The next change is made by this process.
    pub(super) fn by(&mut self, name: &str, pid: u32) -> &mut Self {
        self.task = Some(Task { pid, tid: pid, comm: samples::comm(name), thread: None, exit: None });
        self
    }

    /// The socket has this error at the next change.
    pub(super) fn error(&mut self, error: u32) -> &mut Self {
        self.error = error;
        self
    }

    /// The socket has these properties at the next change.
    pub(super) fn proof(&mut self, proof: Proof) -> &mut Self {
        self.proof = proof;
        self
    }

    /// The next segment has these options, too.
    pub(super) fn options(&mut self, options: &[u8]) -> &mut Self {
        self.options = options.to_vec();
        self
    }

    fn boot(&self) -> BootTime {
        BootTime(BEGAN + self.now * 1_000)
    }

    fn socket(&self, role: Role) -> SocketKey {
        SocketKey(u64::from(self.client.port) << 1 | u64::from(role == Role::Server))
    }

    fn ends(&self, role: Role) -> (Endpoint, Endpoint) {
        match role {
            Role::Client => (self.client, self.server),
            Role::Server => (self.server, self.client),
        }
    }

    pub(super) fn event(&mut self, event: &Event) -> &mut Self {
        self.pass(|connections, emit| connections.handle_event(event, emit))
    }

    /// Waits until this time, with the timers that expire by then.
    pub(super) fn wait_until(&mut self, microseconds: u64) -> &mut Self {
        self.now = microseconds;
        let now = self.boot();
        self.pass(|connections, emit| connections.handle_timeout(now, emit));
        self
    }

    /// Time of the next stall report in microseconds since the beginning.
    pub(super) fn deadline(&self) -> Option<u64> {
        self.connections.next_stall().map(|at| at.since(BootTime(BEGAN)) / 1_000)
    }

    fn pass(&mut self, step: impl FnOnce(&mut Correlator, &mut dyn FnMut(Correlated))) -> &mut Self {
        let Self { connections, describer, ladder, out, records, times, .. } = self;
        step(connections, &mut |placed| {
            let entry = describer.entry(placed);
            times.extend(stamp(&entry));
            ladder.render(&entry, out);
            records.push(entry);
        });
        self
    }

    /// Returns the output after the last event, without the line that ends every trace.
    pub(super) fn finish(&mut self) -> String {
        let now = BootTime(self.boot().0);
        self.pass(|connections, emit| connections.finish(now, emit));
        let stamp = self.describer.stamp(self.boot());
        let end = EndOutput { stamp, connections: 0, open: 0, evicted: 0, events: 0, lost: 0, left_out: None };
        let end = OutputRecord::End(end);
        self.ladder.render(&end, &mut self.out);
        self.records.push(end);
        let text = self.text();
        let end = text.trim_end().rfind('\n').map_or(0, |at| at + 1);
        text[..end].trim_end().to_owned() + "\n"
    }

    /// Returns the output so far, as in a time zone where midnight is that of UTC.
    pub(super) fn text(&self) -> String {
        let text = String::from_utf8(self.out.clone()).unwrap();
        self.times.iter().fold(text, |text, &time| {
            let (local, utc) = (LocalTime { time, zone: PLAIN.zone }.to_string(), time.to_string());
            text.replace(&local[..12], &utc[11..23])
        })
    }
}

fn stamp(entry: &OutputRecord) -> Option<WallTime> {
    match entry {
        OutputRecord::State(entry) => Some(entry.stamp.time),
        OutputRecord::Segment(entry) => Some(entry.stamp.time),
        OutputRecord::Icmp(entry) => Some(entry.stamp.time),
        _ => None,
    }
}
