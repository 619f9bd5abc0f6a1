//! The interface of kernel programs and user space: the records in the ring buffer, the settings that user space fills in
//! before it loads the programs, and the reasons for which programs skip a frame.

mod config;
mod held_socket;
mod record;
mod skip;

pub use config::{
    ABSENT, Config, DROP_REASONS, DropLayout, EventField, HeadMember, HintLayout, HolderLayout, KernelValue,
    MATCH_FAMILY_V4, MATCH_FAMILY_V6, MATCH_HOSTS, MATCH_INTERFACES, MATCH_LOCAL_PORTS, MATCH_NETNS, MATCH_PORTS,
    MATCH_REMOTE_PORTS, PENDING_SOCKETS, PF_EXITING, PF_KTHREAD, PORT_WORDS, PORTS_EITHER, PORTS_LOCAL, PORTS_REMOTE,
    Place, SEGMENTS_ALL, SEGMENTS_CONTROL, SEGMENTS_NONE, SOCKET_HEAD, SocketLayout, TracepointLayout, WATCHED_BUCKETS,
};
pub use held_socket::HeldSocket;
pub use record::{
    Address, CountedStateRecord, Counters, DIRECTION_IN, DIRECTION_OUT, DropRecord, FAMILY_V4, FAMILY_V6, FROM_SECOND,
    HINT_DEFER_ACCEPT, HINT_QUEUE_FULL, HINT_RETRANSMIT_SYNACK, HINT_SEND_RESET, HintRecord, IcmpRecord,
    KIND_COUNTED_STATE, KIND_DROP, KIND_HINT, KIND_ICMP, KIND_SEGMENT, KIND_STATE, LOST_SEGMENT, LOST_SOURCES,
    LOST_STATE, NO_COUNT, NO_ERROR_KNOWN, NO_REASON, NO_UID, PROOF_DEFERRED, PROOF_EXITING, PROOF_IN_GROUP,
    PROOF_LINGER, PROOF_LINGER2, PROOF_REPAIR, PROOF_RESTORED, PROOF_UNACCEPTED, PROOF_UNREAD, RecordHeader,
    SegmentRecord, StateRecord, TCP_HEADER_MAX, address, mapped,
};
pub use skip::Skip;
