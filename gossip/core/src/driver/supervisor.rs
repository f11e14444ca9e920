//! Starts and stops: one task, one order at a time, so that calls from many tasks cannot mix.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gossip_proto::node::{Command, NodeState, Reply};
use gossip_proto::{NodeId, PeerRecord};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::JoinHandle;

use super::advertise::advertised;
use super::boot::random;
use super::dials::{Dials, Wish};
use super::links::{FAREWELL, FromPort, OpenPort, read};
use super::turn::Control;
use crate::handle::{Request, Shared, ask};
use crate::{Error, LocalNode, MessagePort, PeerAddr, PortError, Transport};

type Answer<T> = oneshot::Sender<Result<T, Error>>;

/// What handles ask of the supervisor.
pub(crate) enum Order {
    Start(Answer<()>),
    Stop(Answer<()>),
    Pause(Answer<()>),
    Resume(Answer<()>),
    Shutdown(Answer<()>),
    Connect(PeerAddr, Answer<()>),
    Disconnect(PeerAddr, Answer<()>),
    AddPeer(PeerRecord, Answer<bool>),
    RemovePeer(NodeId, Answer<bool>),
}

pub(super) struct Supervisor {
    pub(super) shared: Arc<Shared>,
    pub(super) transports: Vec<Arc<dyn Transport>>,
    pub(super) orders: mpsc::Receiver<Order>,
    pub(super) commands: mpsc::Sender<Request>,
    pub(super) control: mpsc::Sender<Control>,
    pub(super) frames: mpsc::Sender<FromPort>,
    pub(super) driver: JoinHandle<()>,
    /// Tasks that care for what is stored; they end with the state.
    pub(super) keepers: Vec<JoinHandle<()>>,
    pub(super) targets: Targets,
    pub(super) dials: Dials,
    /// There is a new link: ports may know better now where others reach this node.
    pub(super) linked: Arc<Notify>,
    /// Where others are told to dial this node.
    pub(super) advertised: Vec<String>,
    pub(super) readers: Vec<JoinHandle<()>>,
    pub(super) ports_opened: u64,
}

/// Addresses to dial at every start.
#[derive(Default)]
pub(super) struct Targets {
    pub(super) connected: BTreeSet<PeerAddr>,
    pub(super) peers: BTreeMap<NodeId, BTreeSet<PeerAddr>>,
}

impl Targets {
    fn all(&self) -> BTreeSet<PeerAddr> {
        self.connected.iter().chain(self.peers.values().flatten()).cloned().collect()
    }

    /// Notes a peer's addresses; gives those that nobody wants any more.
    pub(super) fn set_peer(&mut self, record: &PeerRecord) -> BTreeSet<PeerAddr> {
        let addresses = record.addresses.iter().filter_map(|address| address.parse().ok()).collect();
        let before = self.peers.insert(record.id.clone(), addresses).unwrap_or_default();
        before.difference(&self.all()).cloned().collect()
    }

    fn remove_peer(&mut self, peer: &NodeId) -> BTreeSet<PeerAddr> {
        let before = self.peers.remove(peer).unwrap_or_default();
        before.difference(&self.all()).cloned().collect()
    }
}

impl Supervisor {
    /// Takes orders until shutdown, or until the last handle was dropped.
    pub(super) async fn run(mut self) {
        loop {
            let order = tokio::select! {
                order = self.orders.recv() => order,
                wish = self.dials.next() => {
                    self.grant(wish).await;
                    continue;
                }
                () = self.linked.notified() => {
                    self.advertise().await;
                    continue;
                }
            };
            let (answer, last) = match order {
                Some(Order::Shutdown(answer)) => (Some(answer), true),
                None => (None, true),
                Some(order) => {
                    self.obey(order).await;
                    (None, false)
                }
            };
            if last {
                let result = self.shutdown().await;
                if let Some(answer) = answer {
                    let _ = answer.send(result);
                }
                return self.refuse_rest();
            }
        }
    }

