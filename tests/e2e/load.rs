//! Under load every state change is either received or counted as lost.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, TcpListener, TcpStream},
    ops::Range,
    process::Command,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use aya::sys::{Stats, enable_stats};
use rustix::process::Signal;
use serde_json::Value;
use tcptrace_tests::{
    CountedStateChanges, LIMIT, Netns, Tracer, eventually, is_type, number, output, outside_of_process_1, program_runs,
    receive_end, text,
};

const PAIRS: u16 = 4;
const CONNECTIONS_PER_PAIR: u64 = 2500;
const FIRST_PORT: u16 = 4341;

/// Maximum time from the end of the traffic until everything is counted.
const LAST_COUNT: Duration = Duration::from_secs(5);

/// CLOSE → SYN_SENT → ESTABLISHED → CLOSE_WAIT → LAST_ACK → CLOSE, and LISTEN → SYN_RECV → ESTABLISHED → FIN_WAIT1 →
/// FIN_WAIT2 (or CLOSING) → CLOSE.
const CHANGES_PER_CONNECTION: u64 = 10;

const HAPPENED: u64 = PAIRS as u64 * CONNECTIONS_PER_PAIR * CHANGES_PER_CONNECTION;

/// Minimum number of changes counted: a host may keep tracing programs from running where an interrupt hits certain
/// processes of its own. The kernel passes the tracepoint and perf counts it, yet no program runs.
const LEAST_RUN: u64 = HAPPENED - HAPPENED / 50;

/// Starts a client and a server thread that run as fast as possible. The server closes first and the client follows, so that
/// no connection is left behind and the accept queue never fills.
fn pair(netns: &Netns, listener: &TcpListener) -> [JoinHandle<()>; 2] {
    let address = listener.local_addr().expect("a listener has an address");
    let listener = listener.try_clone().expect("a listener can be duplicated");
    let server = netns.spawn("tt-server", move || {
        for _ in 0..CONNECTIONS_PER_PAIR {
            listener.accept().expect("a connection comes");
        }
    });
    let client = netns.spawn("tt-client", move || {
        for _ in 0..CONNECTIONS_PER_PAIR {
            receive_end(&TcpStream::connect(address).expect("the server listens"));
        }
    });
    [server, client]
}

/// The numbers of records that a tracer has received and that it has counted as lost.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Counts {
    received: u64,
    lost: u64,
    /// Lines for which the reader was too slow, of any type. They are lost to the reader, not to the tracer.
    unwritten: u64,
    /// State changes received without their port, although the event that shows it happened soon after.
    portless: usize,
}

impl Counts {
    fn add(&mut self, record: &Value) {
        if is_type(record, "state") {
            self.received += 1;
        } else if is_type(record, "lost") {
            let count = if text(record, "source") == "output" { &mut self.unwritten } else { &mut self.lost };
            *count += number(record, "count");
        }
    }

    fn all(self) -> u64 {
        self.received + self.lost
    }
}

/// Returns the number of SYN_SENTs without a port although the socket's next change, which shows it, happened within the
/// maximum wait of 50 ms. On a busy host a task may be delayed for longer in between.
fn portless(records: &[Value]) -> usize {
    let states: Vec<&Value> = records.iter().filter(|record| is_type(record, "state")).collect();
    let in_time = |(at, change): &(usize, &&Value)| {
        let socket = number(change, "socket");
        let next = states.iter().skip(at + 1).find(|later| number(later, "socket") == socket);
        next.is_some_and(|next| number(next, "boot_ns") < number(change, "boot_ns") + 50_000_000)
    };
    states.iter().enumerate().filter(|(_, change)| change["local"]["port"].is_null()).filter(in_time).count()
}

/// Waits until a tracer has counted everything: the kernel's count of skipped runs is read once a second.
fn wait_counted(tracer: &Tracer, happened: u64) {
    let (mut looked_at, mut counts) = (0, Counts::default());
    let give_up = Instant::now() + LAST_COUNT;
    eventually("a look at every counter", LIMIT, || {
        tracer.look(|records| {
            records[looked_at..].iter().for_each(|record| counts.add(record));
            looked_at = records.len();
        });
        counts.all() >= happened || Instant::now() >= give_up
    });
}

