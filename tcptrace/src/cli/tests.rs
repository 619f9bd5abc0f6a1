mod refusals;

use std::{ffi::OsStr, num::NonZeroU32, path::PathBuf};

use clap::error::ErrorKind;

use super::*;
use tcptrace_core::{
    event::Family,
    filter::{Filter, Who},
};

fn parse(args: &[&str]) -> Result<Cli, clap::Error> {
    Cli::from_args(["tcptrace"].iter().chain(args))
}

fn options(args: &[&str]) -> Options {
    parse(args).unwrap().into_options(Environment::default())
}

/// Returns the text after `error: ` in the first line, after checking the kind of error and the exit status.
fn error(args: &[&str], kind: ErrorKind) -> String {
    let error = parse(args).unwrap_err();
    assert_eq!(error.kind(), kind, "{args:?}");
    assert_eq!(error.exit_code(), 2, "{args:?}");
    let text = error.to_string();
    text.lines().next().unwrap().strip_prefix("error: ").unwrap().to_owned()
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn without_arguments_everything_is_traced_with_the_defaults() {
    assert_eq!(
        options(&[]),
        Options {
            netns: Vec::new(),
            filter: Filter::default(),
            segments: Segments::Control,
            output: OutputFormat::Timeline,
            emit: Emit::ALL,
            only: None,
            slow: Duration::from_secs(1),
            write: None,
            rotate: None,
            keep: None,
            compress: None,
            metrics: None,
            otlp: None,
            read: Vec::new(),
            absolute_seq: false,
            color: false,
            unicode: false,
            columns: None,
            command: Vec::new(),
            fail_on: None,
            count: None,
            duration: None,
            ring_buffer: 16 << 20,
            max_connections: values::DEFAULT_MAX_CONNECTIONS,
            verbosity: Verbosity::Normal,
            watched: false,
            summarizes_files: false,
            btf: true,
            typed_loads: true,
            attach: Attach::Auto,
            top: false,
        }
    );
}

#[test]
fn every_option_reaches_the_settings() {
    let args = "-p 80 -p 443,8000-8100 --local-port 22 --remote-port 1024-2048 --host 10.0.0.0/8 --host ::1 -4 -i eth0 \
                -i lo -i eth0 --pid 1,2 --pid 801 --comm nginx* --uid root,33 --unit ssh --container web,db -o json --emit handshake,close --only failed --only slow,!reset --slow 300ms -w trace.jsonl --metrics 9464 --otlp http://127.0.0.1:4318 --segments all -c 3 --duration 500ms -S \
                --ring-buffer 1MiB --max-connections 1 --color always -vv --no-btf --no-typed-loads --attach clsact";
    let args: Vec<&str> = args.split_whitespace().collect();
    assert_eq!(
        options(&args),
        Options {
            netns: Vec::new(),
            filter: Filter {
                ports: Some("80,443,8000-8100".parse().unwrap()),
                local_ports: Some("22".parse().unwrap()),
                remote_ports: Some("1024-2048".parse().unwrap()),
                hosts: Some("10.0.0.0/8,::1".parse().unwrap()),
                family: Some(Family::V4),
                interfaces: vec!["eth0".to_owned(), "lo".to_owned()],
                who: Who {
                    pids: vec![1, 2, 801],
                    comms: vec!["nginx*".parse().unwrap()],
                    uids: vec![0, 33],
                    units: vec!["ssh".parse().unwrap()],
                    containers: vec!["web".parse().unwrap(), "db".parse().unwrap()],
                },
            },
            segments: Segments::All,
            output: OutputFormat::Json,
            emit: "handshake,close".parse().unwrap(),
            only: Some("failed,slow,!reset".parse().unwrap()),
            slow: Duration::from_millis(300),
            write: Some("trace.jsonl".into()),
            rotate: None,
            keep: None,
            compress: None,
            metrics: Some("127.0.0.1:9464".parse().unwrap()),
            otlp: Some("http://127.0.0.1:4318".parse().unwrap()),
            read: Vec::new(),
            absolute_seq: true,
            color: true,
            unicode: false,
            columns: None,
            command: Vec::new(),
            fail_on: None,
            count: NonZeroU64::new(3),
            duration: Some(Duration::from_millis(500)),
            ring_buffer: 1 << 20,
            max_connections: NonZeroU32::MIN,
            verbosity: Verbosity::Debug,
            watched: false,
            summarizes_files: false,
            btf: false,
            typed_loads: false,
            attach: Attach::Clsact,
            top: false,
        }
    );
    let args =
        "--port 80 --interface eth0 --output events --write f --count 1 --absolute-seq --verbose -6 --segments none";
    let long = options(&args.split_whitespace().collect::<Vec<_>>());
    assert_eq!(long.filter.to_string(), "port 80 and IPv6 and interface eth0");
    assert_eq!((long.verbosity, long.segments, long.absolute_seq), (Verbosity::Verbose, Segments::None, true));
    assert_eq!(options(&["--quiet"]).verbosity, Verbosity::Quiet);
    assert!(parse(&["--json-schema"]).unwrap().json_schema);
}

#[test]
fn json_is_short_for_output_json() {
    assert_eq!(options(&["--json"]).output, OutputFormat::Json);
    assert_eq!(options(&["--json", "-o", "json"]).output, OutputFormat::Json);
    assert_eq!(
        error(&["-o", "events", "--json"], ErrorKind::ArgumentConflict),
        "--json is short for --output json and cannot be used with --output events"
    );
}

#[test]
fn color_follows_the_option_then_no_color_then_the_terminal() {
    let color = |option: &str, no_color, terminal| {
        let environment = Environment { no_color, terminal, ..Environment::default() };
        parse(&["--color", option]).unwrap().into_options(environment).color
    };
    assert!(color("auto", false, true));
    assert!(!color("auto", true, true));
    assert!(!color("auto", false, false));
    assert!(color("always", true, false));
    assert!(!color("never", false, true));
}

#[test]
fn whoever_waits_at_a_terminal_is_told_more_unless_it_shall_be_quiet() {
    let watched = |args: &[&str], watched| {
        parse(args).unwrap().into_options(Environment { watched, ..Environment::default() }).watched
    };
    assert!(watched(&[], true));
    assert!(!watched(&[], false));
    assert!(!watched(&["-q"], true));
}

#[test]
fn doctor_is_a_word_by_itself() {
    assert_eq!(parse(&["doctor"]).unwrap().command, Some(Command::Doctor { clean: false }));
    assert_eq!(parse(&["doctor", "--clean"]).unwrap().command, Some(Command::Doctor { clean: true }));
    error(&["--clean"], ErrorKind::UnknownArgument);
    assert_eq!(parse(&[]).unwrap().command, None);
    error(&["doctor", "stray"], ErrorKind::UnknownArgument);
    error(&["doctor", "-p", "80"], ErrorKind::UnknownArgument);
    assert!(error(&["-p", "80", "doctor"], ErrorKind::UnknownArgument).contains("doctor"));
    assert_eq!(parse(&["doctor", "--help"]).unwrap_err().exit_code(), 0);
    // A file of that name is an argument like any other.
    assert_eq!(options(&["-r", "doctor"]).read, [PathBuf::from("doctor")]);
}

#[test]
fn a_capture_is_named_by_its_file_or_is_stdin() {
    for (args, file) in [(["-r", "a.pcap"], "a.pcap"), (["--read", "-"], "-")] {
        assert_eq!(options(&args).read, [PathBuf::from(file)]);
    }
}

#[test]
fn several_files_are_merged_and_what_asks_for_one_is_refused() {
    let files = |args: &[&str]| options(args).read;
    let both = [PathBuf::from("a.jsonl"), PathBuf::from("b.pcap")];
    assert_eq!(files(&["-r", "a.jsonl", "b.pcap"]), both);
    assert_eq!(files(&["-r", "a.jsonl", "-r", "b.pcap", "--json"]), both);
    for option in [["-c", "1"], ["--duration", "1s"], ["-w", "x.jsonl"]] {
        let message = error(&[&["-r", "a", "b"], &option[..]].concat(), ErrorKind::ArgumentConflict);
        assert!(message.contains("several files"), "{message}");
    }
    error(&["top", "-r", "a", "b"], ErrorKind::ArgumentConflict);
    let many: Vec<String> = (0..17).map(|number| number.to_string()).collect();
    let arguments: Vec<&str> = ["-r"].into_iter().chain(many.iter().map(String::as_str)).collect();
    assert!(error(&arguments, ErrorKind::TooManyValues).contains("16"));
    assert!(error(&["-r", "-", "-"], ErrorKind::ArgumentConflict).contains("stdin"));
}

#[test]
fn interfaces_follow_the_kernels_rules() {
    for name in ["lo", "eth0.100", "fifteen-bytes-x", "veth@if2", "wg-ü"] {
        assert_eq!(options(&["-i", name]).filter.interfaces, [name]);
    }
    for name in ["", ".", "..", "a b", "a\tb", "a/b", "eth0:1"] {
        error(&["-i", name], ErrorKind::ValueValidation);
    }
}

#[test]
fn file_names_need_not_be_text() {
    use std::os::unix::ffi::OsStrExt;

    let name = OsStr::from_bytes(b"trace-\xff.jsonl");
    let cli = Cli::from_args([OsStr::new("tcptrace"), OsStr::new("-w"), name]).unwrap();
    assert_eq!(cli.write.as_deref().map(std::path::Path::as_os_str), Some(name));
    error(&["-w", ""], ErrorKind::InvalidValue);
}

#[test]
fn help_has_every_group_and_hides_what_is_for_tests() {
    let help = Cli::command().render_long_help().to_string();
    for part in [
        "Filters:",
        "Output:",
        "Limits:",
        "Messages:",
        "Examples:",
        "Commands:",
        "  doctor",
        "--ring-buffer <SIZE>",
        "[default: 16MiB]",
    ] {
        assert!(help.contains(part), "{part}");
    }
    for hidden in ["--no-btf", "--no-typed-loads", "--attach"] {
        assert!(!help.contains(hidden), "{hidden}");
    }
    assert_eq!(parse(&["--help"]).unwrap_err().exit_code(), 0);
    assert_eq!(parse(&["--version"]).unwrap_err().to_string(), concat!("tcptrace ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn a_command_is_everything_behind_two_dashes() {
    let options = options(&["-p", "80", "--fail-on", "reset,!linger", "--", "make", "-j", "--", "-c"]);
    assert_eq!(options.command, ["make", "-j", "--", "-c"]);
    assert_eq!((options.fail_on, options.count), (Some("reset,!linger".parse().unwrap()), None));
    assert_eq!(options.filter.to_string(), "port 80");
}
