//! Recordings written to a pipe and read again.

use std::{
    io::{PipeReader, Read as _, pipe},
    mem::offset_of,
};

use tcptrace_core::{
    decode::{
        capture::{self, Capture},
        ttr::{Item, Reader, Sealer},
    },
    filter::SegmentChoice,
};
use tcptrace_ebpf::{HintRecord, KIND_HINT, RecordHeader};

use super::*;
use crate::sink::Finish;

fn recorder(budget: usize, describer: &Describer) -> (PipeReader, Recorder) {
    let (reader, writer) = pipe().unwrap();
    let mut recorder = Recorder::new(Sink::stream(writer.into(), budget).unwrap(), 7);
    let start = StartOutput {
        stamp: describer.stamp(BootTime(1)),
        schema: 2,
        version: "0.1.0",
        hostname: "host".to_owned(),
        kernel: None,
        netns: None,
        interfaces: Vec::new(),
        segments: SegmentChoice::Control,
        filter: String::new(),
        states_of: None,
        began_ns: None,
        run: None,
    };
    recorder.begin(start, Setup::default(), describer, BootTime(1));
    (reader, recorder)
}

fn finish(recorder: Recorder, mut reader: PipeReader) -> Vec<u8> {
    assert!(matches!(recorder.sink.finish(Duration::from_secs(20)), Finish::Flushed));
    let mut written = Vec::new();
    reader.read_to_end(&mut written).unwrap();
    written
}

#[test]
fn what_a_reader_has_to_know_is_written_at_once() {
    let (reader, recorder) = recorder(1 << 20, &Describer::default());
    assert_eq!(recorder.due(), None, "nothing waits for the next block");
    assert!(!finish(recorder, reader).is_empty());
}

#[test]
fn counts_of_losses_in_what_was_left_out_are_told_behind_it() {
    let describer = Describer::default();
    // There is no room at all.
    let (_nobody_reads, mut recorder) = recorder(1, &describer);
    let mut hint = [0; size_of::<HintRecord>()];
    hint[offset_of!(RecordHeader, kind)] = KIND_HINT;
    recorder.record(&hint, BootTime(2));
    recorder.total(LossSource::State, 3, BootTime(2));
    recorder.total(LossSource::Segment, 0, BootTime(2));
    let now = BootTime(2) + MAX_AGE;
    assert_eq!(recorder.flush(&describer, now), 1);

    let (reader, writer) = pipe().unwrap();
    recorder.sink = Sink::stream(writer.into(), 1 << 20).unwrap();
    assert_eq!(recorder.end_block(), 0);
    let mut file = Vec::new();
    Sealer::new(None).seal(&finish(recorder, reader), &mut file);
    let Ok(Capture::Ttr(input)) = capture::open(&file[..]) else { panic!("it is a binary recording") };
    let items: Vec<Item> = Reader::new(input).map(|item| item.unwrap()).collect();
    let behind = items.iter().skip_while(|item| !matches!(item, Item::LeftOut(..)));
    let expected = [Item::LeftOut(now, 1), Item::Total(now, LossSource::State, 3)];
    assert_eq!(behind.collect::<Vec<_>>(), expected.iter().collect::<Vec<_>>());
}
