//! What all tasks of a port hold.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use gossip_core::LocalNode;
use tokio::task::{AbortHandle, JoinSet};

use crate::TcpOptions;
use crate::hello::Hello;
use crate::inbox::Inbox;
use crate::links::Links;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) local: LocalNode,
    pub(crate) options: TcpOptions,
    pub(crate) inbox: Inbox,
    pub(crate) links: Links,
    connections: AtomicU64,
    /// None once the port is closing.
    tasks: Mutex<Option<JoinSet<()>>>,
}

impl Shared {
    pub(crate) fn new(local: LocalNode, options: TcpOptions, inbox: Inbox) -> Self {
        let links = Links::new(options.max_links);
        let (connections, tasks) = (AtomicU64::new(0), Mutex::new(Some(JoinSet::new())));
        Self { local, options, inbox, links, connections, tasks }
    }

    /// What we say on a connection with this number.
    pub(crate) fn hello(&self, connection: u64) -> Hello {
        Hello {
            id: self.local.id.clone(),
            instance: self.local.instance,
            connection,
            max_frame: self.options.max_frame,
            keepalive_ms: self.options.keepalive_ms,
        }
    }

    /// Numbers a connection that we dial, and seeds what differs between them.
    pub(crate) fn next_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Runs a task that ends with the port; none once the port is closing.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> Option<AbortHandle> {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        let tasks = tasks.as_mut()?;
        while tasks.try_join_next().is_some() {}
        Some(tasks.spawn(task))
    }

    /// Takes all tasks, to end them; no more can begin.
    pub(crate) fn take_tasks(&self) -> Option<JoinSet<()>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
