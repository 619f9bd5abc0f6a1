//! Connections that are opened and closed flat out.

use std::{
    io::Read as _,
    net::{SocketAddr, TcpListener, TcpStream},
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{Counted, worker};

/// A client and a server for each processor, so that all are busy: with one idle, a tracer would seem to cost nothing.
pub(crate) fn run(length: Duration) -> Counted {
    let seconds = length.as_secs_f64().to_string();
    let pairs = std::thread::available_parallelism().expect("the number of processors is known").get();
    let pairs: Vec<_> = (0..pairs)
        .map(|_| {
            let listener = worker::listen();
            let to = listener.local_addr().expect("a listener has an address").to_string();
            // Processes, not threads: these would get in each other's way at the table of open files.
            let server = worker::start(&[worker::SERVE], worker::stdin(listener));
            (server, worker::start(&[worker::CONNECT, &to, &seconds], Stdio::null()))
        })
        .collect();
    let mut all = Counted { count: 0, per_second: 0.0 };
    for (_server, mut client) in pairs {
        let counted: Value = serde_json::from_reader(client.stdout()).expect("a client says what it has counted");
        all.count += counted["count"].as_u64().expect("a count");
        all.per_second += counted["per_second"].as_f64().expect("a rate");
    }
    all
}

/// The client of a pair: it closes when the server has.
pub(crate) fn connect(to: SocketAddr, length: Duration) -> Counted {
    let began = Instant::now();
    let mut count = 0;
    while began.elapsed() < length {
        let mut stream = TcpStream::connect(to).expect("the server listens");
        assert_eq!(stream.read(&mut [0]).expect("the end of the stream"), 0);
        count += 1;
    }
    Counted::new(count, began.elapsed())
}

/// The server of a pair: it closes at once.
pub(crate) fn serve(listener: &TcpListener) {
    loop {
        listener.accept().expect("a connection can be accepted");
    }
}
