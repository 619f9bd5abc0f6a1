//! Attributes of spans and log records.

use std::net::IpAddr;

use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, any_value::Value};
use tcptrace_core::{
    event::{Cgroup, Comm},
    output_record::Context,
    verdict::{CloseEnd, HandshakeEnd, OpeningDrops, Reset, SegmentDrops},
};

use super::keys::Key;

/// Attributes of one span or log record. Unknown ones are left out.
#[derive(Debug, Default)]
pub(super) struct Attributes(pub(super) Vec<KeyValue>);

impl Attributes {
    /// Creates an empty list with room for the attributes of most records.
    pub(super) fn new() -> Self {
        Self(Vec::with_capacity(40))
    }

    fn push(&mut self, key: Key, value: Value) {
        self.0.push(key_value(key.into(), value));
    }

    /// Adds a text.
    pub(super) fn text(&mut self, key: Key, text: impl Into<String>) {
        self.push(key, Value::StringValue(text.into()));
    }

    /// Adds a word or another text if there is one.
    pub(super) fn word(&mut self, key: Key, word: Option<impl Into<&'static str>>) {
        if let Some(word) = word {
            self.text(key, word.into());
        }
    }

    /// Adds a text if there is one.
    pub(super) fn text_if(&mut self, key: Key, text: Option<&str>) {
        if let Some(text) = text {
            self.text(key, text);
        }
    }

    /// Adds a number if there is one. Numbers in OTLP are signed: above 2^63, the largest of them is used.
    pub(super) fn number(&mut self, key: Key, number: Option<impl Into<u64>>) {
        if let Some(number) = number {
            self.push(key, Value::IntValue(i64::try_from(number.into()).unwrap_or(i64::MAX)));
        }
    }

    /// Adds a truth value.
    pub(super) fn truth(&mut self, key: Key, truth: bool) {
        self.push(key, Value::BoolValue(truth));
    }

    /// Adds a list unless it is empty.
    pub(super) fn list(&mut self, key: Key, values: impl IntoIterator<Item = Value>) {
        let values: Vec<_> = values.into_iter().map(|value| AnyValue { value: Some(value) }).collect();
        if !values.is_empty() {
            self.push(key, Value::ArrayValue(ArrayValue { values }));
        }
    }

    /// Adds the segments that this host dropped.
    pub(super) fn drops(&mut self, of_handshake: Option<OpeningDrops>, later: Option<SegmentDrops>) {
        if let Some(OpeningDrops { reason, of_synack, segments, .. }) = of_handshake {
            self.text(Key::DroppedReason, reason.as_str());
            self.truth(Key::DroppedOfSynack, of_synack);
            self.number(Key::DroppedCount, Some(segments));
        }
        if let Some(SegmentDrops { sender, reason, segments, .. }) = later {
            self.text(Key::DroppedSegmentsSender, sender.word());
            self.text(Key::DroppedSegmentsReason, reason.as_str());
            self.number(Key::DroppedSegmentsCount, Some(segments));
        }
    }

    /// Adds the ends of a connection, and the processes on this host.
    pub(super) fn ends(&mut self, client: &End<'_>, server: &End<'_>) {
        self.text(Key::Transport, "tcp");
        self.text(Key::NetworkType, if client.addr.is_ipv4() { "ipv4" } else { "ipv6" });
        self.text(Key::ClientAddress, client.addr.to_string());
        self.number(Key::ClientPort, client.port);
        self.text(Key::ServerAddress, server.addr.to_string());
        self.number(Key::ServerPort, server.port);
        let here = Here::of(client, server);
        self.text(Key::Role, here.word());
        match here {
            Here::Client => self.local_and_peer(client, server),
            Here::Server => self.local_and_peer(server, client),
            Here::Both | Here::Neither => {}
        }
        match here {
            Here::Client | Here::Neither => self.process(client, &OWN),
            Here::Server => self.process(server, &OWN),
            Here::Both => {
                self.process(client, &OWN);
                self.process(server, &OF_SERVER);
            }
        }
        for (end, unit, netns_name) in
            [(client, Key::ClientUnit, Key::ClientNetnsName), (server, Key::ServerUnit, Key::ServerNetnsName)]
        {
            self.text_if(unit, end.cgroup.and_then(|cgroup| cgroup.unit.as_deref()));
            self.text_if(netns_name, end.netns_name);
        }
    }

    fn local_and_peer(&mut self, local: &End<'_>, peer: &End<'_>) {
        self.text(Key::LocalAddress, local.addr.to_string());
        self.number(Key::LocalPort, local.port);
        self.text(Key::PeerAddress, peer.addr.to_string());
        self.number(Key::PeerPort, peer.port);
    }

