//! stderr that cannot be written to: the exit status is that of the work all the same.

use std::{fs::File, process::Command, process::Stdio};

use tcptrace_tests::binary;

use crate::only::Many;

/// A file on which every write fails.
fn full() -> Stdio {
    File::options().write(true).open("/dev/full").expect("every Linux has it").into()
}

#[test]
fn the_exit_status_does_not_depend_on_who_reads_the_messages() {
    let many = Many::new();
    for (arguments, status) in [
        (&["-r", "many.pcap", "--only", "failed"][..], 0),
        (&["-r", "many.pcap", "-vv", "-o", "list"], 0),
        (&["-r", "absent.pcap"], 1),
        (&["top"], 2),
        (&["leaks", "-r", "absent.jsonl"], 1),
        (&["--no-such-option"], 2),
    ] {
        let mut command = Command::new(binary());
        command.args(arguments).current_dir(many.path("")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(full());
        let code = command.status().expect("it starts").code();
        assert_eq!(code, Some(status), "{arguments:?}");
    }
}
