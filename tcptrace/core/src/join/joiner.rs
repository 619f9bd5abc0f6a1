//! Matching of the views that belong together, and estimation of the offsets between their clocks.

use std::{collections::VecDeque, num::NonZeroUsize, sync::Arc};

use foldhash::{HashMap, HashMapExt as _};

use super::{
    clock::Clock,
    passage::{Passed, passed},
    timeline::Timeline,
    view::{View, stamp},
};
use crate::{event::Role, output_record::OutputRecord, text::WallTime};

/// The host that a file was recorded on.
#[derive(Clone, Debug)]
pub struct RecordedHost {
    /// Its name in the output.
    pub host: Arc<str>,
    /// Time at which recording began, by its own clock.
    pub began: WallTime,
}

/// Joins the views of several files. The number of connections that wait for further views is limited: beyond that, the oldest
/// is emitted without them.
#[derive(Debug)]
pub struct Joiner {
    pub(super) hosts: Vec<RecordedHost>,
    /// Clocks of the second file beside the first, by their indices.
    pub(super) clocks: HashMap<(usize, usize), Clock>,
    most: usize,
    waiting: HashMap<u64, Group>,
    /// Numbers in `waiting` by the client's initial sequence number.
    by_isn: HashMap<u32, Vec<u64>>,
    /// Numbers that may be in `waiting`, the oldest first.
    order: VecDeque<u64>,
    groups: u64,
    /// Number of views that wait, by file.
    idle: Vec<usize>,
    conns: u64,
    joined: u64,
    given_up: u64,
}

/// Views of one connection, each with the index of its file.
#[derive(Debug, Default)]
struct Group {
    views: Vec<(usize, View)>,
}

impl Group {
    /// Returns true if a view of another file may be the same connection as these: the initial sequence numbers that both know are
    /// equal.
    fn fits(&self, file: usize, view: &View) -> bool {
        self.views.iter().all(|(other, known)| {
            let servers = (known.server_isn(), view.server_isn());
            *other != file && (servers.0 == servers.1 || servers.0.is_none() || servers.1.is_none())
        })
    }
}

impl Joiner {
    /// Creates a joiner for the files of these hosts. At most `most` views wait for others.
    pub fn new(hosts: Vec<RecordedHost>, most: NonZeroUsize) -> Self {
        let idle = vec![0; hosts.len()];
        Self {
            hosts,
            clocks: HashMap::new(),
            most: most.get(),
            waiting: HashMap::new(),
            by_isn: HashMap::new(),
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
    pub fn take(&mut self, file: usize, view: View, emit: &mut dyn FnMut(OutputRecord)) {
        let Some(isn) = view.client_isn() else {
            // Its SYN was not recorded, so it cannot be matched with other views.
            return self.emit_joined(vec![(file, view)], emit);
        };
        let same = self.by_isn.get(&isn).into_iter().flatten().copied();
        let same = same.into_iter().find(|group| self.waiting.get(group).is_some_and(|group| group.fits(file, &view)));
        let number = same.unwrap_or_else(|| {
            self.groups += 1;
            self.by_isn.entry(isn).or_default().push(self.groups);
            self.order.push_back(self.groups);
            self.groups
        });
        if let Some(idle) = self.idle.get_mut(file) {
            *idle += 1;
        }
        let group = self.waiting.entry(number).or_default();
        group.views.push((file, view));
        if group.views.len() == self.hosts.len() {
            self.release(number, emit);
        }
        while self.waiting.len() > self.most {
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

    /// Ends the input: emits the connections that wait for further views as they are.
    pub fn finish(&mut self, emit: &mut dyn FnMut(OutputRecord)) {
        while let Some(number) = self.order.pop_front() {
            self.release(number, emit);
        }
    }

    fn release(&mut self, number: u64, emit: &mut dyn FnMut(OutputRecord)) {
        let Some(Group { views }) = self.waiting.remove(&number) else { return };
        for (file, view) in &views {
            if let Some(idle) = self.idle.get_mut(*file) {
                *idle = idle.saturating_sub(1);
            }
            let Some(isn) = view.client_isn() else { continue };
            if let Some(numbers) = self.by_isn.get_mut(&isn) {
                numbers.retain(|other| *other != number);
                if numbers.is_empty() {
                    self.by_isn.remove(&isn);
                }
            }
        }
        self.emit_joined(views, emit);
    }

    /// Emits the records of a joined connection: its events in order, its handshake and its close.
    fn emit_joined(&mut self, mut views: Vec<(usize, View)>, emit: &mut dyn FnMut(OutputRecord)) {
        self.conns += 1;
        self.joined += u64::from(views.len() > 1);
        views.sort_by_key(|(_, view)| place(view));
        let certain = passed(&views.iter().map(|(_, view)| view).collect::<Vec<_>>(), true, &|_, _| None);
        let round_trip_ns = self.learn(&views, &certain);
        let timeline = Timeline { joiner: self, views: &views, conn: self.conns, round_trip_ns };
        timeline.emit(emit);
    }

    /// Learns the offset between clocks from the segments in several views. Returns the lowest round-trip time between the
    /// first and the last view, in nanoseconds.
    fn learn(&mut self, views: &[(usize, View)], certain: &[Passed]) -> Option<u64> {
        let time = |place: usize, index: usize| {
            let (file, view) = views.get(place)?;
            Some((*file, view.events.get(index).and_then(stamp)?.time.0))
        };
        let (mut there, mut back) = (None::<i64>, None::<i64>);
        for Passed { from, seen } in certain {
            let times: Vec<_> = seen.iter().filter_map(|&(place, index)| Some((place, time(place, index)?))).collect();
            for (index, &(_, (near, at_near))) in times.iter().enumerate() {
                for &(_, (far, at_far)) in times.iter().skip(index + 1) {
                    let towards_far = *from == Role::Client;
                    if near < far {
                        self.clocks.entry((near, far)).or_default().note(at_far, at_near, towards_far);
                    } else {
                        self.clocks.entry((far, near)).or_default().note(at_near, at_far, !towards_far);
                    }
                }
            }
            if let (Some(&(0, (_, first))), Some(&(last_place, (_, last)))) = (times.first(), times.last())
                && last_place + 1 == views.len()
                && last_place > 0
            {
                let apart = last.saturating_sub(first);
                match from {
                    Role::Client => there = Some(there.map_or(apart, |least| least.min(apart))),
                    Role::Server => back = Some(back.map_or(-apart, |least| least.min(-apart))),
                }
            }
        }
        u64::try_from(there?.saturating_add(back?)).ok()
    }
}

/// Returns a key that orders views along the way from the client to the server: the one beside the client's socket first,
/// the one beside the server's last, and between them by the time until the SYN was answered.
fn place(view: &View) -> (u8, std::cmp::Reverse<Option<i64>>) {
    let side = match (view.has_socket(Role::Client), view.has_socket(Role::Server)) {
        (true, false) => 0,
        (false, true) => 2,
        _ => 1,
    };
    (side, std::cmp::Reverse(view.answer_ns()))
}
