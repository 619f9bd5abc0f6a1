//! Creation of a correlator, and declarations about the events to come.

use std::{num::NonZeroU32, sync::Arc};

use super::{
    Correlator,
    cgroups::Cgroups,
    choice::Choice,
    dedup::Copies,
    half_translated::Arrivals,
    ingest::{accept_queue::Queues, filtered::Kinds, nat::Translations, owner::Owners},
    reorder::Waiting,
    state_gaps::StateGaps,
    table::{Table, listeners::Listeners},
    watched::Watched,
};
use crate::{
    event::{BootTime, Cgroup, CgroupKey, Event},
    filter::StatesOf,
};

impl Correlator {
    /// Creates a correlator. Segments, and sockets whose namespace is unknown, belong to namespace `netns` (inode
    /// number).
    pub fn new(netns: u32) -> Self {
        Self {
            waiting: Some(Waiting::default()),
            copies: Some(Copies::default()),
            arrivals: Some(Arrivals::default()),
            lacks_left_out: false,
            ..Self::recorded(netns)
        }
    }

    /// Creates a correlator for recorded events, whose order, ports and copies were decided before.
    pub fn recorded(netns: u32) -> Self {
        Self {
            waiting: None,
            copies: None,
            arrivals: None,
            translations: Translations::default(),
            table: Table::default(),
            watched: Watched::new(netns),
            now: BootTime::default(),
            cgroups: Cgroups::default(),
            listeners: Listeners::default(),
            owners: Owners::default(),
            queues: Queues::default(),
            state_gaps: StateGaps::default(),
            all_segments: false,
            kinds: Kinds::default(),
            emits_control_only: false,
            // Altered rules would differ.
            predicts: !cfg!(feature = "mutants"),
            pauses: false,
            hides_data: false,
            lacks_left_out: true,
            choice: Choice::default(),
            early_reset: None,
        }
    }

    /// Declares that every segment is recorded, as in a capture, and not only those that the kernel programs choose:
    /// data that was not seen is then not assumed to have been sent.
    pub fn expect_all_segments(&mut self) {
        self.all_segments = true;
    }

    /// Declares that no segment is recorded: then nothing is said about those that were not seen.
    pub fn expect_no_segments(&mut self) {
        self.watched.segments = false;
    }

    /// Declares the sockets whose state changes are recorded; `None` for both ends of every connection. Those of others are not
    /// awaited.
    pub fn expect_states_of(&mut self, choice: Option<StatesOf>) {
        self.watched.states_of = choice;
    }

    /// Declares that every segment is seen in one place, such as a mirror port: none has a copy on another interface.
    pub fn expect_one_place(&mut self) {
        self.copies = None;
        self.arrivals = None;
    }

    /// Declares that the events are those of a capture. A gap of more than an hour means that it was paused, or is made of several
    /// captures: stalls are then not reported every ten minutes of that gap.
    pub fn expect_pauses(&mut self) {
        self.pauses = true;
    }

    /// Declares that events that were left out of a recording, because its disk was too slow, are not passed in either.
    pub fn expect_output_losses(&mut self) {
        self.lacks_left_out = true;
    }

    /// Declares that the times of the following events were not recorded: they are in order, but durations are not reported
    /// from now on.
    pub fn lose_times(&mut self) {
        self.watched.untimed = true;
    }

    /// Declares whether segments that neither open nor close a connection are left out of the output. Verdicts then omit the
    /// time since the last data, which only these segments show.
    pub fn hide_data(&mut self, hides: bool) {
        self.hides_data = hides;
    }

    /// Sets whether only segments that open or close a connection are emitted. The others are correlated all the same.
    pub fn emit_control_only(&mut self, only: bool) {
        self.emits_control_only = only;
    }

    /// Ignores events of which `is_chosen` is false. It is asked when the ends of an event are known.
    pub fn choose(&mut self, is_chosen: impl Fn(&Event) -> bool + 'static) {
        self.choice.is_chosen = Some(Box::new(is_chosen));
    }

    /// Returns the number of events of the kernel that were ignored so far.
    pub fn unchosen(&self) -> u64 {
        self.choice.unchosen
    }

    /// Sets the maximum number of connections kept.
    pub fn limit(&mut self, most: NonZeroU32) {
        self.table.limit(most);
    }

    /// Declares whether an interface is a bridge whose ports are watched too: they show again what goes out through it.
    pub fn set_bridge(&mut self, netns: u32, ifindex: u32, bridge: bool) {
        if let Some(arrivals) = &mut self.arrivals {
            arrivals.set_bridge(netns, ifindex, bridge);
        }
    }

    /// Declares that the segments of another namespace are recorded from now on: one that does not appear was not sent.
    pub fn cover_netns(&mut self, netns: u32) {
        self.watched.note(netns);
    }

    /// Names a control group, before the first event that has its key.
    pub fn name_cgroup(&mut self, key: CgroupKey, cgroup: Arc<Cgroup>) {
        self.cgroups.insert(key, cgroup);
    }

    /// Returns true if the control group has a name that is remembered.
    pub fn knows_cgroup(&self, key: CgroupKey) -> bool {
        self.cgroups.contains(key)
    }
}
