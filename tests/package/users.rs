//! The program, manual pages and permissions that the package installs.

use std::net::{Ipv4Addr, SocketAddr};

use tcptrace_tests::{Ends, Tracer, text};

use crate::machine::Machine;

#[test]
fn a_member_of_the_group_traces_without_being_root_and_a_stranger_cannot() {
    let machine = Machine::boot();
    machine.install();
    let owned = machine.run("stat --format '%U:%G %a' /usr/bin/tcptrace /var/log/tcptrace");
    assert_eq!(owned, "root:tcptrace 750\ntcptrace:tcptrace 750\n");
    machine.run("useradd --user-group stranger && useradd --user-group --groups tcptrace member");

    let stranger = machine.try_run("runuser --user stranger -- tcptrace --version");
    assert_eq!((stranger.status.success(), stranger.stdout.as_slice()), (false, &b""[..]), "{stranger:?}");

    // sudo's path of programs includes it.
    machine.run("tcptrace doctor");
    let ends = Ends::on(&machine.netns, SocketAddr::from((Ipv4Addr::LOCALHOST, 4981)));
    let line = "exec runuser --user member -- tcptrace --json -p 4981 -c 1";
    let tracer = Tracer::start_command(&machine.netns, &mut machine.command(line));
    ends.close_in_four(ends.open());
    let trace = tracer.exited();
    assert!(trace.status.success(), "{:#?}", trace.log);
    assert_eq!(trace.about(&machine.netns, 4981).len(), 10 + 7);
    assert_eq!(text(trace.of_type("close")[0], "kind"), "four_segment");
    trace.nothing_lost();
}

#[test]
fn a_program_that_everybody_may_run_gets_no_capabilities() {
    let machine = Machine::boot();
    machine.install();
    assert!(machine.run("getcap /usr/bin/tcptrace").contains("cap_bpf"));
    // An administrator may want everybody to read captures.
    machine.run("dpkg-statoverride --add --update root tcptrace 0755 /usr/bin/tcptrace");
    machine.install();
    assert_eq!(machine.run("stat --format '%a' /usr/bin/tcptrace && getcap /usr/bin/tcptrace"), "755\n");
}

#[test]
fn manual_and_completions_know_every_option() {
    let machine = Machine::boot();
    machine.install();
    let help = machine.run("tcptrace --help");
    let options: Vec<_> = help
        .split_whitespace()
        .filter(|word| word.starts_with("--"))
        .map(|word| word.trim_end_matches(|other: char| !other.is_ascii_lowercase()))
        // `-- COMMAND` names no option.
        .filter(|option| !option.is_empty())
        .collect();
    assert!(options.len() > 20, "{options:?}");

    let manual = machine.run("zcat --force /usr/share/man/man1/tcptrace.1*").replace('\\', "");
    let completions = [
        "/usr/share/bash-completion/completions/tcptrace",
        "/usr/share/zsh/vendor-completions/_tcptrace",
        "/usr/share/fish/vendor_completions.d/tcptrace.fish",
    ]
    .map(|file| machine.run(&format!("cat {file}")));
    for option in options {
        assert!(manual.contains(option), "{option} is not in the manual");
        for completion in &completions {
            // fish writes `-l name`.
            let fish = format!("-l {}", &option[2..]);
            assert!(completion.contains(option) || completion.contains(&fish), "{option} is not in {completion}");
        }
    }
    assert!(machine.run("zcat --force /usr/share/man/man1/tcptrace-doctor.1*").contains("clean"));

    let completed =
        "COMP_WORDS=(tcptrace --ring); COMP_CWORD=1; _tcptrace tcptrace --ring tcptrace; echo ${COMPREPLY[@]}";
    let line = format!("bash -c '. /usr/share/bash-completion/completions/tcptrace; {completed}'");
    assert_eq!(machine.run(&line), "--ring-buffer\n");
}

#[test]
fn debians_package_of_that_name_and_this_one_exclude_each_other() {
    let machine = Machine::boot();
    machine.run(
        "mkdir -p /tmp/other/DEBIAN && cd /tmp && printf '%s\n' 'Package: tcptrace' 'Version: 6.6.7-6' \
         'Architecture: all' 'Maintainer: nobody <root@localhost>' 'Description: another' >other/DEBIAN/control && \
         dpkg-deb --build other",
    );
    machine.run("dpkg --install /tmp/other.deb");
    machine.install();
    let installed = |package| {
        let listed = machine.try_run(&format!("dpkg-query --show --showformat '${{db:Status-Abbrev}}' {package}"));
        listed.stdout.starts_with(b"ii")
    };
    assert_eq!(["tcptrace", "tcptrace-ebpf"].map(installed), [false, true]);
    assert!(!machine.try_run("dpkg --install /tmp/other.deb").status.success());
    assert_eq!(["tcptrace", "tcptrace-ebpf"].map(installed), [false, true]);
}

#[test]
fn nothing_stays_behind_when_it_is_purged() {
    let machine = Machine::boot();
    let files = || {
        let listed = machine.run("find /etc /usr /var/log -xdev -name '*tcptrace*'");
        let mut listed: Vec<_> = listed.lines().map(str::to_owned).collect();
        listed.sort();
        listed
    };
    let before = files();
    machine.install();
    assert!(files().contains(&"/usr/lib/systemd/system/tcptrace.service".to_owned()));
    machine.run("systemctl enable --now tcptrace");
    let process = || machine.run("systemctl is-active tcptrace && systemctl show --property=MainPID --value tcptrace");
    let before_upgrade = process();
    // Again, as in an upgrade: the new program runs from then on.
    machine.install();
    assert_ne!(process(), before_upgrade);
    machine.run("dpkg --remove tcptrace-ebpf");
    assert!(!machine.try_run("systemctl is-active tcptrace").status.success());
    assert!(!machine.run("ls /var/log/tcptrace").is_empty(), "what was recorded is kept");
    machine.run("dpkg --purge tcptrace-ebpf");
    assert_eq!(files(), before);
}
