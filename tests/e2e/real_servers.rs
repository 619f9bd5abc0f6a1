//! Problems of servers of the distribution: each test causes one, and checks what a user sees within ten seconds: the line
//! of `-o list`, and the advice of the ladders.

mod collector;
mod hosts;
mod idle;
mod leaking;
mod program;
mod queues;
mod stuck;
mod watch;
mod workers;
