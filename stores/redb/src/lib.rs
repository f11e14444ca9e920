//! Durable store on redb.
