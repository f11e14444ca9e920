//! Over which transport and on which store a test runs.

/// Over which transport devices meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    Memory,
    Tcp,
}

/// Where they keep things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disk {
    Memory,
    Redb,
    #[cfg(feature = "rocksdb")]
    Rocksdb,
}

/// Runs each test over every pair of transport and store.
macro_rules! on_every_pair {
    ($($test:ident),* $(,)?) => { $(
        mod $test {
            use crate::world::{Disk, Wire, World};

            #[tokio::test]
            async fn memory_on_memory() { super::$test(World::new(Wire::Memory, Disk::Memory)).await }
            #[tokio::test]
            async fn memory_on_redb() { super::$test(World::new(Wire::Memory, Disk::Redb)).await }
            #[tokio::test]
            async fn tcp_on_memory() { super::$test(World::new(Wire::Tcp, Disk::Memory)).await }
            #[tokio::test]
            async fn tcp_on_redb() { super::$test(World::new(Wire::Tcp, Disk::Redb)).await }
            #[tokio::test]
            #[cfg(feature = "rocksdb")]
            async fn tcp_on_rocksdb() { super::$test(World::new(Wire::Tcp, Disk::Rocksdb)).await }
        }
    )* };
}

/// Runs each test over every transport.
macro_rules! on_every_wire {
    ($($test:ident),* $(,)?) => { $(
        mod $test {
            use crate::world::{Disk, Wire, World};

            #[tokio::test]
            async fn memory() { super::$test(World::new(Wire::Memory, Disk::Memory)).await }
            #[tokio::test]
            async fn tcp() { super::$test(World::new(Wire::Tcp, Disk::Memory)).await }
        }
    )* };
}

/// Runs each test on every store.
macro_rules! on_every_disk {
    ($($test:ident),* $(,)?) => { $(
        mod $test {
            use crate::world::{Disk, Wire, World};

            #[tokio::test]
            async fn memory() { super::$test(World::new(Wire::Memory, Disk::Memory)).await }
            #[tokio::test]
            async fn redb() { super::$test(World::new(Wire::Memory, Disk::Redb)).await }
            #[tokio::test]
            #[cfg(feature = "rocksdb")]
            async fn rocksdb() { super::$test(World::new(Wire::Memory, Disk::Rocksdb)).await }
        }
    )* };
}
