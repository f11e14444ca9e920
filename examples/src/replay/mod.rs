//! A real editing history, exchanged by processes that lose their link, and one its life.
//!
//! One process per person, each with a node of its own on TCP loopback and a durable store. In
//! the first third of the history they are linked, in the second they are not (and one may be
//! killed), in the last they are linked again. In the end all replicas must be equal to each
//! other, entry by entry, and to what each person wrote.
//!
//! How a node is used is all in [`player`]; the rest directs the play and checks it.
//!
//! | module | idea |
//! |---|---|
//! | [`player`] | one person's process: the only part that uses gossip |
//! | [`writer`] | appends with many in flight, paced or not |
//! | [`voice`] | gathers what a player tells |
//! | [`message`] | what conductor and players say to each other |
//! | [`payload`] | a transaction as bytes |
//! | [`cast`] | who plays whom |
//! | [`conductor`] | the three phases |
//! | [`stage`] | the running processes and waiting for them |
//! | [`process`] | one running process |
//! | [`relay`] | the wire between them, which can be cut |
//! | [`ledger`] | who wrote, sent, saw and holds what |
//! | [`replica`] | a replica as a text file, and its comparison with others |
//! | [`percentile`] | percentiles |
//! | [`progress`], [`report`] | what a person sees |

pub mod cast;
pub mod conductor;
mod error;
pub mod ledger;
pub mod message;
pub mod payload;
pub mod percentile;
pub mod player;
pub mod process;
pub mod progress;
pub mod relay;
pub mod replica;
pub mod report;
pub mod stage;
pub mod voice;
pub mod writer;

pub use self::error::ReplayError;
