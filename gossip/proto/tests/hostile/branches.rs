//! Branches that cut a log where nothing forks, or come while it is being parted.

use gossip_proto::node::{Command, CommandError, ImportFloor, ImportPart, NodeConfig};
use gossip_proto::wire::{Delta, FloorNote, Message};
use gossip_proto::{ChainHash, EntryId, LogName, NewPayload, Seq, Stamp, StoreRequest, StoredRun};

use crate::forks::{BRANCHES, History, named_by};
use crate::holders::questions;
use crate::host::{Host, channel, stream};
use crate::seals::{Scene, sealer};

/// Branches of a log that are kept though nothing differs beside them.
const CUTS: usize = 64;

/// Any member can cut a sealed log where nothing forks: that takes no room from histories that do differ, and is bounded.
#[test]
fn cuts_take_no_room_from_forks() {
    let (mut scene, mut root) = (Scene::new(), History::new(true));
    let mut forks = root.clone();
    let runs: Vec<StoredRun> = (0..100).map(|_| root.write(1, 0)).collect();
    forks.write(3, 0);
    let name = root.name.clone();
    assert_eq!(scene.bring(&name, &runs), 100);
    for cut in (70..90).rev() {
        scene.bring(&named_by(&root, &runs[cut]), &runs[cut..]);
    }
    assert_eq!(scene.held(&name), 70);
    for mark in 1..=10 {
        let other = forks.clone().write(2, mark);
        let expected = if mark < BRANCHES as u8 { 5 } else { 0 };
        assert_eq!(scene.bring(&named_by(&root, &other), &[other]), expected, "the {mark}. beside our own");
    }
    assert_eq!(scene.held(&name), 3);
    // In what was held behind the fork.
    for cut in (4..69).rev() {
        scene.bring(&named_by(&root, &runs[cut]), &runs[cut..]);
    }
    let heads = scene.victim.disk.logs_of(&name.author).count();
    assert_eq!(heads, 1 + BRANCHES + CUTS, "the log, its branches and the places where it was cut");
}

/// Who shows us nothing but our own history cannot make us begin one epoch after the other.
#[test]
fn a_cut_ends_our_epoch_seldom() {
    let mut scene = Scene::with(Host::signing(sealer(1), NodeConfig::default()));
    let mut cut = |after: u64| {
        let (name, branch, runs) = cut_own(&mut scene.victim);
        scene.victim.pass(after);
        scene.bring(&branch, &runs);
        scene.victim.append(10);
        newest(&scene.victim) == name
    };
    assert!(!cut(0), "whoever met another history has to be believed");
    assert!(cut(0), "but not again and again");
    assert!(!cut(600_000_000));
}

/// The epoch a node writes to.
fn newest(victim: &Host) -> LogName {
    let heads = victim.own_logs().filter_map(|log| victim.disk.head(log));
    let last = heads.filter(|head| head.name.branch.is_none()).max_by_key(|head| head.name.epoch);
    last.expect("a log").name.clone()
}

/// Has a node write, and cuts that behind the first entry: the log, the branch and its runs.
fn cut_own(victim: &mut Host) -> (LogName, LogName, Vec<StoredRun>) {
    (0..3).for_each(|_| victim.append(10));
    let name = newest(victim);
    let runs = victim.disk.runs(name.id())[1..].to_vec();
    (name.clone(), named_by(&History::of(name), &runs[0]), runs)
}

/// The first cut ended our epoch, though the log could not be parted at once: it is when it is shown again.
#[test]
fn a_cut_is_not_put_off_for_itself() {
    let mut scene = Scene::with(Host::signing(sealer(1), NodeConfig::default()));
    let (name, branch, runs) = cut_own(&mut scene.victim);
    scene.victim.slow_disk = true;
    let payloads = vec![NewPayload::new("on its way")];
    let append = Command::Append { channel: channel(), stream: stream(), payloads };
    assert_eq!(scene.victim.command(append), None);
    scene.show(&branch, &runs);
    // What our own hashes are, before the entry and the end of the epoch are stored; then only the entry.
    scene.victim.disk_overtakes();
    scene.victim.disk_goes_on();
    scene.victim.pass(3_000_000);
    scene.show(&branch, &runs);
    scene.victim.disk_overtakes();
    scene.victim.disk_works();
    assert_eq!(scene.held(&name), 1, "it is parted");
}

