//! Opens and closes connections as fast as possible.

use std::{
    io::Read as _,
    net::{SocketAddr, TcpListener, TcpStream},
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{Counted, worker};

/// Placement of the two processes of a pair.
#[derive(Clone, Copy)]
pub(crate) enum Placement {
    /// Both on one processor, each pair on another one.
    Together,
    /// Each on its own processor: the server on that of the next pair's client.
    Apart,
    /// Chosen by the scheduler, which changes the rate more than most tracers do.
    Free,
}

impl Placement {
    /// Returns the placement of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "together" => Some(Self::Together),
            "apart" => Some(Self::Apart),
            "free" => Some(Self::Free),
            _ => None,
        }
    }

    /// Returns the processors of the server and of the client of a pair.
    fn of_pair(self, processor: usize, next: usize) -> [Option<usize>; 2] {
        match self {
            Self::Together => [Some(processor); 2],
            Self::Apart => [Some(next), Some(processor)],
            Self::Free => [None; 2],
        }
    }
}

/// Runs as many pairs as processors, so that all are busy: with one idle, a tracer would seem to cost nothing.
pub(crate) fn run(length: Duration, placement: Placement) -> Counted {
    let seconds = length.as_secs_f64().to_string();
    let processors = worker::processors();
    let pairs: Vec<_> = processors
        .iter()
        .zip(processors.iter().cycle().skip(1))
        .map(|(&processor, &next)| {
            let [server_on, client_on] = placement.of_pair(processor, next);
            let listener = worker::listen();
            let to = listener.local_addr().expect("a listener has an address").to_string();
            // Processes, not threads, which would contend for the table of open files.
            server_on.into_iter().for_each(worker::stay_on);
            let server = worker::start(&[worker::SERVE], worker::stdin(listener));
            client_on.into_iter().for_each(worker::stay_on);
            (server, worker::start(&[worker::CONNECT, &to, &seconds], Stdio::null()))
        })
        .collect();
    let mut all = Counted { processors: processors.len(), count: 0, per_second: 0.0 };
    for (_server, mut client) in pairs {
        let counted: Value = serde_json::from_reader(client.stdout()).expect("a client says what it has counted");
        all.count += counted["count"].as_u64().expect("a count");
        all.per_second += counted["per_second"].as_f64().expect("a rate");
    }
    all
}

/// Runs the client of a pair, which closes after the server.
pub(crate) fn connect(to: SocketAddr, length: Duration) -> Counted {
    let began = Instant::now();
    let mut count = 0;
    while began.elapsed() < length {
        let mut stream = TcpStream::connect(to).expect("the server listens");
        assert_eq!(stream.read(&mut [0]).expect("the end of the stream"), 0);
        count += 1;
    }
    Counted::new(1, count, began.elapsed())
}

/// Runs the server of a pair, which closes at once.
pub(crate) fn serve(listener: &TcpListener) {
    loop {
        listener.accept().expect("a connection can be accepted");
    }
}
