//! Devices on a network: any transport, any store, any topology.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use gossip::{
    Builder, Config, Coordinator, Error, MemoryNetwork, MemoryStore, PortError, RedbStore, Store, StoreError,
    TcpTransport, Transport,
};
use tempfile::TempDir;

use crate::cable::{Cable, FarEnd};
pub(crate) use crate::device::{Device, Record, converge, holds, in_sync, merged, records, texts};
pub(crate) use crate::pairs::{Disk, Wire};
use crate::tap::Tap;
use crate::wait::eventually;

/// What a device keeps when its node ends.
#[derive(Clone)]
pub(crate) enum Shelf {
    Memory(MemoryStore),
    Redb(PathBuf),
    #[cfg(feature = "rocksdb")]
    Rocksdb(PathBuf),
}

impl Shelf {
    /// Opens it; waits while a node that was dropped still holds it.
    pub(crate) async fn open(&self) -> Arc<dyn Store> {
        match self {
            Self::Memory(store) => Arc::new(store.clone()),
            Self::Redb(path) => when_free(|| RedbStore::open(path)).await,
            #[cfg(feature = "rocksdb")]
            Self::Rocksdb(path) => when_free(|| gossip::RocksdbStore::open(path)).await,
        }
    }
}

/// Bounds of a node that links to whom a test links it, and to nobody else: chains stay chains.
pub(crate) fn keeping_to_itself() -> Config {
    let mut config = Config::default();
    config.node.peer_exchange = false;
    config
}

async fn when_free<S: Store>(open: impl Fn() -> Result<S, StoreError>) -> Arc<dyn Store> {
    let mut opened = None;
    eventually("the store can be opened", async || {
        opened = open().ok();
        opened.is_some()
    })
    .await;
    Arc::new(opened.unwrap())
}

struct Link {
    from: String,
    to: String,
    address: String,
    cable: Option<Cable>,
}

pub(crate) struct World {
    pub(crate) wire: Wire,
    pub(crate) disk: Disk,
    pub(crate) network: MemoryNetwork,
    /// Devices link to others they hear of, as they do by default.
    is_open: bool,
    directory: TempDir,
    ends: Mutex<BTreeMap<String, FarEnd>>,
    links: Mutex<Vec<Link>>,
}

impl World {
    pub(crate) fn new(wire: Wire, disk: Disk) -> Self {
        Self {
            wire,
            disk,
            network: MemoryNetwork::new(11),
            is_open: true,
            directory: tempfile::tempdir().unwrap(),
            ends: Mutex::default(),
            links: Mutex::default(),
        }
    }

    /// Nobody is linked but whom the test links: chains stay chains, and who is cut off from one stays so.
    pub(crate) fn only_linked(self) -> Self {
        Self { is_open: false, ..self }
    }

    /// What nodes are built with, unless a test wants something else.
    pub(crate) fn config(&self) -> Config {
        if self.is_open { Config::default() } else { keeping_to_itself() }
    }

    /// An empty place to keep things.
    pub(crate) fn shelf(&self, name: &str) -> Shelf {
        match self.disk {
            Disk::Memory => Shelf::Memory(MemoryStore::new()),
            Disk::Redb => Shelf::Redb(self.directory.path().join(name)),
            #[cfg(feature = "rocksdb")]
            Disk::Rocksdb => Shelf::Rocksdb(self.directory.path().join(name)),
        }
    }

    fn far_end(&self, name: &str) -> FarEnd {
        self.ends.lock().unwrap().entry(name.to_owned()).or_default().clone()
    }

    /// The recipe with which the device of this name reaches others.
    pub(crate) fn transport(&self, name: &str) -> Arc<dyn Transport> {
        match self.wire {
            Wire::Memory => Arc::new(self.network.transport(name)),
            Wire::Tcp => Arc::new(TcpTransport::listen("127.0.0.1:0")),
        }
    }

    /// A device with a started node.
    pub(crate) async fn device(&self, name: &str) -> Device {
        self.device_with(name, |builder| builder).await
    }

    pub(crate) async fn devices<const N: usize>(&self, names: [&str; N]) -> [Device; N] {
        let mut devices = Vec::new();
        for name in names {
            devices.push(self.device(name).await);
        }
        devices.try_into().ok().unwrap()
    }

    /// A device whose node is built with more than the defaults.
    pub(crate) async fn device_with(&self, name: &str, with: impl FnOnce(Builder) -> Builder) -> Device {
        self.device_on(name, self.shelf(name), with).await
    }

