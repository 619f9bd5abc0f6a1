//! The end of a run.

use std::{
    io::{BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::process::Signal;
use tcptrace_tests::{Ends, LIMIT, Lines, Netns, Tracer, binary, is_type, lines_of, number, wait_tracing};

fn loopback(netns: &Netns, port: u16) -> Ends {
    Ends::on(netns, SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
}

/// Stops a tracer by `signal` while a connection is open.
fn check_signal(signal: Signal, port: u16) {
    let netns = Netns::new();
    let ends = loopback(&netns, port);
    let tracer = Tracer::start(&netns, &["-p", &port.to_string()]);
    let connection = ends.open();
    let trace = tracer.stop_with(signal);
    drop(connection);
    // Everything up to the signal is there, although nobody waited for it.
    assert_eq!(
        lines_of(&trace.about(&netns, port), port),
        [
            "client CLOSE > SYN_SENT",
            "client S 0:0",
            "server S. 0:0 ack 1",
            "client SYN_SENT > ESTABLISHED",
            "client . 1:1 ack 1",
            "server LISTEN > SYN_RECV",
            "server SYN_RECV > ESTABLISHED",
        ]
    );
    let counts = ["connections", "open", "events", "lost"].map(|field| number(trace.end(), field));
    assert_eq!(counts, [1, 1, 7, 0]);
    let ready = trace.log.iter().position(|line| line.starts_with("tcptrace: tracing")).expect("it was ready");
    assert_eq!(trace.log[ready + 1..].len(), 1, "one summary line: {:#?}", trace.log);
}

#[test]
fn sigint_drains_sums_up_and_exits_with_0_in_time() {
    check_signal(Signal::INT, 4301);
}

#[test]
fn sigterm_does_the_same() {
    check_signal(Signal::TERM, 4302);
}

/// Makes a thread stop, at the latest when its test fails.
#[derive(Default)]
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_signal_amid_heavy_traffic_is_obeyed() {
    let netns = Netns::alone();
    let listener = netns.run(|| TcpListener::bind((Ipv4Addr::LOCALHOST, 4303))).expect("a free port");
    let address = listener.local_addr().expect("a listener has an address");
    let tracer = Tracer::start(&netns, &["-p", "4303", "--segments", "all"]);
    let stop = StopOnDrop::default();
    let stopped = Arc::clone(&stop.0);
    // One thread, which leaves the other processor to the tracer and its reader.
    let traffic = netns.spawn("tt-traffic", move || {
        while !stopped.load(Ordering::Relaxed) {
            let client = TcpStream::connect(address).expect("a connection");
            let (server, _) = listener.accept().expect("a connection");
            drop(client);
            drop(server);
        }
    });
    tracer.wait_until("a hundred connections", |records| {
        records.iter().filter(|record| is_type(record, "handshake")).take(100).count() == 100
    });
    let trace = tracer.stop();
    drop(stop);
    traffic.join().expect("the traffic goes on undisturbed");
    assert!(number(trace.end(), "connections") >= 100, "{}", trace.end());
}

#[test]
fn count_ends_it_after_so_many_connections() {
    let netns = Netns::new();
    let ends = loopback(&netns, 4304);
    let tracer = Tracer::start(&netns, &["-p", "4304", "-c", "3"]);
    let still_open = ends.open();
    ends.churn(2);
    // Two have ended and one has not, so it continues.
    tracer.wait_until("the end of two connections", |records| {
        records.iter().filter(|record| record["new"] == "CLOSE").count() == 4
    });
    ends.churn(1);
    let trace = tracer.exited();
    drop(still_open);
    assert!(trace.status.success(), "{}", trace.status);
    let states = trace.states(&netns, 4304);
    let closed = states.iter().filter(|record| record["new"] == "CLOSE").count();
    assert_eq!((closed, number(trace.end(), "connections"), number(trace.end(), "open")), (6, 4, 1));
}

#[test]
fn duration_ends_it_after_that_time() {
    const DURATION: Duration = Duration::from_millis(700);
    let netns = Netns::new();
    let ends = loopback(&netns, 4305);
    let began = Instant::now();
    let tracer = Tracer::start(&netns, &["-p", "4305", "--duration", "700ms"]);
    let connection = ends.open();
    let trace = tracer.exited();
    drop(connection);
    assert!(trace.status.success(), "{}", trace.status);
    assert!(began.elapsed() >= DURATION, "{:?}", began.elapsed());
    assert_eq!(trace.about(&netns, 4305).len(), 7);
}

#[test]
fn a_closed_stdout_ends_it_quietly_with_0() {
    let netns = Netns::new();
    let ends = loopback(&netns, 4306);
    for arguments in [["--json"].as_slice(), &["-o", "events"]] {
        let mut command = Command::new(binary());
        command.args(arguments).args(["-p", "4306"]).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = netns.start(&mut command);
        let log = Lines::read(process.stderr(), |line| line);
        wait_tracing(&log);
        // Like `| head -1`: a line is read, then the pipe is closed, and writing the next line fails.
        let mut stdout = BufReader::new(process.stdout());
        ends.churn(1);
        stdout.read_line(&mut String::new()).expect("a first line");
        drop(stdout);
        ends.churn(1);
        let status = process.wait(LIMIT);
        let log = log.finish();
        assert!(status.success(), "{status}: {log:#?}");
        assert!(!log.join("\n").to_lowercase().contains("pipe"), "not a word about it: {log:#?}");
    }
}

#[test]
fn a_reader_that_does_not_read_does_not_delay_the_exit() {
    let netns = Netns::alone();
    let ends = loopback(&netns, 4308);
    let mut command = Command::new(binary());
    command.args(["--json", "-p", "4308", "--segments", "all"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = netns.start(&mut command);
    let (stdout, log) = (process.stdout(), Lines::read(process.stderr(), |line| line));
    wait_tracing(&log);
    // Some 400 bytes a record: many times what the pipe holds.
    ends.churn(200);
    process.signal(Signal::INT);
    let status = process.wait(LIMIT);
    assert!(status.success(), "{status}");
    drop(stdout);
}

#[test]
fn a_second_tracer_sees_the_same_and_neither_disturbs_the_other() {
    let netns = Netns::new();
    let ends = loopback(&netns, 4307);
    let tracers = [(); 2].map(|()| Tracer::start(&netns, &["-p", "4307"]));
    let connection = ends.open();
    ends.close_in_four(connection);
    let lines = tracers.map(|tracer| lines_of(&tracer.stop().about(&netns, 4307), 4307));
    assert_eq!(lines[0].len(), 17);
    assert_eq!(lines[0], lines[1]);
}