/// Stops a tracer and checks that all its counts agree.
fn stop(tracer: Tracer) -> Counts {
    let trace = tracer.stop();
    let mut counts = Counts::default();
    trace.records.iter().for_each(|record| counts.add(record));
    counts.portless = portless(&trace.records);
    let [events, lost] = ["events", "lost"].map(|field| number(trace.end(), field));
    assert_eq!(lost, counts.lost + counts.unwritten, "the end says the same: {counts:?}");
    // On a busy machine a segment may be sent again, of which the kernel tells, too.
    let hints = trace.of_type("hint").len() as u64;
    let written = counts.received + hints;
    assert!((written..=written + counts.unwritten).contains(&events), "the end says the same: {events}, {counts:?}");
    counts.received = events - hints;
    let losses = trace.of_type("lost").into_iter().map(|loss| (number(loss, "count"), number(loss, "total")));
    assert!(losses.clone().all(|(count, total)| 0 < count && count <= total), "{:?}", losses.collect::<Vec<_>>());
    if counts.lost == 0 && counts.received == HAPPENED {
        let connections = ["connections", "open"].map(|field| number(trace.end(), field));
        assert_eq!(connections, [u64::from(PAIRS) * CONNECTIONS_PER_PAIR, 0]);
    }
    counts
}

/// Listeners for [`run`], on loopback.
pub(crate) fn listeners(netns: &Netns, ports: Range<u16>) -> Vec<TcpListener> {
    let listen = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("a free port");
    netns.run(|| ports.map(listen).collect())
}

/// Opens and closes [`CONNECTIONS_PER_PAIR`] connections to each listener, as fast as that goes.
pub(crate) fn run(netns: &Netns, listeners: &[TcpListener]) {
    let threads: Vec<_> = listeners.iter().flat_map(|listener| pair(netns, listener)).collect();
    for thread in threads {
        thread.join().expect("every connection succeeds");
    }
    netns.settle();
}

/// Enables receive packet steering, with which one processor handles segments of the other, so that state changes interrupt
/// each other. `ip netns exec` mounts the sysfs of the namespace.
fn steer(netns: &Netns) {
    let steer = "echo 3 > /sys/class/net/lo/queues/rx-0/rps_cpus";
    output(Command::new("ip").args(["netns", "exec", netns.name(), "sh", "-c", steer]));
}

/// Traces a flood with two tracers at once, which can be `held_up` meanwhile; returns the counts of each.
fn flood(arguments: &[&str], held_up: bool) -> [Counts; 2] {
    let netns = Netns::alone();
    steer(&netns);
    let ports = FIRST_PORT..FIRST_PORT + PAIRS;
    // They outlive the tracers, so that their own changes are not among those seen.
    let listeners = listeners(&netns, ports.clone());
    let range = format!("{}-{}", ports.start, ports.end - 1);
    let tracers = [(); 2].map(|()| Tracer::start(&netns, &[&["-p", &range, "--segments", "none"], arguments].concat()));
    let signal = |signal| tracers.iter().filter(|_| held_up).for_each(|tracer| tracer.signal(signal));
    signal(Signal::STOP);
    run(&netns, &listeners);
    signal(Signal::CONT);
    tracers.iter().for_each(|tracer| wait_counted(tracer, HAPPENED));
    let counts = tracers.map(stop);

    // The range is exact if nothing else happens.
    let expected = LEAST_RUN..=HAPPENED + HAPPENED / 1000;
    assert!(counts.iter().all(|counts| expected.contains(&counts.all())), "{expected:?}: {counts:?}");
    counts
}

#[test]
fn what_was_received_and_what_was_lost_make_what_happened() {
    // Room for everything, should the machine be too busy for the tracer to keep up.
    let counts = flood(&["--ring-buffer", "64MiB"], false);
    assert!(counts.iter().all(|counts| counts.lost < HAPPENED / 20), "{counts:?}");
}