    /// A device on what is kept already.
    pub(crate) async fn device_on(
        &self,
        name: &str,
        shelf: Shelf,
        with: impl FnOnce(Builder) -> Builder,
    ) -> Device {
        let tap = Tap::new();
        let builder = Coordinator::builder()
            .shared_store(shelf.open().await)
            .transport(tap.on(self.transport(name)))
            .config(self.config())
            .seed(7);
        let builder = with(builder);
        let node = builder.build().await.unwrap();
        let device = Device { name: name.to_owned(), node, shelf, tap };
        self.start(&device).await;
        device
    }

    /// Starts a stopped device and dials again what it dialled before.
    pub(crate) async fn start(&self, device: &Device) {
        // A node that was dropped may still hold its name for a moment.
        eventually("the node starts", async || match device.node.start().await {
            Ok(()) => true,
            Err(Error::Port(PortError::Listen { .. })) => false,
            Err(error) => panic!("{error}"),
        })
        .await;
        self.reachable(device);
        for address in self.dialled_by(&device.name) {
            device.node.connect(&address).await.unwrap();
        }
    }

    fn reachable(&self, device: &Device) {
        let address = device.node.local_addresses().first().and_then(|at| at.rest().parse().ok());
        *self.far_end(&device.name).lock().unwrap() = address;
    }

    fn dialled_by(&self, name: &str) -> Vec<String> {
        let links = self.links.lock().unwrap();
        links.iter().filter(|link| link.from == name).map(|link| link.address.clone()).collect()
    }

    /// Shuts a device down and builds it anew on what it kept.
    pub(crate) async fn restart(&self, device: Device) -> Device {
        self.restart_with(device, |builder| builder).await
    }

    pub(crate) async fn restart_with(&self, device: Device, with: impl FnOnce(Builder) -> Builder) -> Device {
        device.node.shutdown().await.unwrap();
        self.revive(device, with).await
    }

    /// Drops a device without a shutdown and builds it anew on what it kept.
    pub(crate) async fn revive(&self, device: Device, with: impl FnOnce(Builder) -> Builder) -> Device {
        let Device { name, node, shelf, tap } = device;
        drop((node, tap));
        self.device_on(&name, shelf, with).await
    }

    /// Lets one device dial another; returns when each can be reached by the other.
    pub(crate) async fn link(&self, from: &Device, to: &Device) {
        let (address, cable) = match self.wire {
            Wire::Memory => (format!("memory:{}", to.name), None),
            Wire::Tcp => {
                let cable = Cable::lay(self.far_end(&to.name)).await;
                (cable.near(), Some(cable))
            }
        };
        from.node.connect(&address).await.unwrap();
        let (from_name, to_name) = (from.name.clone(), to.name.clone());
        self.links.lock().unwrap().push(Link { from: from_name, to: to_name, address, cable });
        from.reaches(to).await;
        to.reaches(from).await;
    }

    pub(crate) async fn chain(&self, devices: &[&Device]) {
        for pair in devices.windows(2) {
            self.link(pair[0], pair[1]).await;
        }
    }

    pub(crate) async fn ring(&self, devices: &[&Device]) {
        self.chain(devices).await;
        self.link(devices[devices.len() - 1], devices[0]).await;
    }

    /// The first is the hub.
    pub(crate) async fn star(&self, devices: &[&Device]) {
        for device in &devices[1..] {
            self.link(device, devices[0]).await;
        }
    }

    pub(crate) async fn mesh(&self, devices: &[&Device]) {
        for (at, device) in devices.iter().enumerate() {
            for other in &devices[at + 1..] {
                self.link(device, other).await;
            }
        }
    }

    /// Takes the link between two devices down; returns when both have noticed.
    pub(crate) async fn cut(&self, a: &Device, b: &Device) {
        self.network.cut_links(&a.name, &b.name);
        self.each_link(a, b, |link| _ = link.cable.as_ref().map(Cable::cut));
        a.loses(b).await;
        b.loses(a).await;
    }

    /// Mends what was cut; returns when both have noticed.
    pub(crate) async fn mend(&self, a: &Device, b: &Device) {
        self.network.restore_links(&a.name, &b.name);
        let mut dials = Vec::new();
        self.each_link(a, b, |link| {
            _ = link.cable.as_ref().map(Cable::mend);
            dials.push((link.from.clone(), link.address.clone()));
        });
        for (from, address) in dials {
            let from = if from == a.name { a } else { b };
            // Dialling anew spares the test the back-off.
            from.node.disconnect(&address).await.unwrap();
            from.node.connect(&address).await.unwrap();
        }
        a.reaches(b).await;
        b.reaches(a).await;
    }

    fn each_link(&self, a: &Device, b: &Device, act: impl FnMut(&Link)) {
        let links = self.links.lock().unwrap();
        let between = |link: &&Link| {
            (link.from == a.name && link.to == b.name) || (link.from == b.name && link.to == a.name)
        };
        links.iter().filter(between).for_each(act);
    }
}
