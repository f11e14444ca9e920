//! Power loss as a node sees it: what it wrote last is gone, and a peer holds it.

use std::collections::BTreeSet;
use std::fs;

use gossip::{Durability, LogId};
use serde_json::{Value, json};

use crate::Outcome;
use crate::cases::{Verdict, check, place};
use crate::damage::copy_all;
use crate::kinds::{Kind, open_store};
use crate::subject::{Acks, Subject};

/// The store goes back to an earlier state, as after the loss of what was not synced. Written on its own
/// after that, the node must not use a sequence again; with its peer it gets back what was lost.
pub(crate) fn lost_tail(kind: Kind) -> Outcome<Verdict> {
    let (place, store) = place()?;
    let mut peer = Subject::start(&listening(kind, &place.path().join("peer").display().to_string())?, &[])?;
    let alone = kind.config(&store.display().to_string(), None)?;
    let linked = kind.config(&store.display().to_string(), Some(&peer.address))?;
    let (mut kept, mut lost) = (Acks::new(), Acks::new());
    let mut victim = Subject::start(&linked, &[])?;
    append(&mut victim, 20, &mut kept)?;
    synced(&mut victim)?;
    let cut = place.path().join("cut");
    copy_all(&store, &cut)?;
    append(&mut victim, 20, &mut lost)?;
    synced(&mut victim)?;
    victim.process.kill()?;
    drop(victim);
    fs::remove_dir_all(&store)?;
    fs::rename(cut, &store)?;
    check(&alone, &kept)?;
    let promise = open_store(&alone)?.durability();
    let mut all: Acks = kept.into_iter().chain(lost).collect();
    if promise == Durability::Sync {
        // A store that promises never to lose anything may only find out from its peer.
        synced_once(&linked)?;
    }
    let old: BTreeSet<LogId> = all.keys().map(|id| id.log).collect();
    let mut new = Acks::new();
    let mut victim = Subject::start(if promise == Durability::Sync { &linked } else { &alone }, &[])?;
    append(&mut victim, 20, &mut new)?;
    victim.end()?;
    if let Some(id) = new.keys().find(|id| old.contains(&id.log)) {
        return Err(format!("{id} continues a log that lost entries ({promise:?})").into());
    }
    all.extend(new);
    synced_once(&linked)?;
    check(&alone, &all)?;
    let entries = peer.ask("read")?;
    peer.end()?;
    match entries == format!("read {}", all.len()) {
        true => Ok(Verdict::Passed(format!("{promise:?}: a new epoch, {} kept by both", all.len()))),
        false => Err(format!("of {} entries the peer holds: {entries}", all.len()).into()),
    }
}

/// The configuration of the peer.
fn listening(kind: Kind, path: &str) -> Outcome<String> {
    let mut config: Value = serde_json::from_str(&kind.config(path, None)?)?;
    config["node_id"] = "peer".into();
    config["transport"] = json!([{ "kind": "tcp", "listen": "127.0.0.1:0" }]);
    Ok(config.to_string())
}

fn append(subject: &mut Subject, entries: usize, acks: &mut Acks) -> Outcome {
    for size in 0..entries {
        subject.append(size * 50, acks)??;
    }
    Ok(())
}

fn synced(subject: &mut Subject) -> Outcome {
    match subject.ask("sync")?.as_str() {
        "synced" => Ok(()),
        other => Err(format!("syncing: {other}").into()),
    }
}

/// Starts, gets equal with the peer, ends.
fn synced_once(config: &str) -> Outcome {
    let mut subject = Subject::start(config, &[])?;
    synced(&mut subject)?;
    subject.end()
}
