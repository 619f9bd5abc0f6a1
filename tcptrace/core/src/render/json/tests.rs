use proptest::prelude::*;

use super::*;
use crate::{
    event::{HintName, Proof},
    output_record::{HintOutput, SegmentOutput, StateOutput},
    render::samples,
    tcp::{OptionBytes, TcpOptions},
    text::Errno,
};

fn line(entry: OutputRecord) -> String {
    let mut out = Vec::new();
    Json.render(&entry, &mut out);
    String::from_utf8(out).unwrap()
}

fn line_by_serde(entry: &OutputRecord) -> String {
    let mut out = Vec::new();
    by_serde(entry, &mut out);
    out.push(b'\n');
    String::from_utf8(out).unwrap()
}

/// A line of this type with the samples' time and these further fields.
fn expected(kind: &str, fields: &[&str]) -> String {
    let stamp = r#""time":"2026-11-20T10:31:06.104687123Z","boot_ns":9876543210"#;
    format!("{{\"type\":\"{kind}\",{stamp},{}}}\n", fields.join(","))
}

#[test]
fn start() {
    let fields = [
        r#""schema":2,"version":"0.1.0","hostname":"web7","kernel":"6.18.5""#,
        r#""netns":4026531840,"interfaces":["eth0","lo"],"segments":"control","filter":"port 80","began_ns":1000"#,
        r#""run":"6f5902ac-2370-4a4d-9e0a-7c5d0a1e8f21""#,
    ];
    assert_eq!(line(OutputRecord::Start(samples::start())), expected("start", &fields));
}

#[test]
fn state() {
    let fields = [
        r#""conn":1,"netns":4026531840,"socket":77,"old":"SYN_SENT","new":"ESTABLISHED""#,
        r#""local":{"addr":"127.0.0.1","port":39870},"remote":{"addr":"127.0.0.1","port":9502}"#,
        r#""role":"client","error":null,"pid":6980,"tid":6980,"comm":"curl","thread":null,"old_state_ns":31000,"since_start_ns":40000,"continues_as":null"#,
    ];
    assert_eq!(line(OutputRecord::State(samples::state())), expected("state", &fields));
}

#[test]
fn state_of_a_listener_and_an_error() {
    let listener = StateOutput { error: Some(Errno(98)), netns: None, ..samples::listener() };
    let fields = [
        r#""conn":null,"netns":null,"socket":77,"old":"CLOSE","new":"LISTEN""#,
        r#""local":{"addr":"0.0.0.0","port":80},"remote":null"#,
        r#""role":null,"error":"EADDRINUSE","pid":12,"tid":12,"comm":"nginx","thread":"pool-1","old_state_ns":null,"since_start_ns":null,"continues_as":null"#,
    ];
    assert_eq!(line(OutputRecord::State(listener)), expected("state", &fields));
}

