//! The records of a joined connection, in order and by one clock.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    clock::Clock,
    joiner::Joiner,
    passage::{Passed, passed},
    verdicts,
    view::{View, stamp},
};
use crate::{
    event::Role,
    output_record::{EndpointOutput, Joined, JoinedView, OutputRecord, Passage, Sighting, StalledOutput, Stamp},
    tcp::TcpFlags,
    text::WallTime,
    verdict::{CloseKind, Turn},
};

/// Distance of the beginnings of a stall, as two hosts notice it, in nanoseconds: less than until a stall is told.
const SAME_STALL: u64 = 1_000_000_000;

/// A connection that is being told.
pub(super) struct Telling<'a> {
    pub(super) joiner: &'a Joiner,
    /// In the order from the client to the server, each with the index of its file.
    pub(super) views: &'a [(usize, View)],
    pub(super) conn: u64,
    pub(super) round_trip_ns: Option<u64>,
}

impl Telling<'_> {
    pub(super) fn emit(&self, emit: &mut dyn FnMut(OutputRecord)) {
        let views: Vec<&View> = self.views.iter().map(|(_, view)| view).collect();
        let apart = |(one, at): (usize, i64), (other, later): (usize, i64)| {
            Some(self.corrected(other, later)?.saturating_sub(self.corrected(one, at)?))
        };
        let segments = if views.len() > 1 { passed(&views, false, &apart) } else { Vec::new() };
        let (mut events, began) = self.events(&segments);
        let handshake = verdicts::handshake(&views);
        let close = verdicts::close(&views);
        for event in &mut events {
            self.place_event(event, began);
        }
        // The handshake includes everything up to the time at which the last host knew it.
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

    /// The events of all views in order, with their times corrected, each segment once; and the time of the first.
    fn events(&self, segments: &[Passed]) -> (Vec<OutputRecord>, WallTime) {
        let mut all = Vec::new();
        let repeated: BTreeSet<(usize, usize)> =
            segments.iter().flat_map(|passed| first_seen_last(passed).skip(1)).collect();
        for (place, (_, view)) in self.views.iter().enumerate() {
            for (index, event) in view.events.iter().enumerate() {
                if !repeated.contains(&(place, index)) && self.is_told_by(place, view, event) {
                    let mut event = event.clone();
                    self.restamp(place, &mut event);
                    self.rename(view, &mut event);
                    all.push(((place, index), event));
                }
            }
        }
        for passed in segments {
            let Some(first) = first_seen_last(passed).next() else { continue };
            let passage = self.passage(passed);
            if let Some((_, OutputRecord::Segment(segment))) = all.iter_mut().find(|(at, _)| *at == first) {
                segment.passage = Some(Box::new(passage));
            }
        }
        all.sort_by_key(|(_, event)| stamp(event).map(|at| at.time));
        let began = all.first().and_then(|(_, event)| stamp(event)).map_or(WallTime::default(), |at| at.time);
        (all.into_iter().map(|(_, event)| event).collect(), began)
    }

    /// True if the view tells an event of a socket: recordings of one machine may have the same sockets, and the one nearest to
    /// each end tells of that end's.
    fn is_told_by(&self, place: usize, view: &View, event: &OutputRecord) -> bool {
        let role = match event {
            OutputRecord::State(state) => state.role.unwrap_or_else(|| view.role_of(&state.local)),
            OutputRecord::Hint(hint) => view.role_of(&hint.local),
            OutputRecord::Owner(owner) => view.role_of(&owner.local),
            OutputRecord::Stalled(stalled) => return self.tells_stall(place, stalled),
            _ => return true,
        };
        let mut places = self.views.iter().enumerate().filter(|(_, (_, view))| view.has_socket(role)).map(|(at, _)| at);
        let nearest = if role == Role::Client { places.next() } else { places.next_back() };
        match nearest {
            Some(nearest) => nearest == place,
            // Captures name processes without any socket: the first that does so tells it.
            None => {
                let names = |(_, other): &(usize, View)| {
                    let is_same = |event: &OutputRecord| matches!(event, OutputRecord::Owner(owner) if other.role_of(&owner.local) == role);
                    other.events.iter().any(is_same)
                };
                !matches!(event, OutputRecord::Owner(_)) || !self.views.iter().take(place).any(names)
            }
        }
    }

    /// True if the view tells this stall of its own. The host of the end whose turn it is knows why, so it tells the stall if it
    /// noticed it; otherwise the first view that did.
    fn tells_stall(&self, place: usize, stalled: &StalledOutput) -> bool {
        let since = |place: usize, stalled: &StalledOutput| {
            self.wall(place, Stamp { time: stalled.since, boot_ns: None }).time.0
        };
        let own = since(place, stalled);
        let same = |place: usize, event: &OutputRecord| {
            matches!(event, OutputRecord::Stalled(other) if other.record.turn == stalled.record.turn
                && since(place, other).abs_diff(own) < SAME_STALL)
        };
        let role = match stalled.record.turn {
            Some(Turn::Client) => Some(Role::Client),
            Some(Turn::Server) => Some(Role::Server),
            Some(Turn::Network) | None => None,
        };
        let views = || self.views.iter().map(|(_, view)| view).enumerate();
        let noticed = || views().filter(|(at, view)| view.events.iter().any(|event| same(*at, event)));
        let knows = |(_, view): &(usize, &View)| role.is_some_and(|role| view.has_socket(role));
        noticed().find(knows).or_else(|| noticed().next()).is_none_or(|(at, _)| at == place)
    }

    /// Where a segment was seen, and whether it got lost.
    fn passage(&self, passed: &Passed) -> Passage {
        let mut sightings = Vec::new();
        let mut times = Vec::new();
        for (place, index) in first_seen_last(passed) {
            let Some((file, view)) = self.views.get(place) else { continue };
            let Some(at) = view.events.get(index).and_then(stamp) else { continue };
            sightings.push(Sighting { host: self.host(*file), time: at.time });
            times.push(self.corrected(place, at.time.0));
        }
        let delay_ns = match (times.first(), times.last()) {
            (Some(&Some(first)), Some(&Some(last))) if times.len() > 1 => {
                u64::try_from(last.saturating_sub(first)).ok()
            }
            _ => None,
        };
        Passage { sightings, delay_ns, lost: self.is_lost(passed) }
    }

    /// True if a host further on the way was recording and did not see this segment. One with data is no proof, as offloading
    /// changes it, and neither is an ACK, of which not all are recorded.
    fn is_lost(&self, passed: &Passed) -> bool {
        let Some((place, index)) = first_seen_last(passed).next() else { return false };
        let Some((_, view)) = self.views.get(place) else { return false };
        let Some(OutputRecord::Segment(segment)) = view.events.get(index) else { return false };
        let telling = TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST;
        if segment.length > 0 || !segment.flags.intersects(telling) {
            return false;
        }
        let missed = |target: usize| {
            let Some((file, view)) = self.views.get(target) else { return false };
            let Some(host) = self.joiner.hosts.get(*file) else { return false };
            let Some(sent) = self.corrected(place, segment.stamp.time.0) else { return false };
            let Some(began) = self.corrected(target, host.began.0) else { return false };
            let unfinished = view.close.as_ref().is_some_and(|close| close.record.kind == CloseKind::Unfinished);
            let last = unfinished.then(|| view.events.iter().filter_map(stamp).map(|at| at.time).max()).flatten();
            let until = view.until.or(last).map(|until| self.corrected(target, until.0));
            let in_time = until.is_none_or(|until| until.is_some_and(|until| sent < until));
            sent > began && in_time && !verdicts::has_lost_events(view) && !seen_at(passed, target)
        };
        match passed.from {
            Role::Client => place + 1 < self.views.len() && missed(self.views.len() - 1),
            Role::Server => place > 0 && missed(0),
        }
    }

    fn joined(&self, place: usize) -> Joined {
        let host = |place: usize| self.views.get(place).map_or_else(|| Arc::from(""), |(file, _)| self.host(*file));
        Joined {
            only_at: (self.views.len() == 1).then(|| host(0)),
            verdict_of: host(place),
            round_trip_ns: self.round_trip_ns,
            views: self.views.iter().map(|(file, view)| self.view(*file, view)).collect(),
        }
    }

    fn view(&self, file: usize, view: &View) -> JoinedView {
        let unknown = EndpointOutput { addr: [0, 0, 0, 0].into(), port: None };
        let (client, server) = view.ends().unwrap_or((unknown, unknown));
        let handshake = view.handshake.as_ref().map(|handshake| &*handshake.record);
        let close = view.close.as_ref().map(|close| &*close.record);
        let began = view.events.first().and_then(stamp).map_or(0, |at| at.time.0);
        let clock = self.joiner.clocks.get(&(self.reference(), file));
        let offset = clock.and_then(|clock| clock.offset_here(began));
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

    fn host(&self, file: usize) -> Arc<str> {
        self.joiner.hosts.get(file).map_or_else(|| Arc::from(""), |host| Arc::clone(&host.host))
    }

    /// The file whose clock the times are told by: the first of those that have the connection.
    fn reference(&self) -> usize {
        self.views.iter().map(|(file, _)| *file).min().unwrap_or_default()
    }

    /// A time of a view by the clock of the reference; none if the offset is unknown.
    fn corrected(&self, place: usize, time: i64) -> Option<i64> {
        let (file, _) = self.views.get(place)?;
        if *file == self.reference() {
            return Some(time);
        }
        let offset = self.joiner.clocks.get(&(self.reference(), *file))?.offset_here(time)?;
        Some(time.saturating_sub(offset.ns))
    }

    /// As [`Self::corrected`]; without an offset, the time as it is.
    fn wall(&self, place: usize, Stamp { time, .. }: Stamp) -> Stamp {
        Stamp { time: WallTime(self.corrected(place, time.0).unwrap_or(time.0)), boot_ns: None }
    }

    fn restamp(&self, place: usize, event: &mut OutputRecord) {
        match event {
            OutputRecord::State(state) => state.stamp = self.wall(place, state.stamp),
            OutputRecord::Segment(segment) => segment.stamp = self.wall(place, segment.stamp),
            OutputRecord::Icmp(icmp) => icmp.stamp = self.wall(place, icmp.stamp),
            OutputRecord::Hint(hint) => hint.stamp = self.wall(place, hint.stamp),
            OutputRecord::Drop(dropped) => dropped.stamp = self.wall(place, dropped.stamp),
            OutputRecord::Owner(owner) => owner.stamp = self.wall(place, owner.stamp),
            OutputRecord::Stalled(stalled) => {
                let since = Stamp { time: stalled.since, boot_ns: None };
                (stalled.stamp, stalled.since) = (self.wall(place, stalled.stamp), self.wall(place, since).time);
            }
            _ => {}
        }
    }

    /// Gives the ends of an event the addresses that they have at the client.
    fn rename(&self, view: &View, event: &mut OutputRecord) {
        let Some((client, server)) = self.views.first().and_then(|(_, view)| view.ends()) else { return };
        let rename = |end: &mut EndpointOutput| {
            *end = if view.role_of(end) == Role::Client { client } else { server };
        };
        match event {
            OutputRecord::State(state) => {
                rename(&mut state.local);
                state.remote.iter_mut().for_each(rename);
            }
            OutputRecord::Segment(segment) => [&mut segment.src, &mut segment.dst].into_iter().for_each(rename),
            OutputRecord::Icmp(icmp) => [&mut icmp.src, &mut icmp.dst].into_iter().for_each(rename),
            OutputRecord::Hint(hint) => [&mut hint.local, &mut hint.remote].into_iter().for_each(rename),
            OutputRecord::Drop(dropped) => [&mut dropped.src, &mut dropped.dst].into_iter().for_each(rename),
            OutputRecord::Owner(owner) => {
                rename(&mut owner.local);
                owner.remote.iter_mut().for_each(rename);
            }
            OutputRecord::Stalled(stalled) => {
                let ends = [(&mut stalled.record.client, client), (&mut stalled.record.server, server)];
                for (end, known) in ends {
                    (end.addr, end.port) = (known.addr, known.port);
                }
            }
            _ => {}
        }
    }

    /// Numbers an event, and counts its time from the beginning.
    fn place_event(&self, event: &mut OutputRecord, began: WallTime) {
        let since = |stamp: &Stamp| u64::try_from(stamp.time.0.saturating_sub(began.0)).unwrap_or_default();
        match event {
            OutputRecord::State(state) => {
                (state.conn, state.since_start_ns) = (Some(self.conn), Some(since(&state.stamp)));
            }
            OutputRecord::Segment(segment) => {
                (segment.conn, segment.since_start_ns) = (self.conn, Some(since(&segment.stamp)));
            }
            OutputRecord::Icmp(icmp) => {
                (icmp.conn, icmp.since_start_ns) = (self.conn, Some(since(&icmp.stamp)));
            }
            OutputRecord::Hint(hint) => {
                (hint.conn, hint.since_start_ns) = (Some(self.conn), Some(since(&hint.stamp)));
            }
            OutputRecord::Drop(dropped) => {
                (dropped.conn, dropped.since_start_ns) = (Some(self.conn), Some(since(&dropped.stamp)));
            }
            OutputRecord::Owner(owner) => owner.conn = Some(self.conn),
            OutputRecord::Stalled(stalled) => stalled.record.conn = self.conn,
            _ => {}
        }
    }
}

/// Where a segment was seen, in the order in which it travelled.
fn first_seen_last(passed: &Passed) -> Box<dyn Iterator<Item = (usize, usize)> + '_> {
    match passed.from {
        Role::Client => Box::new(passed.seen.iter().copied()),
        Role::Server => Box::new(passed.seen.iter().rev().copied()),
    }
}

fn seen_at(passed: &Passed, place: usize) -> bool {
    passed.seen.iter().any(|&(at, _)| at == place)
}
