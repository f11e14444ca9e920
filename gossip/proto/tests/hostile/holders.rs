//! What peers answer, or do not, when they are asked whether they hold an entry.

use bytes::Bytes;
use gossip_proto::node::{Command, CommandError, ImportPart, Input, LinkId, NodeConfig, Reply};
use gossip_proto::wire::{self, Content, Hashes, Message, Positions};
use gossip_proto::{Check, EntryId, LogId, Seq};

use crate::host::{Host, channel, talk};
use crate::lies::say;
use crate::seals::Author;
use crate::siege::meet;

const LINK: u64 = 1;

type Answer = Option<Result<Reply, CommandError>>;

/// A victim that has just asked the only peer it is linked to, and the question.
fn asked() -> (Host, Positions) {
    let mut victim = Host::speaking("victim", NodeConfig::default(), 2);
    let mut peer = Host::speaking("peer", NodeConfig::default(), 2);
    [&mut victim, &mut peer].into_iter().for_each(|host| _ = host.must(Command::Start));
    meet(&mut victim, &mut peer, LINK, 1 << 20);
    talk(&mut victim, &mut peer, LINK, 2_000);
    victim.append(10);
    victim.append(10);
    let log = victim.own_logs().next().expect("a log");
    victim.sent.clear();
    let entry = EntryId { log, sequence: 1 };
    assert_eq!(victim.command(Command::FindHolders { channel: channel(), entry }), None);
    let question = questions(&mut victim).pop().expect("a question");
    assert_eq!((question.log, &question.at[..]), (log, &[1, 2][..]));
    (victim, question)
}

pub(crate) fn questions(victim: &mut Host) -> Vec<Positions> {
    let positions = |frame: &Bytes| match wire::read(frame) {
        Ok(Content::Whole(Message::Positions(positions))) => Some(positions),
        _ => None,
    };
    victim.take_sent(LINK).iter().filter_map(positions).collect()
}

/// Answers a question, and returns what the victim makes of it.
fn told(victim: &mut Host, question: &Positions, height: Seq, at: Vec<(Seq, Option<Check>)>) -> Answer {
    let (before, Positions { tag, serial, log, .. }) = (victim.replies().count(), question.clone());
    let hashes = Message::Hashes(Hashes { tag, serial, log, height, at });
    victim.give(Input::Frame { link: LinkId(LINK), bytes: say(hashes) });
    victim.replies().nth(before).cloned()
}

fn names(answer: Answer) -> Option<usize> {
    match answer {
        None => None,
        Some(Ok(Reply::Members(peers))) => Some(peers.len()),
        Some(other) => panic!("{other:?}"),
    }
}

#[test]
fn only_our_own_hash_at_the_entry_or_above_proves_anything() {
    let (victim, question) = asked();
    let [right, top] = [1, 2].map(|at| victim.disk.hash_at(question.log, at).check());
    let wrong = Check([9; 8]);
    for (height, told_at, holds) in [
        (1, vec![(1, Some(right))], Some(1)),
        (2, vec![(1, Some(right)), (2, Some(wrong))], Some(1)),
        (2, vec![(1, None), (2, Some(top))], Some(1)),
        (2, vec![(1, Some(wrong))], Some(0)),
        // Whoever pruned the entry may have had another one there.
        (2, vec![(1, None)], None),
        (9, vec![(1, None), (2, None)], None),
        (9, vec![(1, None), (2, Some(wrong))], None),
        (1, vec![(1, None)], None),
        (0, vec![], None),
        (u64::MAX, vec![(2, Some(right))], None),
    ] {
        let (mut victim, question) = asked();
        let answer = told(&mut victim, &question, height, told_at.clone());
        assert_eq!(names(answer), holds, "{height} {told_at:?}");
    }
}

