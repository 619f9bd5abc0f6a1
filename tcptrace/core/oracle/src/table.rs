//! An exchange as text, one line per event.

use std::fmt::Write as _;

use crate::{
    effect::{Effect, Sender},
    history::{History, Sent},
    segment::{ACK, Segment, Side},
    vantage::{Seen, Vantage},
};

/// Returns the events seen from `vantage`, with the fate of each segment.
pub fn table(history: &History, vantage: Vantage) -> String {
    let mut lines = String::new();
    for (number, (at, seen)) in vantage.view(history).into_iter().enumerate() {
        let line = match seen {
            Seen::Segment(index, _) => segment_line(history, &history.sent[index]),
            Seen::Kernel(effect) => kernel_line(&effect),
        };
        // Writing to a string does not fail.
        let _ = writeln!(lines, "{number:3} {:+12.3} ms  {line}", at as f64 / 1e6);
    }
    lines
}

fn segment_line(history: &History, sent: &Sent) -> String {
    let Sent { segment, sender, generation, accepted, arrivals, .. } = sent;
    let Segment { from, seq, ack, len, window, timestamp, .. } = *segment;
    let isns = history.plan.isns[*generation];
    let (own, other) = (isns[from as usize], isns[from.other() as usize]);
    let arrow = if from == Side::Client { "C>S" } else { "S>C" };
    let relative = |number: u32, isn: u32| number.wrapping_sub(isn).cast_signed();
    let ack = if segment.has(ACK) { relative(ack, other).to_string() } else { "-".to_owned() };
    let by = match sender {
        None => " FORGED",
        Some(Sender::Stack) => " (stack)",
        _ => "",
    };
    let taken = [(accepted.syn, " SYN"), (accepted.ack, " ACK"), (accepted.fin, " FIN"), (accepted.rst, " RST")];
    let taken: String = taken.iter().filter(|(taken, _)| *taken).map(|(_, what)| *what).collect();
    let fate = match (arrivals, taken.is_empty()) {
        (0, _) => "never arrives".to_owned(),
        (_, true) => "not accepted".to_owned(),
        _ => format!("accepted:{taken}"),
    };
    let timestamp = timestamp.map_or(String::new(), |(value, _)| format!(" ts {value}"));
    format!(
        "#{generation} {arrow} {:5} {}/{len}/{ack} win {window}{timestamp}{by}   [{fate}]",
        segment.letters(),
        relative(seq, own)
    )
}

fn kernel_line(effect: &Effect) -> String {
    match effect {
        Effect::State { side, generation, old, new, error, cause, .. } => {
            let error = if error.0 == 0 { String::new() } else { format!(" errno {}", error.0) };
            let cause = cause.map_or(String::new(), |cause| format!(" {cause:?}"));
            format!("#{generation} {} {} → {}{error}{cause}", side.word(), old.name(), new.name())
        }
        Effect::ResetHint { side, generation, cause, .. } => {
            format!("#{generation} {} hint tcp_send_reset {cause:?}", side.word())
        }
        other => format!("{other:?}"),
    }
}
