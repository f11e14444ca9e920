//! Where two histories part: hashes of both at sixteen places at a time, between one where they agree and
//! one where they do not.

use std::time::Duration;

use super::forks::{AT_ONCE, Answer, ForkOp, of_link};
use super::ops::Op;
use super::{Class, Event, LinkId, Node, OpId, Timer};
use crate::wire::{Hashes, MAX_POSITIONS, Message, Positions};
use crate::{ChainHash, ChannelId, Check, LogId, Seq, StoreFailure, StoreReply, StoreRequest, Tick};

/// Places asked for at once.
const PLACES: u64 = 16;
/// Rounds of a search: sixteen to the power of it is more than any log has entries.
const ROUNDS: u32 = 20;
/// A question that was not answered in time is asked again, so often, each time after a longer pause; then the search
/// begins anew when the fork is seen again.
pub(super) const TRIES: u32 = 4;
/// The longest of these pauses.
const PAUSE: Duration = Duration::from_secs(5);

/// One search.
#[derive(Debug)]
pub(super) struct Search {
    channel: ChannelId,
    serial: u32,
    /// They agree here, as all do at 0.
    low: Seq,
    /// They differ here; `None` until they were seen to.
    high: Option<Seq>,
    /// Our hashes at both.
    hashes: [Option<ChainHash>; 2],
    /// Where one of the two ends.
    top: Seq,
    rounds: u32,
    /// Places of this round.
    asked: Vec<Seq>,
    /// What tells our hashes there. What an earlier search of the log waited for is of other places.
    waits: Option<OpId>,
    ours: Option<Vec<(Seq, ChainHash)>>,
    theirs: Option<Hashes>,
    /// When the peer is asked again.
    until: Tick,
    tries: u32,
}

/// What the hashes of a round say.
enum Found {
    /// Where they part is between these two.
    Between,
    /// The first sequence at which they differ.
    At(Seq),
    /// The two do not differ.
    Nothing,
    /// One of the two does not hold what lies there any more.
    Lost(Seq),
}

impl Search {
    /// Compares both sides of a round.
    fn narrow(&mut self, ours: &[(Seq, ChainHash)], theirs: &Hashes) -> Found {
        let before = (self.low, self.high, self.top);
        self.top = self.top.min(theirs.height);
        for (at, check) in &theirs.at {
            let mine = ours.iter().find(|(mine, _)| mine == at).map(|(_, hash)| *hash);
            let Some((mine, check)) = mine.zip(*check) else { continue };
            if mine.check() == check && *at >= self.low {
                (self.low, self.hashes[0]) = (*at, Some(mine));
            } else if mine.check() != check && self.high.is_none_or(|high| *at <= high) {
                (self.high, self.hashes[1]) = (Some(*at), Some(mine));
            }
        }
        match self.high {
            Some(high) if high == self.low + 1 => Found::At(high),
            Some(high) if high <= self.low => Found::Nothing,
            None if self.top <= self.low => Found::Nothing,
            _ if before == (self.low, self.high, self.top) => Found::Lost(self.high.unwrap_or(self.top)),
            _ => Found::Between,
        }
    }

    /// Places to ask for next, all above `low` and below `high`.
    fn places(&self) -> Vec<Seq> {
        let last = self.high.map_or(self.top, |high| high - 1);
        let span = last.saturating_sub(self.low);
        let place = |step: u64| self.low + (u128::from(span) * u128::from(step) / u128::from(PLACES)) as Seq;
        let mut places: Vec<Seq> = (1..=PLACES).map(place).filter(|at| *at > self.low).collect();
        places.dedup();
        places
    }
}

