//! Arbitrary bytes as a binary recording, or as the entries of its only block: the fuzzer cannot guess the checksum.

use tcptrace_core::decode::{
    capture::{self, Capture},
    ttr::{Counters, Reader, Sealer},
};

/// Checks the input: an odd first byte precedes entries, any other a file.
pub fn check(bytes: &[u8]) {
    let Some((first, rest)) = bytes.split_first() else { return };
    if first % 2 == 0 {
        read(rest);
        return;
    }
    let mut file = Vec::new();
    Sealer::new(None).seal(rest, &mut file);
    let (items, failed) = read(&file);
    // A file concatenated with itself yields at least as many items, and is damaged if the file alone is.
    let twice = [file.clone(), file].concat();
    let (again, failed_again) = read(&twice);
    assert!(again >= items && failed_again >= failed);
}

/// Reads a file; returns the number of items, and true if it is damaged.
pub(crate) fn read(file: &[u8]) -> (u64, bool) {
    let Ok(Capture::Ttr(input)) = capture::open(file) else { return (0, true) };
    let mut reader = Reader::new(input);
    let (mut items, mut failed) = (0, false);
    for item in reader.by_ref() {
        assert!(!failed, "nothing comes behind an error");
        match item {
            Ok(_) => items += 1,
            Err(error) => {
                assert!(!error.to_string().contains('\n'), "{error}");
                failed = true;
            }
        }
    }
    let Counters { bytes, records, .. } = reader.counters();
    assert!(bytes <= file.len() as u64 && records <= items);
    (items, failed)
}
