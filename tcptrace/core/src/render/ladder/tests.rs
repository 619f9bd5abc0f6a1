//! Ladders of exchanges that go through the correlator, as people see them.

mod bounds;
mod deadlines;
mod drops;
mod exchanges;
mod pictures;
mod properties;
mod script;
mod translated;

use jiff::tz::TimeZone;

use super::*;

/// As most people see it.
const PLAIN: Drawing = Drawing { color: false, absolute_seq: false, unicode: true, zone: &TimeZone::UTC };
