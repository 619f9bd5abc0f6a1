//! Decisions without branches. The kernel verifies every way through a program: each branch within a loop multiplies
//! them, and with them the time that loading the program takes.

/// Returns -1 if `number` is 0, otherwise a number from 0 on.
#[inline(always)]
pub(crate) fn negative_if_0(number: u32) -> i64 {
    opaque(i64::from(number)) - 1
}

/// Returns 1 if `number` is negative, otherwise 0.
#[inline(always)]
pub(crate) fn one_if_negative(number: i64) -> i64 {
    opaque((number.cast_unsigned() >> 63).cast_signed())
}

/// Returns a number of which all bits are 1 if `number` is negative, otherwise 0.
///
/// If it is combined with a constant by "and" or "or", newer kernels (6.18) verify that as if it were a branch.
#[inline(always)]
pub(crate) fn ones_if_negative(number: i64) -> i64 {
    opaque(number >> 63)
}

/// Returns the number. The compiler then knows nothing of it, and makes no branch of what is done with it.
#[inline(always)]
pub(crate) fn opaque(number: i64) -> i64 {
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