#[test]
fn every_change_that_ftrace_counts_is_received_once() {
    let netns = Netns::alone();
    steer(&netns);
    let ports = 4361..4361 + PAIRS;
    let listeners = listeners(&netns, ports.clone());
    // Restricted to its own namespace, so that nothing waits for a port.
    let tracer = Tracer::start(&netns, &["--segments", "none", "--netns", "own", "--ring-buffer", "64MiB"]);
    let between = |field| format!("({field} >= {} && {field} < {})", ports.start, ports.end);
    let ours = format!("protocol == 6 && ({} || {})", between("sport"), between("dport"));
    let all = CountedStateChanges::begin("tt-all", &ours);
    let traced = CountedStateChanges::begin("tt-traced", &format!("{ours} && {}", outside_of_process_1()));
    run(&netns, &listeners);
    wait_counted(&tracer, HAPPENED);
    let counts = stop(tracer);
    let happened = traced.count()..=all.count();
    assert_eq!(*happened.end(), HAPPENED);
    assert!(happened.contains(&counts.all()), "{happened:?}: {counts:?}");
    // Some of what no program may see is counted, and an interrupt may hit both programs of this tracer at once.
    let hidden = happened.end() - happened.start();
    assert!(counts.lost <= hidden + HAPPENED / 10_000, "{happened:?}: {counts:?}");
}

#[test]
fn what_finds_the_ring_buffer_full_is_counted_too() {
    // Room for some forty records.
    let counts = flood(&["--ring-buffer", "4KiB"], false);
    assert!(counts.iter().all(|counts| counts.lost > HAPPENED / 20), "{counts:?}");
}

#[test]
fn a_tracer_that_was_held_up_knows_every_port_all_the_same() {
    // The event that shows a SYN_SENT's port happened microseconds later, and waits in the ring buffer right behind it.
    let counts = flood(&[], true);
    assert!(counts.iter().all(|counts| counts.portless == 0), "{counts:?}");
}

#[test]
fn what_a_stopped_tracer_missed_is_counted_exactly() {
    let netns = Netns::alone();
    let _counted = enable_stats(Stats::RunTime).expect("root may have the kernel count the runs of programs");
    let listeners = listeners(&netns, 4351..4355);
    // Without a filter every run of a program makes a record or a loss, and the ring buffer holds some of the former.
    let tracer = Tracer::start(&netns, &["--segments", "none", "--ring-buffer", "256KiB"]);
    tracer.signal(Signal::STOP);
    run(&netns, &listeners);
    tracer.signal(Signal::CONT);
    let (mut looked_at, mut received, mut lost) = (0, 0, 0);
    let mut counted = (0, 0);
    let mut programs = BTreeMap::new();
    let give_up = Instant::now() + LIMIT;
    eventually("as many records and losses as the kernel has counted", 2 * LIMIT, || {
        // Programs for interfaces are not loaded. The second program for state changes sees those for which the first was
        // skipped, and another one lists the holders of sockets.
        programs = program_runs(tracer.id());
        programs
            .remove("set_state_btf_2")
            .or_else(|| programs.remove("set_state_2"))
            .expect("there is a second program");
        programs.remove("held_sockets");
        counted = programs.values().fold((0, 0), |(runs, skipped), of| (runs + of.count, skipped + of.skipped));
        tracer.look(|records| {
            for record in &records[looked_at..] {
                received += u64::from(is_type(record, "state") || is_type(record, "hint"));
                if is_type(record, "lost") {
                    lost += number(record, "count");
                }
            }
            looked_at = records.len();
        });
        received + lost == counted.0 + counted.1 || Instant::now() >= give_up
    });
    assert_eq!(received + lost, counted.0 + counted.1, "{received} received, {lost} lost: {programs:#?}");
    assert!(lost > 0 && received > 0, "{received} received, {lost} lost: {counted:?}");
    assert!(counted.0 + counted.1 >= LEAST_RUN, "{counted:?}");
    let trace = tracer.stop();
    assert_eq!(number(trace.end(), "lost"), lost);
}
