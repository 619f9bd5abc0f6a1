mod file;

use std::{
    fs,
    io::{PipeReader, Read, pipe},
    time::Instant,
};

use super::*;

/// Time limit for immediate effects: only a failing test waits that long.
const LONG: Duration = Duration::from_secs(20);

const SMALL: usize = 256 << 10;

/// A sink with a budget of [`SMALL`] bytes, and the reading end of its pipe.
fn piped() -> (PipeReader, Sink) {
    let (reader, writer) = pipe().unwrap();
    (reader, Sink::stream(writer.into(), SMALL).unwrap())
}

fn read(mut reader: PipeReader) -> Vec<u8> {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).unwrap();
    bytes
}

/// Writes chunks of about 1 kB, no two the same, until the sink refuses one. Returns what it accepted.
fn fill(sink: &Sink) -> Vec<u8> {
    let mut accepted = Vec::new();
    for number in 0.. {
        let chunk = format!("{number:01000}\n");
        match sink.input.try_write(chunk.clone().into(), 1) {
            Offer::Accepted => accepted.extend_from_slice(chunk.as_bytes()),
            Offer::Full => break,
            Offer::Ended => panic!("the sink has ended"),
        }
    }
    accepted
}

fn wait_for_end(sink: &mut Sink) -> SinkEnd {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(LONG, sink.ended()).await }).unwrap()
}

/// Returns true if [`Sink::ended`] is pending. The first poll shows that without a waker.
fn is_running(sink: &mut Sink) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::ZERO, sink.ended()).await }).is_err()
}

#[test]
fn what_is_written_is_not_missing_although_the_thread_goes_on() {
    let (reader, sink) = piped();
    assert_eq!(sink.input.try_write("all of it".into(), 1), Offer::Accepted);
    let mut bytes = [0; 9];
    (&reader).read_exact(&mut bytes).unwrap();
    // The reader may have the bytes before the writer notes that.
    while sink.queue.held() > 0 {
        thread::yield_now();
    }
    assert!(matches!(sink.finish(Duration::ZERO), Finish::Flushed));
}

#[test]
fn everything_accepted_is_written_in_order() {
    let (reader, sink) = piped();
    let reader = thread::spawn(move || read(reader));
    let mut expected = Vec::new();
    for length in [0, 1, 100, 70_000, 0, 3, SMALL] {
        let chunk: Vec<u8> = (0..length).map(|index| (index % 251) as u8).collect();
        expected.extend_from_slice(&chunk);
        while sink.input.try_write(chunk.clone().into(), 1) == Offer::Full {
            thread::yield_now();
        }
    }
    assert!(matches!(sink.finish(LONG), Finish::Flushed));
    assert_eq!(reader.join().unwrap(), expected);
}

#[test]
fn a_slow_reader_fills_the_queue_and_blocks_nothing() {
    let (reader, sink) = piped();
    // Nobody reads: if handing over could wait, this would not return.
    let accepted = fill(&sink);
    assert!(accepted.len() > SMALL / 2, "{}", accepted.len());
    assert_eq!(sink.input.try_write(vec![0; SMALL + 1].into(), 1), Offer::Full);

    let reader = thread::spawn(move || read(reader));
    assert!(matches!(sink.finish(LONG), Finish::Flushed));
    assert_eq!(reader.join().unwrap(), accepted);
}

#[test]
fn a_chunk_beyond_the_budget_is_refused_even_alone() {
    let (_reader, sink) = piped();
    assert_eq!(sink.input.try_write(vec![0; SMALL + 1].into(), 1), Offer::Full);
}

#[test]
fn a_reader_that_goes_away_closes_the_sink_at_once() {
    let (reader, mut sink) = piped();
    drop(reader);
    // Nothing was written.
    assert!(matches!(wait_for_end(&mut sink), SinkEnd::Closed));
    assert_eq!(sink.input.try_write("late\n".into(), 1), Offer::Ended);
    assert!(is_running(&mut sink));
    assert!(matches!(sink.finish(LONG), Finish::Ended(SinkEnd::Closed)));
}

