//! One byte back and forth.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use crate::{Counted, worker};

/// Both ends are threads on one processor, so that only the cost of segments can slow them down, and not the time until
/// another processor wakes up.
pub(crate) fn run(length: Duration) -> Counted {
    // The first processor handles most of a machine's interrupts.
    worker::processors().last().copied().into_iter().for_each(worker::stay_on);
    let listener = worker::listen();
    let address = listener.local_addr().expect("a listener has an address");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (mut stream, _) = listener.accept().expect("a connection comes");
            stream.set_nodelay(true).expect("TCP_NODELAY");
            let mut byte = [0];
            while stream.read(&mut byte).expect("a byte, or the end of the stream") != 0 {
                stream.write_all(&byte).expect("the byte is sent");
            }
        });
        let mut stream = TcpStream::connect(address).expect("the server listens");
        stream.set_nodelay(true).expect("TCP_NODELAY");
        let began = Instant::now();
        let (mut count, mut byte) = (0, [0]);
        while began.elapsed() < length {
            stream.write_all(&byte).expect("the byte is sent");
            stream.read_exact(&mut byte).expect("the byte comes back");
            count += 1;
        }
        Counted::new(1, count, began.elapsed())
    })
}
