//! The fields of `sock:inet_sock_set_state`, from the description in tracefs. The layout differs between kernels (in
//! some distributions, records begin with four more bytes), so no offset is assumed.

use tcptrace_ebpf::TracepointLayout;

/// Category of the tracepoint.
pub(in crate::bpf) const CATEGORY: &str = "sock";
/// Its name.
pub(in crate::bpf) const NAME: &str = "inet_sock_set_state";

/// A fault in the description of a tracepoint.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub(in crate::bpf) enum FormatError {
    #[error("the tracepoint {CATEGORY}:{NAME} has no field {0}")]
    Missing(&'static str),
    #[error("the tracepoint's field {field} has {found} bytes instead of {wanted}")]
    Size { field: &'static str, found: u32, wanted: u32 },
}

/// Finds the fields in the text of `events/sock/inet_sock_set_state/format`.
pub(in crate::bpf) fn layout(format: &str) -> Result<TracepointLayout, FormatError> {
    TracepointLayout::resolve(|field| offset(format, field.name, field.size))
}

/// Returns the offset of a field, from a line such as
/// `field:__u8 saddr_v6[16]; offset:40; size:16; signed:0;`, with tabs between.
fn offset(format: &str, name: &'static str, wanted: u32) -> Result<u32, FormatError> {
    let (offset, found) = format.lines().find_map(|line| described(line, name)).ok_or(FormatError::Missing(name))?;
    if found == wanted { Ok(offset) } else { Err(FormatError::Size { field: name, found, wanted }) }
}

/// Returns the offset and the size in bytes, if this line describes the field.
fn described(line: &str, name: &str) -> Option<(u32, u32)> {
    let mut parts = line.trim().split(';').map(str::trim);
    let declared = parts.next()?.strip_prefix("field:")?.rsplit([' ', '*']).next()?;
    if declared.split('[').next()? != name {
        return None;
    }
    let offset = parts.next()?.strip_prefix("offset:")?.parse().ok()?;
    let size = parts.next()?.strip_prefix("size:")?.parse().ok()?;
    Some((offset, size))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LINUX_6_1: &str = "name: inet_sock_set_state
ID: 1361
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

\tfield:const void * skaddr;\toffset:8;\tsize:8;\tsigned:0;
\tfield:int oldstate;\toffset:16;\tsize:4;\tsigned:1;
\tfield:int newstate;\toffset:20;\tsize:4;\tsigned:1;
\tfield:__u16 sport;\toffset:24;\tsize:2;\tsigned:0;
\tfield:__u16 dport;\toffset:26;\tsize:2;\tsigned:0;
\tfield:__u16 family;\toffset:28;\tsize:2;\tsigned:0;
\tfield:__u16 protocol;\toffset:30;\tsize:2;\tsigned:0;
\tfield:__u8 saddr[4];\toffset:32;\tsize:4;\tsigned:0;
\tfield:__u8 daddr[4];\toffset:36;\tsize:4;\tsigned:0;
\tfield:__u8 saddr_v6[16];\toffset:40;\tsize:16;\tsigned:0;
\tfield:__u8 daddr_v6[16];\toffset:56;\tsize:16;\tsigned:0;

print fmt: \"family=%s protocol=%s\"
";

    #[test]
    fn finds_every_field() {
        let expected = TracepointLayout {
            skaddr: 8,
            oldstate: 16,
            newstate: 20,
            sport: 24,
            dport: 26,
            protocol: 30,
            saddr_v6: 40,
            daddr_v6: 56,
        };
        assert_eq!(layout(LINUX_6_1), Ok(expected));
    }

    #[test]
    fn a_longer_common_part_moves_the_fields() {
        let moved = LINUX_6_1.replace("skaddr;\toffset:8;", "skaddr;\toffset:16;");
        assert_eq!(layout(&moved).map(|layout| layout.skaddr), Ok(16));
    }

    #[test]
    fn a_missing_field_is_named() {
        let short = LINUX_6_1.replace("newstate", "state");
        assert_eq!(layout(&short), Err(FormatError::Missing("newstate")));
    }

    #[test]
    fn a_field_of_another_size_is_refused() {
        let wide = LINUX_6_1.replace("__u16 protocol;\toffset:30;\tsize:2", "__u8 protocol;\toffset:30;\tsize:1");
        assert_eq!(layout(&wide), Err(FormatError::Size { field: "protocol", found: 1, wanted: 2 }));
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,200}", line in "(field:|offset:|size:|[a-z]|;|\\[|[0-9]|\t){0,40}") {
            let _any_answer = layout(&text);
            let _any_answer = layout(&line);
        }
    }
}
