//! The program that `cargo xtask bench` runs as root: measures the cost of tracing against no tracing and other tools.
//!
//! The report goes to stdout and into a file as Markdown, what is being done to stderr. Every run is in a network namespace of its own,
//! while none of the end-to-end tests runs; nothing else should run either.

mod churn;
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

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, ValueEnum};
use tempfile::TempDir;

use self::report::Report;

/// Measure what tracing costs, and print tables
#[derive(Parser)]
#[command(name = "tt-bench", bin_name = "cargo xtask bench --")]
struct Options {
    /// Parts to measure [default: all]
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
    /// Where client and server of a pair run in `cost`: together, each pair on a processor of its own, so that all are busy
    /// and rates are the same from run to run; apart, so that processors wait for each other; or where the scheduler puts
    /// them, now the one, now the other
    #[arg(long, value_parser = ["together", "apart", "free"], default_value = "together")]
    placement: String,
    /// Of the tools in `cost` and `ping-pong`, only those whose command line has this in it
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Also write the tables to this file
    #[arg(long, value_name = "FILE")]
    results: Option<PathBuf>,
}

/// The measurements.
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
    /// Adding and deleting interfaces meanwhile
    Churn,
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
    let mut report = match Report::new(&options) {
        Ok(report) => report,
        Err(error) => {
            eprintln!("bench: the file for the results cannot be made: {error}");
            return ExitCode::FAILURE;
        }
    };
    let (scratch, report) = (scratch.path(), &mut report);
    for &part in Part::value_variants().iter().filter(|part| options.parts.contains(part)) {
        match part {
            Part::Cost => cost::connections(&options, scratch, report),
            Part::PingPong => cost::ping_pong(&options, scratch, report),
            Part::Programs => programs::measure(&options, scratch, report),
            Part::Capture => reading::measure(&options, scratch, report),
            Part::Memory => memory::measure(&options, scratch, report),
            Part::Start => start::measure(&options, report),
            Part::Churn => churn::measure(&options, report),
        }
    }
    ExitCode::SUCCESS
}