#[test]
fn state_with_evidence() {
    let text = line(OutputRecord::State(samples::abort()));
    assert!(text.contains(r#""error":"ECONNRESET","evidence":["linger","unread","unaccepted"],"pid":6980"#), "{text}");
}

#[test]
fn hint() {
    let fields = [
        r#""conn":3,"netns":4026531840,"socket":78,"name":"tcp_send_reset","value":"invalid_syn","state":"LISTEN""#,
        r#""local":{"addr":"10.0.0.2","port":9999},"remote":{"addr":"10.0.0.1","port":54762},"queue_full":true"#,
        r#""queue":{"length":129,"limit":128},"since_start_ns":2500000"#,
    ];
    assert_eq!(line(OutputRecord::Hint(samples::hint())), expected("hint", &fields));
    let name = HintName::RetransmitSynack;
    let bare = HintOutput {
        conn: None,
        netns: None,
        socket: None,
        name,
        value: None,
        state: None,
        queue_full: false,
        queue: None,
        since_start_ns: None,
        late: false,
        ..samples::hint()
    };
    let fields = [
        r#""conn":null,"netns":null,"socket":null,"name":"tcp_retransmit_synack","value":null,"state":null"#,
        r#""local":{"addr":"10.0.0.2","port":9999},"remote":{"addr":"10.0.0.1","port":54762},"since_start_ns":null"#,
    ];
    assert_eq!(line(OutputRecord::Hint(bare)), expected("hint", &fields));
}

#[test]
fn state_of_a_socket_that_replaces_another_and_was_reset() {
    let evidence = Proof { linger: true, ..Proof::default() };
    let line = line(OutputRecord::State(StateOutput { replaces: Some(12), evidence, ..samples::state() }));
    assert!(line.contains(r#""socket":77,"replaces":12,"old""#), "{line}");
    assert!(line.contains(r#""error":null,"evidence":["linger"],"pid""#), "{line}");
}

#[test]
fn segment_of_a_socket_without_a_number() {
    let line = line(OutputRecord::Segment(SegmentOutput { socket: Some(None), ..samples::segment() }));
    assert!(line.contains(r#""direction":"out","socket":null,"src""#), "{line}");
}

#[test]
fn segment() {
    let fields = [
        r#""conn":1,"interface":"lo","direction":"out","socket":77"#,
        r#""src":{"addr":"127.0.0.1","port":39870},"dst":{"addr":"127.0.0.1","port":9502}"#,
        r#""flags":"S","seq":2927179378,"ack":null,"rel_seq":0,"rel_ack":null,"window":32792,"length":0"#,
        r#""since_start_ns":0,"retransmission":false"#,
        r#""options":{"mss":16396,"window_scale":3,"sack_permitted":true,"timestamp":{"value":255474104,"echo":0},"order":[2,4,8,1,3],"raw":"0204400c0402080a0f3a39b80000000001030303"}"#,
    ];
    assert_eq!(line(OutputRecord::Segment(samples::segment())), expected("segment", &fields));
}

#[test]
fn segment_of_several_with_rare_options() {
    let options = TcpOptions(OptionBytes::new(&[1, 1, 5, 10, 0, 0, 0, 9, 0, 0, 0, 12, 34, 2]));
    let segment = SegmentOutput { options, direction: None, ..samples::data_segment() };
    let line = line(OutputRecord::Segment(segment));
    assert!(line.contains(r#""direction":null"#), "{line}");
    let end = concat!(
        r#""flags":"P.","seq":2927179379,"ack":1721825044,"rel_seq":1,"rel_ack":1,"window":4099,"urgent":5,"length":14480,"#,
        r#""gso_segments":10,"note":"keep_alive_answer","since_start_ns":1500000,"retransmission":false,"options":{"mss":null,"window_scale":null,"sack_permitted":false,"timestamp":null,"#,
        r#""sack":[{"left":9,"right":12}],"fast_open":"","order":[1,1,5,34],"raw":"0101050a000000090000000c2202"}}"#,
        "\n"
    );
    assert!(line.ends_with(end), "{line}");
}

#[test]
fn icmp() {
    let fields = [
        r#""conn":3,"interface":"eth0","direction":"in","from":"10.0.0.254""#,
        r#""kind":"host unreachable","icmp_type":3,"icmp_code":1"#,
        r#""src":{"addr":"10.0.0.1","port":54762},"dst":{"addr":"10.0.0.2","port":9999},"seq":721203976,"since_start_ns":3044000"#,
    ];
    assert_eq!(line(OutputRecord::Icmp(samples::icmp())), expected("icmp", &fields));
}

#[test]
fn dropped() {
    let fields = [
        r#""conn":3,"netns":4026531840,"interface":"eth0""#,
        r#""src":{"addr":"10.0.0.1","port":54762},"dst":{"addr":"10.0.0.2","port":9999}"#,
        r#""flags":"P.","seq":721203977,"rel_seq":1,"length":18"#,
        r#""reason":"NETFILTER_DROP","location":"nf_hook_slow","since_start_ns":2500000"#,
    ];
    assert_eq!(line(OutputRecord::Drop(samples::dropped())), expected("drop", &fields));
}

#[test]
fn owner() {
    let fields = [
        r#""conn":3,"socket":4,"netns":4026532177,"local":{"addr":"10.0.0.2","port":9999},"remote":{"addr":"10.0.0.1","port":54762}"#,
        r#""pid":801,"comm":"server","source":"sock_diag""#,
    ];
    assert_eq!(line(OutputRecord::Owner(samples::owner())), expected("owner", &fields));
}

#[test]
fn lost_and_end() {
    let fields = [r#""source":"state","count":12,"total":45"#];
    assert_eq!(line(OutputRecord::Lost(samples::lost())), expected("lost", &fields));
    let fields = [r#""connections":12,"open":3,"evicted":2,"events":1024,"lost":45,"left_out":7"#];
    assert_eq!(line(OutputRecord::End(samples::end())), expected("end", &fields));
}

#[test]
fn stalled_and_evicted() {
    let fields = [
        r#""since":"2026-11-20T10:31:06.104687123Z","conn":3,"netns":4026531840"#,
        r#""client":{"addr":"10.0.0.1","port":54762,"netns":null,"netns_name":null,"pid":1,"comm":null,"thread":null,"uid":0,"exit":{"signal":9,"code":null},"unread_bytes":18,"unsent_bytes":0}"#,
        r#""server":{"addr":"10.0.0.1","port":9999,"netns":null,"netns_name":null,"pid":1,"comm":null,"thread":null,"uid":0,"exit":{"signal":9,"code":null},"unread_bytes":18,"unsent_bytes":0}"#,
        r#""state":{"client":"CLOSE_WAIT","server":"FIN_WAIT2"},"waiting_for":"close","turn":"client""#,
        r#""unacked_bytes":14,"retransmissions":2,"dropped":null,"dropped_segments":null"#,
        r#""same_as":[1,2],"nat":[{"conn":1,"client":{"addr":"10.0.0.1","port":54762},"server":{"addr":"10.96.0.10","port":80}},{"conn":2,"client":{"addr":"10.0.0.1","port":61000},"server":{"addr":"10.96.0.10","port":80}}]"#,
        r#""summary":"the server closed its side; the client has not: CLOSE_WAIT""#,
    ];
    assert_eq!(line(OutputRecord::Stalled(samples::stalled())), expected("stalled", &fields));
    assert_eq!(line(OutputRecord::Evicted(samples::evicted())), expected("evicted", &[r#""conn":3"#]));
}

#[test]
fn every_sample_is_as_serde_writes_it() {
    for entry in samples::all() {
        assert_eq!(line(entry.clone()), line_by_serde(&entry));
    }
}

proptest! {
    #[test]
    fn any_segment_is_as_serde_writes_it(segment in samples::any_segment()) {
        let entry = OutputRecord::Segment(segment);
        prop_assert_eq!(line(entry.clone()), line_by_serde(&entry));
    }

    #[test]
    fn any_state_is_as_serde_writes_it(state in samples::any_state()) {
        let entry = OutputRecord::State(state);
        prop_assert_eq!(line(entry.clone()), line_by_serde(&entry));
    }

    #[test]
    fn any_owner_is_as_serde_writes_it(owner in samples::any_owner()) {
        let entry = OutputRecord::Owner(owner);
        prop_assert_eq!(line(entry.clone()), line_by_serde(&entry));
    }

    #[test]
    fn an_entry_is_one_line_of_json(segment in samples::any_segment()) {
        let line = line(OutputRecord::Segment(segment));
        prop_assert_eq!(line.find('\n'), Some(line.len() - 1));
        prop_assert!(serde_json::from_str::<serde_json::Value>(&line).is_ok());
    }
}
