//! The modules that the tests need, and their dependencies.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::process;

/// Modules of the interfaces, queueing disciplines and packet filters that the tests create, and of the sockets that they
/// request. A kernel has some of them built in, or not at all; the kernel calls modprobe for missing ones.
const WANTED: [&str; 31] = [
    "8021q",
    "bridge",
    "cls_bpf",
    "cls_u32",
    "inet_diag",
    "mptcp_diag",
    "nf_conntrack",
    "nf_nat",
    "nf_reject_ipv4",
    "nf_reject_ipv6",
    "nf_tables",
    "nft_chain_nat",
    "nft_counter",
    "nft_ct",
    "nft_limit",
    "nft_masq",
    "nft_nat",
    "nft_numgen",
    "nft_redir",
    "nft_reject",
    "nft_reject_inet",
    "nft_reject_ipv4",
    "nft_reject_ipv6",
    "sch_ingress",
    "sch_netem",
    "sch_tbf",
    "sctp",
    "stp",
    "tcp_diag",
    "tun",
    "veth",
];

/// A module in the form that the kernel loads.
pub(crate) struct Module {
    /// Its path below the folder of the kernel's modules.
    pub(crate) place: PathBuf,
    /// Its content, uncompressed.
    pub(crate) content: Vec<u8>,
}

/// Returns the wanted modules of a kernel with all their dependencies.
pub(crate) fn collect(folder: &Path) -> Result<Vec<Module>> {
    let mut files = BTreeMap::new();
    list(&folder.join("kernel"), &mut files).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut modules = Vec::new();
    let mut wanted: Vec<String> = WANTED.map(str::to_owned).into();
    while let Some(name) = wanted.pop() {
        // Not in a file: built in, missing, or added already.
        let Some(file) = files.remove(&name) else { continue };
        let content = read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        wanted.extend(dependencies(&content));
        let place = file.strip_prefix(folder)?.with_extension("");
        modules.push(Module { place: place.with_extension("ko"), content });
    }
    if modules.is_empty() {
        bail!("there are no modules in {}", folder.display());
    }
    Ok(modules)
}

/// Adds all modules below `folder` by name.
fn list(folder: &Path, files: &mut BTreeMap<String, PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            list(&path, files)?;
        } else if let Some((name, "ko" | "ko.xz")) = path.file_name().and_then(|name| name.to_str()?.split_once('.')) {
            files.insert(name.replace('-', "_"), path);
        }
    }
    Ok(())
}

/// Returns a module's content, which newer kernels compress.
fn read(file: &Path) -> Result<Vec<u8>> {
    if file.extension().is_some_and(|extension| extension == "xz") {
        return process::bytes(Command::new("xz").arg("-dc").arg(file));
    }
    Ok(fs::read(file)?)
}

/// Returns the modules that a module depends on: `depends=a,b` among its strings, each of which ends with a zero byte.
fn dependencies(content: &[u8]) -> Vec<String> {
    let depends = content.split(|&byte| byte == 0).find_map(|text| text.strip_prefix(b"depends="));
    let depends = String::from_utf8_lossy(depends.unwrap_or_default()).into_owned();
    depends.split(',').filter(|name| !name.is_empty()).map(|name| name.replace('-', "_")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_module_depends_on() {
        assert_eq!(dependencies(b"\x7fELF\0license=GPL\0depends=nf_tables,nf-nat\0name=x\0"), ["nf_tables", "nf_nat"]);
        assert_eq!(dependencies(b"\0depends=\0"), Vec::<String>::new());
        assert_eq!(dependencies(b"\0"), Vec::<String>::new());
    }
}
