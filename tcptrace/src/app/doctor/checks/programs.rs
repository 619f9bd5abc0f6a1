//! Attachment and execution of the kernel programs.

use std::io;

use crate::{
    app::doctor::{
        live::Seen,
        report::{
            Report,
            Verdict::{Limited, Ok as Fine},
        },
    },
    bpf::{Survey, has_tcx},
};

/// The text of findings that require loaded programs.
const UNKNOWN: &str = "unknown, since no program could be loaded";

/// Reports the attachment and execution of the programs.
pub(in crate::app::doctor) fn programs(report: &mut Report, seen: Option<&Seen>) {
    drops(report, &Survey::of_types(), seen.map(|seen| seen.tells_drops));
    match has_tcx() {
        Some(true) => report.add(Fine, "TC", "TCX links, which end with the process"),
        Some(false) => report.add(
            Limited,
            "TC",
            "no TCX, which comes with Linux 6.6: clsact filters instead, which SIGKILL leaves behind",
        ),
        None => report.add(Limited, "TC", UNKNOWN),
    }
    match seen.map(|seen| seen.compiled) {
        Some(Some(true)) => report.add(Fine, "JIT", "programs are compiled to machine code"),
        Some(Some(false)) => {
            report.add(
                Limited,
                "JIT",
                "programs are interpreted, which costs more: `sysctl net.core.bpf_jit_enable=1`",
            );
        }
        Some(None) => report.add(Limited, "JIT", "the kernel does not say"),
        None => report.add(Limited, "JIT", UNKNOWN),
    }
    match seen.map(|seen| seen.counts_skipped) {
        Some(true) => report.add(Fine, "loss", "full buffers and skipped runs are both counted"),
        Some(false) => {
            report.add(
                Limited,
                "loss",
                "full buffers are counted, skipped runs are not: the kernel counts them from 5.12 on",
            );
        }
        None => report.add(Limited, "loss", UNKNOWN),
    }
}

/// Reports the program for dropped segments; `attached` is `None` if no program could be loaded.
fn drops(report: &mut Report, survey: &io::Result<Survey>, attached: Option<bool>) {
    let (verdict, text) = match (survey, attached) {
        (Err(_), _) => (Limited, "dropped segments are not reported, since there is no BTF".to_owned()),
        (Ok(Survey { drops: Err(lack), .. }), _) => {
            (Limited, format!("dropped segments are not reported: {lack}; skb:kfree_skb has reasons since Linux 5.17"))
        }
        (Ok(Survey { drops: Ok(reasons), .. }), Some(true)) => {
            (Fine, format!("raw skb:kfree_skb, with {reasons} reasons for dropping a segment"))
        }
        (Ok(_), Some(false)) => (
            Limited,
            "dropped segments are not reported: the kernel refused the program at skb:kfree_skb; a trace with -v says why"
                .to_owned(),
        ),
        (Ok(_), None) => (Limited, UNKNOWN.to_owned()),
    };
    report.add(verdict, "drops", text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_dropped_segments_lack_is_said() {
        let of = |drops: Result<usize, String>, attached| {
            let mut report = Report::default();
            let survey = Survey { states: true, hints: Vec::new(), reasons: true, drops };
            super::drops(&mut report, &Ok(survey), attached);
            report.to_string()
        };
        let lacks = of(Err("the tracepoint kfree_skb has other arguments than expected".to_owned()), Some(false));
        assert!(lacks.contains("limited") && lacks.contains("kfree_skb has other arguments") && lacks.contains("5.17"));
        assert!(of(Ok(80), Some(true)).contains("raw skb:kfree_skb, with 80 reasons"));
        let refused = of(Ok(80), Some(false));
        assert!(refused.contains("limited") && refused.contains("refused"), "{refused}");
        assert!(of(Ok(80), None).contains(UNKNOWN));
    }
}
