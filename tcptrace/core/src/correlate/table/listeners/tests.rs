use super::*;

const NETNS: u32 = 5;

fn process(pid: u32) -> Process {
    Process { pid, comm: Comm([0; 16]) }
}

fn at(addr: &str) -> Endpoint {
    Endpoint { addr: addr.parse().expect("an address"), port: 80 }
}

const EARLY: BootTime = BootTime(10);
const LATE: BootTime = BootTime(20);

fn owner_of(addr: &str, pid: Option<u32>) -> ListenerOwner {
    asked(LATE, addr, 1, pid)
}

/// An answer of the kernel, requested at `asked` and received much later.
fn asked(asked: BootTime, addr: &str, sockets: u32, pid: Option<u32>) -> ListenerOwner {
    ListenerOwner { at: BootTime(99), asked, netns: None, local: at(addr), sockets, process: pid.map(process) }
}

fn pid(listeners: &Listeners, local: &str) -> Option<u32> {
    listeners.holder(NETNS, at(local)).flatten().map(|process| process.pid)
}

#[test]
fn the_listener_nearest_to_the_address_is_meant() {
    let mut listeners = Listeners::default();
    listeners.open(NETNS, at("::"), EARLY, Some(process(6)));
    assert_eq!((pid(&listeners, "10.0.0.1"), pid(&listeners, "fd00::1")), (Some(6), Some(6)));
    listeners.open(NETNS, at("0.0.0.0"), EARLY, Some(process(4)));
    listeners.open(NETNS, at("10.0.0.2"), EARLY, Some(process(2)));
    let found = ["10.0.0.1", "10.0.0.2", "fd00::1"].map(|local| pid(&listeners, local));
    assert_eq!(found, [Some(4), Some(2), Some(6)]);
    assert_eq!(listeners.holder(NETNS + 1, at("10.0.0.1")), None);
}

#[test]
fn a_port_that_several_processes_share_is_nobodys() {
    let mut listeners = Listeners::default();
    listeners.open(NETNS, at("0.0.0.0"), EARLY, Some(process(4)));
    listeners.open(NETNS, at("0.0.0.0"), EARLY, Some(process(4)));
    assert_eq!(pid(&listeners, "10.0.0.1"), Some(4), "two sockets of one process");
    listeners.open(NETNS, at("0.0.0.0"), EARLY, Some(process(5)));
    assert_eq!(pid(&listeners, "10.0.0.1"), None);
}

#[test]
fn what_the_kernel_tells_replaces_what_was_known() {
    let mut listeners = Listeners::default();
    listeners.open(NETNS, at("0.0.0.0"), EARLY, Some(process(4)));
    assert!(!listeners.learn(NETNS, &owner_of("0.0.0.0", Some(4))));
    assert!(listeners.learn(NETNS, &owner_of("0.0.0.0", None)));
    assert_eq!(listeners.holder(NETNS, at("10.0.0.1")), Some(None), "its children hold it too");
    assert!(listeners.learn(NETNS, &owner_of("0.0.0.0", Some(4))));
    assert_eq!(pid(&listeners, "10.0.0.1"), Some(4));
}

#[test]
fn a_process_that_takes_another_name_listens_under_that() {
    let named = |name: u8| Process { pid: 4, comm: Comm([name; 16]) };
    let mut listeners = Listeners::default();
    let name = |listeners: &Listeners| listeners.holder(NETNS, at("10.0.0.1")).flatten();
    listeners.open(NETNS, at("0.0.0.0"), EARLY, Some(named(b'a')));
    listeners.rename(named(b'b'));
    assert_eq!(name(&listeners), Some(named(b'b')), "by its own act");
    let owner_of = ListenerOwner { process: Some(named(b'c')), ..owner_of("0.0.0.0", None) };
    assert!(listeners.learn(NETNS, &owner_of), "a recording of it says the same");
    assert!(!listeners.learn(NETNS, &owner_of));
    assert_eq!(name(&listeners), Some(named(b'c')), "by the kernel's answer");
    listeners.rename(Process { pid: 5, comm: Comm([b'd'; 16]) });
    assert_eq!(name(&listeners), Some(named(b'c')), "another process");
}

