//! Durable store on RocksDB.
