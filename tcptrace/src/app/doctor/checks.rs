//! The checks, each with its remedy.

mod kernel;
mod live;
mod programs;
mod rights;

pub(super) use self::{
    kernel::host,
    live::live,
    programs::programs,
    rights::{capabilities, processes},
};
