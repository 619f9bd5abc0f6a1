//! docs/kubernetes.yaml: Kubernetes accepts it, and a container with its settings, from the image of docs/Containerfile,
//! reports the connections of a pod.

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};
use tcptrace_tests::{LIMIT, Netns, Podman, PublicCopy, Tracer, eventually, is_type, output, port, python};
use tempfile::TempDir;

use crate::namespaces::wait_covered;

const MANIFEST: &str = include_str!("../../docs/kubernetes.yaml");

/// Name of the container that traces.
const NAME: &str = "tt-tracer";

/// A port without a listener.
const NOBODY: u16 = 4926;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Pipes a text through a Python command.
#[track_caller]
fn pipe(arguments: &[&str], text: &str) -> Output {
    let mut command = python();
    let command = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("python3 can be started");
    child.stdin.take().expect("it is piped").write_all(text.as_bytes()).expect("it reads");
    child.wait_with_output().expect("it ends")
}

/// Returns the DaemonSet of the manifest.
#[track_caller]
fn daemon_set() -> Value {
    const TO_JSON: &str = "import json, sys, yaml; json.dump(list(yaml.safe_load_all(sys.stdin)), sys.stdout)";
    let Output { status, stdout, stderr } = pipe(&["-c", TO_JSON], MANIFEST);
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    let all: Vec<Value> = serde_json::from_slice(&stdout).expect("JSON");
    all.into_iter().find(|one| one["kind"] == "DaemonSet").expect("there is one")
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().map(|text| text.as_str().expect("a list of texts"))
}

