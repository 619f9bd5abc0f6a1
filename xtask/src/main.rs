//! `cargo xtask`: tasks beyond cargo's own, on a machine that has only cargo and rustup.
//!
//! The sub-commands are in [`commands`], the installation of the pinned tools in [`setup`]. An old toolchain must compile
//! this program, because this program installs the new one: hence the few dependencies.

mod commands;
mod dependencies;
mod dist;
mod files;
mod layers;
mod process;
mod project;
mod root;
mod root_tests;
mod setup;
mod static_target;
mod vm;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

use commands::Command;

/// Fetch the tools that tcptrace is built with, build it, run it, test it, install it.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    match Cli::parse().command.execute() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