/// More places than a question holds: none is forgotten, and each is asked for with the end of the log.
#[test]
fn many_entries_are_asked_for_in_a_few_questions() {
    let (mut victim, first) = asked();
    (0..98).for_each(|_| victim.append(10));
    questions(&mut victim);
    let before = victim.replies().count();
    for sequence in 2..=100 {
        let entry = EntryId { log: first.log, sequence };
        assert_eq!(victim.command(Command::FindHolders { channel: channel(), entry }), None);
    }
    let mut asked = vec![first];
    for at in 0..3 {
        let question = asked[at].clone();
        let only_top = question.at.iter().rev().take(1);
        let at = question.at.iter().map(|at| (*at, None));
        let hashes = only_top.map(|at| (*at, Some(victim.disk.hash_at(question.log, *at).check())));
        let at: Vec<_> = hashes.chain(at).collect();
        told(&mut victim, &question, 100, at);
        asked.extend(questions(&mut victim));
    }
    assert!(asked[1..].iter().all(|question| question.at.last() == Some(&100)), "{asked:?}");
    assert_eq!((asked.len(), victim.replies().count() - before), (3, 100));
}

#[test]
fn what_was_not_asked_for_is_no_answer() {
    let (mut victim, question) = asked();
    let right = Some(victim.disk.hash_at(question.log, 1).check());
    let other = Positions { serial: question.serial.wrapping_add(1), ..question.clone() };
    assert_eq!(told(&mut victim, &other, 9, vec![(1, right)]), None);
    assert_eq!(names(told(&mut victim, &question, 9, vec![(1, right)])), Some(1));
    assert_eq!(told(&mut victim, &question, 9, vec![(1, None)]), None, "answered once");
}

#[test]
fn of_a_log_that_is_not_known_that_is_said_at_once() {
    let (mut victim, Positions { tag, .. }) = asked();
    let (serial, log, at) = (77, LogId([9; 16]), vec![1, 5]);
    let mut answers = |at: Vec<Seq>| {
        victim.sent.clear();
        let question = Message::Positions(Positions { tag, serial, log, at });
        victim.give(Input::Frame { link: LinkId(LINK), bytes: say(question) });
        victim
            .take_sent(LINK)
            .into_iter()
            .filter_map(|frame| match wire::read(&frame) {
                Ok(Content::Whole(Message::Hashes(hashes))) => Some(hashes),
                _ => None,
            })
            .collect::<Vec<_>>()
    };
    let nothing = Hashes { tag, serial, log, height: 0, at: vec![(1, None), (5, None)] };
    assert_eq!(answers(at), [nothing]);
    assert_eq!(answers((1..=65).collect()), [], "not more than may be asked");
}

/// What a peer does not know does not hold up what it is asked next.
#[test]
fn the_next_log_is_asked_about_when_the_first_is_not_known() {
    let (mut victim, first) = asked();
    let mut author = Author::new(1);
    let (log, runs) = (author.name.clone(), vec![author.sealed()]);
    let entry = EntryId { log: log.id(), sequence: 1 };
    let part = ImportPart { log, floor: None, runs, fills: false };
    assert_eq!(victim.command(Command::Import { channel: channel(), part }), Some(Ok(Reply::Imported(2))));
    assert_eq!(victim.command(Command::FindHolders { channel: channel(), entry }), None);
    assert_eq!(questions(&mut victim), [], "one is under way");
    assert_eq!(told(&mut victim, &first, 0, vec![(1, None), (2, None)]), None);
    let next = questions(&mut victim);
    assert_eq!(next.iter().map(|question| question.log).collect::<Vec<_>>(), [entry.log]);
}

#[test]
fn who_never_answers_is_asked_now_and_then_for_two_seconds() {
    let (mut victim, question) = asked();
    let before = victim.replies().count();
    victim.pass(1_999_000);
    let again = questions(&mut victim);
    assert!((3..=40).contains(&again.len()), "asked {} times", again.len());
    assert!(again.iter().all(|other| (other.log, &other.at) == (question.log, &question.at)));
    assert_eq!(victim.replies().count(), before);
    victim.pass(1_000);
    assert_eq!(names(victim.replies().nth(before).cloned()), Some(0));
    victim.pass(5_000_000);
    assert!(questions(&mut victim).is_empty(), "it is over");
}