/// Returns the faults of a manifest by Kubernetes' schemas, including unknown fields.
#[track_caller]
fn validate(manifest: &str) -> (bool, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("manifest.yaml");
    fs::write(&file, manifest).expect("a file can be written");
    let mut command = python();
    command.args(["-m", "kubernetes_validate", "--strict", "--kubernetes-version", "1.37"]).arg(file);
    let Output { status, stdout, stderr } = command.output().expect("python3 can be started");
    (status.success(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
}

#[test]
fn kubernetes_accepts_the_manifest() {
    let (accepted, said) = validate(MANIFEST);
    assert!(accepted && said.matches("passed").count() == 2, "{said}");
    let (accepted, said) = validate(&MANIFEST.replace("hostPID", "hostPid"));
    assert!(!accepted && said.contains("'hostPid' was unexpected"), "{said}");
}

#[test]
fn the_manifest_asks_for_the_capabilities_that_tracing_takes_and_for_this_version() {
    let daemon_set = daemon_set();
    let container = &daemon_set["spec"]["template"]["spec"]["containers"][0];
    let asked: BTreeSet<_> =
        texts(&container["securityContext"]["capabilities"]["add"]).map(|name| format!("CAP_{name}")).collect();
    let security = fs::read_to_string(root().join("SECURITY.md")).expect("a document");
    let (_, section) = security.split_once("\n## Capabilities\n").expect("a section");
    let needed = section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let needed = needed.filter(|line| !line.contains("| optional: "));
    let needed: BTreeSet<_> = needed
        .flat_map(|line| line.split(['|', ',', ' ']).filter(|word| word.starts_with("CAP_")))
        .map(str::to_owned)
        .collect();
    assert!(needed.len() > 4, "{needed:?}");
    assert_eq!(asked, needed);
    assert_eq!(container["image"], json!(format!("registry.example/tcptrace:{}", env!("CARGO_PKG_VERSION"))));
}

/// The folder that an archive is unpacked to, with the files that an image takes from it.
struct Unpacked(PublicCopy);

impl Unpacked {
    #[track_caller]
    fn new() -> Self {
        let copy = PublicCopy::new();
        for name in ["LICENSE-APACHE", "LICENSE-MIT"] {
            fs::copy(root().join(name), copy.path().with_file_name(name)).expect("a copy can be made");
        }
        Self(copy)
    }

    fn path(&self) -> &Path {
        self.0.path().parent().expect("a file lies in a folder")
    }
}

/// Returns the container of the manifest, as run by Podman: `node` replaces the node's files that the manifest mounts; files
/// that it lacks are this host's.
#[track_caller]
fn container(podman: &Podman, node: &TempDir, image: &str) -> Command {
    let daemon_set = daemon_set();
    let pod = &daemon_set["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let security = &container["securityContext"];
    let mut command = podman.run_image(NAME);
    for (field, options) in [
        (&pod["hostPID"], ["--pid", "host"].as_slice()),
        (&pod["hostNetwork"], &["--network", "host"]),
        (&security["readOnlyRootFilesystem"], &["--read-only", "--read-only-tmpfs=false"]),
    ] {
        assert_eq!(field, &json!(true), "{options:?}");
        command.args(options);
    }
    assert_eq!(security["privileged"], json!(false));
    // As in Kubernetes with only the unified hierarchy.
    command.args(["--cgroupns", "private"]);
    // Podman's own filter of system calls stays, which corresponds to `RuntimeDefault`.
    assert_eq!(security["seccompProfile"]["type"], json!("RuntimeDefault"));
    command.args(["--user", &security["runAsUser"].to_string()]);
    for (option, field) in [("--cap-drop", "drop"), ("--cap-add", "add")] {
        for name in texts(&security["capabilities"][field]) {
            command.args([option, name]);
        }
    }
    for mount in container["volumeMounts"].as_array().expect("a list") {
        let path = mount["mountPath"].as_str().expect("a path");
        assert_eq!(mount["readOnly"], json!(true), "{mount}");
        let on_node = node.path().join(path.trim_start_matches('/'));
        let from = if on_node.exists() { on_node } else { PathBuf::from(path) };
        command.args(["--volume", &format!("{}:{path}:ro", from.display())]);
    }
    command.arg(image);
    let address = container["env"][0]["name"].as_str().expect("the node's address has a name");
    let args = texts(&container["args"]).map(|arg| arg.replace(&format!("$({address})"), "127.0.0.1"));
    command.args(args);
    command
}

#[test]
fn its_container_tells_who_in_a_pod_was_refused() {
    const IMAGE: &str = "localhost/tcptrace:test";
    let (netns, folder) = (Netns::new(), Unpacked::new());
    let podman = Podman::new(&netns);
    podman.build(IMAGE, &root().join("docs/Containerfile"), folder.path());
    // As created by the kubelet: a link for each container of a pod.
    let node = tempfile::tempdir().expect("a folder");
    let links = node.path().join("var/log/containers");
    for folder in [&links, &node.path().join("var/log/pods")] {
        fs::create_dir_all(folder).expect("a folder can be made");
    }
    // A process keeps the pod's network, as Kubernetes' pause container does.
    let pod = netns.another();
    let pause = pod.start(Command::new("cat").stdin(Stdio::piped()));
    let network = format!("ns:/proc/{}/ns/net", pause.id());
    let id = podman.serve(80, &["--name", "tt-pod", "--network", &network]);
    symlink("nowhere", links.join(format!("shop-1_default_basket-{id}.log"))).expect("a link can be made");

    let mut command = container(&podman, &node, IMAGE);
    let tracer = Tracer::start_command(&netns, &mut command);
    wait_covered(&pod, "lo");
    let connect = podman.podman(&["exec", "tt-pod", "/bin/busybox", "nc", "127.0.0.1", &NOBODY.to_string()]).output();
    assert!(!connect.expect("Podman can be started").status.success(), "nobody listens");
    let refused = |record: &Value| is_type(record, "handshake") && port(record, "server") == Some(NOBODY);
    tracer.wait_for("a refused handshake", refused);
    let mut metrics = String::new();
    eventually("it is counted", LIMIT, || {
        metrics = netns.output(Command::new("curl").args(["--silent", "--fail", "http://127.0.0.1:9464/metrics"]));
        metrics.lines().any(|line| line.contains("_handshakes_total{") && line.contains(r#"outcome="refused""#))
    });
    output(&mut podman.podman(&["kill", "--signal", "TERM", NAME]));
    let trace = tracer.exited();

    assert!(trace.status.success(), "{:?}", trace.log);
    let handshake = trace.records.iter().find(|record| refused(record)).expect("it was there");
    // With its segments, which requires entering the pod's namespace, and with the facts in the node's files about its
    // process.
    assert_eq!((&handshake["outcome"], &handshake["missing"]), (&json!("refused"), &json!([])), "{handshake}");
    let client = &handshake["client"];
    let client_fields = [&client["comm"], &client["container"]["id"], &client["container"]["name"]];
    assert_eq!(client_fields, [&json!("busybox"), &json!(id), &json!("basket")], "{handshake}");
    trace.nothing_lost();
}
