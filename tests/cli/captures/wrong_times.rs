//! Frames whose times are wrong by most of a year. Fewer would have that of the frame before.

use tcptrace_tests::{ACK, FIN, SYN};

use super::{C, Capture, FIRST, S, read};

#[test]
fn segments_with_old_times_do_not_fill_the_months_since_with_stalls() {
    const DAYS: u64 = 356 * 24 * 3600 * 1_000_000;
    let capture = Capture {
        lines: vec![
            (DAYS, C, SYN, 0, 0, 0),
            (DAYS + 30, S, SYN | ACK, 0, 1, 0),
            (DAYS + 60, C, ACK, 1, 1, 0),
            (0, S, ACK, 1, 1, 0),
            (100_000, S, ACK, 1, 1, 0),
            (150_000, S, ACK, 1, 1, 0),
            (200_000, S, FIN | ACK, 5, 7, 0),
            (DAYS + 2_000_000, C, FIN | ACK, 7, 6, 0),
            (DAYS + 2_000_040, S, ACK, 6, 8, 0),
        ],
        ..FIRST.capture()
    };
    let read = read(&capture.pcap(), &[]);
    assert!(read.log.contains("1 frame is older than the frame before"), "{}", read.log);
    let stalls = read.records.iter().filter(|record| record["type"] == "stalled").count();
    assert!(stalls <= 8, "no more than those of an hour: {stalls}");
}
