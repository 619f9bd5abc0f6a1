//! The version of the running kernel.

/// Returns the first two numbers of the running kernel's version.
#[track_caller]
pub fn kernel_release() -> (u32, u32) {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("every kernel has a version");
    let mut numbers = release.split(|character: char| !character.is_ascii_digit()).map(str::parse);
    let mut number = || numbers.next().and_then(Result::ok).expect("a version begins with two numbers");
    (number(), number())
}
