//! Files as written by the runtimes, in a folder that takes the place of the root.

use tcptrace_core::event::Cgroup;

use super::*;

const UID: &str = "7f1c4a2e-9b7d-4c55-8c5e-0f6f2f1b3a10";

/// A folder that takes the place of the root, removed on drop.
struct Root(PathBuf);

impl Root {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("tcptrace-names-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        Self(folder)
    }

    fn with(self, path: &str, text: &str) -> Self {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a file");
        self
    }

    /// Returns the names of the container with this path, and of its pod.
    fn names(&self, path: &str) -> (Option<String>, Option<String>) {
        let mut container = Cgroup::of_path(path).container.expect("a container");
        complete(&mut container, &self.0);
        (container.name, container.pod)
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn id() -> String {
    "0123456789abcdef".repeat(4)
}

fn names(name: &str, pod: &str) -> (Option<String>, Option<String>) {
    let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    (known(name), known(pod))
}

#[test]
fn docker_has_a_file_for_each_container() {
    let id = id();
    let file = format!("{DOCKER}/{id}/config.v2.json");
    let docker = format!("/system.slice/docker-{id}.scope");
    let root = Root::new("docker").with(&file, r#"{"State":{"Pid":7},"ID":"x","Name":"/web"}"#);
    assert_eq!(root.names(&docker), names("web", ""));
    let root = root.with(&file, &format!(r#"{{"Name":"/k8s_api_shop-1_prod_{UID}_0"}}"#));
    let in_pod = format!("/kubepods.slice/kubepods-pod{}.slice/docker-{id}.scope", UID.replace('-', "_"));
    assert_eq!(root.names(&in_pod), names("api", "shop-1"));
    for damaged in ["", "[]", r#"{"Name":7}"#, r#"{"Name":""}"#, &format!(r#"{{"Name":"{}"}}"#, "x".repeat(254))] {
        assert_eq!(Root::new("damaged").with(&file, damaged).names(&docker), names("", ""), "{damaged}");
    }
}

#[test]
fn podman_and_cri_o_have_a_list() {
    let id = id();
    let list =
        |names: &str| format!(r#"[{{"id":"other","names":["no"]}},{{"id":"{id}","names":[{names}],"layer":"y"}}]"#);
    let path = format!("/machine.slice/libpod-{id}.scope/container");
    let file = |name: &str| format!("{}/{name}", STORAGE[0]);
    let root = Root::new("podman").with(&file("containers.json"), &list(r#""db","alias""#));
    assert_eq!(root.names(&path), names("db", ""));
    let root = Root::new("volatile").with(&file("containers.json"), "[]");
    let root = root.with(&file("volatile-containers.json"), &list(r#""once""#));
    assert_eq!(root.names(&path), names("once", ""));
    assert_eq!(Root::new("nameless").with(&file("containers.json"), &list("")).names(&path), names("", ""));
    let root = Root::new("crio").with(&file("containers.json"), &list(&format!(r#""k8s_web_shop_prod_{UID}_2""#)));
    let in_pod = format!("/kubepods.slice/kubepods-pod{}.slice/crio-{id}.scope", UID.replace('-', "_"));
    assert_eq!(root.names(&in_pod), names("web", "shop"));
}

#[test]
fn containerd_annotates_its_bundles() {
    let id = id();
    let bundle = |namespace: &str| format!("{}/{namespace}/{id}/config.json", CONTAINERD[0]);
    let kubernetes =
        r#"{"annotations":{"io.kubernetes.cri.container-name":"web","io.kubernetes.cri.sandbox-name":"shop"}}"#;
    let root = Root::new("containerd").with(&bundle("k8s.io"), kubernetes);
    let path = format!("/kubepods/burstable/pod{UID}/{id}");
    assert_eq!(root.names(&path), names("web", "shop"));
    let root = Root::new("nerdctl").with(&bundle("default"), r#"{"annotations":{"nerdctl/name":"db"}}"#);
    assert_eq!(root.names(&format!("/system.slice/nerdctl-{id}.scope")), names("db", ""));
    // No pod is in the path.
    let root = Root::new("beside").with(&bundle("k8s.io"), kubernetes);
    assert_eq!(root.names(&format!("/system.slice/cri-containerd-{id}.scope")), names("web", ""));
}

#[test]
fn the_kubelets_logs_name_what_no_runtime_does() {
    let id = id();
    let root = Root::new("kubelet")
        .with(&format!("{POD_LOGS}/prod_shop-5d4_{UID}/web/0.log"), "")
        .with(&format!("{POD_LOGS}/odd"), "")
        .with(&format!("{CONTAINER_LOGS}/shop-5d4_prod_web-app-{id}.log"), "")
        .with(&format!("{CONTAINER_LOGS}/{id}.log"), "");
    assert_eq!(root.names(&format!("/kubepods/besteffort/pod{UID}/{id}")), names("web-app", "shop-5d4"));
    let other = UID.replace('7', "8");
    assert_eq!(root.names(&format!("/kubepods/pod{other}/{}", "f".repeat(64))), names("", ""));
}

#[test]
fn where_there_are_no_files_the_id_is_all() {
    let root = Root::new("none");
    assert_eq!(root.names(&format!("/docker/{}", id())), names("", ""));
    // LXC's own name is its ID, and is not looked up in files.
    let mut container = Cgroup::of_path("/lxc.payload.web").container.expect("a container");
    complete(&mut container, &root.0);
    assert_eq!((container.name.as_deref(), container.pod), (Some("web"), None));
    assert!(folders().all(|folder| folder.is_absolute()));
}