    fn process(&mut self, end: &End<'_>, keys: &ProcessKeys) {
        self.number(keys.pid, end.pid);
        self.comm(keys.name, end.comm);
        self.comm(keys.thread, end.thread);
        self.number(keys.user, end.uid);
        let Some(cgroup) = end.cgroup else { return };
        self.text(keys.cgroup, cgroup.path.as_str());
        let Some(container) = &cgroup.container else { return };
        self.text(keys.container_id, container.id.as_str());
        self.text_if(keys.container_name, container.name.as_deref());
        self.word(keys.container_runtime, container.runtime);
        self.text_if(keys.pod_name, container.pod.as_deref());
        self.text_if(keys.pod_uid, container.pod_uid.as_deref());
    }

    /// Adds the name of a process or a thread in its JSON form.
    fn comm(&mut self, key: Key, comm: Option<Comm>) {
        if let Some(comm) = comm {
            self.text(key, String::from_utf8_lossy(comm.bytes()));
        }
    }

    /// Adds the context that all verdicts have.
    pub(super) fn context(&mut self, context: &Context) {
        self.text_if(Key::NetnsName, context.netns_name.as_deref());
        if let Some(id) = context.community_id.and_then(|id| id.text()) {
            self.text(Key::CommunityId, id.as_str());
        }
        self.text(Key::Severity, <&str>::from(context.severity));
    }

    /// Adds the cause of a reset.
    pub(super) fn reset(&mut self, reset: Option<Reset>) {
        if let Some(reset) = reset {
            self.text(Key::ResetBy, reset.by.word());
            self.text(Key::ResetCause, <&str>::from(reset.cause));
        }
    }
}

/// Returns an attribute of any name.
pub(super) fn key_value(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

/// An end of a connection: the fields that verdicts of every kind have.
#[derive(Debug)]
pub(super) struct End<'a> {
    addr: IpAddr,
    port: Option<u16>,
    netns: Option<u32>,
    netns_name: Option<&'a str>,
    pid: Option<u32>,
    comm: Option<Comm>,
    thread: Option<Comm>,
    uid: Option<u32>,
    cgroup: Option<&'a Cgroup>,
}

impl<'a> From<&'a HandshakeEnd> for End<'a> {
    fn from(end: &'a HandshakeEnd) -> Self {
        let HandshakeEnd { addr, port, netns, pid, comm, thread, uid, .. } = *end;
        let (netns_name, cgroup) = (end.netns_name.as_deref(), end.cgroup.as_deref());
        Self { addr, port, netns, netns_name, pid, comm, thread, uid, cgroup }
    }
}

impl<'a> From<&'a CloseEnd> for End<'a> {
    fn from(end: &'a CloseEnd) -> Self {
        let CloseEnd { addr, port, netns, pid, comm, thread, uid, .. } = *end;
        let (netns_name, cgroup) = (end.netns_name.as_deref(), end.cgroup.as_deref());
        Self { addr, port, netns, netns_name, pid, comm, thread, uid, cgroup }
    }
}

/// The ends whose sockets are on this host, as in the metrics.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Here {
    /// Only the client's.
    Client,
    /// Only the server's.
    Server,
    /// Both.
    Both,
    /// None.
    Neither,
}

impl Here {
    /// Returns the ends that are here.
    pub(super) fn of(client: &End<'_>, server: &End<'_>) -> Self {
        match (client.netns, server.netns) {
            (Some(_), Some(_)) => Self::Both,
            (Some(_), None) => Self::Client,
            (None, Some(_)) => Self::Server,
            (None, None) => Self::Neither,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
            Self::Both => "both",
            Self::Neither => "none",
        }
    }
}

/// The names of a process's attributes.
struct ProcessKeys {
    pid: Key,
    name: Key,
    thread: Key,
    user: Key,
    cgroup: Key,
    container_id: Key,
    container_name: Key,
    container_runtime: Key,
    pod_name: Key,
    pod_uid: Key,
}

/// The process on this host: the client's, if both are.
const OWN: ProcessKeys = ProcessKeys {
    pid: Key::ProcessPid,
    name: Key::ProcessName,
    thread: Key::ThreadName,
    user: Key::ProcessUser,
    cgroup: Key::ProcessCgroup,
    container_id: Key::ContainerId,
    container_name: Key::ContainerName,
    container_runtime: Key::ContainerRuntime,
    pod_name: Key::PodName,
    pod_uid: Key::PodUid,
};

/// The server's process, if the client's is on this host, too.
const OF_SERVER: ProcessKeys = ProcessKeys {
    pid: Key::ServerPid,
    name: Key::ServerComm,
    thread: Key::ServerThread,
    user: Key::ServerUid,
    cgroup: Key::ServerCgroup,
    container_id: Key::ServerContainerId,
    container_name: Key::ServerContainerName,
    container_runtime: Key::ServerContainerRuntime,
    pod_name: Key::ServerPodName,
    pod_uid: Key::ServerPodUid,
};