/// A history of some entries in a run of each, and others that leave it behind the fourth and the sixth.
fn twice_forked(is_sealed: bool, count: usize, size: usize) -> (Vec<StoredRun>, [StoredRun; 2], History) {
    let mut root = History { size, ..History::new(is_sealed) };
    let start = root.clone();
    let mut next = || root.write(1, 0);
    let runs: Vec<StoredRun> = (0..count).map(|_| next()).collect();
    let other = |common: usize| {
        let mut other = start.clone();
        (0..common).for_each(|_| _ = other.write(1, 0));
        other.write(2, 1)
    };
    (runs, [other(4), other(6)], start)
}

/// What follows a fork comes to its branch page by page. Between two of them that is not ended by a fork further on.
#[test]
fn a_branch_is_not_parted_while_it_is_filled() {
    let (mut scene, (runs, others, root)) = (Scene::new(), twice_forked(false, 60, 30_000));
    for some in runs.chunks(5) {
        scene.bring(&root.name, some);
    }
    assert_eq!(scene.held(&root.name), 60);
    let (left, [first, further]) = (named_by(&root, &runs[4]), &others);
    scene.victim.slow_disk = true;
    scene.show(&named_by(&root, first), std::slice::from_ref(first));
    while scene.held(&left) < 7 {
        scene.victim.disk_goes_on();
    }
    assert!(scene.held(&left) < 60, "more is to come");
    scene.show(&named_by(&root, further), std::slice::from_ref(further));
    while scene.held(&left) > 6 && scene.victim.waits_for_disk() {
        scene.victim.disk_overtakes();
    }
    scene.victim.disk_works();
    scene.victim.pass(5_000_000);
    assert_eq!((scene.held(&root.name), scene.held(&left)), (4, 60));
    assert_eq!(scene.bring(&named_by(&root, first), std::slice::from_ref(first)), 6);
    assert_eq!(scene.bring(&named_by(&root, further), std::slice::from_ref(further)), 8);
    assert_eq!((scene.held(&left), scene.held(&named_by(&root, &runs[6]))), (6, 60));
}

/// What followed a fork was copied to its branch, which forks again before the log could be cut: that waits.
#[test]
fn a_branch_is_not_parted_while_the_log_goes_on_beside_it() {
    for is_sealed in [false, true] {
        let (mut scene, (runs, others, root)) = (Scene::new(), twice_forked(is_sealed, 10, 10));
        assert_eq!(scene.bring(&root.name, &runs), 10);
        scene.victim.fail =
            |request| matches!(request, StoreRequest::Turn { log, .. } if log.branch.is_none());
        let names = [&runs[4], &runs[6]].map(|run| named_by(&root, run));
        assert_eq!(scene.bring(&named_by(&root, &others[0]), &others[..1]), 0);
        assert_eq!(scene.held(&names[0]), 10, "copied");
        scene.victim.slow_disk = true;
        scene.show(&named_by(&root, &others[1]), &others[1..]);
        // The branch before the log.
        while scene.held(&names[0]) > 6 && scene.victim.waits_for_disk() {
            scene.victim.disk_overtakes();
        }
        scene.victim.disk_works();
        scene.victim.fail = |_| false;
        for (other, height) in others.iter().zip([6, 8]) {
            let (name, runs) = (named_by(&root, other), std::slice::from_ref(other));
            scene.bring(&name, runs);
            assert_eq!(scene.bring(&name, runs), height);
        }
        let held = [&root.name, &names[0], &names[1]].map(|name| scene.held(name));
        assert_eq!(held, [4, 6, 10]);
    }
}

