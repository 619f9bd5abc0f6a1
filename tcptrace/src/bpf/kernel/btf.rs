//! What the running kernel's BTF tells: where the members of its structures lie, the numbers of its enumerators, and the
//! arguments of its tracepoints.

use btf_rs::{Backend, Btf, BtfType, EnumMember, Member, Struct, Type};
use tcptrace_ebpf::{ABSENT, HintLayout, SOCKET_HEAD, SocketLayout};

/// Where the kernel describes its types.
const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// Why something could not be found.
#[derive(Debug, thiserror::Error)]
pub(in crate::bpf) enum BtfError {
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
    #[error("it knows no tracepoint {0}")]
    NoTracepoint(&'static str),
    #[error("the tracepoint {0} has other arguments than expected")]
    Arguments(&'static str),
}

/// The running kernel's types.
pub(in crate::bpf) struct KernelTypes(Btf);

impl KernelTypes {
    /// Reads them.
    pub(in crate::bpf) fn read() -> Result<Self, BtfError> {
        // Kernels from 6.16 on let the file be mapped: then only what is looked for is read. On others it is read at once,
        // since the library would do that in tens of thousands of small reads.
        match Btf::from_file_with_backend(VMLINUX, Backend::Mmap) {
            Ok(btf) => Ok(Self(btf)),
            Err(_) => Ok(Self(Btf::from_bytes(&std::fs::read(VMLINUX)?)?)),
        }
    }

    /// Where the members of a socket lie.
    pub(in crate::bpf) fn socket_layout(&self) -> Result<SocketLayout, BtfError> {
        let common = |member| self.offset("sock_common", member);
        let layout = SocketLayout {
            daddr: common("skc_daddr")?,
            rcv_saddr: common("skc_rcv_saddr")?,
            dport: common("skc_dport")?,
            num: common("skc_num")?,
            family: common("skc_family")?,
            net: common("skc_net")?,
            v6_daddr: common("skc_v6_daddr")?,
            v6_rcv_saddr: common("skc_v6_rcv_saddr")?,
            protocol: self.offset("sock", "sk_protocol")?,
            err: self.offset("sock", "sk_err")?,
            sport: self.offset("inet_sock", "inet_sport")?,
            net_inum: self.offset("net", "ns")? + self.offset("ns_common", "inum")?,
            task_flags: self.offset("task_struct", "flags")?,
            dst_cache: self.offset("sock", "sk_dst_cache")?,
            dst_dev: self.offset("dst_entry", "dev")?,
            dev_ifindex: self.offset("net_device", "ifindex")?,
            flags: common("skc_flags")?,
            linger_bit: self.enumerator("sock_flags", "SOCK_LINGER")?,
            lingertime: self.offset("sock", "sk_lingertime")?,
            copied_seq: self.offset("tcp_sock", "copied_seq")?,
            rcv_nxt: self.offset("tcp_sock", "rcv_nxt")?,
            done_bit: self.enumerator("sock_flags", "SOCK_DONE")?,
            socket: self.offset("sock", "sk_socket")?,
            // Not where MPTCP was left out, or is not there yet (before Linux 5.6).
            is_mptcp: self.offset("tcp_sock", "is_mptcp").unwrap_or(ABSENT),
            // It moved with Linux 5.16, and only helps where a socket has no route.
            rx_ifindex: self
                .offset("sock", "sk_rx_dst_ifindex")
                .or_else(|_| self.offset("inet_sock", "rx_dst_ifindex"))
                .unwrap_or(ABSENT),
        };
        let head = [
            (layout.daddr, 4, 4),
            (layout.rcv_saddr, 4, 4),
            (layout.dport, 2, 2),
            (layout.num, 2, 2),
            (layout.family, 2, 2),
            (layout.net, 8, 8),
            (layout.v6_daddr, 16, 8),
            (layout.v6_rcv_saddr, 16, 8),
            (layout.flags, 8, 8),
        ];
        within_head(&head).then_some(layout).ok_or(BtfError::Unexpected)
    }

    /// What the programs of hints read besides; `has_reason` as the tracepoint has it.
    pub(in crate::bpf) fn hint_layout(&self, has_reason: bool) -> Result<HintLayout, BtfError> {
        let layout = HintLayout {
            state: self.offset("sock_common", "skc_state")?,
            bound_dev: self.offset("sock_common", "skc_bound_dev_if")?,
            ack_backlog: self.offset("sock", "sk_ack_backlog")?,
            max_ack_backlog: self.offset("sock", "sk_max_ack_backlog")?,
            head: self.offset("sk_buff", "head")?,
            network_header: self.offset("sk_buff", "network_header")?,
            transport_header: self.offset("sk_buff", "transport_header")?,
            iif: self.offset("sk_buff", "skb_iif")?,
            dev: self.offset("sk_buff", "dev")?,
            dev_net: self.offset("net_device", "nd_net")?,
            has_reason: u32::from(has_reason),
        };
        let head = [(layout.state, 1, 1), (layout.bound_dev, 4, 4)];
        within_head(&head).then_some(layout).ok_or(BtfError::Unexpected)
    }

    /// The types of a tracepoint's arguments, by their names without qualifiers and with pointers looked through.
    pub(in crate::bpf) fn arguments(&self, tracepoint: &'static str) -> Result<Vec<String>, BtfError> {
        let Self(btf) = self;
        let prototype = |found| {
            let Type::Typedef(found) = found else { return None };
            let Type::Ptr(pointer) = btf.resolve_chained_type(&found).ok()? else { return None };
            let Type::FuncProto(prototype) = btf.resolve_chained_type(&pointer).ok()? else { return None };
            Some(prototype)
        };
        let found = btf.resolve_types_by_name(&format!("btf_trace_{tracepoint}")).unwrap_or_default();
        let prototype = found.into_iter().find_map(prototype).ok_or(BtfError::NoTracepoint(tracepoint))?;
        // The first is the kernel's own, for whom it calls.
        Ok(prototype.parameters.iter().skip(1).map(|parameter| self.name_behind(parameter)).collect())
    }

    /// Enumerators by their names, none where there is no such enumeration.
    pub(in crate::bpf) fn enumerators(&self, name: &str) -> Vec<(String, u32)> {
        let Self(btf) = self;
        let found = btf.resolve_types_by_name(name).unwrap_or_default().into_iter();
        let members = found.filter_map(|found| if let Type::Enum(found) = found { Some(found.members) } else { None });
        let named = |member: EnumMember| Some((btf.resolve_name(&member).ok()?, member.val()));
        members.flatten().filter_map(named).collect()
    }

    /// The name of the type behind pointers and qualifiers; empty where it has none.
    fn name_behind(&self, typed: &dyn BtfType) -> String {
        let Self(btf) = self;
        let mut chain = btf.chained_type_iter(typed);
        let named = chain.find(|found| !matches!(found, Type::Ptr(_) | Type::Const(_) | Type::TypeTag(_)));
        let name = named.and_then(|named| btf.resolve_name(named.as_btf_type()?).ok());
        name.unwrap_or_default()
    }

    /// The offset in bytes of a member that has to exist.
    fn offset(&self, structure: &'static str, member: &'static str) -> Result<u32, BtfError> {
        let Self(btf) = self;
        let found = btf
            .resolve_types_by_name(structure)
            .unwrap_or_default()
            .into_iter()
            .find_map(|found| if let Type::Struct(found) = found { Some(found) } else { None })
            .ok_or(BtfError::NoStruct(structure))?;
        offset_in(btf, &found, member).map(|bits| bits / 8).ok_or(BtfError::NoMember(structure, member))
    }

    /// The value of an enumerator that has to exist.
    fn enumerator(&self, name: &'static str, wanted: &'static str) -> Result<u32, BtfError> {
        let mut all = self.enumerators(name).into_iter();
        all.find_map(|(name, value)| (name == wanted).then_some(value)).ok_or(BtfError::NoMember(name, wanted))
    }
}

/// The kernel programs read these (offset, size, alignment) from a copy of the first bytes, so they have to lie within and
/// be aligned.
fn within_head(members: &[(u32, u32, u32)]) -> bool {
    members
        .iter()
        .all(|&(offset, size, align)| offset.saturating_add(size) <= SOCKET_HEAD as u32 && offset % align == 0)
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

    #[test]
    fn members_have_to_lie_within_the_head_that_is_read() {
        assert!(within_head(&[(0, 4, 4), (12, 2, 2), (48, 8, 8), (72, 16, 8)]));
        assert!(!within_head(&[(0, 4, 4), (92, 16, 4)]));
        assert!(!within_head(&[(u32::MAX, 8, 1)]));
    }

    #[test]
    fn members_have_to_be_aligned() {
        assert!(!within_head(&[(44, 8, 8)]));
    }

    #[test]
    fn what_is_no_btf_is_an_error() {
        assert!(Btf::from_bytes(b"no BTF at all").is_err());
    }
}
