//! A TCP of its own that judges exchanges.
//!
//! The model is written from RFC 9293, RFC 5961 and RFC 7323, and from what Linux does where they leave a choice. It knows
//! nothing of tcptrace: two [`endpoint`]s exchange segments over a [`world`]'s network as a [`plan`] made from a seed says,
//! somebody else sends [`forge`]d ones, and [`truth`] tells, from what the ends have really accepted, what a tracer at a
//! [`vantage`] has to say. Where that place does not show enough, nothing is expected.

pub mod effect;
pub mod endpoint;
pub mod forge;
pub mod history;
pub mod plan;
pub mod random;
pub mod segment;
pub mod table;
pub mod truth;
pub mod vantage;
pub mod verdict;
pub mod world;