#[test]
fn the_last_socket_that_closes_ends_it() {
    let mut listeners = Listeners::default();
    listeners.open(NETNS, at("0.0.0.0"), EARLY, None);
    listeners.open(NETNS, at("0.0.0.0"), EARLY, None);
    listeners.close(NETNS, at("0.0.0.0"), EARLY);
    assert!(listeners.listens(NETNS, 80));
    listeners.close(NETNS, at("0.0.0.0"), EARLY);
    assert!(!listeners.listens(NETNS, 80));
    listeners.close(NETNS, at("0.0.0.0"), EARLY);
}

#[test]
fn a_listener_that_the_answer_has_counted_counts_once() {
    let mut listeners = Listeners::default();
    assert!(listeners.learn(NETNS, &asked(LATE, "0.0.0.0", 1, Some(4))));
    // Its event arrives late.
    listeners.open(NETNS, at("0.0.0.0"), EARLY, Some(process(4)));
    assert_eq!(pid(&listeners, "10.0.0.1"), Some(4));
    listeners.close(NETNS, at("0.0.0.0"), BootTime(21));
    assert!(!listeners.listens(NETNS, 80));

    let mut listeners = Listeners::default();
    assert!(listeners.learn(NETNS, &asked(LATE, "0.0.0.0", 1, Some(4))));
    listeners.open(NETNS, at("0.0.0.0"), BootTime(21), Some(process(4)));
    listeners.close(NETNS, at("0.0.0.0"), BootTime(22));
    assert!(listeners.listens(NETNS, 80), "another one, which had been there before");
}

#[test]
fn a_listener_that_has_gone_before_the_answer_is_not_taken_off_again() {
    let mut listeners = Listeners::default();
    listeners.open(NETNS, at("0.0.0.0"), EARLY, Some(process(4)));
    listeners.open(NETNS, at("0.0.0.0"), EARLY, Some(process(4)));
    assert!(listeners.learn(NETNS, &asked(LATE, "0.0.0.0", 1, Some(4))));
    listeners.close(NETNS, at("0.0.0.0"), BootTime(15));
    assert!(listeners.listens(NETNS, 80));
    listeners.close(NETNS, at("0.0.0.0"), BootTime(21));
    assert!(!listeners.listens(NETNS, 80));
}

#[test]
fn an_answer_that_is_older_than_what_was_seen_changes_nothing() {
    let mut listeners = Listeners::default();
    listeners.open(NETNS, at("0.0.0.0"), LATE, Some(process(4)));
    assert!(!listeners.learn(NETNS, &asked(EARLY, "0.0.0.0", 2, None)));
    assert_eq!(pid(&listeners, "10.0.0.1"), Some(4));
    listeners.close(NETNS, at("0.0.0.0"), BootTime(21));
    assert!(!listeners.learn(NETNS, &asked(LATE, "0.0.0.0", 1, Some(4))), "it has gone since");
    assert!(!listeners.listens(NETNS, 80));
    assert!(listeners.learn(NETNS, &asked(BootTime(22), "0.0.0.0", 1, Some(4))), "another");

    let mut listeners = Listeners::default();
    listeners.close(NETNS, at("0.0.0.0"), LATE);
    assert!(!listeners.learn(NETNS, &asked(EARLY, "0.0.0.0", 1, Some(4))), "nobody knew of it");
    assert!(!listeners.listens(NETNS, 80));
}

#[test]
fn what_is_remembered_of_those_that_have_gone_has_an_end() {
    let mut listeners = Listeners::default();
    for port in 1..=3000 {
        listeners.close(NETNS, Endpoint { port, ..at("0.0.0.0") }, EARLY);
    }
    assert!(listeners.gone.len() <= MAX_GONE && listeners.known.is_empty());
}
