//! From events to every kind of output, as in the tracer, with the invariants on the way.

use std::num::NonZeroU32;

use jiff::tz::TimeZone;
use serde_json::Value;
use tcptrace_core::{
    SCHEMA,
    correlate::{Correlated, Correlator, NO_NAMESPACE},
    decode::{
        capture::{self, Capture},
        recording::{Moment, Record, Recorded, Recording},
    },
    describe::Describer,
    event::{BootTime, Event},
    filter::SegmentChoice,
    output_record::{EndOutput, OutputRecord, StartOutput},
    render::{Drawing, Events, Json, Ladder, Render},
    text::is_unsafe,
};

use crate::invariants::Invariants;

/// The namespace whose segments are seen live.
const HERE: u32 = 1;

/// Columns of the ladders.
const WIDTH: usize = 100;

/// Maximum number of deadlines per event, including revoked ones: of its connection's handshake and close, and of the
/// connections that it has evicted.
const DEADLINES: u64 = 16;

/// A correlator, and the renderers of its output.
pub(crate) struct Run {
    connections: Correlator,
    describer: Describer,
    most: NonZeroU32,
    invariants: Invariants,
    /// Number of events put in.
    events: u64,
    written: Written,
}

impl Run {
    /// Creates a run for the events of a host.
    pub(crate) fn live(most: NonZeroU32) -> Self {
        Self::new(Correlator::new(HERE), Describer::of_recording(), most).begun(BootTime(0), Some(HERE))
    }

    /// Creates a run for the events of a capture.
    pub(crate) fn of_capture(most: NonZeroU32) -> Self {
        Self::new(Correlator::new(NO_NAMESPACE), Describer::of_capture(), most).begun(BootTime(0), None)
    }

    fn new(connections: Correlator, describer: Describer, most: NonZeroU32) -> Self {
        let mut run = Self {
            connections,
            describer,
            most,
            invariants: Invariants::default(),
            events: 0,
            written: Written::default(),
        };
        run.connections.limit(most);
        run
    }

    /// Writes the first record.
    fn begun(mut self, at: BootTime, netns: Option<u32>) -> Self {
        let start = StartOutput {
            stamp: self.describer.stamp(at),
            schema: SCHEMA,
            version: "fuzz",
            hostname: "fuzz".to_owned(),
            kernel: netns.map(|_| "6.18".to_owned()),
            netns,
            interfaces: Vec::new(),
            segments: SegmentChoice::All,
            filter: String::new(),
            states_of: None,
            began_ns: netns.map(|_| at.0),
            run: None,
        };
        self.written.entry(&OutputRecord::Start(start));
        self
    }

    /// Returns the correlator, to be queried.
    pub(crate) fn connections(&mut self) -> &mut Correlator {
        &mut self.connections
    }

    /// Names the layers of encapsulations.
    pub(crate) fn name_encapsulations(&mut self, all: &[Vec<String>]) {
        self.describer.name_encapsulations(all, Vec::clone);
    }

    /// Names an interface.
    pub(crate) fn name_interface(&mut self, index: u32, name: &str) {
        self.describer.name_interface(None, index, name);
    }

    /// Notes that the clocks showed these times.
    pub(crate) fn note(&mut self, moment: Moment) {
        self.describer.clock.note(moment.at, moment.wall);
    }

    /// Passes in an event.
    pub(crate) fn event(&mut self, event: &Event) {
        self.events += 1;
        self.invariants.put_in(event);
        self.step(|connections, emit| connections.handle_event(event, emit));
        assert!(self.connections.totals().open() <= self.most.get().into(), "more is remembered than may be");
    }

    /// Handles everything that has waited long enough by `now`.
    pub(crate) fn look(&mut self, now: BootTime) {
        self.step(|connections, emit| connections.handle_timeout(now, emit));
        let due = self.connections.poll_timeout();
        assert!(due.is_none_or(|due| due > now), "{due:?} is due at {now:?} and was not done");
    }

    /// Handles every deadline up to `now`, in order.
    pub(crate) fn look_in_time(&mut self, now: BootTime) {
        let mut left = DEADLINES * (1 + self.events);
        while let Some(due) = self.connections.poll_timeout().filter(|&due| due <= now) {
            left = left.checked_sub(1).expect("deadlines without end");
            self.look(due);
        }
        self.look(now);
    }

