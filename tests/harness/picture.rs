//! The pictures in the documents: the program's output for recordings in the same folder.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{binary, output};

/// Returns the folder with the documents, their pictures and the recordings that these are drawn from.
#[must_use]
pub fn documents() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

/// Returns the ladders that the program draws of a recording in that folder, without colours: 100 columns, UTF-8, times in
/// UTC. The lines about listeners and about the beginning and the end of the run are left out.
#[track_caller]
pub fn ladders(recording: &str) -> String {
    let mut command = Command::new(binary());
    command.env("TZ", "UTC").env("COLUMNS", "100").env("LC_ALL", "C.UTF-8").env_remove("NO_COLOR");
    command.args(["--color", "never", "-r"]).arg(documents().join(recording));
    let drawn = output(&mut command);
    // Blocks are divided by empty lines. The heading of a ladder begins with the number of its connection.
    let blocks = drawn.split("\n\n").filter(|block| block.starts_with('#'));
    blocks.collect::<Vec<_>>().join("\n\n") + "\n"
}

/// Returns the content of `docs/ladder.svg`, drawn by the program from `docs/ladder.jsonl`.
#[track_caller]
#[must_use]
pub fn ladder_svg() -> String {
    let mut command = Command::new(binary());
    command.env("TZ", "UTC").args(["-o", "svg", "-r"]).arg(documents().join("ladder.jsonl"));
    output(&mut command)
}
