//! The records of a joined connection, in order and by one clock.

mod corrected;
mod passage;
mod reporter;
mod rewrite;

use std::{cell::Cell, mem::take, sync::Arc};

use smallvec::SmallVec;

use self::corrected::Applied;
use super::{
    clock::Clock,
    group::Members,
    joiner::Joiner,
    noted::Noted,
    offsets::OwnBounds,
    passage::{Passed, Segments},
    unsent::Unsent,
    verdicts,
    view::View,
};
use crate::{
    filter::Emit,
    output_record::{EndpointOutput, Joined, JoinedView, OutputRecord, Passage, Stamp},
    text::WallTime,
};

/// A joined connection, to be emitted.
pub(super) struct Timeline<'a> {
    pub(super) joiner: &'a Joiner,
    /// Views in order from the client to the server, each with the index of its file.
    pub(super) views: Members,
    conn: u64,
    round_trip_ns: Option<u64>,
    /// For each view, bounds of the offset of its clock beside that of the reference, from this connection alone.
    own_bounds: OwnBounds,
    /// For each view, the offset that was applied last.
    applied: Vec<Cell<Option<Applied>>>,
}

/// The events of a joined connection.
struct Events {
    /// Those that are emitted, in order: their times, the indices of their views, and those of their records.
    order: Vec<(WallTime, usize, usize)>,
    /// The records of each view.
    records: SmallVec<[Vec<Option<OutputRecord>>; 2]>,
    /// The time of the first event, emitted or not.
    began: WallTime,
}

/// What becomes of an event in the joined connection.
#[derive(Default)]
struct Fate {
    shown: bool,
    passage: Option<Box<Passage>>,
    /// Time by the clock of the reference, if the offset of the other clock is not known at that time.
    time: Option<WallTime>,
}

impl<'a> Timeline<'a> {
    /// Creates the timeline of a connection with this number.
    pub(super) fn new(
        joiner: &'a Joiner,
        conn: u64,
        views: Members,
        round_trip_ns: Option<u64>,
        own_bounds: OwnBounds,
    ) -> Self {
        let applied = vec![Cell::new(None); views.len()];
        Self { joiner, views, conn, round_trip_ns, own_bounds, applied }
    }

    /// Returns all segments, of which those that look the same are told apart by their times.
    pub(super) fn by_times(&self, segments: &Segments) -> Vec<Passed> {
        segments.by_times(&self.views, &|(one, at), (other, later)| {
            Some(self.corrected(other, later)?.saturating_sub(self.corrected(one, at)?))
        })
    }

    /// Emits the records; `segments` are those of all views.
    pub(super) fn emit(mut self, segments: &[Passed], emit: &mut dyn FnMut(OutputRecord)) {
        let views = self.joined_views();
        let handshake = verdicts::handshake(&self.views, &Unsent(&self));
        let close = verdicts::close(&self.views, &Unsent(&self));
        // The handshake includes everything up to the time at which the last host knew of it.
        let last_time = |stamp: &dyn Fn(&View) -> Option<Stamp>| {
            let stamps = self.views.iter().enumerate().filter_map(|(at, (_, view))| Some((at, stamp(view)?)));
            stamps.map(|(place, stamp)| self.wall(place, stamp.time)).max()
        };
        let known = last_time(&|view| Some(view.handshake.as_ref()?.stamp));
        let over = last_time(&|view| Some(view.close.as_ref()?.stamp));
        let Events { order, mut records, began } = self.events(segments);
        let is_late = |(at, ..): &(WallTime, _, _)| known.is_some_and(|known| *at > known);
        let later = close.is_some().then(|| order.iter().position(is_late)).flatten().unwrap_or(order.len());
        let mut events = order.into_iter().filter_map(|(_, place, index)| {
            let mut event = records.get_mut(place)?.get_mut(index)?.take()?;
            self.place_event(&mut event, began);
            Some(event)
        });
        events.by_ref().take(later).for_each(&mut *emit);
        if let Some((place, mut record)) = handshake {
            record.record.conn = self.conn;
            record.stamp = Stamp { time: known.unwrap_or(record.stamp.time), boot_ns: None };
            record.joined = Some(Box::new(self.joined(place, &views)));
            (record.context.started, record.context.started_ns) = (began, None);
            record.context.severity = record.record.severity();
            let settled = record.record.failure().is_none() || close.is_none();
            if settled {
                emit(OutputRecord::Handshake(record));
            }
        }
        events.for_each(&mut *emit);
        if let Some((place, mut record)) = close {
            record.record.conn = self.conn;
            record.stamp = Stamp { time: over.unwrap_or(record.stamp.time), boot_ns: None };
            record.joined = Some(Box::new(self.joined(place, &views)));
            (record.context.started, record.context.started_ns) = (began, None);
            record.context.severity = record.record.severity();
            emit(OutputRecord::Close(record));
        }
    }

