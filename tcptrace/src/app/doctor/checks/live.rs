//! The connection traced as a test.

use anyhow::Result;

use crate::app::doctor::{
    live::{SEGMENTS, STATES, Seen},
    report::{
        Report,
        Verdict::{Limited, Missing, Ok as Fine},
    },
};

/// Reports the result of the connection traced as a test.
pub(in crate::app::doctor) fn live(report: &mut Report, seen: &Result<Seen>) {
    const WHAT: &str = "live check";
    let Seen { segments, states, lost, skipped, incomplete_before, .. } = match seen {
        Ok(seen) => seen,
        Err(error) => return report.add(Missing, WHAT, format!("{error:#}")),
    };
    let counted = format!("{segments} segments, {states} state changes");
    let (verdict, text) = match (*segments, *states, *lost) {
        (SEGMENTS.., STATES.., 0) if *incomplete_before == 0 => (Fine, format!("{counted}, nothing lost")),
        (SEGMENTS.., STATES.., 0) => {
            let tried = incomplete_before + 1;
            let text = format!(
                "{counted}, nothing lost; {incomplete_before} of {tried} connections lacked events that nobody counted"
            );
            (Limited, text)
        }
        (_, 0, _) => (Missing, format!("{counted}: nothing comes from the tracepoint sock:inet_sock_set_state")),
        (0, _, _) => (
            Missing,
            format!("{counted}: another TC program may run first and keep them; `tc filter show dev lo egress`"),
        ),
        (_, _, 0) => (
            Missing,
            format!("{counted}, where {SEGMENTS} and {STATES} were expected, and nothing was counted as lost"),
        ),
        (_, _, lost) => {
            (Limited, format!("{counted}, {lost} lost: this host is busy; a filter and a larger --ring-buffer help"))
        }
    };
    let skipped = if skipped.is_empty() { String::new() } else { format!("; skipped meanwhile: {skipped}") };
    report.add(verdict, WHAT, format!("{text}{skipped}"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bpf::Skipped;

    #[test]
    fn what_was_seen_decides() {
        let works = |segments, states, lost| {
            let mut report = Report::default();
            live(&mut report, &Ok(Seen { segments, states, lost, ..Seen::default() }));
            (report.works(), report.to_string().contains("limited"))
        };
        assert_eq!(works(7, 10, 0), (true, false));
        let mut report = Report::default();
        let skipped = Skipped::of([0, 0, 1, 0, 0, 0, 2]);
        live(&mut report, &Ok(Seen { segments: 7, states: 10, skipped, ..Seen::default() }));
        let expected = "nothing lost; skipped meanwhile: 1 fragment without a TCP header, 2 unreadable sockets\n";
        assert!(report.works() && report.to_string().ends_with(expected), "{report}");
        assert_eq!(works(8, 10, 0), (true, false));
        let mut report = Report::default();
        live(&mut report, &Ok(Seen { segments: 7, states: 10, incomplete_before: 1, ..Seen::default() }));
        let expected = "nothing lost; 1 of 2 connections lacked events that nobody counted\n";
        assert!(report.works() && report.to_string().contains("limited"), "{report}");
        assert!(report.to_string().ends_with(expected), "{report}");
        assert_eq!(works(5, 10, 2), (true, true));
        assert_eq!(works(5, 10, 0), (false, false));
        assert_eq!(works(0, 10, 3), (false, false));
        assert_eq!(works(7, 0, 0), (false, false));
        let mut report = Report::default();
        live(&mut report, &Err(anyhow::anyhow!("no").context("why")));
        assert!(!report.works() && report.to_string().ends_with("why: no\n"));
    }
}
