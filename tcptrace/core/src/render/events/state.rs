//! State changes: the new state, the process that caused it, and the time it took.

use super::Events;
use crate::{
    event::Role,
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
            // Sockets can be told apart by their endpoints and the order of events.
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
            old_state_ns,
            // Redundant with the time of day.
            since_start_ns: _,
            continues_as,
            cgroup,
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
        if let Some(nanoseconds) = *old_state_ns {
            line.raw("  (").display(HumanDuration(nanoseconds)).raw(" in ").raw(old.name()).raw(")");
        }
        if let Some(state) = continues_as {
            line.raw("  continues as ").raw(state.name());
        }
        if let Some(cgroup) = cgroup {
            line.raw("  cgroup ").display(Escaped(cgroup.path.as_bytes()));
        }
        line.late_mark(*late);
    }
}
