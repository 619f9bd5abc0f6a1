//! Decisions without branches. The kernel verifies every way through a program: each branch within a loop multiplies
//! them, and with them the time that loading the program takes.

/// Returns a negative number if `number` is 0, otherwise another one.
#[inline(always)]
pub(crate) fn negative_if_0(number: u32) -> i64 {
    opaque(i64::from(number)) - 1
}

/// Returns 1 if `number` is negative, otherwise 0, to be multiplied by.
///
/// A mask of all bits would serve as well, but newer kernels (6.18) verify it as a branch.
#[inline(always)]
pub(crate) fn one_if_negative(number: i64) -> i64 {
    opaque((number.cast_unsigned() >> 63).cast_signed())
}

/// Returns the number. The compiler then knows nothing of it, and makes no branch of what is done with it.
#[inline(always)]
fn opaque(number: i64) -> i64 {
    #[cfg(target_arch = "bpf")]
    {
        let mut number = number;
        // SAFETY: a register is copied to itself.
        unsafe { core::arch::asm!("{0} = {0}", inout(reg) number, options(pure, nomem, nostack)) };
        number
    }
    #[cfg(not(target_arch = "bpf"))]
    number
}