    /// An answer nobody waits for any more is dropped.
    async fn obey(&mut self, order: Order) {
        match order {
            Order::Start(answer) => drop(answer.send(self.start().await)),
            Order::Stop(answer) => drop(answer.send(self.stop().await)),
            Order::Pause(answer) => drop(answer.send(self.moved(Command::Pause, NodeState::Paused).await)),
            Order::Resume(answer) => drop(answer.send(self.moved(Command::Resume, NodeState::Running).await)),
            Order::Shutdown(answer) => drop(answer.send(self.shutdown().await)),
            Order::Connect(address, answer) => drop(answer.send(self.connect(address).await)),
            Order::Disconnect(address, answer) => {
                self.targets.connected.remove(&address);
                self.forget_unwanted([address]).await;
                let _ = answer.send(Ok(()));
            }
            Order::AddPeer(record, answer) => drop(answer.send(self.add_peer(record).await)),
            Order::RemovePeer(peer, answer) => drop(answer.send(self.remove_peer(peer).await)),
        }
    }

    fn refuse_rest(&mut self) {
        self.orders.close();
        let over = || Error::State { state: NodeState::ShutDown };
        while let Ok(order) = self.orders.try_recv() {
            match order {
                Order::Start(answer)
                | Order::Stop(answer)
                | Order::Pause(answer)
                | Order::Resume(answer)
                | Order::Connect(_, answer)
                | Order::Disconnect(_, answer) => drop(answer.send(Err(over()))),
                Order::AddPeer(_, answer) | Order::RemovePeer(_, answer) => drop(answer.send(Err(over()))),
                Order::Shutdown(answer) => drop(answer.send(Ok(()))),
            }
        }
    }

    fn state(&self) -> NodeState {
        *self.shared.state.borrow()
    }

    async fn command(&self, command: Command) -> Result<Reply, Error> {
        ask(&self.commands, command).await
    }

    /// A change of state by command alone.
    async fn moved(&self, command: Command, to: NodeState) -> Result<(), Error> {
        self.command(command).await?;
        self.shared.state.send_replace(to);
        Ok(())
    }

    async fn start(&mut self) -> Result<(), Error> {
        if self.state() != NodeState::Stopped {
            return Err(Error::State { state: self.state() });
        }
        let opened = self.open_all().await?;
        if let Err(error) = self.begin(&opened).await {
            close(opened.iter().map(|port| &port.port)).await;
            return Err(error);
        }
        *self.shared.ports() = opened.iter().map(|port| port.port.clone()).collect();
        for port in opened {
            let reader = read(Arc::new(port), self.frames.clone(), self.shared.clone());
            self.readers.push(tokio::spawn(reader));
        }
        self.dial(self.targets.all()).await;
        Ok(())
    }

    /// Others are told where this node can be dialled from the first moment on.
    async fn begin(&mut self, opened: &[OpenPort]) -> Result<(), Error> {
        self.advertised = advertised(&self.shared.config.advertise, opened.iter().map(|port| &port.port));
        self.command(Command::SetAddresses(self.advertised.clone())).await?;
        self.moved(Command::Start, NodeState::Running).await
    }

    /// Tells others where this node can be dialled, if that has changed.
    async fn advertise(&mut self) {
        let ports = self.shared.ports().clone();
        let now = advertised(&self.shared.config.advertise, &ports);
        if !ports.is_empty() && now != self.advertised {
            self.advertised = now.clone();
            // A driver that has ended has nobody to tell.
            let _ = self.command(Command::SetAddresses(now)).await;
        }
    }

    /// All transports or none.
    async fn open_all(&mut self) -> Result<Vec<OpenPort>, Error> {
        let instance = random().map_err(|_| PortError::Io {
            doing: "drawing the instance number",
            detail: "no randomness from the operating system".into(),
        })?;
        let local = LocalNode { id: self.shared.id.clone(), instance: u64::from_le_bytes(instance) };
        let mut opened: Vec<OpenPort> = Vec::new();
        for transport in &self.transports {
            match transport.open(local.clone()).await {
                Ok(port) => {
                    self.ports_opened += 1;
                    opened.push(OpenPort { id: self.ports_opened, name: transport.name().to_owned(), port });
                }
                Err(error) => {
                    close(opened.iter().map(|port| &port.port)).await;
                    return Err(error.into());
                }
            }
        }
        Ok(opened)
    }

    async fn stop(&mut self) -> Result<(), Error> {
        self.moved(Command::Stop, NodeState::Stopped).await?;
        self.dials.clear();
        self.unlink().await;
        Ok(())
    }

