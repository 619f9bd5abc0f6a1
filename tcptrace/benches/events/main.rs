//! Measures the cost of an event from the ring buffer, or a capture, to the bytes of JSON.
//!
//! `cargo bench --package tcptrace` runs all benchmarks, `cargo bench --package tcptrace -- json` those with `json` in their
//! names. Rates are records of the ring, or frames of the capture, per second of processor time. The table of ended
//! connections is full when measuring begins, as on a host that has been busy for a while.

#![allow(missing_docs, reason = "criterion's macros make public functions")]

mod processor_time;
mod traffic;

use std::{fs::File, hint::black_box, os::fd::OwnedFd, time::Duration};

use self::{
    processor_time::ProcessorTime,
    traffic::{CONCURRENT, NETNS, RECORDS, Records, Traffic},
};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use tcptrace::{
    output::Output,
    pipeline::Pipeline,
    sink::{BUDGET, Sink},
};
use tcptrace_core::{
    correlate::{Correlator, NO_NAMESPACE},
    decode::{
        capture::{self, Capture},
        ring,
    },
    describe::Describer,
    event::{BootTime, Event, KernelReasons},
    filter::Emit,
    tcp::TcpFlags,
};

/// Number of connections after which the table of ended connections is full.
const WARM: u64 = (1 << 16) + CONCURRENT;

/// Number of connections in the capture.
const CAPTURED: u64 = 5_000;

fn decode(criterion: &mut Criterion<ProcessorTime>) {
    let reasons = KernelReasons::default();
    measure(criterion, "decode", |records| {
        for record in records.iter() {
            let _ = black_box(&ring::decode(record, &reasons));
        }
    });
}

fn correlate(criterion: &mut Criterion<ProcessorTime>) {
    let reasons = KernelReasons::default();
    let mut connections = Correlator::new(NETNS);
    measure(criterion, "decode, correlate", |records| {
        for record in records.iter() {
            let decoded = ring::decode(record, &reasons).expect("a record of this build");
            connections.handle_event(&decoded.event, &mut |placed| _ = black_box(&placed));
        }
    });
}

fn json(criterion: &mut Criterion<ProcessorTime>) {
    let mut pipeline = pipeline(Emit::ALL);
    measure(criterion, "decode, correlate, json", |records| take(&mut pipeline, records));
}

fn json_of_records(criterion: &mut Criterion<ProcessorTime>) {
    let mut pipeline = pipeline("handshake,close".parse().expect("two types"));
    measure(criterion, "decode, correlate, json handshake,close", |records| take(&mut pipeline, records));
}

fn pcap(criterion: &mut Criterion<ProcessorTime>) {
    let (file, segments) = pcap_file();
    let mut group = criterion.benchmark_group("capture");
    group.throughput(Throughput::Elements(segments));
    group.bench_function("pcap, correlate, json handshake,close", |bencher| bencher.iter(|| read(&file)));
    group.finish();
}

/// Measures `take` with the records of a thousand connections.
fn measure(criterion: &mut Criterion<ProcessorTime>, name: &str, mut take: impl FnMut(&Records)) {
    let mut traffic = Traffic::new();
    take(&traffic.listen());
    let mut group = criterion.benchmark_group("ring");
    group.throughput(Throughput::Elements(CONCURRENT * RECORDS));
    group.bench_function(name, |bencher| {
        while traffic.connections() < WARM {
            take(&traffic.round());
        }
        bencher.iter_batched_ref(|| traffic.round(), |records| take(records), BatchSize::PerIteration);
    });
    group.finish();
}

fn take(pipeline: &mut Pipeline, records: &Records) {
    records.iter().for_each(|record| pipeline.take(record));
    pipeline.flush();
}

/// The stages after the ring, writing to /dev/null.
fn pipeline(emit: Emit) -> Pipeline {
    let mut describer = Describer::default();
    describer.name_interface(None, 1, "lo");
    Pipeline::new(NETNS, describer, nowhere(emit), None)
}

fn nowhere(emit: Emit) -> Output {
    let null = OwnedFd::from(File::create("/dev/null").expect("/dev/null takes everything"));
    Output::json(emit, Sink::stream(null, BUDGET).expect("a thread that writes"))
}

/// Reads a capture to its end.
fn read(mut file: &[u8]) {
    let output = nowhere("handshake,close".parse().expect("two types"));
    let mut pipeline = Pipeline::new(NO_NAMESPACE, Describer::of_capture(), output, None);
    let Ok(Capture::Frames(frames)) = capture::open(&mut file) else { panic!("no capture") };
    let mut last = BootTime::default();
    for framed in *frames {
        let event = framed.expect("a whole frame").event;
        last = event.at();
        pipeline.replay(&event);
    }
    pipeline.end(last);
    assert!(pipeline.output.finish(Duration::from_secs(60)), "nobody takes the output");
}

/// Returns the segments of [`CAPTURED`] connections with a request and an answer as tcpdump writes them, and their number.
fn pcap_file() -> (Vec<u8>, u64) {
    let mut traffic = Traffic::new();
    let reasons = KernelReasons::default();
    let mut file = Vec::new();
    // Microseconds, snap length, raw IP.
    for word in [0xa1b2_c3d4, 2 | 4 << 16, 0, 0, 262_144, 101_u32] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    let mut segments = 0;
    for _ in 0..CAPTURED / CONCURRENT {
        for records in traffic.with_data(1) {
            for record in records.iter() {
                let decoded = ring::decode(record, &reasons).expect("a record of this build");
                if let Event::Segment(segment) = decoded.event {
                    segments += 1;
                    push_frame(&mut file, &segment);
                }
            }
        }
    }
    (file, segments)
}

fn push_frame(file: &mut Vec<u8>, segment: &tcptrace_core::event::Segment) {
    let header = &segment.header;
    let options = header.options.as_slice();
    let length = 40 + options.len() as u32 + segment.length;
    let micros = segment.at.0 / 1_000;
    for word in [micros / 1_000_000, micros % 1_000_000, length.into(), length.into()] {
        file.extend_from_slice(&(word as u32).to_le_bytes());
    }
    file.extend_from_slice(&[0x45, 0]);
    file.extend_from_slice(&(length as u16).to_be_bytes());
    file.extend_from_slice(&[0, 1, 0x40, 0, 64, 6, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1]);
    file.extend_from_slice(&header.src_port.to_be_bytes());
    file.extend_from_slice(&header.dst_port.to_be_bytes());
    file.extend_from_slice(&header.seq.0.to_be_bytes());
    file.extend_from_slice(&header.ack.0.to_be_bytes());
    let TcpFlags(flags) = header.flags;
    file.extend_from_slice(&[header.data_offset << 2, flags as u8]);
    file.extend_from_slice(&header.window.to_be_bytes());
    file.extend_from_slice(&[0; 4]);
    file.extend_from_slice(options);
    file.resize(file.len() + segment.length as usize, b'x');
}

criterion_group! {
    name = all;
    config = Criterion::default().with_measurement(ProcessorTime);
    targets = decode, correlate, json, json_of_records, pcap
}
criterion_main!(all);
