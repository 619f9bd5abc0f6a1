//! The records of a joined connection, in order and by one clock.

mod passage;
mod reporter;
mod rewrite;

use std::{collections::BTreeSet, sync::Arc};

use self::passage::first_seen_last;
use super::{
    clock::{Bounds, Clock, Offset},
    joiner::Joiner,
    passage::{Passed, passed},
    unsent::Unsent,
    verdicts,
    view::{View, stamp},
};
use crate::{
    output_record::{EndpointOutput, Joined, JoinedView, OutputRecord, Stamp},
    text::WallTime,
};

/// A joined connection, to be emitted.
pub(super) struct Timeline<'a> {
    pub(super) joiner: &'a Joiner,
    /// Views in order from the client to the server, each with the index of its file.
    pub(super) views: &'a [(usize, View)],
    pub(super) conn: u64,
    pub(super) round_trip_ns: Option<u64>,
    /// For each view, bounds of the offset of its clock beside that of the reference, from this connection alone.
    pub(super) own_bounds: Vec<Bounds>,
}

impl Timeline<'_> {
    pub(super) fn emit(&self, emit: &mut dyn FnMut(OutputRecord)) {
        let views: Vec<&View> = self.views.iter().map(|(_, view)| view).collect();
        let apart = |(one, at): (usize, i64), (other, later): (usize, i64)| {
            Some(self.corrected(other, later)?.saturating_sub(self.corrected(one, at)?))
        };
        let segments = if views.len() > 1 { passed(&views, false, &apart) } else { Vec::new() };
        let (mut events, began) = self.events(&segments);
        let handshake = verdicts::handshake(&views, &Unsent(self));
        let close = verdicts::close(&views, &Unsent(self));
        for event in &mut events {
            self.place_event(event, began);
        }
        // The handshake includes everything up to the time at which the last host knew of it.
        let last_time = |stamps: &mut dyn Iterator<Item = (usize, Stamp)>| {
            stamps.map(|(place, stamp)| self.wall(place, stamp).time).max()
        };
        let known = last_time(
            &mut views.iter().enumerate().filter_map(|(at, view)| Some((at, view.handshake.as_ref()?.stamp))),
        );
        let over =
            last_time(&mut views.iter().enumerate().filter_map(|(at, view)| Some((at, view.close.as_ref()?.stamp))));
        let is_late = |event: &OutputRecord| known.is_some_and(|known| stamp(event).is_some_and(|at| at.time > known));
        let closes = close.is_some();
        let later = if closes { events.iter().position(is_late).unwrap_or(events.len()) } else { events.len() };
        let rest = events.split_off(later.min(events.len()));
        events.into_iter().for_each(&mut *emit);
        if let Some((place, mut record)) = handshake {
            record.record.conn = self.conn;
            record.stamp = Stamp { time: known.unwrap_or(record.stamp.time), boot_ns: None };
            record.joined = Some(Box::new(self.joined(place)));
            (record.context.started, record.context.started_ns) = (began, None);
            record.context.severity = record.record.severity();
            let settled = record.record.failure().is_none() || !closes;
            if settled {
                emit(OutputRecord::Handshake(record));
            }
        }
        rest.into_iter().for_each(&mut *emit);
        if let Some((place, mut record)) = close {
            record.record.conn = self.conn;
            record.stamp = Stamp { time: over.unwrap_or(record.stamp.time), boot_ns: None };
            record.joined = Some(Box::new(self.joined(place)));
            (record.context.started, record.context.started_ns) = (began, None);
            record.context.severity = record.record.severity();
            emit(OutputRecord::Close(record));
        }
    }

    /// Returns the events of all views in order, with corrected times and each segment once, and the time of the first.
    fn events(&self, segments: &[Passed]) -> (Vec<OutputRecord>, WallTime) {
        let mut all = Vec::new();
        let repeated: BTreeSet<(usize, usize)> =
            segments.iter().flat_map(|passed| first_seen_last(passed).skip(1)).collect();
        for (place, (_, view)) in self.views.iter().enumerate() {
            for (index, event) in view.events.iter().enumerate() {
                if !repeated.contains(&(place, index)) && self.is_reported_by(place, view, event) {
                    let mut event = event.clone();
                    self.restamp(place, &mut event);
                    self.rename(view, &mut event);
                    all.push(((place, index), event));
                }
            }
        }
        for passed in segments {
            let Some(first) = first_seen_last(passed).next() else { continue };
            if passed.seen.len() == 1 && !self.others_would_have_it(first) {
                continue;
            }
            let mut passage = self.passage(passed);
            let set = self.own_bounds.get(first.0).is_some_and(|bounds| bounds.contradict());
            if let Some((_, OutputRecord::Segment(segment))) = all.iter_mut().find(|(at, _)| *at == first) {
                if let Some(at) = self.time_at_reference(passed).filter(|_| set) {
                    (segment.stamp.time, passage.delay_ns) = (at, None);
                }
                segment.passage = Some(Box::new(passage));
            }
        }
        all.sort_by_key(|(_, event)| stamp(event).map(|at| at.time));
        let began = all.first().and_then(|(_, event)| stamp(event)).map_or(WallTime::default(), |at| at.time);
        (all.into_iter().map(|(_, event)| event).collect(), began)
    }

    /// Returns the time of a segment by the clock of the reference, if it was seen there.
    fn time_at_reference(&self, passed: &Passed) -> Option<WallTime> {
        let (place, index) = first_seen_last(passed)
            .find(|&(place, _)| self.views.get(place).is_some_and(|(file, _)| *file == self.reference()))?;
        let (_, view) = self.views.get(place)?;
        view.events.get(index).and_then(stamp).map(|at| at.time)
    }

    fn joined(&self, place: usize) -> Joined {
        let host = |place: usize| self.views.get(place).map_or_else(|| Arc::from(""), |(file, _)| self.host(*file));
        Joined {
            only_at: (self.views.iter().all(|(file, _)| *file == self.reference())).then(|| host(0)),
            verdict_of: host(place),
            round_trip_ns: self.round_trip_ns,
            views: self.views.iter().enumerate().map(|(place, (file, view))| self.view(place, *file, view)).collect(),
        }
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

    /// Returns the file whose clock all times are converted to: the first that has the connection.
    fn reference(&self) -> usize {
        self.views.iter().map(|(file, _)| *file).min().unwrap_or_default()
    }

    /// Returns a time of a view by the clock of the reference; `None` if the offset is unknown.
    pub(super) fn corrected(&self, place: usize, time: i64) -> Option<i64> {
        let (file, _) = self.views.get(place)?;
        if *file == self.reference() {
            return Some(time);
        }
        Some(time.saturating_sub(self.offset(place, time)?.ns))
    }

    /// Returns how far the clock of a view is ahead of that of the reference at a time of that view.
    fn offset(&self, place: usize, time: i64) -> Option<Offset> {
        let (file, _) = self.views.get(place)?;
        let offset = self.joiner.clocks.get(&(self.reference(), *file))?.offset_here(time)?;
        Some(self.own_bounds.get(place).map_or(offset, |bounds| bounds.correct(offset)))
    }

    /// Like [`Self::corrected`]; without an offset, returns the unchanged time.
    fn wall(&self, place: usize, Stamp { time, .. }: Stamp) -> Stamp {
        Stamp { time: WallTime(self.corrected(place, time.0).unwrap_or(time.0)), boot_ns: None }
    }
}
