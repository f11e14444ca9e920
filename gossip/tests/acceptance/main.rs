//! What an application relies on, through the public API of `gossip`: the behaviours and the defects
//! not to repeat that `docs/testing.md` lists, over every pair of transport and store where the pair
//! can matter.
//!
//! Tests never wait for time to pass: they wait for what they claim, and claims that nothing happened
//! are checked behind something that did.

#![cfg(all(feature = "memory", feature = "redb", feature = "tcp", feature = "crdt"))]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail at that place")]

mod cable;
mod device;
mod hand;
mod tap;
mod wait;
#[macro_use]
mod pairs;
mod world;

mod agree;
mod bad_input;
mod care;
mod channels;
mod choice;
mod clock;
mod data;
mod flow;
mod hostile;
mod identity;
mod lifecycle;
mod log;
mod members;
mod network;
mod partition;
mod peers;
mod retention;
mod seals;
mod slow;
mod storage;
mod sync;
mod views;
