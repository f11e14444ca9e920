//! Puts the tasks together.

use std::sync::Arc;

use gossip_proto::node::{Boot, Loading};
use tokio::sync::{Notify, mpsc};

use super::boot::{Orphans, identity, inventory, load_heads, random};
use super::dials::{Dials, WISHES};
use super::lanes::Lanes;
use super::links::Links;
use super::supervisor::{Supervisor, Targets};
use super::turn::{Driver, Sources};
use crate::damage::mend;
use crate::handle::{Handle, Shared};
use crate::retention::Keeper;
use crate::{BuildError, Builder, Coordinator, Store, TimerPort};

/// Orders and control messages that may wait.
const ORDERS: usize = 32;

/// Reads the store and starts driver and supervisor.
pub(crate) async fn launch(
    builder: Builder,
    store: Arc<dyn Store>,
    timer: Arc<dyn TimerPort>,
) -> Result<Coordinator, BuildError> {
    let (record, sealer) = identity(&*store, builder.node_id.transpose()?, builder.identity).await?;
    let secret = random()?;
    let seed = builder.seed.map_or_else(|| random().map(u64::from_le_bytes), Ok)?;
    let inventory = inventory(&*store).await?;
    let mut targets = Targets { connected: builder.connect.into_iter().collect(), ..Targets::default() };
    for peer in &inventory.peers {
        targets.set_peer(peer);
    }
    let shared =
        Arc::new(Shared::new(record.id.clone(), inventory.incarnation, builder.config, store, timer));
    let config = shared.config.node.clone();
    let orphans = Orphans::of(&inventory);
    let boot = Boot { sealer, sync: builder.sync, ..Boot::new(record, inventory, config, seed, secret) };
    let mut node = Loading::new(shared.timer.now(), boot);
    load_heads(&*shared.store, &mut node, &orphans).await?;
    let node = node.finish();

    let (commands, from_handles) = mpsc::channel(shared.config.commands);
    let (orders, from_owner) = mpsc::channel(ORDERS);
    let (control, from_supervisor) = mpsc::channel(ORDERS);
    let (frames, from_ports) = mpsc::channel(shared.config.frames);
    let (lanes, stored) = Lanes::start(&shared);
    let relieved = Arc::new(Notify::new());
    let linked = Arc::new(Notify::new());
    let links = Links::new(shared.clone(), relieved.clone(), linked.clone());
    let sources =
        Sources { commands: from_handles, frames: from_ports, stored, control: from_supervisor, relieved };
    let (wishes, from_driver) = mpsc::channel(WISHES);
    let driver = tokio::spawn(Driver::new(node, shared.clone(), lanes, links, wishes).run(sources));
    let mut keepers = vec![tokio::spawn(mend(shared.clone(), commands.clone()))];
    if shared.config.auto_retention {
        // Another draw than the node's: their jitters shall not move together.
        let keeper = Keeper::new(shared.clone(), commands.clone(), !seed);
        keepers.push(tokio::spawn(keeper.run()));
    }
    let supervisor = Supervisor {
        shared: shared.clone(),
        transports: builder.transports,
        orders: from_owner,
        commands: commands.clone(),
        control,
        frames,
        driver,
        keepers,
        targets,
        dials: Dials::new(from_driver),
        linked,
        advertised: Vec::new(),
        readers: Vec::new(),
        ports_opened: 0,
    };
    tokio::spawn(supervisor.run());
    Ok(Coordinator::new(Handle::new(commands, orders, shared)))
}
