//! Command lines that are refused, and the sentences that say why.

use super::*;

#[test]
fn a_bad_value_gets_a_sentence_with_the_right_form() {
    let ports = "give numbers from 1 to 65535 or ranges, as in 80,443,8000-8100";
    let cases = [
        (["--port", "0"], "port 0 does not exist: ports go from 1 to 65535".to_owned()),
        (["--port", "70000"], "port 70000 does not exist: ports go from 1 to 65535".to_owned()),
        (["--port", "80-"], "the range '80-' has no last port: give both ends, as in 80-65535".to_owned()),
        (["--port", "-80"], "the range '-80' has no first port: give both ends, as in 1-80".to_owned()),
        (["--local-port", "a"], format!("'a' is not a port: {ports}")),
        (["--remote-port", "8100-8000"], "the range '8100-8000' runs backwards: write 8000-8100".to_owned()),
        (
            ["--port", "80,,81"],
            "an item of the list is empty: give ports and ranges with one comma between them, as in 80,443,8000-8100"
                .to_owned(),
        ),
        (["--host", "10.0.0.0/33"], "'33' is not a prefix length of 10.0.0.0: give a number from 0 to 32".to_owned()),
        (
            ["--host", "localhost"],
            "'localhost' is not an address: give IPv4 or IPv6 addresses or prefixes, not names, as in \
             192.0.2.1,10.0.0.0/8,::1"
                .to_owned(),
        ),
        (
            ["--interface", "sixteen-bytes-xx"],
            "'sixteen-bytes-xx' cannot be the name of an interface: give one of 1 to 15 bytes without spaces, '/' \
             and ':', such as eth0"
                .to_owned(),
        ),
        (["--pid", "0"], "'0' is not a process ID: give whole numbers from 1, such as 801,6980".to_owned()),
        (["--pid", "nginx"], "'nginx' is not a process ID: give whole numbers from 1, such as 801,6980".to_owned()),
        (
            ["--uid", "nobody-of-this-name"],
            "'nobody-of-this-name' is not a user of this host: give names of users, or numbers from 0".to_owned(),
        ),
        (["--comm", ""], "a name is missing: give names separated by commas, such as nginx,python3*".to_owned()),
        (["--container", ""], "a name is missing: give names separated by commas, such as nginx,python3*".to_owned()),
        (
            ["--emit", "state,fin"],
            "'fin' is not a type of record: give any of state,segment,handshake,close,stalled".to_owned(),
        ),
        (
            ["--write", "-"],
            "'-' is not stdout here: give --json for JSON lines on stdout, or ./- for a file of that name".to_owned(),
        ),
        (["--count", "0"], "'0' is not a number of connections: give a whole number from 1".to_owned()),
        (
            ["--max-connections", "0"],
            "'0' is not a number of connections to remember: give a whole number from 1 to 1073741824".to_owned(),
        ),
        (
            ["--max-connections", "5000000000"],
            "'5000000000' is not a number of connections to remember: give a whole number from 1 to 1073741824"
                .to_owned(),
        ),
        (["--count", "many"], "'many' is not a number of connections: give a whole number from 1".to_owned()),
        (
            ["--duration", "10"],
            "'10' is not a length of time: give a number with its unit, such as 500ms, 10s or 5m".to_owned(),
        ),
        (["--duration", "0s"], "'0s' is too short: give a length of time above 0, such as 500ms, 10s or 5m".to_owned()),
        (["--ring-buffer", "10MiB"], "10485760 bytes are not a power of two: the nearest is 8MiB".to_owned()),
        (["--ring-buffer", "1KiB"], "1024 bytes are too few: the least is 4KiB".to_owned()),
        (["--ring-buffer", "4GiB"], "4294967296 bytes are too many: the most is 1GiB".to_owned()),
        (
            ["--ring-buffer", "big"],
            "'big' is not a size: give a power of two with its unit, such as 512KiB or 16MiB".to_owned(),
        ),
    ];
    for ([option, value], sentence) in cases {
        let message = error(&[option, value], ErrorKind::ValueValidation);
        let start = format!("invalid value '{value}' for '{option} <");
        assert!(message.starts_with(&start), "{message}");
        assert!(message.ends_with(&format!(">': {sentence}")), "{message}");
    }
}

#[test]
fn a_word_that_is_not_offered_is_refused() {
    for args in [["-o", "xml"], ["-o", "ladder"], ["--segments", "some"], ["--color", "no"], ["--attach", "xdp"]] {
        error(&args, ErrorKind::InvalidValue);
    }
}

#[test]
fn options_that_exclude_each_other_are_refused() {
    error(&["-4", "-6"], ErrorKind::ArgumentConflict);
    error(&["-q", "-v"], ErrorKind::ArgumentConflict);
}

#[test]
fn what_is_not_on_the_command_line_is_refused() {
    error(&["--ipv4", "-v"], ErrorKind::UnknownArgument);
    assert!(error(&["stray"], ErrorKind::UnknownArgument).contains("stray"));
}

#[test]
fn what_needs_a_command_or_goes_without_one_is_refused() {
    let missing = ErrorKind::MissingRequiredArgument;
    assert!(error(&["--"], missing).starts_with("there is no command after --"));
    assert!(error(&["-p", "80", "--"], missing).starts_with("there is no command after --"));
    assert!(error(&["--fail-on", "reset"], missing).starts_with("--fail-on needs a command"));
    for option in [["-r", "f"], ["-c", "1"], ["--duration", "1s"]] {
        error(&[option[0], option[1], "--", "true"], ErrorKind::ArgumentConflict);
    }
    assert!(error(&["--fail-on", "resets", "--", "true"], ErrorKind::ValueValidation).contains("resets"));
}

#[test]
fn a_task_after_options_is_told_its_place() {
    for (args, tip) in [
        (&["-p", "80", "top"][..], "tip: a task comes before its options: tcptrace top [OPTIONS]"),
        (&["--json", "doctor"], "tip: a task comes before its options: tcptrace doctor [OPTIONS]"),
    ] {
        let error = parse(args).expect_err("the order is wrong").to_string();
        assert!(error.contains(tip), "{error}");
    }
}

#[test]
fn a_stray_word_is_told_where_words_go_and_a_stray_option_is_not_called_a_value() {
    let text = |args| parse(args).expect_err("it is unknown").to_string();
    let tip =
        "tip: the tasks are doctor, leaks, top; a file to read comes after -r, a command to run and trace after --";
    for args in [&["trace.pcap"][..], &["-p", "80", "curl"]] {
        let error = text(args);
        assert!(error.contains(tip) && !error.contains("comes before"), "{error}");
    }
    for args in [&["--bogus"][..], &["-Z"], &["leaks", "stray"], &["top", "stray"]] {
        let error = text(args);
        assert!(!error.contains("tip:"), "{error}");
    }
    let error = text(&["--onli", "failed"]);
    assert!(error.contains("tip: a similar argument exists: '--only'") && !error.contains("as a value"), "{error}");
}

#[test]
fn options_of_a_live_trace_alone_are_refused_with_a_file() {
    for option in [&["--netns", "own"][..], &["--write", "a.jsonl", "--rotate", "1h"], &["--metrics", "9464"]] {
        let error = error(&[option, &["--read", "b.jsonl"]].concat(), ErrorKind::ArgumentConflict);
        assert!(error.contains("cannot be used with '--read <FILE>...'"), "{error}");
    }
    let error = error(&["top", "--netns", "own", "--read", "b.jsonl"], ErrorKind::ArgumentConflict);
    assert!(error.contains("--netns"), "{error}");
}
