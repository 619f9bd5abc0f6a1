//! Reads a pcap or pcapng file and prints a sentence for each handshake and each close:
//! `cargo run -p tcptrace-core --example read_capture -- FILE`.

use std::{env, error::Error, fs::File};

use tcptrace_core::{
    correlate::{Correlated, Correlator, NO_NAMESPACE},
    decode::capture::{self, Capture},
    event::BootTime,
};

fn main() -> Result<(), Box<dyn Error>> {
    let path = env::args_os().nth(1).ok_or("name a capture")?;
    let Capture::Frames(frames) = capture::open(File::open(path)?)? else { return Err("not a capture".into()) };
    let mut correlator = Correlator::new(NO_NAMESPACE);
    let mut print = |correlated| match correlated {
        Correlated::Handshake(handshake) => println!("#{} {}", handshake.conn, handshake.summary),
        Correlated::Close(close) => println!("#{} {}", close.conn, close.summary),
        _ => {}
    };
    let mut last = BootTime(0);
    for frame in *frames {
        let frame = frame?;
        if frame.copy {
            continue;
        }
        let event = frame.event;
        last = last.max(event.at());
        correlator.handle_event(&event, &mut print);
    }
    correlator.finish(last, &mut print);
    Ok(())
}