    /// Ends the run, and returns the JSON lines.
    pub(crate) fn finish(mut self, now: BootTime) -> String {
        self.step(|connections, emit| connections.finish(now, emit));
        let totals = self.connections.totals();
        self.invariants.finished(totals);
        self.written.entry(&OutputRecord::End(EndOutput {
            stamp: self.describer.stamp(now),
            connections: totals.numbered,
            open: totals.open(),
            evicted: totals.evicted,
            events: 0,
            lost: 0,
            left_out: None,
        }));
        self.written.json
    }

    fn step(&mut self, step: impl FnOnce(&mut Correlator, &mut dyn FnMut(Correlated))) {
        let Self { connections, describer, invariants, written, .. } = self;
        step(connections, &mut |placed| {
            invariants.came_out(&placed);
            written.entry(&describer.entry(placed));
        });
    }
}

/// The output of the renderers.
struct Written {
    json: String,
    ladder: Ladder,
    events: Events,
}

impl Default for Written {
    fn default() -> Self {
        const ZONE: &TimeZone = &TimeZone::UTC;
        let (color, absolute_seq, unicode, zone) = (false, false, true, ZONE);
        let drawing = Drawing { color, absolute_seq, unicode, zone };
        Self {
            json: String::new(),
            ladder: Ladder::new(drawing, || WIDTH),
            events: Events { color, absolute_seq, unicode, zone },
        }
    }
}

impl Written {
    fn entry(&mut self, entry: &OutputRecord) {
        let line = rendered(|out| Json.render(entry, out));
        let value: Value = serde_json::from_str(&line).expect("a line of JSON");
        assert!(value.get("type").is_some_and(Value::is_string), "{line}");
        self.json += &line;
        let line = rendered(|out| self.events.render(entry, out));
        assert_eq!(line.lines().count(), 1, "{line}");
        rendered(|out| self.ladder.render(entry, out));
    }
}

/// Checks that the output is whole lines of text without control characters.
fn rendered(render: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    render(&mut out);
    let text = String::from_utf8(out).expect("text");
    assert!(text.is_empty() || text.ends_with('\n'), "half a line: {text:?}");
    assert!(!text.lines().any(|line| line.contains(is_unsafe)), "{text:?}");
    text
}

/// Replays a JSON recording and returns its records as JSON lines; `most` must be the value it was made with.
pub(crate) fn again(recording: &str, most: NonZeroU32) -> String {
    let Ok(Capture::Json(input)) = capture::open(recording.as_bytes()) else { panic!("no recording: {recording}") };
    let mut said = Vec::new();
    replay(Recording::new(input), most, |json| said.push(json)).expect("what was written can be read");
    let [said] = said.try_into().expect("one run");
    said
}

/// Reads a recording as `-r` does, and passes on the JSON lines of each run in it.
pub(crate) fn replay(
    mut recording: Recording<&[u8]>,
    most: NonZeroU32,
    mut done: impl FnMut(String),
) -> Result<(), tcptrace_core::decode::recording::RecordingError> {
    let (mut run, mut named, mut last): (Option<Run>, _, _) = (None, 0, BootTime(0));
    let mut outcome = Ok(());
    while let Some(record) = recording.next() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                assert!(!error.to_string().contains('\n'), "{error}");
                outcome = Err(error);
                break;
            }
        };
        match (record, &mut run) {
            (Record::Start(start), Some(run)) if start.goes_on => run.note(start.moment),
            (Record::Start(start), before) => {
                if let Some(run) = before.take() {
                    done(run.finish(last));
                }
                let connections = Correlator::recorded(start.netns.unwrap_or(NO_NAMESPACE));
                let describer = if start.capture { Describer::of_capture() } else { Describer::of_recording() };
                let mut begun = Run::new(connections, describer, most);
                begun.note(start.moment);
                (run, named, last) = (Some(begun.begun(start.moment.at, start.netns)), 0, BootTime(0));
            }
            (Record::Event(Recorded { event, wall }), Some(run)) => {
                run.name_encapsulations(recording.encapsulations());
                for (index, name) in (1..).zip(recording.interfaces()).skip(named) {
                    run.name_interface(index, name);
                    named += 1;
                }
                run.note(Moment { at: event.at(), wall });
                run.event(&event);
                last = last.max(event.at());
            }
            (Record::End(moment), ended) => {
                if let Some(mut run) = ended.take() {
                    run.note(moment);
                    done(run.finish(moment.at));
                }
            }
            (Record::Existing(_) | Record::Namespace(_), _) | (Record::Event(_), None) => {}
        }
    }
    if let Some(run) = run {
        done(run.finish(last));
    }
    assert!(recording.next().is_none(), "nothing comes behind the end");
    outcome
}