/// A branch may have ended before its beginning came to light in the log it parts from. What follows its end
/// is moved on first: to where it belongs, not beyond that end.
#[test]
fn what_lies_beyond_two_forks_is_moved_past_the_further_one_first() {
    let (mut scene, (runs, others, root)) = (Scene::new(), twice_forked(false, 10, 10));
    let (middle, last) = (named_by(&root, &runs[4]), named_by(&root, &runs[6]));
    assert_eq!(scene.bring(&middle, &runs[5..6]), 6, "its beginning was pruned");
    // It ends where this one is shown, which never comes.
    scene.show(&named_by(&root, &others[1]), &others[1..]);
    assert_eq!(scene.bring(&root.name, &runs), 10);
    assert_eq!(scene.bring(&named_by(&root, &others[0]), &others[..1]), 6);
    assert_eq!([&root.name, &middle, &last].map(|name| scene.held(name)), [4, 6, 10]);
}

/// A branch would be refused before that much of its log is held. Of an author who signs it comes first, and
/// vouches.
#[test]
fn a_branch_is_asked_for_after_what_it_parts_from() {
    for is_sealed in [false, true] {
        let (mut scene, mut root) = (Scene::new(), History::new(is_sealed));
        let (common, name) = (root.write(4, 0), root.name.clone());
        let mut other = root.clone();
        let here = [other.write(2, 1)];
        let branch = named_by(&root, &here[0]);
        let serial = scene.offer(&name, (root.height, root.hash), 0).expect("it is asked for");
        let at_once = scene.offer(&branch, (other.height, other.hash), root.height);
        assert_eq!(at_once.is_some(), is_sealed);
        scene.send(serial, &[(name.clone(), vec![common])]);
        let serial = at_once.or_else(|| scene.asked()).expect("it is asked for when the log is held");
        scene.send(serial, &[(branch.clone(), here.to_vec())]);
        assert_eq!(scene.bring(&branch, &here), 6);
        assert_eq!(scene.held(&name), 4);
    }
}

/// A floor that no log can reach is none, whichever log it is of.
#[test]
fn a_branch_does_not_begin_beyond_all_sequences() {
    let (mut scene, root) = (Scene::new(), History::new(true));
    let name = root.branch(ChainHash([1; 32]));
    let (floor, hash, stamp) = (Seq::MAX, ChainHash([2; 32]), Stamp::ZERO);
    let serial = scene.offer(&name, (9, hash), 8).expect("it is asked for");
    let floors = vec![FloorNote { log: name.id(), floor, hash, stamp, seal: root.seal() }];
    let (tag, names, runs) = (scene.tag, Vec::new(), Vec::new());
    scene.tell(Message::Runs(Delta { tag, serial, end: true, names, floors, runs }));
    assert_eq!(scene.held(&name), 0);
    let floor = ImportFloor { sequence: floor, hash, stamp, seal: root.seal() };
    let part = ImportPart { log: name, floor: Some(Box::new(floor)), runs: Vec::new(), fills: false };
    let imported = scene.victim.command(Command::Import { channel: channel(), part });
    assert!(matches!(imported, Some(Err(CommandError::Invalid(_)))), "{imported:?}");
}

/// It is asked who holds an entry, and the store has just cut its log.
#[test]
fn who_holds_an_entry_is_found_out_while_its_log_is_cut() {
    for (sequence, log) in [(2, 0), (5, 1)] {
        let (mut scene, (runs, others, root)) = (Scene::new(), twice_forked(false, 10, 10));
        assert_eq!(scene.bring(&root.name, &runs), 10);
        scene.victim.slow_disk = true;
        scene.show(&named_by(&root, &others[0]), &others[..1]);
        while scene.victim.disk.head(root.name.id()).is_some_and(|head| head.turn.is_none()) {
            scene.victim.disk_goes_on();
        }
        scene.victim.sent.clear();
        let entry = EntryId { log: root.name.id(), sequence };
        assert_eq!(scene.victim.command(Command::FindHolders { channel: channel(), entry }), None);
        scene.victim.disk_works();
        let asked: Vec<_> =
            questions(&mut scene.victim).into_iter().map(|asked| (asked.log, asked.at)).collect();
        let names = [root.name.clone(), named_by(&root, &runs[4])];
        assert_eq!(asked, [(names[log].id(), vec![sequence, [4, 10][log]])]);
    }
}
