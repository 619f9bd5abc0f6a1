//! Where the members of a socket lie in the running kernel, from its BTF.

use btf_rs::{Backend, Btf, EnumMember, Member, Struct, Type};
use tcptrace_ebpf::{ABSENT, SocketLayout};

/// Where the kernel describes its types.
const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// The part of `struct sock_common` that the kernel program reads at once, in bytes.
const HEAD: u32 = 96;

/// Why the socket layout could not be found.
#[derive(Debug, thiserror::Error)]
pub(super) enum BtfError {
    #[error("cannot read {VMLINUX}: {0}")]
    Unreadable(#[from] std::io::Error),
    #[error("cannot understand {VMLINUX}: {0}")]
    Unknown(#[from] btf_rs::Error),
    #[error("struct {0} is not in it")]
    NoStruct(&'static str),
    #[error("struct {0} has no member {1}")]
    NoMember(&'static str, &'static str),
    #[error("struct sock_common is laid out in a way that is not expected")]
    Unexpected,
}

/// Finds the layout of the running kernel.
pub(super) fn socket_layout() -> Result<SocketLayout, BtfError> {
    // Kernels from 6.16 on let the file be mapped: then only what is looked for is read. On others it is read at once,
    // since the library would do that in tens of thousands of small reads.
    let btf = match Btf::from_file_with_backend(VMLINUX, Backend::Mmap) {
        Ok(btf) => btf,
        Err(_) => Btf::from_bytes(&std::fs::read(VMLINUX)?)?,
    };
    layout(&btf)
}

fn layout(btf: &Btf) -> Result<SocketLayout, BtfError> {
    let common = |member| required(btf, "sock_common", member);
    let layout = SocketLayout {
        daddr: common("skc_daddr")?,
        rcv_saddr: common("skc_rcv_saddr")?,
        dport: common("skc_dport")?,
        family: common("skc_family")?,
        net: common("skc_net")?,
        v6_daddr: common("skc_v6_daddr")?,
        v6_rcv_saddr: common("skc_v6_rcv_saddr")?,
        protocol: required(btf, "sock", "sk_protocol")?,
        err: required(btf, "sock", "sk_err")?,
        sport: required(btf, "inet_sock", "inet_sport")?,
        net_inum: required(btf, "net", "ns")? + required(btf, "ns_common", "inum")?,
        task_flags: required(btf, "task_struct", "flags")?,
        dst_cache: required(btf, "sock", "sk_dst_cache")?,
        dst_dev: required(btf, "dst_entry", "dev")?,
        dev_ifindex: required(btf, "net_device", "ifindex")?,
        flags: common("skc_flags")?,
        linger_bit: enumerator(btf, "sock_flags", "SOCK_LINGER")?,
        lingertime: required(btf, "sock", "sk_lingertime")?,
        copied_seq: required(btf, "tcp_sock", "copied_seq")?,
        rcv_nxt: required(btf, "tcp_sock", "rcv_nxt")?,
        pad: 0,
        // It moved with Linux 5.16, and only helps where a socket has no route.
        rx_ifindex: required(btf, "sock", "sk_rx_dst_ifindex")
            .or_else(|_| required(btf, "inet_sock", "rx_dst_ifindex"))
            .unwrap_or(ABSENT),
    };
    within_head(&layout).then_some(layout).ok_or(BtfError::Unexpected)
}

/// The kernel program reads these from a copy of the first bytes, so they have to lie within and be aligned.
fn within_head(layout: &SocketLayout) -> bool {
    let members = [
        (layout.daddr, 4, 4),
        (layout.rcv_saddr, 4, 4),
        (layout.dport, 2, 2),
        (layout.family, 2, 2),
        (layout.net, 8, 8),
        (layout.v6_daddr, 16, 8),
        (layout.v6_rcv_saddr, 16, 8),
    ];
    members.iter().all(|&(offset, size, align)| offset.saturating_add(size) <= HEAD && offset % align == 0)
}

/// The offset in bytes of a member that has to exist.
fn required(btf: &Btf, structure: &'static str, member: &'static str) -> Result<u32, BtfError> {
    let found = btf
        .resolve_types_by_name(structure)
        .unwrap_or_default()
        .into_iter()
        .find_map(|found| if let Type::Struct(found) = found { Some(found) } else { None })
        .ok_or(BtfError::NoStruct(structure))?;
    offset_in(btf, &found, member).map(|bits| bits / 8).ok_or(BtfError::NoMember(structure, member))
}

/// The value of an enumerator that has to exist.
fn enumerator(btf: &Btf, name: &'static str, wanted: &'static str) -> Result<u32, BtfError> {
    let value = |found| {
        let Type::Enum(found) = found else { return None };
        let is_wanted = |member: &&EnumMember| btf.resolve_name(*member).is_ok_and(|name| name == wanted);
        found.members.iter().find(is_wanted).map(EnumMember::val)
    };
    let found = btf.resolve_types_by_name(name).unwrap_or_default().into_iter().find_map(value);
    found.ok_or(BtfError::NoMember(name, wanted))
}

/// The offset in bits of a member, looked for in anonymous members too.
fn offset_in(btf: &Btf, structure: &Struct, wanted: &str) -> Option<u32> {
    structure.members.iter().find_map(|member| {
        let inner = match btf.resolve_name(member) {
            Ok(name) if name == wanted => Some(0),
            Ok(name) if name.is_empty() => anonymous(btf, member, wanted),
            _ => None,
        };
        Some(member.bit_offset() + inner?)
    })
}

fn anonymous(btf: &Btf, member: &Member, wanted: &str) -> Option<u32> {
    let mut found = btf.resolve_chained_type(member).ok()?;
    loop {
        found = match &found {
            Type::Struct(inner) | Type::Union(inner) => return offset_in(btf, inner, wanted),
            Type::Const(other) => btf.resolve_chained_type(other).ok()?,
            _ => return None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plausible() -> SocketLayout {
        SocketLayout {
            daddr: 0,
            rcv_saddr: 4,
            dport: 12,
            family: 16,
            net: 48,
            v6_daddr: 56,
            v6_rcv_saddr: 72,
            ..tcptrace_ebpf::Config::EMPTY.socket
        }
    }

    #[test]
    fn members_have_to_lie_within_the_head_that_is_read() {
        assert!(within_head(&plausible()));
        assert!(!within_head(&SocketLayout { v6_daddr: 84, ..plausible() }));
        assert!(!within_head(&SocketLayout { net: u32::MAX, ..plausible() }));
    }

    #[test]
    fn members_have_to_be_aligned() {
        assert!(!within_head(&SocketLayout { net: 44, ..plausible() }));
    }

    #[test]
    fn what_is_no_btf_is_an_error() {
        assert!(Btf::from_bytes(b"no BTF at all").is_err());
    }
}