    /// Takes the events of all views, with corrected times and each segment once.
    fn events(&mut self, segments: &[Passed]) -> Events {
        let fates = self.fates(segments);
        let (mut order, mut records, mut began) = (Vec::new(), SmallVec::new(), None::<WallTime>);
        for (place, fates) in fates.into_iter().enumerate() {
            let mut kept = self.views.get_mut(place).map(|(_, view)| take(&mut view.records)).unwrap_or_default();
            for (index, fate) in fates.into_iter().enumerate() {
                let event = self.views.get(place).and_then(|(_, view)| view.events.get(index));
                let Some(event) = event.filter(|_| fate.shown) else { continue };
                let at = fate.time.unwrap_or_else(|| self.wall(place, event.time()));
                began = Some(began.map_or(at, |began| began.min(at)));
                let record = kept.get_mut(index).and_then(Option::as_mut);
                let Some(record) = record.filter(|record| self.joiner.emitted.contains(record.emit())) else {
                    continue;
                };
                self.restamp(place, at, record);
                self.rename(place, record);
                if let OutputRecord::Segment(segment) = record {
                    segment.passage = fate.passage;
                }
                order.push((at, place, index));
            }
            records.push(kept);
        }
        order.sort_by_key(|(at, ..)| *at);
        Events { order, records, began: began.unwrap_or_default() }
    }

    /// Returns what becomes of the events of each view.
    fn fates(&self, segments: &[Passed]) -> Vec<Vec<Fate>> {
        let of_view = |(place, (_, view)): (usize, &(usize, Box<View>))| {
            let shown = (0..view.events.len()).map(|index| self.is_reported_by(place, view, index));
            shown.map(|shown| Fate { shown, ..Fate::default() }).collect()
        };
        let mut fates: Vec<Vec<Fate>> = self.views.iter().enumerate().map(of_view).collect();
        let tells = self.joiner.emitted.contains(Emit::SEGMENT);
        for passed in segments {
            let mut way = passed.way();
            let Some(first) = way.next() else { continue };
            for (place, index) in way {
                if let Some(fate) = fates.get_mut(place).and_then(|fates| fates.get_mut(index)) {
                    fate.shown = false;
                }
            }
            let (place, index) = first;
            let Some(fate) = fates.get_mut(place).and_then(|fates| fates.get_mut(index)) else { continue };
            // The clock was set between the segments of this connection.
            let set = self.own_bounds.get(place).is_some_and(|bounds| bounds.contradict());
            if passed.seen.len() == 1 && !self.others_would_have_it(first) {
                continue;
            }
            fate.time = if set { self.time_at_reference(passed) } else { None };
            if tells {
                let mut passage = self.passage(passed);
                passage.delay_ns = passage.delay_ns.filter(|_| fate.time.is_none());
                fate.passage = Some(Box::new(passage));
            }
        }
        fates
    }

    /// Returns the time of a segment by the clock of the reference, if it was seen there.
    fn time_at_reference(&self, passed: &Passed) -> Option<WallTime> {
        let (place, index) = passed
            .way()
            .find(|&(place, _)| self.views.get(place).is_some_and(|(file, _)| *file == self.reference()))?;
        let (_, view) = self.views.get(place)?;
        view.events.get(index).map(Noted::time)
    }

    fn joined(&self, place: usize, views: &Arc<[JoinedView]>) -> Joined {
        let host = |place: usize| self.views.get(place).map_or_else(|| Arc::from(""), |(file, _)| self.host(*file));
        Joined {
            only_at: (self.views.iter().all(|(file, _)| *file == self.reference())).then(|| host(0)),
            verdict_of: host(place),
            round_trip_ns: self.round_trip_ns,
            views: Arc::clone(views),
        }
    }

    fn joined_views(&self) -> Arc<[JoinedView]> {
        self.views.iter().enumerate().map(|(place, (file, view))| self.view(place, *file, view)).collect()
    }

    fn view(&self, place: usize, file: usize, view: &View) -> JoinedView {
        let unknown = EndpointOutput { addr: [0, 0, 0, 0].into(), port: None };
        let (client, server) = view.ends().unwrap_or((unknown, unknown));
        let handshake = view.handshake.as_ref().map(|handshake| &*handshake.record);
        let close = view.close.as_ref().map(|close| &*close.record);
        let began = view.events.first().map_or(0, |event| event.time().0);
        let clock = self.joiner.clocks.get(&(self.reference(), file));
        let offset = self.offset(place, began);
        JoinedView {
            host: self.host(file),
            conn: handshake.map(|record| record.conn).or(close.map(|record| record.conn)).unwrap_or_default(),
            client,
            server,
            clock_offset_ns: if file == self.reference() { Some(0) } else { offset.map(|offset| offset.ns) },
            clock_error_ns: if file == self.reference() { Some(0) } else { offset.map(|offset| offset.error_ns) },
            clock_drift_ppb: clock.and_then(Clock::drift_ppb),
            outcome: handshake.and_then(|record| record.outcome),
            kind: close.map(|record| record.kind),
            reset: close.and_then(|record| record.reset).or(handshake.and_then(|record| record.reset)),
            summary: close
                .map(|record| &record.summary)
                .or(handshake.map(|record| &record.summary))
                .cloned()
                .unwrap_or_default(),
        }
    }

    pub(super) fn host(&self, file: usize) -> Arc<str> {
        self.joiner.hosts.get(file).map_or_else(|| Arc::from(""), |host| Arc::clone(&host.host))
    }
}
