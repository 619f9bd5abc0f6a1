//! A socket buffer that the kernel frees. Unlike in a TC program there is no context, so it is read from kernel memory.

use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use tcptrace_ebpf::{
    Skip,
    headers::{ETH_HEADER, Frame},
};

use crate::{kernel_memory::Memory as _, maps::setting};

/// The linear part of a buffer, from its network header.
pub(crate) struct DroppedBuffer {
    /// The `struct sk_buff`.
    address: u64,
    /// EtherType, in network order.
    protocol: u16,
    /// Beginning of its memory.
    head: u64,
    /// Offset of the network header from `head`.
    network: u32,
    /// Offset of the end of the linear part from `head`.
    end: u32,
}

impl DroppedBuffer {
    /// Returns the buffer at this address.
    ///
    /// # Errors
    /// [`Skip::Unreadable`] if that faults.
    #[inline(always)]
    pub(crate) fn of(address: u64) -> Result<Self, Skip> {
        Ok(Self {
            address,
            protocol: address.read(setting!(drops.protocol))?,
            head: address.read(setting!(hints.head))?,
            network: u32::from(address.read::<u16>(setting!(hints.network_header))?),
            end: address.read(setting!(drops.tail))?,
        })
    }
}

impl Frame for DroppedBuffer {
    #[inline(always)]
    fn protocol(&self) -> u16 {
        self.protocol
    }

    #[inline(always)]
    fn length(&self) -> u32 {
        // Where the buffer's data begins depends on the layer that dropped it.
        let Ok(length) = self.address.read::<u32>(setting!(drops.len)) else { return 0 };
        let Ok(data) = self.address.read::<u64>(setting!(drops.data)) else { return 0 };
        let behind_network = (data.wrapping_sub(self.head) as u32).wrapping_sub(self.network);
        length.wrapping_add(behind_network).wrapping_add(ETH_HEADER)
    }

    #[inline(always)]
    unsafe fn copy_linear(&self, offset: u32, to: *mut u8, len: u32) -> bool {
        // Beyond the linear part is other memory.
        let from = self.network + offset;
        // SAFETY: the helper checks the source, and the caller promises the destination.
        from + len <= self.end
            && unsafe { bpf_probe_read_kernel(to.cast(), len, (self.head + u64::from(from)) as *const _) == 0 }
    }

    #[inline(always)]
    unsafe fn copy_any(&self, _offset: u32, _to: *mut u8, _len: u32) -> bool {
        false
    }
}
