//! Synchronise append-only event streams between devices.
//!
#![cfg_attr(all(feature = "redb", feature = "tcp", feature = "crdt"), doc = "```")]
#![cfg_attr(not(all(feature = "redb", feature = "tcp", feature = "crdt")), doc = "```ignore")]
//! use gossip::{Coordinator, From, PnCounter, RedbStore, TcpTransport};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #   let directory = tempfile::tempdir()?;
//! #   std::env::set_current_dir(directory.path())?;
//!     let node = Coordinator::builder()
//!         .store(RedbStore::open("data")?)                    // default: memory
//!         .transport(TcpTransport::listen("127.0.0.1:0"))     // any number of them
//!         .build().await?;
//!     node.start().await?;
//!     node.connect("tcp://127.0.0.1:7400").await?;            // and again whenever the link is lost
//!
//!     let channel = node.channel("project-1").await?;         // create or open; never wipes
//!     let notes = channel.stream("notes").await?;
//!     let id = notes.append("Hello!").await?;                 // durable when it returns
//!     let mut live = notes.subscribe(From::Start).await?;     // history first, then live
//!     let entry = live.next().await.transpose()?;
//!     assert_eq!(entry.map(|entry| entry.id()), Some(id));
//!
//!     let votes = channel.stream("votes").await?;
//!     votes.append(PnCounter::add(1)).await?;
//!     let total = votes.view(PnCounter).await?;               // folds entries into state
//!     total.wait_for(|n| *n >= 1).await?;
//!     node.shutdown().await?;
//!     Ok(())
//! }
//! ```
//!
//! Everything an application needs is here: the handles and plugin contracts of `gossip-core` at
//! the root, and one module per feature with the plugins.
//!
//! | feature | module | short names at the root |
//! |---|---|---|
//! | `memory` (default) | [`memory_store`], [`memory_network`] | `MemoryStore`, `MemoryNetwork` |
//! | `redb` (default) | [`redb`] | `RedbStore` |
//! | `rocksdb` | [`rocksdb`] | `RocksdbStore` |
//! | `tcp` (default) | [`tcp`] | `TcpTransport` |
//! | `crdt` (default) | [`crdt`] | `GCounter`, `PnCounter`, `LwwRegister`, `LwwMap` |
//! | `full` | all of them | |

pub use gossip_core::*;

#[cfg(feature = "crdt")]
pub use gossip_materializers_crdt::{self as crdt, GCounter, LwwMap, LwwRegister, PnCounter};
#[cfg(feature = "redb")]
pub use gossip_store_redb::{self as redb, RedbStore};
#[cfg(feature = "rocksdb")]
pub use gossip_store_rocksdb::{self as rocksdb, RocksdbStore};
#[cfg(feature = "tcp")]
pub use gossip_transport_tcp::{self as tcp, TcpTransport};
#[cfg(feature = "memory")]
pub use {
    gossip_store_memory::{self as memory_store, MemoryStore},
    gossip_transport_memory::{self as memory_network, MemoryNetwork},
};

// Keeps the samples in the README true.
#[cfg(all(doctest, feature = "memory", feature = "redb", feature = "tcp", feature = "crdt"))]
#[doc = include_str!("../../README.md")]
struct Readme;
