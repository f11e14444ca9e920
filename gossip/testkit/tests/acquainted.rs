//! What two nodes remember of each other, what they say of how far they are, and how one waits for it.

use std::time::Duration;

use gossip_proto::node::{Command, Event, Query, Reply, Streams, SyncChoice, SyncRule, SyncStatus};
use gossip_proto::{ChannelId, NodeId, StreamId};
use gossip_testkit::sim::pair::{Logs, Pair, Side};

fn channel() -> ChannelId {
    ChannelId::new("c").expect("a channel id")
}

fn id(side: Side) -> NodeId {
    NodeId::new(side.name()).expect("a node id")
}

fn wait(pair: &mut Pair, side: Side, peer: Option<NodeId>) -> u64 {
    pair.ask(side, Command::WaitSynced { channel: channel(), peer })
}

fn status(pair: &mut Pair, side: Side) -> Vec<SyncStatus> {
    match pair.command(side, Command::Query(Query::Sync(Some(channel())))) {
        Ok(Reply::Sync(all)) => all,
        other => panic!("{other:?}"),
    }
}

/// Two that hold 1,000 logs alike and one that ann writes to, and know that they do.
fn acquainted() -> Pair {
    let mut pair = Pair::setup().logs(Logs::of(1_000).alike(100)).begin();
    pair.append(Side::Ann, "own", b"the first of its log");
    pair.link();
    pair.settle();
    // Long enough for it to be written down.
    pair.pass(Duration::from_secs(6));
    pair
}

#[test]
fn a_known_peer_is_told_at_once_what_came_while_it_was_away_also_after_a_restart() {
    for restarted in [None, Some(Side::Ann), Some(Side::Bob)] {
        let mut pair = acquainted();
        pair.unlink();
        if let Some(side) = restarted {
            pair.restart(side);
        }
        for n in 0..3 {
            pair.append(Side::Ann, "own", format!("while away {n}").as_bytes());
        }
        pair.link();
        pair.settle();
        let traffic = pair.traffic().without_greeting();
        assert_eq!(traffic.entries(), 3, "{restarted:?}: {traffic}");
        assert!(traffic.data_after() <= 1, "{restarted:?}: {traffic}");
        let sketches = traffic.clone().of(&["sketch", "offer", "ask", "want"]).frames();
        let names = usize::from(restarted == Some(Side::Ann)) * 64;
        // A restart draws a new epoch at most: its name, and runs that could not be joined.
        assert!(sketches == 0 && traffic.overhead() <= 200 + names, "{restarted:?}: {traffic}");
    }
}

/// What agreed without a stream says nothing of that stream, where it is not left out any more.
#[test]
fn what_was_left_out_by_choice_is_not_taken_for_held() {
    for restarted in [None, Some(Side::Ann)] {
        let mut pair = acquainted();
        let photos = StreamId::new("photos").expect("a stream id");
        let rule = SyncRule { streams: Streams::Except([photos].into()), ..SyncRule::default() };
        for rules in [vec![rule], Vec::new()] {
            let is_all = rules.is_empty();
            if is_all {
                pair.unlink();
                restarted.into_iter().for_each(|side| pair.restart(side));
            }
            pair.command(Side::Ann, Command::SetSync(SyncChoice { rules })).expect("chosen");
            pair.append(Side::Ann, "photos", b"continues what bob does not hold");
            pair.append(Side::Ann, "own", b"one");
            if is_all {
                pair.link();
                pair.settle();
                // Three of photos and one: none was sent twice.
                let traffic = pair.traffic().without_greeting();
                assert_eq!(traffic.entries(), 4, "{restarted:?}: {traffic}");
                continue;
            }
            pair.pass(Duration::from_secs(6));
            pair.unlink();
            // As long as the same is left out, what came since is sent at once.
            pair.append(Side::Ann, "photos", b"left out");
            pair.append(Side::Ann, "own", b"two");
            pair.link();
            pair.pass(Duration::from_secs(6));
            let traffic = pair.traffic().without_greeting();
            assert_eq!((traffic.entries(), traffic.data_after()), (1, 1), "{traffic}");
            assert_eq!(traffic.of(&["sketch"]).frames(), 0);
        }
    }
}

#[test]
fn more_than_a_run_of_news_is_left_to_sketches() {
    let mut pair = acquainted();
    pair.unlink();
    for _ in 0..40 {
        pair.append(Side::Ann, "own", &[7; 4_000]);
    }
    pair.link();
    pair.settle();
    let traffic = pair.traffic().without_greeting();
    assert_eq!(traffic.entries(), 40, "each once: {traffic}");
    assert!(traffic.of(&["sketch", "offer"]).frames() > 0);
}

