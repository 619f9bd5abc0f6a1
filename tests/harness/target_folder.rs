//! cargo's build folder, where `cargo xtask test` puts the programs run by tests.

use std::path::PathBuf;

/// Returns the target folder that the running test was built in.
#[track_caller]
pub fn target_folder() -> PathBuf {
    // <target>/<profile>/deps/<test>
    let own_program = std::env::current_exe().expect("a test knows its own path");
    own_program.ancestors().nth(3).expect("a test lies three folders deep").to_owned()
}
