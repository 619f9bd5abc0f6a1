//! Announcements of what is traced: in the start record, on stderr, and to a user who sees no events.

use log::debug;
use rustix::system::uname;

use super::Trace;
use crate::{app::no_traffic_notice::Passed, bpf::Skipped, cli::Segments, host_clock, say::say};
use tcptrace_core::{SCHEMA, output_record::StartOutput, text::Escaped};

impl Trace {
    /// Reports on stderr that everything is attached, and writes the start record.
    pub(super) fn announce(&mut self) {
        say(format_args!("tcptrace: {}", self.scope()));
        self.pipeline.start(self.start_record());
        self.pipeline.flush();
        debug!("the ring buffer has {} bytes", self.ring.size());
    }

    /// Returns the start record: the scope of the trace from now on.
    pub(in crate::app) fn start_record(&self) -> StartOutput {
        let host = uname();
        StartOutput {
            stamp: self.pipeline.describer.stamp(host_clock::now()),
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION"),
            hostname: host.nodename().to_string_lossy().into_owned(),
            kernel: Some(host.release().to_string_lossy().into_owned()),
            netns: Some(self.netns),
            interfaces: self.attachments.names(),
            segments: self.segments.into(),
            filter: self.filter.clone(),
            states_of: self.states_of.clone(),
            began_ns: Some(self.began.0),
            run: self.run.clone(),
        }
    }

    /// Returns the interfaces and the filter of the trace, in words.
    pub(in crate::app) fn scope(&self) -> String {
        let names: Vec<_> = self.attachments.names().iter().map(|name| Escaped(name.as_bytes()).to_string()).collect();
        let on = match &names[..] {
            [] if self.segments == Segments::None || self.chosen.is_empty() => " socket states only".to_owned(),
            [] => String::new(),
            names => format!(" on {}", names.join(", ")),
        };
        let namespaces = match &self.chosen[..] {
            [] => String::new(),
            chosen => format!("; network namespaces: {}", Escaped(chosen.join(", ").as_bytes())),
        };
        let filter = if self.filter.is_empty() { "everything" } else { &self.filter };
        format!("tracing{on}{namespaces}; filter: {filter}")
    }

    /// Reports the scope of the trace to a user who waits at a terminal, and the packets that have passed the interfaces
    /// meanwhile.
    pub(in crate::app) async fn explain_silence(&self) {
        let scope = self.scope();
        match self.interfaces.list().await {
            Ok(interfaces) => {
                let passed = Passed::of(&interfaces).since(&self.passed);
                let skipped = self.skipped().map(|skipped| format!("; skipped: {skipped}")).unwrap_or_default();
                say(format_args!("tcptrace: nothing yet: {scope}; meanwhile {passed}{skipped}"));
            }
            Err(error) => debug!("nothing yet: {scope}; cannot read the packet counters of interfaces: {error}"),
        }
    }

    /// Returns the frames that the programs have skipped so far; `None` if there are none, or they cannot be read.
    fn skipped(&self) -> Option<Skipped> {
        let skipped = self.skips.read().inspect_err(|error| debug!("the counters of what was skipped: {error}"));
        skipped.ok().filter(|skipped| !skipped.is_empty())
    }
}
