use super::*;

const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const OTHER: &str = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";
const UID: &str = "7f1c4a2e-9b7d-4c55-8c5e-0f6f2f1b3a10";
const UNDERSCORES: &str = "7f1c4a2e_9b7d_4c55_8c5e_0f6f2f1b3a10";
const STATIC: &str = "0a1b2c3d4e5f60718293a4b5c6d7e8f9";

#[test]
fn a_container_is_told_in_short() {
    let text = |path: &str| Cgroup::of_path(path).container.map(|container| container.to_string());
    assert_eq!(text(&format!("/docker/{ID}")).as_deref(), Some("docker 0123456789ab"));
    assert_eq!(text("/lxc.payload.we\u{1b}b").as_deref(), Some("lxc we\\x1bb"));
    let in_pod = format!("/kubepods/burstable/pod{UID}/{ID}");
    assert_eq!(text(&in_pod), Some(format!("container 0123456789ab, pod {UID}")));
}

#[test]
fn paths_name_containers_pods_and_units() {
    use Runtime::{Containerd, CriO, Docker, Lxc, Podman};
    // Path; ID, runtime and pod of the container; unit.
    type Expected<'a> = (Option<(&'a str, Option<Runtime>, Option<&'a str>)>, Option<&'a str>);
    let known = |runtime| Some((ID, Some(runtime), None));
    let in_pod = |runtime| Some((ID, runtime, Some(UID)));
    let kubepods = "/kubepods.slice/kubepods-burstable.slice";
    let conmon = format!("libpod-conmon-{ID}.scope");
    let table: [(String, Expected<'_>); 33] = [
        ("/".into(), (None, None)),
        (String::new(), (None, None)),
        ("/init.scope".into(), (None, Some("init.scope"))),
        ("/system.slice/nginx.service".into(), (None, Some("nginx.service"))),
        ("/system.slice/system-getty.slice/getty@tty1.service".into(), (None, Some("getty@tty1.service"))),
        ("/user.slice/user-1000.slice/session-3.scope".into(), (None, Some("session-3.scope"))),
        (
            "/user.slice/user-1000.slice/user@1000.service/app.slice/app-firefox.scope".into(),
            (None, Some("app-firefox.scope")),
        ),
        ("/system.slice/nginx.service/workers".into(), (None, Some("nginx.service"))),
        ("/system.slice".into(), (None, None)),
        ("/.service".into(), (None, None)),
        (format!("/system.slice/docker-{ID}.scope"), (known(Docker), None)),
        (format!("/docker/{ID}"), (known(Docker), None)),
        (format!("/system.slice/docker-{ID}.scope/system.slice/sshd.service"), (known(Docker), Some("sshd.service"))),
        (format!("/system.slice/docker-{ID}.scope/init.scope"), (known(Docker), Some("init.scope"))),
        (format!("/system.slice/nerdctl-{ID}.scope"), (known(Containerd), None)),
        (
            format!("{kubepods}/kubepods-burstable-pod{UNDERSCORES}.slice/cri-containerd-{ID}.scope"),
            (in_pod(Some(Containerd)), None),
        ),
        (format!("/kubepods.slice/kubepods-pod{UNDERSCORES}.slice/crio-{ID}.scope"), (in_pod(Some(CriO)), None)),
        (
            format!("/kubepods.slice/kubepods-pod{UNDERSCORES}.slice/crio-{ID}.scope/container"),
            (in_pod(Some(CriO)), None),
        ),
        (format!("/kubepods.slice/kubepods-pod{UNDERSCORES}.slice/docker-{ID}.scope"), (in_pod(Some(Docker)), None)),
        (
            format!("{kubepods}/kubepods-burstable-pod{STATIC}.slice/cri-containerd-{ID}.scope"),
            (Some((ID, Some(Containerd), Some(STATIC))), None),
        ),
        (format!("/kubepods/burstable/pod{UID}/{ID}"), (in_pod(None), None)),
        (format!("/kubepods/besteffort/pod{UID}/{ID}"), (in_pod(None), None)),
        (format!("/kubepods/pod{UID}/crio-{ID}"), (in_pod(Some(CriO)), None)),
        (
            format!("/system.slice/containerd.service/kubepods-burstable-pod{UNDERSCORES}.slice:cri-containerd:{ID}"),
            (in_pod(Some(Containerd)), None),
        ),
        // A node in a container, as in kind: the innermost container counts.
        (
            format!(
                "/system.slice/docker-{OTHER}.scope/kubelet.slice/kubelet-kubepods.slice/\
            kubelet-kubepods-pod{UNDERSCORES}.slice/cri-containerd-{ID}.scope"
            ),
            (in_pod(Some(Containerd)), None),
        ),
        // The pod's pause process, or whatever else runs beside its containers.
        (format!("/kubepods/burstable/pod{UID}"), (None, None)),
        (format!("/machine.slice/libpod-{ID}.scope/container"), (known(Podman), None)),
        (format!("/libpod_parent/libpod-{ID}"), (known(Podman), None)),
        (format!("/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{ID}.scope"), (known(Podman), None)),
        (format!("/machine.slice/libpod-conmon-{ID}.scope"), (None, Some(&conmon))),
        ("/lxc.payload.web".into(), (Some(("web", Some(Lxc), None)), None)),
        ("/lxc/web/system.slice/nginx.service".into(), (Some(("web", Some(Lxc), None)), Some("nginx.service"))),
        ("/lxc.monitor.web".into(), (None, None)),
    ];
    for (path, (container, unit)) in table {
        let cgroup = Cgroup::of_path(&path);
        let found = cgroup.container.as_ref();
        let found = found.map(|found| (&*found.id, found.runtime, found.pod_uid.as_deref()));
        assert_eq!((found, cgroup.unit.as_deref()), (container, unit), "{path}");
        assert_eq!(cgroup.path, path);
    }
}