impl Node {
    /// Begins to search with the peer of a link; `at` is where the two are thought to differ, or above.
    pub(super) fn search_fork(&mut self, id: LinkId, channel: &ChannelId, log: LogId, at: Seq) {
        let now = self.now.tick;
        self.forks.again.remove(&(id, log));
        let many = self.forks.searches.range(of_link(id)).count();
        let top = self.logs.get(&log).map_or(0, |held| held.stored.height.min(at));
        if many >= AT_ONCE
            || top == 0
            || self.forks.claims.contains_key(&(id, log))
            || self.forks.parting.contains_key(&log)
        {
            return self.fork_again(id, log);
        }
        let search = Search {
            channel: channel.clone(),
            serial: 0,
            low: 0,
            high: None,
            hashes: [None; 2],
            top,
            rounds: 0,
            asked: Vec::new(),
            waits: None,
            ours: None,
            theirs: None,
            until: now,
            tries: 0,
        };
        self.forks.searches.insert((id, log), search);
        self.ask_places(id, log);
    }

    /// Asks the peer and the store for the next places of a search.
    fn ask_places(&mut self, id: LinkId, log: LogId) {
        let Some(held) = self.logs.get(&log) else { return };
        let Some(search) = self.forks.searches.get_mut(&(id, log)) else { return };
        let (floor, top) = (held.holes().floor, search.high.unwrap_or(search.top));
        // The floor is the lowest place of which we know the hash.
        let mut at: Vec<Seq> = search.places().into_iter().map(|at| at.max(floor)).collect();
        at.retain(|at| *at <= top && held.knows_hash(*at) && search.high != Some(*at));
        at.dedup();
        search.rounds += 1;
        if at.is_empty() || search.rounds > ROUNDS {
            return self.end_search(id, log, Found::Lost(top));
        }
        let serial = self.forks.next_serial();
        let request = StoreRequest::HashAt { log, positions: at.clone() };
        let op = self.store(Op::Fork(ForkOp::Search(id, log)), request);
        let Some(search) = self.forks.searches.get_mut(&(id, log)) else { return };
        (search.serial, search.tries, search.ours, search.theirs) = (serial, 0, None, None);
        (search.asked, search.waits) = (at, Some(op));
        self.send_places(id, log);
    }

    /// Asks the peer, for the first time or again.
    fn send_places(&mut self, id: LinkId, log: LogId) {
        let Some(link) = self.links.get(&id) else { return };
        let Some(search) = self.forks.searches.get_mut(&(id, log)) else { return };
        search.until = self.now.tick + link.rtt.backoff(search.tries, PAUSE);
        let (channel, serial, at) = (search.channel.clone(), search.serial, search.asked.clone());
        self.timers.bring_forward(Timer::Search(id), search.until);
        let Some(tag) = self.shared(id, &channel).map(|shared| shared.tag) else { return };
        self.send(id, &Message::Positions(Positions { tag, serial, log, at }), Class::Live);
    }

    pub(super) fn on_own_hashes(
        &mut self,
        id: LinkId,
        log: LogId,
        op: OpId,
        result: Result<StoreReply, StoreFailure>,
    ) {
        let search = self.forks.searches.get_mut(&(id, log));
        let Some(search) = search.filter(|search| search.waits == Some(op)) else { return };
        let Ok(StoreReply::Hashes(hashes)) = result else {
            self.forks.searches.remove(&(id, log));
            return self.fork_again(id, log);
        };
        // What was asked for, and nothing else, or the two could not be put side by side.
        search.ours = Some(search.asked.iter().copied().zip(hashes).collect());
        self.go_on_searching(id, log);
    }

    pub(super) fn on_hashes(&mut self, id: LinkId, hashes: &Hashes) {
        let search = self.forks.searches.get_mut(&(id, hashes.log));
        let Some(search) = search.filter(|search| search.serial == hashes.serial) else {
            return self.on_held(id, hashes);
        };
        search.theirs = Some(hashes.clone());
        self.go_on_searching(id, hashes.log);
    }

