//! The program that `cargo xtask packetdrill` runs as root: it has packetdrill act out its scripts under the tracer, and
//! compares the tracer's live verdicts with those on a capture of the same segments.
//!
//! A script asserts Linux's behaviour, to the segment, with a peer that no real stack would be. The tracer must derive from
//! the kernel's states and segments the same verdicts as from the segments alone.

mod checkout;
mod family;
mod judgement;
mod scene;

use std::{path::PathBuf, process::ExitCode};

use clap::Parser;

use self::{checkout::Checkout, family::Family, judgement::Agreement};

/// Run packetdrill's scripts under the tracer; print each script, the verdicts and whether they agree
#[derive(Parser)]
#[command(name = "tt-packetdrill", bin_name = "cargo xtask packetdrill")]
struct Options {
    /// A checkout of packetdrill in which packetdrill has been built
    checkout: PathBuf,
    /// Only scripts whose path contains this
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Over addresses of this family
    #[arg(long, value_enum, default_value_t = Family::Ipv4)]
    family: Family,
    /// Keep the captures in this folder
    #[arg(long, value_name = "FOLDER")]
    keep: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(message) => {
            eprintln!("tt-packetdrill: {message}");
            ExitCode::from(2)
        }
    }
}

/// Runs the scripts; returns true if no two verdicts disagree.
fn run(options: &Options) -> Result<bool, String> {
    let checkout = Checkout::open(&options.checkout)?;
    let mut scripts = checkout.scripts(options.only.as_deref())?;
    scripts.retain(|script| options.family.has(script));
    let folder = tempfile::tempdir().map_err(|error| format!("cannot make a temporary folder: {error}"))?;
    let folder = options.keep.as_deref().unwrap_or(folder.path());
    std::fs::create_dir_all(folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;

    let mut counts = [0_u32; 4];
    for script in &scripts {
        let name = checkout.name(script);
        let capture = folder.join(name.replace('/', "_")).with_extension("pcap");
        // The next script runs even if this one has made the harness panic.
        let acted = std::panic::catch_unwind(|| scene::act(&checkout, script, options.family, &capture));
        let agreement = match acted {
            Ok(scene) => judgement::judge(&scene),
            Err(_) => Agreement::NotRun("the tracer, tcpdump or packetdrill did not get through; see above".to_owned()),
        };
        println!("{name}: {agreement}");
        if let Some(count) = counts.get_mut(agreement.index()) {
            *count += 1;
        }
    }
    let [agree, nothing, differ, not_run] = counts;
    println!(
        "{} scripts: {agree} agree, {differ} differ, {nothing} without a connection that ended, {not_run} did not run",
        scripts.len()
    );
    Ok(differ == 0)
}
