//! Parts of logs brought by hand: checked as if a peer had sent them.

use gossip_proto::node::{Command, CommandError, ImportFloor, ImportPart, NodeConfig, Reply};
use gossip_proto::{Branch, ChainHash, LogName, Seal, Stamp, StoredRun};

use crate::host::{Host, channel};
use crate::seals::{Author, sealer};

#[test]
fn an_import_ends_at_a_seal() {
    let import = |runs: Vec<StoredRun>, floor: Option<ImportFloor>| {
        let mut host = Host::speaking("victim", NodeConfig::default(), 2);
        let part = ImportPart { log: Author::new(1).name, floor: floor.map(Box::new), runs, fills: false };
        host.command(Command::Import { channel: channel(), part }).expect("an answer")
    };
    let mut author = Author::new(1);
    let (first, second, third) = (author.sealed(), author.unsealed(), author.sealed());
    let all = vec![first.clone(), second.clone(), third.clone()];
    assert_eq!(import(all, None), Ok(Reply::Imported(6)));
    let (hash, stamp) = (second.prev, Stamp::ZERO);
    let floor = ImportFloor { sequence: 2, hash, stamp, seal: None };
    assert_eq!(import(vec![second.clone(), third], Some(floor)), Ok(Reply::Imported(4)));
    assert_eq!(import(Vec::new(), Some(floor)), Ok(Reply::Imported(0)), "a floor alone says nothing");
    let sealed = |seal| Some(ImportFloor { sequence: 2, hash, stamp, seal });
    let seal = first.run.seal().and_then(|seal| Seal::from_slice(seal));
    assert_eq!(import(Vec::new(), sealed(seal)), Ok(Reply::Imported(0)), "but with a seal it does");
    let foreign = import(Vec::new(), sealed(Some(Seal([7; 64]))));
    assert!(matches!(foreign, Err(CommandError::Unsealed { at: 2, .. })), "{foreign:?}");
    let wrong = Author::new(1).run(|_| Some(vec![7; 64]));
    assert_eq!(import(vec![first, second], None), Ok(Reply::Imported(2)), "up to the seal");
    let stripped = Author::new(1).unsealed();
    for run in [stripped, wrong] {
        assert!(matches!(import(vec![run], None), Err(CommandError::Unsealed { at: 2, .. })));
    }
}

/// As from a peer: a file cannot end a log with a branch that nothing shows to part from it.
#[test]
fn an_imported_branch_has_to_show_where_it_parts() {
    let mut host = Host::speaking("victim", NodeConfig::default(), 2);
    let mut root = Author::new(1);
    let common = root.sealed();
    let (parent, hash) = (root.name.id(), root.hash);
    let branch = |first: ChainHash| {
        let name = LogName { branch: Some(Branch { parent, first }), ..Author::new(1).name };
        Author { sealer: sealer(1), name, height: 2, hash }
    };
    let mut import = |author: &Author, run: StoredRun| {
        let floor =
            author.name.branch.map(|_| ImportFloor { sequence: 2, hash, stamp: Stamp::ZERO, seal: None });
        let part = ImportPart {
            log: author.name.clone(),
            floor: floor.map(Box::new),
            runs: vec![run],
            fills: false,
        };
        host.command(Command::Import { channel: channel(), part }).expect("an answer")
    };
    let first = branch(hash).sealed().hash_at(3).expect("its first hash");
    let mut other = branch(first);
    other.name.branch = Some(Branch { parent: Author::new(2).name.id(), first });
    let foreign = other.sealed();
    assert!(matches!(import(&other, foreign), Err(CommandError::Unplaced { .. })), "of another log");
    let unsealed = branch(first).unsealed();
    assert!(matches!(import(&branch(first), unsealed), Err(CommandError::Unplaced { .. })), "without a seal");
    let mut plain = branch(first);
    plain.name.author = gossip_proto::NodeId::new("plain").expect("an id");
    let root_of_plain = LogName { branch: None, ..plain.name.clone() };
    plain.name.branch = Some(Branch { parent: root_of_plain.id(), first });
    let run = plain.unsealed();
    assert!(matches!(import(&plain, run), Err(CommandError::Unplaced { .. })), "of a log that is not held");
    let mut shown = branch(first);
    let run = shown.sealed();
    assert_eq!(import(&shown, run.clone()), Err(CommandError::Busy), "the log ends first");
    assert_eq!(import(&shown, run), Ok(Reply::Imported(2)));
    assert_eq!(import(&root, common), Ok(Reply::Imported(2)));
    for _ in 0..2 {
        let beyond = root.sealed();
        assert_eq!(import(&root, beyond), Ok(Reply::Imported(0)), "it ends where the branch begins");
    }
}

/// One that begins with the first entry of its log has no floor, and shows nothing less.
#[test]
fn an_imported_branch_that_begins_with_the_first_entry_is_judged() {
    let mut host = Host::speaking("victim", NodeConfig::default(), 2);
    let mut import = |name: &LogName, run: &StoredRun| {
        let runs = vec![run.relabel(name.id()).expect("a run")];
        let part = ImportPart { log: name.clone(), floor: None, runs, fills: false };
        host.command(Command::Import { channel: channel(), part }).expect("an answer")
    };
    let mut root = Author::new(1);
    let run = root.sealed();
    let branch = |first| root.name.branching(first);
    for made_up in 0..10 {
        let name = branch(ChainHash([made_up; 32]));
        assert!(matches!(import(&name, &run), Err(CommandError::Unplaced { .. })), "{made_up}");
    }
    let shown = branch(run.hash_at(1).expect("its first hash"));
    assert_eq!(import(&shown, &run), Err(CommandError::Busy), "the log ends first");
    assert_eq!(import(&shown, &run), Ok(Reply::Imported(2)));
    assert_eq!(import(&root.name, &run), Ok(Reply::Imported(0)), "there is nothing before it");
}
