//! systemd units in records, and the filter on them.

use std::net::{Ipv4Addr, TcpListener};

use serde_json::Value;
use tcptrace_tests::{Tracer, close, is_type};

use crate::machine::Machine;

#[test]
fn connections_of_a_unit_are_told_by_its_name_and_chosen_by_it() {
    const PORT: u16 = 4481;
    let machine = Machine::boot();
    machine.install();
    let listener = machine.netns.run(|| TcpListener::bind((Ipv4Addr::LOCALHOST, PORT))).expect("a free port");
    // It ends on its own: a signal would only reach nsenter.
    let trace = |unit: &str, count: usize| {
        let line = format!("exec tcptrace --json --netns own -p {PORT} --unit '{unit}' --count {count}");
        Tracer::start_command(&machine.netns, &mut machine.command(&line))
    };
    let (one, each) = (trace("tt-asks-1.service", 1), trace("tt-asks-*", 2));
    for number in [2, 1] {
        let unit = format!(
            "[Service]\\nType=oneshot\\nSlice=tt.slice\\nExecStart=/bin/bash -c \"exec 3<>/dev/tcp/127.0.0.1/{PORT}; cat <&3\"\\n"
        );
        let service = format!("tt-asks-{number}.service");
        machine.run(&format!("printf '{unit}' >/run/systemd/system/{service} && systemctl start --no-block {service}"));
        let (connection, _) = listener.accept().expect("it connects");
        // The service must run until its group has been looked up.
        let is_of_unit = |record: &Value, kind| is_type(record, kind) && record["client"]["unit"] == service;
        let tracers: &[&Tracer] = if number == 1 { &[&one, &each] } else { &[&each] };
        tracers.iter().for_each(|tracer| tracer.wait_for("its handshake", |record| is_of_unit(record, "handshake")));
        close(connection);
        each.wait_for("its close", |record| is_of_unit(record, "close"));
    }
    let units = |tracer: Tracer| {
        let records = tracer.exited().records;
        let closes = records.iter().filter(|record| is_type(record, "close"));
        closes.map(|close| close["client"]["unit"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(units(one), ["tt-asks-1.service"]);
    assert_eq!(units(each), ["tt-asks-2.service", "tt-asks-1.service"]);
}