    /// Compares what both said, once both have.
    fn go_on_searching(&mut self, id: LinkId, log: LogId) {
        let Some(search) = self.forks.searches.get_mut(&(id, log)) else { return };
        let (Some(ours), Some(theirs)) = (search.ours.clone(), search.theirs.clone()) else { return };
        match search.narrow(&ours, &theirs) {
            Found::Between => self.ask_places(id, log),
            found => self.end_search(id, log, found),
        }
    }

    fn end_search(&mut self, id: LinkId, log: LogId, found: Found) {
        let Some(search) = self.forks.searches.remove(&(id, log)) else { return };
        match found {
            Found::At(at) => {
                // All agree on where the chain begins.
                let root = || self.logs.name(&log).filter(|_| at == 1).map(|name| name.root());
                let [prev, ours] = search.hashes;
                match prev.or_else(root).zip(ours) {
                    Some((prev, ours)) => self.claim(id, &search.channel, log, (at, prev, ours)),
                    None => self.fork_again(id, log),
                }
            }
            Found::Lost(at) => self.tell_fork(id, log, at),
            Found::Nothing | Found::Between => self.fork_again(id, log),
        }
    }

    /// Asks again what was not answered in time, or gives it up.
    pub(super) fn tend_searches(&mut self, id: LinkId) {
        let now = self.now.tick;
        let waits = self.forks.searches.range(of_link(id)).filter(|(_, search)| search.theirs.is_none());
        let late: Vec<LogId> = waits.filter(|(_, s)| s.until <= now).map(|((_, log), _)| *log).collect();
        for log in late {
            self.repeat_search(id, log);
        }
        let claims = self.forks.claims.range(of_link(id));
        let late: Vec<LogId> = claims.filter(|(_, c)| c.until <= now).map(|((_, log), _)| *log).collect();
        for log in late {
            self.repeat_claim(id, log);
        }
        self.lift_forks(id);
        let waits = self.forks.searches.range(of_link(id)).filter(|(_, search)| search.theirs.is_none());
        let searches = waits.map(|(_, search)| search.until);
        let claims = self.forks.claims.range(of_link(id)).map(|(_, claim)| claim.until);
        let again = self.forks.again.range(of_link(id)).map(|(_, at)| *at);
        if let Some(next) = searches.chain(claims).chain(again).min() {
            self.timers.bring_forward(Timer::Search(id), next);
        }
    }

    fn repeat_search(&mut self, id: LinkId, log: LogId) {
        let Some(search) = self.forks.searches.get_mut(&(id, log)) else { return };
        search.tries += 1;
        if search.tries < TRIES {
            return self.send_places(id, log);
        }
        self.forks.searches.remove(&(id, log));
        self.fork_again(id, log);
    }

    fn tell_fork(&mut self, id: LinkId, log: LogId, at: Seq) {
        let Some(peer) = self.links.get(&id).map(|link| link.peer.clone()) else { return };
        let Some(name) = self.logs.get(&log).and_then(|log| self.logs.name_of(log)) else { return };
        self.notify(Event::ForkDetected { log: name, at, peer });
    }

    pub(super) fn on_positions(&mut self, id: LinkId, asked: &Positions) {
        let Some((channel, _)) = self.shared_by_tag(id, asked.tag) else { return };
        if asked.at.len() > MAX_POSITIONS {
            return;
        }
        let Some(log) = self.logs.inside(&channel, &asked.log) else { return self.know_nothing(id, asked) };
        if self.forks.answering.contains_key(&id) || !self.compares(id, log) {
            return;
        }
        let held: Vec<Seq> = asked.at.iter().copied().filter(|at| log.knows_hash(*at)).collect();
        let (tag, serial, height) = (asked.tag, asked.serial, log.stored.height);
        let answer = Answer { tag, serial, log: asked.log, height, at: asked.at.clone(), held: held.clone() };
        self.forks.answering.insert(id, answer);
        let request = StoreRequest::HashAt { log: asked.log, positions: held };
        self.store(Op::Fork(ForkOp::Answer(id)), request);
    }