#[test]
fn a_reader_that_goes_away_during_a_write_closes_the_sink() {
    let (reader, mut sink) = piped();
    fill(&sink);
    drop(reader);
    assert!(matches!(wait_for_end(&mut sink), SinkEnd::Closed));
}

#[test]
fn the_end_is_told_even_if_nobody_waited_for_it_then() {
    let (reader, mut sink) = piped();
    assert!(is_running(&mut sink));
    drop(reader);
    while sink.input.try_write("x".into(), 1) != Offer::Ended {
        thread::yield_now();
    }
    assert!(matches!(wait_for_end(&mut sink), SinkEnd::Closed));
}

#[test]
fn a_non_blocking_pipe_is_waited_for() {
    let (reader, writer) = pipe().unwrap();
    rustix::fs::fcntl_setfl(&writer, rustix::fs::OFlags::NONBLOCK).unwrap();
    let sink = Sink::stream(writer.into(), SMALL).unwrap();
    let accepted = fill(&sink);
    let reader = thread::spawn(move || read(reader));
    assert!(matches!(sink.finish(LONG), Finish::Flushed));
    assert_eq!(reader.join().unwrap(), accepted);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the test is about how long it takes")]
fn a_blocked_reader_does_not_delay_the_end() {
    let (reader, sink) = piped();
    let accepted = fill(&sink);
    let start = Instant::now();
    let Finish::GivenUp { bytes } = sink.finish(Duration::from_millis(20)) else {
        panic!("nobody reads, so not everything can have been written");
    };
    assert!(start.elapsed() < LONG);
    assert!((1..=accepted.len()).contains(&bytes), "{bytes}");
    drop(reader);
}

#[test]
fn a_dropped_sink_still_writes_what_it_holds() {
    let (reader, sink) = piped();
    let accepted = fill(&sink);
    drop(sink);
    assert_eq!(read(reader), accepted);
}

#[test]
fn a_full_stdout_is_an_error_too() {
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let mut sink = Sink::stream(full.into(), SMALL).unwrap();
    assert!(is_running(&mut sink));
    assert_eq!(sink.input.try_write("record\n".into(), 1), Offer::Accepted);
    let end = wait_for_end(&mut sink);
    assert!(matches!(&end, SinkEnd::Failed(error) if matches!(**error, WriteError::Stdout(_))), "{end:?}");
}

#[test]
fn a_pipe_is_not_opened_again() {
    let (reader, mut sink) = piped();
    assert_eq!(sink.input.try_write("one\n".into(), 1), Offer::Accepted);
    sink.reopen(Reopen::ByName);
    assert_eq!(sink.input.try_write("two\n".into(), 1), Offer::Accepted);
    assert!(matches!(sink.finish(LONG), Finish::Flushed));
    assert_eq!(read(reader), b"one\ntwo\n");
}

#[test]
fn whoever_has_time_waits_for_the_reader_and_loses_nothing() {
    let (reader, sink) = piped();
    let mut expected = fill(&sink);
    let reader = thread::spawn(move || read(reader));
    for number in 0..2_000 {
        let chunk = format!("later {number:01000}\n");
        assert_eq!(sink.input.write(chunk.clone().into(), 1), Offer::Accepted);
        expected.extend_from_slice(chunk.as_bytes());
    }
    assert!(matches!(sink.finish(LONG), Finish::Flushed));
    assert!(reader.join().unwrap() == expected);
}

#[test]
fn nobody_waits_for_a_reader_that_has_gone() {
    let (reader, sink) = piped();
    fill(&sink);
    drop(reader);
    // However long the writer takes to notice: the next write waits for that, and no longer.
    while sink.input.write(vec![0; 1000].into(), 1) != Offer::Ended {}
    assert!(matches!(sink.end(), None | Some(SinkEnd::Closed)));
}