    /// Lets the last frames out and closes all ports.
    async fn unlink(&mut self) {
        // A driver that has ended has no links.
        let _ = self.control.send(Control::CloseLinks).await;
        let _ = tokio::time::timeout(FAREWELL, self.unlinked()).await;
        let ports = std::mem::take(&mut *self.shared.ports());
        close(ports.iter()).await;
        for reader in self.readers.drain(..) {
            let _ = reader.await;
        }
        self.unlinked().await;
    }

    /// Waits until no link is left.
    async fn unlinked(&self) {
        let (tell, told) = oneshot::channel();
        let _ = self.control.send(Control::WhenUnlinked(tell)).await;
        let _ = told.await;
    }

    /// To the end, whatever fails on the way.
    async fn shutdown(&mut self) -> Result<(), Error> {
        let drained = self.command(Command::Shutdown).await;
        self.shared.state.send_replace(NodeState::ShutDown);
        self.unlink().await;
        let _ = self.control.send(Control::End).await;
        let _ = (&mut self.driver).await;
        for keeper in self.keepers.drain(..) {
            let _ = keeper.await;
        }
        // What was not drained must show as not closed cleanly at the next start.
        drained?;
        Ok(self.shared.store.mark_closed().await?)
    }

    async fn connect(&mut self, address: PeerAddr) -> Result<(), Error> {
        let ports = self.shared.ports().clone();
        let running = matches!(self.state(), NodeState::Running | NodeState::Paused);
        let mut taken = !running;
        for port in ports.iter().filter(|port| port.accepts(&address)) {
            port.connect(&address).await?;
            taken = true;
        }
        if !taken {
            return Err(Error::NoTransport { address: address.to_string() });
        }
        self.targets.connected.insert(address);
        Ok(())
    }

    async fn dial(&self, addresses: impl IntoIterator<Item = PeerAddr>) {
        let ports = self.shared.ports().clone();
        for address in addresses {
            let mut taken = false;
            for port in ports.iter().filter(|port| port.accepts(&address)) {
                taken = true;
                if let Err(error) = port.connect(&address).await {
                    tracing::warn!(%address, %error, "cannot connect");
                }
            }
            if !taken && !ports.is_empty() {
                tracing::warn!(%address, "no transport understands this address");
            }
        }
    }

    /// Dials whom the node wants next to it, or gives up who was dialled for long enough.
    async fn grant(&mut self, wish: Option<Wish>) {
        let peers = match wish {
            Some(Wish::Dial { peer, addresses }) => {
                let ports = self.shared.ports().clone();
                for address in self.dials.begin(peer, &addresses) {
                    for port in ports.iter().filter(|port| port.accepts(&address)) {
                        // What a member says of itself may be wrong.
                        let _ = port.connect(&address).await;
                    }
                }
                return;
            }
            Some(Wish::Forget { peer }) => vec![peer],
            None => self.dials.overdue(),
        };
        for peer in peers {
            let addresses = self.dials.end(&peer);
            self.forget_unwanted(addresses).await;
        }
    }

    /// Forgets what the application does not want.
    async fn forget_unwanted(&self, addresses: impl IntoIterator<Item = PeerAddr>) {
        let wanted = self.targets.all();
        self.forget(addresses.into_iter().filter(|address| !wanted.contains(address))).await;
    }

    async fn forget(&self, addresses: impl IntoIterator<Item = PeerAddr>) {
        let ports = self.shared.ports().clone();
        for address in addresses {
            for port in ports.iter().filter(|port| port.accepts(&address)) {
                port.forget(&address).await;
            }
        }
    }

    async fn add_peer(&mut self, record: PeerRecord) -> Result<bool, Error> {
        let new = matches!(self.command(Command::AddPeer(record.clone())).await?, Reply::Changed(true));
        let unwanted = self.targets.set_peer(&record);
        self.forget(unwanted).await;
        let addresses = self.targets.peers.get(&record.id).cloned().unwrap_or_default();
        self.dial(addresses).await;
        Ok(new)
    }

    async fn remove_peer(&mut self, peer: NodeId) -> Result<bool, Error> {
        // First, or the port would connect again while the node closes the links.
        let unwanted = self.targets.remove_peer(&peer);
        self.forget(unwanted).await;
        Ok(matches!(self.command(Command::RemovePeer { peer }).await?, Reply::Changed(true)))
    }
}

async fn close(ports: impl Iterator<Item = &Arc<dyn MessagePort>>) {
    for port in ports {
        port.close().await;
    }
}
