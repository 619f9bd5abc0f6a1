//! The inferred states of an end without an observed socket, shown below the ladder because no row shows them.

use std::fmt::Write as _;

use super::glyphs::Drawing;
use crate::{
    event::Role,
    text::HumanDuration,
    verdict::{Close, StateTime},
};

/// Returns a line for each end whose states were inferred.
pub(super) fn inferred(record: &Close, drawing: Drawing) -> Vec<String> {
    [(Role::Client, &record.states.client), (Role::Server, &record.states.server)]
        .into_iter()
        .filter(|(_, stays)| stays.iter().any(|stay| stay.inferred))
        .map(|(role, stays)| line(role, stays, drawing))
        .collect()
}

fn line(role: Role, stays: &[StateTime], drawing: Drawing) -> String {
    let mut text = format!("{}, inferred:", role.word());
    for (index, stay) in stays.iter().enumerate() {
        if index > 0 {
            text.push(' ');
            text.push_str(drawing.symbols().arrow);
        }
        text.push(' ');
        text.push_str(stay.state.name());
        if let Some(ns) = stay.ns.filter(|&ns| ns > 0) {
            // Writing to a String cannot fail.
            let _ = write!(text, " {}", HumanDuration(ns));
        }
    }
    text
}