#[test]
fn a_stranger_is_not_sent_what_it_may_hold() {
    let mut pair = Pair::setup().logs(Logs::of(50).alike(10)).begin();
    pair.append(Side::Ann, "own", b"one");
    pair.link();
    pair.settle();
    assert_eq!(pair.traffic().of(&["push"]).frames(), 0);
}

#[test]
fn waiting_ends_when_a_digest_said_after_the_call_agrees() {
    for side in Side::BOTH {
        let mut pair = acquainted();
        pair.watch();
        let asked = wait(&mut pair, side, None);
        assert_eq!(pair.answer(side, asked), None, "before anything was said");
        pair.pass(Duration::from_millis(9));
        assert_eq!(pair.answer(side, asked), None, "before an answer came");
        pair.pass(Duration::from_millis(2));
        assert_eq!(pair.answer(side, asked), Some(Ok(Reply::Done)), "{side:?}: {}", pair.traffic());
        assert_eq!(pair.traffic().without_greeting().bytes(), 59);
    }
}

#[test]
fn waiting_includes_what_was_written_before_the_call() {
    for writer in Side::BOTH {
        for side in Side::BOTH {
            let mut pair = acquainted();
            for n in 0..20 {
                pair.append(writer, "more", format!("{n}").as_bytes());
            }
            let asked = wait(&mut pair, side, Some(id(side.other())));
            while pair.answer(side, asked).is_none() {
                pair.pass(Duration::from_millis(1));
                assert!(pair.elapsed() < Duration::from_secs(30), "{}", pair.traffic());
            }
            assert!(pair.same(), "{writer:?} wrote, {side:?} waited");
        }
    }
}

#[test]
fn waiting_holds_out_lost_frames_and_absent_peers() {
    let mut pair = Pair::setup().lossy(300).logs(Logs::of(20).more(Side::Bob, 9)).begin();
    let calls = [None, Some(id(Side::Bob))].map(|peer| wait(&mut pair, Side::Ann, peer));
    pair.pass(Duration::from_secs(60));
    assert!(calls.iter().all(|call| pair.answer(Side::Ann, *call).is_none()), "nobody is there");
    pair.link();
    pair.settle();
    let late = wait(&mut pair, Side::Ann, None);
    pair.pass(Duration::from_secs(20));
    for call in calls.into_iter().chain([late]) {
        assert_eq!(pair.answer(Side::Ann, call), Some(Ok(Reply::Done)), "{}", pair.traffic());
    }
}

#[test]
fn whoever_waits_is_answered_at_the_end() {
    let mut pair = acquainted();
    pair.unlink();
    let calls: Vec<u64> = (0..1_025).map(|_| wait(&mut pair, Side::Ann, None)).collect();
    assert!(matches!(pair.answer(Side::Ann, calls[0]), Some(Err(_))), "the oldest makes room");
    assert_eq!(pair.answer(Side::Ann, calls[1]), None);
    let unknown = Command::WaitSynced { channel: ChannelId::new("other").unwrap(), peer: None };
    assert!(pair.command(Side::Ann, unknown).is_err());
    pair.command(Side::Ann, Command::Shutdown).unwrap();
    assert!(calls[2..].iter().all(|call| matches!(pair.answer(Side::Ann, *call), Some(Err(_)))));
}

#[test]
fn status_tells_what_is_missing_and_that_it_came() {
    let mut pair = Pair::setup().logs(Logs::of(10).alike(5).more(Side::Ann, 300)).begin();
    assert_eq!(status(&mut pair, Side::Bob), []);
    pair.link();
    pair.settle();
    let of = |event: &Event| match event {
        Event::SyncChanged(status) => Some(status.clone()),
        _ => None,
    };
    let told: Vec<SyncStatus> = pair.events(Side::Bob).iter().filter_map(of).collect();
    assert!(told.last().unwrap().in_sync, "{told:?}");
    let last = status(&mut pair, Side::Bob).remove(0);
    assert!(last.in_sync && last.peer == id(Side::Ann) && last.last_equal.is_some());
    assert_eq!((last.to_get.entries, last.to_give.entries), (0, 0));
    pair.append(Side::Ann, "own", b"one");
    assert!(!status(&mut pair, Side::Ann)[0].in_sync);
    pair.settle();
    let told: Vec<bool> = pair.events(Side::Ann).iter().filter_map(of).map(|it| it.in_sync).collect();
    assert_eq!(told[told.len() - 2..], [false, true]);
}
