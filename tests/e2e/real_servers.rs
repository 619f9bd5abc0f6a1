//! Troubles as servers of the distribution have them: each test plays one, and reads what a person does within ten seconds:
//! the line of `-o list`, and the advice of the ladders.

mod collector;
mod hosts;
mod idle;
mod leaking;
mod program;
mod queues;
mod stuck;
mod watch;
mod workers;
