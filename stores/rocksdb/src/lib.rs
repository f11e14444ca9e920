//! Durable store on RocksDB.
mod crc32c;
mod engine;
mod fault;
mod open;
mod options;
mod reclaim;
mod tables;
mod tuning;
mod view;
mod wal;
pub use self::engine::RocksdbEngine;
pub use self::open::DIRECTORY_NAME;
pub use self::options::{Compression, RocksdbOptions};
pub use self::tuning::Settings;
pub use self::view::RocksdbView;
