//! A TCP of its own that judges exchanges.
//!
//! The model follows RFC 9293, RFC 5961 and RFC 7323, and Linux where they leave a choice. It is independent of
//! tcptrace: two [`endpoint`]s exchange segments over the network of a [`world`], as a [`plan`] made from a seed says,
//! and a third party sends [`forge`]d ones. From the segments that the ends accepted, [`truth`] derives the verdicts
//! that are right at a [`vantage`]. Where the vantage does not show enough, it leaves them open.

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
