//! Connections that are opened and kept open.

use std::{
    io::{BufRead as _, BufReader},
    net::{TcpListener, TcpStream},
    time::{Duration, Instant},
};

use tcptrace_tests::Process;

use crate::worker;

/// Maximum rate, low enough for a tracer to follow.
const PER_SECOND: u32 = 10_000;

/// Number of connections opened at once.
const BATCH: usize = 100;

/// Number of open files of a worker besides its connections, with some to spare.
const OTHER_FILES: u64 = 64;

/// Starts as many workers as necessary: the number of open files per process is limited.
pub(crate) fn run(count: u64) {
    let most = worker::raise_file_limit().saturating_sub(OTHER_FILES) / 2;
    assert!(most > 0, "the limit of open files is too low: ulimit -n");
    let shares = (0..count.div_ceil(most)).map(|worker| most.min(count - worker * most));
    // All before the first connection: connections take ports, and a listener would have to search for a free one.
    let listeners: Vec<_> = shares.map(|share| (share, worker::listen())).collect();
    let start = |(share, listener): (u64, TcpListener)| {
        worker::start(&[worker::HOLD, &share.to_string()], worker::stdin(listener))
    };
    let open = |listener| {
        let mut worker = start(listener);
        let mut line = String::new();
        BufReader::new(worker.stdout()).read_line(&mut line).expect("a worker can be heard");
        assert_eq!(line, "ready\n");
        worker
    };
    // One after the other, each as fast as allowed.
    let _workers: Vec<Process> = listeners.into_iter().map(open).collect();
    println!("ready");
    wait_to_be_killed();
}

/// Runs a worker, which holds both ends of its connections.
pub(crate) fn hold(listener: &TcpListener, count: usize) {
    worker::raise_file_limit();
    let to = listener.local_addr().expect("a listener has an address");
    let began = Instant::now();
    let open = |number| {
        if number % BATCH == 0 {
            let due = Duration::from_secs(1) * u32::try_from(number).expect("open files are fewer") / PER_SECOND;
            std::thread::sleep(due.saturating_sub(began.elapsed()));
        }
        let client = TcpStream::connect(to).expect("we listen");
        let (server, _) = listener.accept().expect("our own connection comes");
        [client, server]
    };
    let _held: Vec<[TcpStream; 2]> = (0..count).map(open).collect();
    println!("ready");
    wait_to_be_killed();
}

fn wait_to_be_killed() -> ! {
    loop {
        std::thread::park();
    }
}
