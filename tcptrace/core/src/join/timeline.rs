//! The records of a joined connection, in order and by one clock.

mod corrected;
mod passage;
mod reporter;
mod rewrite;

use std::{cell::Cell, sync::Arc};

use self::corrected::Applied;
use super::{
    clock::Clock,
    joiner::{Joiner, Members},
    offsets::OwnBounds,
    passage::{Passed, Segments},
    unsent::Unsent,
    verdicts,
    view::{View, stamp},
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

    pub(super) fn emit(mut self, segments: Segments, emit: &mut dyn FnMut(OutputRecord)) {
        let apart = |(one, at): (usize, i64), (other, later): (usize, i64)| {
            Some(self.corrected(other, later)?.saturating_sub(self.corrected(one, at)?))
        };
        let segments = if self.views.len() > 1 { segments.all(&self.views, &apart) } else { Vec::new() };
        let views = self.joined_views();
        let handshake = verdicts::handshake(&self.views, &Unsent(&self));
        let close = verdicts::close(&self.views, &Unsent(&self));
        // The handshake includes everything up to the time at which the last host knew of it.
        let last_time = |stamp: &dyn Fn(&View) -> Option<Stamp>| {
            let stamps = self.views.iter().enumerate().filter_map(|(at, (_, view))| Some((at, stamp(view)?)));
            stamps.map(|(place, stamp)| self.wall(place, stamp).time).max()
        };
        let known = last_time(&|view| Some(view.handshake.as_ref()?.stamp));
        let over = last_time(&|view| Some(view.close.as_ref()?.stamp));
        let (mut events, began) = self.events(&segments);
        for event in &mut events {
            self.place_event(event, began);
        }
        let is_late = |event: &OutputRecord| known.is_some_and(|known| stamp(event).is_some_and(|at| at.time > known));
        let later = close.is_some().then(|| events.iter().position(is_late)).flatten().unwrap_or(events.len());
        let mut events = events.into_iter();
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

    /// Takes the events of all views, in order, with corrected times and each segment once. Returns those that are emitted, and
    /// the time of the first.
    fn events(&mut self, segments: &[Passed]) -> (Vec<OutputRecord>, WallTime) {
        let fates = self.fates(segments);
        let mut all = Vec::with_capacity(fates.iter().flatten().filter(|fate| fate.shown).count());
        let mut began = None::<WallTime>;
        for (place, fates) in fates.into_iter().enumerate() {
            let events = self.views.get_mut(place).map(|(_, view)| std::mem::take(&mut view.events));
            for (mut event, fate) in events.into_iter().flatten().zip(fates) {
                if !fate.shown {
                    continue;
                }
                self.restamp(place, &mut event);
                self.rename(place, &mut event);
                if let OutputRecord::Segment(segment) = &mut event {
                    segment.stamp.time = fate.time.unwrap_or(segment.stamp.time);
                    segment.passage = fate.passage;
                }
                let at = stamp(&event).map(|at| at.time);
                began = began.into_iter().chain(at).min();
                if self.joiner.emitted.contains(event.emit()) {
                    all.push(event);
                }
            }
        }
        all.sort_by_cached_key(|event| stamp(event).map(|at| at.time));
        (all, began.unwrap_or_default())
    }

    /// Returns what becomes of the events of each view.
    fn fates(&self, segments: &[Passed]) -> Vec<Vec<Fate>> {
        let of_view = |(place, (_, view)): (usize, &(usize, Box<View>))| {
            let shown = view.events.iter().map(|event| self.is_reported_by(place, view, event));
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
        view.events.get(index).and_then(stamp).map(|at| at.time)
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
        let began = view.events.first().and_then(stamp).map_or(0, |at| at.time.0);
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
