//! What `cargo xtask bench` runs as root: how much tracing costs, measured beside no tracing at all and beside other tools.
//!
//! The report goes to stdout as Markdown, what is being done to stderr. Every run is in a network namespace of its own,
//! while none of the end-to-end tests runs; nothing else should run either.

mod cost;
mod load;
mod lost;
mod machine;
mod memory;
mod programs;
mod reading;
mod report;
mod start;
mod statistics;
mod tool;
mod turns;
mod usage;

use std::{path::Path, process::ExitCode};

use clap::{Parser, ValueEnum};
use tempfile::TempDir;

/// Measure what tracing costs, and print tables
#[derive(Parser)]
#[command(name = "tt-bench", bin_name = "cargo xtask bench --")]
struct Options {
    /// What to measure [default: all]
    #[arg(value_enum)]
    parts: Vec<Part>,
    /// How often each measurement is repeated
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// How long each run under load lasts, in seconds
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// How many open connections `memory` divides by
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    open: u64,
    /// How many connections the capture of `capture` has, ten segments each
    #[arg(long, default_value_t = 63_000, value_parser = clap::value_parser!(u64).range(1..))]
    captured: u64,
}

/// What can be measured.
#[derive(Clone, Copy, Eq, PartialEq, ValueEnum)]
enum Part {
    /// Opening and closing connections flat out: connections per second that remain
    Cost,
    /// One byte to and fro: round trips per second that remain
    PingPong,
    /// Nanoseconds per run of the kernel programs
    Programs,
    /// Reading a capture: time and memory
    Capture,
    /// Memory per open connection
    Memory,
    /// Until it traces, and until it has ended
    Start,
}

fn main() -> ExitCode {
    let mut options = Options::parse();
    if options.parts.is_empty() {
        options.parts = Part::value_variants().to_vec();
    }
    // In memory where possible: a disk would be measured too.
    let shared_memory = Path::new("/dev/shm");
    let scratch = if shared_memory.is_dir() { TempDir::new_in(shared_memory) } else { TempDir::new() };
    let scratch = match scratch {
        Ok(scratch) => scratch,
        Err(error) => {
            eprintln!("bench: a temporary folder cannot be made: {error}");
            return ExitCode::FAILURE;
        }
    };
    report::title(&options);
    for &part in Part::value_variants().iter().filter(|part| options.parts.contains(part)) {
        match part {
            Part::Cost => cost::connections(&options, scratch.path()),
            Part::PingPong => cost::ping_pong(&options, scratch.path()),
            Part::Programs => programs::measure(&options, scratch.path()),
            Part::Capture => reading::measure(&options, scratch.path()),
            Part::Memory => memory::measure(&options, scratch.path()),
            Part::Start => start::measure(&options),
        }
    }
    ExitCode::SUCCESS
}
