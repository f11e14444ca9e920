//! When exactly somebody is suspected and called unreachable: virtual time is exact, and so are the bounds.

use std::time::Duration;

use super::ring::*;
use super::*;
use crate::node::Timer;
use crate::wire::BeatFlags;
use PeerStatus::{Reachable, Suspected, Unreachable};

/// Nobody is called unreachable sooner after it was asked first.
const PATIENCE: Duration = Duration::from_millis(800);
/// Two alone wait three times as long.
const ALONE: Duration = Duration::from_millis(2_400);
/// Ages are told in milliseconds.
const ROUGH: Duration = Duration::from_millis(2);

/// When somebody asked a node first whether it is there.
fn first_try(ring: &Ring, of: usize) -> Option<Duration> {
    let is_try = |said: &Message| matches!(said, Message::Beat(beat) if beat.flags.has(BeatFlags::ANSWER));
    let tries = ring.said.iter().filter(|(_, by, to, said)| *to == of && *by != of && is_try(said));
    tries.map(|(at, ..)| *at).min()
}

/// Lets time pass until it is asked.
fn until_tried(ring: &mut Ring, of: usize) -> Duration {
    loop {
        match first_try(ring, of) {
            Some(at) => return at,
            None => ring.run(millis(1)),
        }
    }
}

/// How long after a moment a node was called this: first, and last.
fn called(ring: &Ring, of: usize, status: PeerStatus, since: Duration) -> (Duration, Duration) {
    let told = ring.told.iter().filter(|(_, _, about, what)| (*about, *what) == (of, status));
    let times: Vec<Duration> = told.map(|(at, ..)| *at - since).collect();
    (*times.iter().min().unwrap(), *times.iter().max().unwrap())
}

/// How long a node waits for the answer of another.
fn patience(ring: &Ring, at: usize, of: usize) -> Duration {
    ring.nodes[at].links[&link(at, of)].rtt.probe_timeout()
}

#[test]
fn behaviour_32_suspected_and_unreachable_at_their_thresholds_and_once() {
    for count in [3, 4, 8] {
        let mut ring = Ring::new(count);
        let (way, try_of) = (ring.delay, patience(&ring, 1, 0));
        ring.dead.insert(0);
        ring.run(SECOND * 60);
        for at in 1..count {
            assert_eq!(ring.statuses(at, 0), [Suspected, Unreachable], "at {at} of {count}");
        }
        assert_eq!(ring.told.len(), 2 * (count - 1), "nobody else: {:?}", ring.told);
        let begin = first_try(&ring, 0).unwrap();
        // With the second try a helper is asked, who tries twice itself; then one message tells all.
        let (first, last) = called(&ring, 0, Suspected, begin);
        let threshold = try_of + way + try_of * 2;
        assert!(first.abs_diff(threshold) <= ROUGH, "{first:?} and not {threshold:?}, {count} nodes");
        assert!(last <= threshold + way + ROUGH, "{last:?}, {count} nodes");
        // Whoever tried first judges first; at most the answer of one who was asked for objections is missing
        // then. The others count from the first try of that helper, and what told them of it was on its way.
        let (first, last) = called(&ring, 0, Unreachable, begin);
        assert!(first >= PATIENCE && first <= PATIENCE + way * 2 + ROUGH, "{first:?}, {count} nodes");
        assert!(last <= try_of + way + PATIENCE + way + way * 2 + ROUGH, "{last:?}, {count} nodes");
    }
}

/// There nobody else is asked: only the number of tries and time count.
#[test]
fn behaviour_32_of_two_the_number_of_tries_and_time_decide() {
    // Where twelve tries take less than 2.4 s, and where they take longer.
    for way in [millis(15), millis(200)] {
        let mut pair = Ring::unlinked(2);
        pair.delay = way;
        pair.link_up(0, 1);
        pair.run(SECOND * 120);
        pair.forget();
        let try_of = patience(&pair, 1, 0);
        pair.dead.insert(0);
        pair.run(SECOND * 60);
        assert_eq!(pair.statuses(1, 0), [Suspected, Unreachable]);
        assert_eq!(pair.told.len(), 2);
        let begin = first_try(&pair, 0).unwrap();
        let after = |status| called(&pair, 0, status, begin).0;
        assert!(after(Suspected).abs_diff(try_of * 4) < ROUGH, "{way:?}");
        let (tries, gone) = (try_of * 12, after(Unreachable));
        match tries < ALONE {
            true => assert!(gone >= ALONE && gone < ALONE + try_of, "{gone:?}"),
            false => assert!(gone.abs_diff(tries) < ROUGH, "{gone:?} and not {tries:?}"),
        }
    }
}

/// What comes just before the verdict prevents it, and what comes just after does not.
#[test]
fn behaviour_32_silence_that_ends_just_before_the_verdict_has_none() {
    for count in [2, 4, 8] {
        for is_in_time in [true, false] {
            let mut ring = Ring::new(count);
            let (way, try_of) = (ring.delay, patience(&ring, 1, 0));
            let (soonest, latest) = match count {
                2 => (ALONE, ALONE + try_of),
                _ => (PATIENCE, try_of + way + PATIENCE + way * 3 + ROUGH),
            };
            ring.block(0);
            let begin = until_tried(&mut ring, 0);
            let silent = if is_in_time { soonest - way - millis(1) } else { latest };
            ring.run(begin + silent - ring.time());
            ring.unblock(0);
            ring.run(SECOND * 30);
            let expected = match is_in_time {
                true => vec![Suspected, Reachable],
                false => vec![Suspected, Unreachable, Reachable],
            };
            for at in 1..count {
                assert_eq!(ring.statuses(at, 0), expected, "at {at} of {count}, {silent:?}");
            }
            let wrong = ring.told.iter().filter(|(_, _, of, status)| *of != 0 && *status == Unreachable);
            assert_eq!(if count > 2 { wrong.count() } else { 0 }, 0, "{:?}", ring.told);
        }
    }
}

/// Node 0 only answers. Each time its answer takes longer than node 1 waits before it asks again.
#[test]
fn behaviour_31_of_two_an_answer_that_is_late_counts() {
    let mut pair = Ring::new(2);
    pair.delay = millis(400);
    pair.run(SECOND * 60);
    let learnt = patience(&pair, 1, 0);
    assert!(learnt > millis(1_000) && learnt < millis(1_100), "{learnt:?}");
    // What it has said of its next beat is not so any more.
    pair.delay = millis(700);
    pair.run(SECOND * 2);
    pair.nodes[0].timers.cancel(&Timer::Beat);
    pair.run(SECOND * 2);
    pair.forget();
    pair.run(SECOND * 60);
    assert_eq!(pair.told, [], "not even a suspicion");
    let is_answer =
        |said: &Message| matches!(said, Message::Beat(beat) if beat.flags.has(BeatFlags::IS_ANSWER));
    let said: Vec<_> =
        pair.said.iter().filter(|(_, by, _, said)| *by == 0 && said.name() == "beat").collect();
    let others: Vec<_> = said.iter().filter(|(.., said)| !is_answer(said)).collect();
    assert!(said.len() > 15 && others.is_empty(), "{} beats, {others:?}", said.len());
}
