//! Load for `cargo xtask bench`: as much traffic over loopback as the machine can make, and captures.
//!
//! - `tt-load connections SECONDS together|apart|free`: as many pairs of a client and a server process as processors, which
//!   open and close connections as fast as possible; prints the numbers of processors, of connections, and of connections
//!   per second;
//! - `tt-load ping-pong SECONDS`: one byte to and fro over one connection, both ends on one processor; prints the same for
//!   round trips;
//! - `tt-load hold COUNT`: opens COUNT connections one after the other, both ends, prints `ready` and holds them until it is
//!   killed;
//! - `tt-load capture COUNT FILE`: writes a capture of COUNT connections, which is the same every time, and prints the number
//!   of its segments.

mod capture;
mod connections;
mod hold;
mod ping_pong;
mod worker;

use std::{net::SocketAddr, path::Path, process::ExitCode, time::Duration};

use serde_json::json;

use self::connections::Placement;

/// A count and its duration.
struct Counted {
    /// Number of processors that were busy with it.
    processors: usize,
    count: u64,
    per_second: f64,
}

impl Counted {
    fn new(processors: usize, count: u64, took: Duration) -> Self {
        // Counts are far below 2^52.
        Self { processors, count, per_second: count as f64 / took.as_secs_f64() }
    }

    fn print(&self) {
        println!("{}", json!({"processors": self.processors, "count": self.count, "per_second": self.per_second}));
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let seconds = |text: &str| Duration::from_secs_f64(text.parse().expect("seconds"));
    let number = |text: &str| text.parse().expect("a number");
    match arguments.as_slice() {
        ["connections", length, placement] => {
            let placement = Placement::named(placement).expect("together, apart or free");
            connections::run(seconds(length), placement).print();
        }
        ["ping-pong", length] => ping_pong::run(seconds(length)).print(),
        ["hold", count] => hold::run(number(count)),
        ["capture", count, file] => {
            let segments = capture::write(number(count), Path::new(file));
            println!("{}", json!({"segments": segments}));
        }
        [worker::SERVE] => connections::serve(&worker::listener()),
        [worker::CONNECT, to, length] => {
            let to: SocketAddr = to.parse().expect("an address and port");
            connections::connect(to, seconds(length)).print();
        }
        [worker::HOLD, count] => hold::hold(&worker::listener(), count.parse().expect("a number")),
        _ => {
            eprintln!(
                "usage: tt-load connections SECONDS PLACEMENT | ping-pong SECONDS | hold COUNT | capture COUNT FILE"
            );
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}
