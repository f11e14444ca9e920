//! Stores and transports that do what another does, with a test's hooks in between: to watch, delay
//! or fail single calls.
//!
//! | module | idea |
//! |---|---|
//! | `store` | [`StoreDouble`] asks [`StoreHooks`] before each call |
//! | `transport` | [`TransportDouble`] shows [`PortHooks`] what passes, and lets them alter what is sent |
//!
//! ```
//! # use std::sync::Arc;
//! # use async_trait::async_trait;
//! use gossip_core::{Fault, Store, StoreError, StoreResult};
//! use gossip_testkit::double::{StoreCall, StoreDouble, StoreHooks};
//!
//! struct FullDisk;
//!
//! #[async_trait]
//! impl StoreHooks for FullDisk {
//!     async fn before(&self, call: StoreCall<'_>) -> StoreResult<()> {
//!         match call {
//!             StoreCall::Commit(_) => Err(StoreError::new(Fault::Full, "committing", "as the test wishes")),
//!             _ => Ok(()),
//!         }
//!     }
//! }
//!
//! fn full_disk(store: impl Store) -> impl Store {
//!     StoreDouble::new(store, Arc::new(FullDisk))
//! }
//! ```

mod store;
mod transport;

pub use self::store::{StoreCall, StoreDouble, StoreHooks};
pub use self::transport::{PortHooks, TransportDouble};
