//! The inferred states of an end without an observed socket, shown below the ladder because no row shows them.

use std::fmt::Write as _;

use super::glyphs::Drawing;
use crate::{
    event::Role,
    text::HumanDuration,
    verdict::{Close, Each, StateTime},
};

/// Knowledge of an end's states.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) enum Known {
    #[default]
    Nothing,
    /// Its socket was seen, and rows show the states.
    Observed,
    /// They were inferred: a line about them.
    Inferred(String),
}

/// Returns what is known of each end's states.
pub(super) fn known(record: &Close, drawing: Drawing) -> Each<Known> {
    let of = |role, stays: &[StateTime]| match stays {
        [] => Known::Nothing,
        stays if stays.iter().any(|stay| stay.inferred) => Known::Inferred(line(role, stays, drawing)),
        _ => Known::Observed,
    };
    Each { client: of(Role::Client, &record.states.client), server: of(Role::Server, &record.states.server) }
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