    /// Said at once: whoever asks waits for it with all else there is to ask.
    fn know_nothing(&mut self, id: LinkId, asked: &Positions) {
        let at = asked.at.iter().map(|at| (*at, None)).collect();
        let Positions { tag, serial, log, .. } = *asked;
        self.send(id, &Message::Hashes(Hashes { tag, serial, log, height: 0, at }), Class::Live);
    }

    pub(super) fn answer_positions(&mut self, id: LinkId, result: Result<StoreReply, StoreFailure>) {
        let Some(answer) = self.forks.answering.remove(&id) else { return };
        // Who asks, asks again.
        let Ok(StoreReply::Hashes(hashes)) = result else { return };
        let Answer { tag, serial, log, height, at, held } = answer;
        let known = |at: Seq| -> Option<Check> {
            let place = held.iter().position(|held| *held == at)?;
            hashes.get(place).map(ChainHash::check)
        };
        let at = at.into_iter().map(|at| (at, known(at))).collect();
        self.send(id, &Message::Hashes(Hashes { tag, serial, log, height, at }), Class::Live);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::ChannelTag;

    fn hash(history: u8, at: Seq) -> ChainHash {
        let mut hash = [history; 32];
        hash[8..16].copy_from_slice(&at.to_be_bytes());
        hash[0] = at as u8;
        ChainHash(hash)
    }

    /// Searches two histories that are the same up to a place, of which the other side dropped what is below
    /// its floor; how many rounds it took.
    fn search(common: Seq, heights: [Seq; 2], floor: Seq) -> (Option<Seq>, u32) {
        let side = |history: u8, at: Seq| hash(if at <= common { 9 } else { history }, at);
        let mut search = Search {
            channel: ChannelId::new("c").unwrap(),
            serial: 0,
            low: 0,
            high: None,
            hashes: [None; 2],
            top: heights[0],
            rounds: 0,
            asked: Vec::new(),
            waits: None,
            ours: None,
            theirs: None,
            until: Tick(0),
            tries: 0,
        };
        for round in 1..=ROUNDS {
            let places = search.places();
            assert!(places.len() <= PLACES as usize);
            let ours: Vec<_> = places.iter().map(|at| (*at, side(1, *at))).collect();
            let theirs = |at: &Seq| {
                let held = *at >= floor && *at <= heights[1];
                (*at, held.then(|| side(2, *at).check()))
            };
            let at = places.iter().map(theirs).collect();
            let (tag, log) = (ChannelTag([0; 8]), LogId([0; 16]));
            match search.narrow(&ours, &Hashes { tag, serial: 0, log, height: heights[1], at }) {
                Found::At(at) => return (Some(at), round),
                Found::Between => {}
                Found::Nothing | Found::Lost(_) => return (None, round),
            }
        }
        panic!("it does not end");
    }

    #[test]
    fn the_place_is_found_in_few_rounds() {
        assert_eq!(search(5, [20, 20], 0).0, Some(6));
        assert_eq!(search(0, [3, 9], 0).0, Some(1));
        assert_eq!(search(19, [20, 20], 0).0, Some(20));
        assert_eq!(search(700_000, [1_000_000, 900_000], 0), (Some(700_001), 5));
        assert_eq!(search(1 << 60, [1 << 61, 1 << 62], 0).0, Some((1 << 60) + 1));
        for common in 0..40 {
            assert_eq!(search(common, [41, 50], 0).0, Some(common + 1));
            assert_eq!(search(common, [60, 41], 0).0, Some(common + 1));
        }
    }

    #[test]
    fn what_is_no_fork_or_cannot_be_found_ends() {
        assert_eq!(search(50, [20, 30], 0).0, None, "the same history");
        assert_eq!(search(50, [30, 20], 0).0, None);
        assert_eq!(search(5, [40, 40], 30).0, None, "it lies below a floor");
    }
}
