//! Ladders of exchanges that pass through the correlator, as printed.

mod bounds;
mod deadlines;
mod diagrams;
mod drops;
mod exchanges;
mod pictures;
mod properties;
mod script;
mod translated;

use jiff::tz::TimeZone;

use super::*;

/// The default drawing.
const PLAIN: Drawing = Drawing { color: false, absolute_seq: false, unicode: true, zone: &TimeZone::UTC };
