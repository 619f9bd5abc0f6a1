//! Matching of the views that belong together, and estimation of the offsets between their clocks.

use std::{cmp::Reverse, collections::VecDeque, num::NonZeroUsize, sync::Arc};

use foldhash::{HashMap, HashMapExt as _};
use smallvec::{SmallVec, smallvec};

use super::{
    candidates::Candidates,
    clock::Clock,
    group::{Group, Members, files},
    matching::{Fit, share_an_end},
    passage::Segments,
    timeline::Timeline,
    view::{Member, View},
};
use crate::{event::Role, filter::Emit, output_record::OutputRecord, text::WallTime};

/// The host that a file was recorded on.
#[derive(Clone, Debug)]
pub struct RecordedHost {
    /// Its name in the output.
    pub host: Arc<str>,
    /// Time at which recording began, by its own clock.
    pub began: WallTime,
    /// True if every segment was recorded, and not only those that open or close connections.
    pub all_segments: bool,
}

/// How many connections may wait for further views: beyond that, the oldest is emitted without them.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// Maximum number of connections.
    pub connections: NonZeroUsize,
    /// Maximum number of their events.
    pub events: NonZeroUsize,
}

/// Joins the views of several files.
#[derive(Debug)]
pub struct Joiner {
    pub(super) hosts: Vec<RecordedHost>,
    /// Clocks of the second file beside the first, by their indices.
    pub(super) clocks: HashMap<(usize, usize), Clock>,
    /// Types of the records that are emitted.
    pub(super) emitted: Emit,
    pub(super) room: Room,
    waiting: HashMap<u64, Group>,
    /// Number of events in `waiting`.
    events: usize,
    /// Numbers in `waiting` by what their views may have in common with another one.
    candidates: Candidates,
    /// Numbers in `waiting` by the sides of an address translation that they await, each with the index of its file.
    by_side: HashMap<(usize, u64), u64>,
    /// Numbers that may be in `waiting`, the oldest first.
    order: VecDeque<u64>,
    groups: u64,
    /// Number of views that wait, by file.
    idle: Vec<usize>,
    conns: u64,
    joined: u64,
    given_up: u64,
}

impl Joiner {
    /// Creates a joiner for the files of these hosts, which emits the types of records in `emitted`.
    pub fn new(hosts: Vec<RecordedHost>, emitted: Emit, room: Room) -> Self {
        let idle = vec![0; hosts.len()];
        Self {
            hosts,
            clocks: HashMap::new(),
            emitted,
            room,
            waiting: HashMap::new(),
            events: 0,
            candidates: Candidates::new(),
            by_side: HashMap::new(),
            order: VecDeque::new(),
            groups: 0,
            idle,
            conns: 0,
            joined: 0,
            given_up: 0,
        }
    }

    /// Returns the number of connections so far, and of those that are in several files.
    pub fn counts(&self) -> (u64, u64) {
        (self.conns, self.joined)
    }

    /// Returns the number of connections that did not wait for a second view, since too many waited.
    pub fn given_up(&self) -> u64 {
        self.given_up
    }

    /// Returns the number of views of a file that wait for others. Reading from the file with the fewest keeps few waiting.
    pub fn waiting(&self, file: usize) -> usize {
        self.idle.get(file).copied().unwrap_or_default()
    }

    /// Adds a view of a file. `emit` gets the records of connections that are complete.
    pub fn take(&mut self, file: usize, view: Box<View>, emit: &mut dyn FnMut(OutputRecord)) {
        if view.client_isn().is_none() && view.sides().is_empty() {
            // Its SYN was not recorded, so it cannot be matched with other views.
            return self.emit_joined(smallvec![(file, view)], emit);
        }
        let same = self.side_of(file, &view).or_else(|| self.same_in_other_files(file, &view));
        let number = same.unwrap_or_else(|| {
            self.groups += 1;
            self.order.push_back(self.groups);
            self.groups
        });
        if let Some(idle) = self.idle.get_mut(file) {
            *idle += 1;
        }
        let group = self.waiting.entry(number).or_default();
        for &side in view.sides() {
            let there = group.views.iter().any(|(other, known)| *other == file && known.conn() == Some(side));
            if !there && !group.awaited.contains(&(file, side)) {
                group.awaited.push((file, side));
                self.by_side.insert((file, side), number);
            }
        }
        self.events += view.events.len();
        group.views.push((file, view));
        if group.awaited.is_empty() && files(&group.views) == self.hosts.len() {
            self.release(number, emit);
        } else {
            let waiting = &self.waiting;
            let views_of = |number| waiting.get(&number).map_or(&[][..], |group| &group.views[..]);
            self.candidates.add(number, views_of);
        }
        while self.waiting.len() > self.room.connections.get() || self.events > self.room.events.get() {
            let Some(oldest) = self.order.pop_front() else { break };
            if self.waiting.contains_key(&oldest) {
                self.given_up += 1;
                self.release(oldest, emit);
            }
        }
        while self.order.front().is_some_and(|number| !self.waiting.contains_key(number)) {
            self.order.pop_front();
        }
    }

    /// Notes that another run begins in a file, whose connections are counted anew: sides that have not come do not come any
    /// more.
    pub fn begin_run(&mut self, file: usize) {
        self.by_side.retain(|&(other, _), _| other != file);
        self.waiting.values_mut().for_each(|group| group.awaited.retain(|&(other, _)| other != file));
    }

