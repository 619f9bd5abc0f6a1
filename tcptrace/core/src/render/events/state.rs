//! State changes: the new state, the process that caused it, and the time it took.

use super::Events;
use crate::{
    event::{Counters, Exit, Role},
    output_record::StateOutput,
    render::{line_writer::Line, palette},
    text::{Escaped, HumanDuration},
};

impl Events {
    pub(super) fn state(&self, entry: &StateOutput, line: &mut Line<'_>) {
        let StateOutput {
            stamp,
            conn,
            // Nearly always the same number.
            netns: _,
            conn_netns: _,
            // The endpoints and the order of events distinguish sockets.
            socket: _,
            replaces: _,
            old,
            new,
            local,
            remote,
            role,
            error,
            evidence,
            pid,
            tid,
            comm,
            thread,
            exit,
            uid,
            old_state_ns,
            // Redundant with the time of day.
            since_start_ns: _,
            continues_as,
            cgroup,
            counters,
            late,
        } = entry;

        self.time(stamp, line);
        self.conn_if_any(*conn, line);
        match remote {
            Some(remote) => line.raw("state     ").dotted(local).raw(" > ").dotted(remote),
            None => line.raw("listener  ").dotted(local),
        };
        line.raw(": ");
        self.look(palette::STATE, line, |line| line.raw(old.name()));
        line.raw(self.arrow());
        self.look(palette::STATE, line, |line| line.raw(new.name()));

        if let Some(error) = error {
            line.raw("  ");
            self.look(palette::TROUBLE, line, |line| line.display(error));
        }
        for (index, word) in evidence.words().enumerate() {
            line.raw(if index == 0 { "  evidence: " } else { ", " }).raw(word);
        }
        match role {
            Some(Role::Client) => line.raw("  client"),
            Some(Role::Server) => line.raw("  server"),
            None => line,
        };
        if comm.is_some() || pid.is_some() || tid.is_some() {
            line.raw(if role.is_some() { " " } else { "  " });
            if let Some(comm) = comm {
                line.display(comm);
            }
            if let Some(pid) = *pid {
                line.raw("[").number(pid);
                // The thread ID is shown beside the process ID if the two differ.
                if let Some(tid) = tid.filter(|&tid| tid != pid) {
                    line.raw("/").number(tid);
                }
                line.raw("]");
            }
            if let Some(thread) = thread {
                line.raw(" thread ").display(thread);
            }
        }
        if let Some(uid) = *uid {
            line.raw("  uid ").number(uid);
        }
        match exit {
            Some(Exit { signal: Some(signal), .. }) => line.raw("  killed by signal ").number(*signal),
            Some(Exit { code: Some(code), .. }) => line.raw("  exiting with status ").number(*code),
            _ => line,
        };
        if let Some(nanoseconds) = *old_state_ns {
            line.raw("  (").display(HumanDuration(nanoseconds)).raw(" in ").raw(old.name()).raw(")");
        }
        if let Some(state) = continues_as {
            line.raw("  continues as ").raw(state.name());
        }
        if let Some(cgroup) = cgroup {
            line.raw("  cgroup ").display(Escaped(cgroup.path.as_bytes()));
        }
        if let Some(counters) = counters {
            self.counters(counters, line);
        }
        line.late_mark(*late);
    }

    /// Counters that are known and not 0.
    fn counters(&self, counters: &Counters, line: &mut Line<'_>) {
        let &Counters {
            idle_ns,
            unread_bytes,
            unsent_bytes,
            smoothed_rtt_ns,
            min_rtt_ns,
            retransmissions,
            peer_window,
        } = counters;
        for (name, time) in [("idle", idle_ns), ("rtt", smoothed_rtt_ns), ("min rtt", min_rtt_ns)] {
            if let Some(time) = time.filter(|&time| time > 0) {
                line.raw("  ").raw(name).raw(" ").display(HumanDuration(time));
            }
        }
        for (count, name) in
            [(unread_bytes, " B unread"), (unsent_bytes, " B unsent"), (retransmissions, " sent again")]
        {
            if let Some(count) = count.filter(|&count| count > 0) {
                line.raw("  ").number(count).raw(name);
            }
        }
        if let Some(window) = peer_window {
            line.raw("  window ").number(window);
        }
    }
}