    /// Ends the input: emits the connections that wait for further views as they are.
    pub fn finish(&mut self, emit: &mut dyn FnMut(OutputRecord)) {
        while let Some(number) = self.order.pop_front() {
            self.release(number, emit);
        }
    }

    /// Returns the group that awaits this side of an address translation.
    fn side_of(&mut self, file: usize, view: &View) -> Option<u64> {
        let side = (file, view.conn()?);
        let number = self.by_side.remove(&side)?;
        self.waiting.get_mut(&number)?.awaited.retain(|awaited| *awaited != side);
        Some(number)
    }

    /// Returns the group whose views, of other files, this one fits best; those that fit only by the client's number wait for
    /// better ones.
    fn same_in_other_files(&self, file: usize, view: &View) -> Option<u64> {
        let groups = self.candidates.alike(view).filter_map(|number| Some((number, self.waiting.get(&number)?)));
        let fitting = groups.filter_map(|(number, group)| {
            let fit = group.fit(file, view).filter(|fit| *fit > Fit::Likely)?;
            Some((fit, number, group))
        });
        let fitting: SmallVec<[_; 4]> = fitting.collect();
        // Mostly there is nothing to choose from.
        if let [(fit, number, _)] = fitting[..]
            && fit > Fit::OneEnd
        {
            return Some(number);
        }
        let nearest = fitting.into_iter().filter_map(|(fit, number, group)| {
            let apart = group.views.iter().filter_map(|known| self.apart(known, (file, view))).min();
            let fits = fit > Fit::OneEnd || apart.is_none_or(|apart| apart <= SAME_SYN);
            fits.then_some((Reverse(fit), apart, number))
        });
        nearest.min().map(|(.., number)| number)
    }

    /// Returns a group whose views may be those of the same connection by all that is known, of other files.
    fn likely(&self, group: &Group) -> Option<u64> {
        let isn = group.views.iter().find_map(|(_, view)| view.client_isn())?;
        let groups = self.candidates.with_isn(isn).filter_map(|number| Some((number, self.waiting.get(&number)?)));
        let fitting = groups.filter_map(|(number, other)| {
            let mut nearest = None;
            for (file, view) in &group.views {
                other.fit(*file, view)?;
                for known in &other.views {
                    let apart = self.apart(known, (*file, view));
                    if apart.is_some_and(|apart| apart > SAME_SYN) || apart.is_none() && !share_an_end(&known.1, view) {
                        return None;
                    }
                    nearest = nearest.max(apart);
                }
            }
            Some((nearest, number))
        });
        fitting.min().map(|(_, number)| number)
    }

    /// Returns the least nanoseconds between a SYN of one view and one of another, by corrected clocks; `None` if the offset
    /// between these is not known.
    fn apart(&self, (one, known): &Member, (other, view): (usize, &View)) -> Option<u64> {
        let (near, far, first, second) =
            if *one < other { (*one, other, &**known, view) } else { (other, *one, view, &**known) };
        let clock = self.clocks.get(&(near, far))?;
        let times = second.syns().filter_map(|syn| {
            let at = syn.time.0;
            Some(at.saturating_sub(clock.offset_here(at)?.ns))
        });
        let times: Vec<i64> = times.collect();
        first.syns().flat_map(|syn| times.iter().map(move |at| at.abs_diff(syn.time.0))).min()
    }

    fn release(&mut self, number: u64, emit: &mut dyn FnMut(OutputRecord)) {
        let Some(mut group) = self.remove(number) else { return };
        while files(&group.views) < self.hosts.len()
            && let Some(other) = self.likely(&group).and_then(|number| self.remove(number))
        {
            group.views.extend(other.views);
        }
        self.emit_joined(group.views, emit);
    }

    fn remove(&mut self, number: u64) -> Option<Group> {
        let group = self.waiting.remove(&number)?;
        for side in &group.awaited {
            self.by_side.remove(side);
        }
        for (file, view) in &group.views {
            self.events = self.events.saturating_sub(view.events.len());
            if let Some(idle) = self.idle.get_mut(*file) {
                *idle = idle.saturating_sub(1);
            }
            self.candidates.remove(view, number);
        }
        Some(group)
    }

    /// Emits the records of a joined connection: its events in order, its handshake and its close.
    fn emit_joined(&mut self, mut views: Members, emit: &mut dyn FnMut(OutputRecord)) {
        self.conns += 1;
        self.joined += u64::from(files(&views) > 1);
        if views.len() > 1 {
            views.sort_by_cached_key(|(_, view)| place(view));
        }
        let segments = if views.len() > 1 { Segments::of(&views) } else { Segments::default() };
        let (passed, certain) = segments.without_times();
        let (round_trip_ns, own_bounds) = self.learn(&views, &passed);
        let timeline = Timeline::new(self, self.conns, views, round_trip_ns, own_bounds);
        let passed = if certain { passed } else { timeline.by_times(&segments) };
        timeline.emit(&passed, emit);
    }
}

/// Maximum difference of the times of one SYN, in nanoseconds: that of the clocks, which may drift, and its way.
const SAME_SYN: u64 = 2_000_000_000;

/// Returns a key that orders views along the way from the client to the server: the one beside the client's socket first,
/// the one beside the server's last, and between them by the time until the SYN was answered.
fn place(view: &View) -> (u8, Reverse<Option<i64>>) {
    let side = match (view.has_socket(Role::Client), view.has_socket(Role::Server)) {
        (true, false) => 0,
        (false, true) => 2,
        _ => 1,
    };
    (side, Reverse(view.answer_ns()))
}
