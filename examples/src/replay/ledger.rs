//! What the conductor knows: who wrote, sent, saw and holds which transaction.

use std::ops::Range;

use super::cast::Cast;
use super::message::{Nanos, News};
use super::percentile::Times;

/// Sums up what all players told.
#[derive(Debug)]
pub struct Ledger {
    cast: Cast,
    /// When each transaction was given to `append`; 0 = not yet.
    sent: Vec<Nanos>,
    players: Vec<Player>,
}

#[derive(Debug)]
struct Player {
    durable: usize,
    writing: bool,
    linked: usize,
    linked_at: Nanos,
    /// When this person first saw each transaction; 0 = not yet. Kept over a restart.
    seen: Vec<Nanos>,
    /// What the running process has shown to hold. Forgotten over a restart.
    holds: Vec<bool>,
    held: usize,
    dumped: bool,
}

impl Player {
    fn new(transactions: usize) -> Self {
        Self {
            durable: 0,
            writing: false,
            linked: 0,
            linked_at: 0,
            seen: vec![0; transactions],
            holds: vec![false; transactions],
            held: 0,
            dumped: false,
        }
    }

    fn see(&mut self, index: usize, at: Nanos) {
        if self.seen[index] == 0 {
            self.seen[index] = at;
        }
        if !self.holds[index] {
            self.holds[index] = true;
            self.held += 1;
        }
    }
}

impl Ledger {
    /// An empty one.
    #[must_use]
    pub fn new(cast: Cast) -> Self {
        let transactions = (0..cast.people()).map(|person| cast.script(person).len()).sum();
        let players = (0..cast.people()).map(|_| Player::new(transactions)).collect();
        Self { cast, sent: vec![0; transactions], players }
    }

    /// Who takes part.
    #[must_use]
    pub fn cast(&self) -> &Cast {
        &self.cast
    }

    /// Takes note of what a player told.
    ///
    /// # Errors
    /// What is odd about it, when it names transactions that do not exist.
    pub fn note(&mut self, person: usize, news: &News) -> Result<(), String> {
        let player = &mut self.players[person];
        match news {
            News::Ready { on_disk, .. } => player.durable = *on_disk,
            News::Linked { peers, at } => (player.linked, player.linked_at) = (*peers, *at),
            News::Written => player.writing = false,
            News::Dumped => player.dumped = true,
            News::Failed { reason } => return Err(reason.clone()),
            News::Progress { durable, sent, seen } => {
                let named = sent.iter().chain(seen).find(|(index, _)| *index >= self.sent.len());
                if let Some((index, _)) = named {
                    return Err(format!("it speaks of transaction {index}, which does not exist"));
                }
                player.durable = *durable;
                sent.iter().for_each(|(index, at)| self.sent[*index] = *at);
                seen.iter().for_each(|(index, at)| player.see(*index, *at));
            }
        }
        Ok(())
    }

    /// A player was told to write.
    pub fn begins_to_write(&mut self, person: usize) {
        self.players[person].writing = true;
    }

    /// A player was killed: what it held is to be shown anew. What it had seen stays on record.
    pub fn restarts(&mut self, person: usize) {
        let player = &mut self.players[person];
        player.holds.fill(false);
        (player.held, player.linked, player.writing) = (0, 0, false);
    }

    /// Own transactions of a person known to be durable.
    #[must_use]
    pub fn durable(&self, person: usize) -> usize {
        self.players[person].durable
    }

    /// Transactions a person's process has shown to hold.
    #[must_use]
    pub fn held(&self, person: usize) -> usize {
        self.players[person].held
    }

    /// Nobody is writing.
    #[must_use]
    pub fn all_written(&self) -> bool {
        !self.players.iter().any(|player| player.writing)
    }

    /// Everybody has written their file.
    #[must_use]
    pub fn all_dumped(&self) -> bool {
        self.players.iter().all(|player| player.dumped)
    }

    /// Everybody holds the first `count` transactions (which are all that were written).
    #[must_use]
    pub fn all_hold(&self, count: usize) -> bool {
        self.players.iter().all(|player| player.held >= count)
    }

    /// The first player stands in the middle and is linked to all others.
    #[must_use]
    pub fn all_linked(&self) -> bool {
        let others = self.players.len() - 1;
        self.players.iter().zip([others].into_iter().chain(std::iter::repeat(1))).all(|(p, n)| p.linked >= n)
    }

    /// No link is left.
    #[must_use]
    pub fn all_cut(&self) -> bool {
        self.players.iter().all(|player| player.linked == 0)
    }

    /// When the newest link came up.
    #[must_use]
    pub fn linked_at(&self) -> Nanos {
        self.players.iter().map(|player| player.linked_at).max().unwrap_or(0)
    }

    /// Transactions of others in a range that a person holds.
    #[must_use]
    pub fn received(&self, person: usize, range: &Range<usize>) -> usize {
        let held = range.clone().filter(|index| self.players[person].holds[*index]).count();
        let own = self.cast.script(person);
        let own = &own[own.partition_point(|i| *i < range.start)..own.partition_point(|i| *i < range.end)];
        held - own.iter().filter(|index| self.players[person].holds[**index]).count()
    }

    /// The first person who could have received something of a range but did not.
    #[must_use]
    pub fn empty_handed(&self, range: &Range<usize>) -> Option<usize> {
        let people = 0..self.players.len();
        people.into_iter().find(|person| {
            self.cast.lines(*person, range) < range.len() && self.received(*person, range) == 0
        })
    }

    /// Times from `append` to the subscription of each other person.
    #[must_use]
    pub fn append_to_visible(&self, ranges: &[Range<usize>]) -> Times {
        let seen_by = |person| ranges.iter().flat_map(move |range| self.foreign(person, range));
        let times = (0..self.players.len()).flat_map(seen_by);
        times
            .map(|(person, index)| self.players[person].seen[index].saturating_sub(self.sent[index]))
            .collect()
    }

    /// When the last transaction of a range became visible to the last person.
    #[must_use]
    pub fn last_seen(&self, range: &Range<usize>) -> Nanos {
        let people = 0..self.players.len();
        let seen = people.flat_map(|person| self.foreign(person, range));
        seen.map(|(person, index)| self.players[person].seen[index]).max().unwrap_or(0)
    }

    /// Transactions given to `append` per second, over all authors.
    #[must_use]
    pub fn rate(&self, range: &Range<usize>) -> f64 {
        let sent = || self.sent[range.clone()].iter().copied().filter(|at| *at > 0);
        let (first, last) = (sent().min().unwrap_or(0), sent().max().unwrap_or(0));
        let seconds = last.saturating_sub(first) as f64 / 1e9;
        if seconds > 0.0 { sent().count().saturating_sub(1) as f64 / seconds } else { 0.0 }
    }

    fn foreign(&self, person: usize, range: &Range<usize>) -> impl Iterator<Item = (usize, usize)> {
        let own = self.cast.script(person);
        let foreign = range.clone().filter(|index| own.binary_search(index).is_err());
        foreign.filter(move |index| self.players[person].seen[*index] > 0).map(move |index| (person, index))
    }

    /// How things stand, for a person.
    #[must_use]
    pub fn state(&self) -> String {
        let one = |(person, player): (usize, &Player)| {
            let Player { durable, held, linked, .. } = player;
            format!("{} wrote {durable}, holds {held}, is linked to {linked}", self.cast.name(person))
        };
        self.players.iter().enumerate().map(one).collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::trace::{Trace, Transaction};

    /// Ann writes 0 and 2, bob 1 and 3.
    fn ledger() -> Ledger {
        let transaction = |agent| Transaction { agent, parents: vec![], patches: vec![] };
        let transactions = [0, 1, 0, 1].map(transaction).into();
        Ledger::new(Cast::of(&Trace { agents: 2, transactions }))
    }

    fn progress(sent: &[(usize, Nanos)], seen: &[(usize, Nanos)]) -> News {
        News::Progress { durable: sent.len(), sent: sent.into(), seen: seen.into() }
    }

    #[test]
    fn joins_sending_with_seeing() {
        let mut ledger = ledger();
        ledger.note(0, &progress(&[(0, 100), (2, 1_000_000_100)], &[(0, 110), (1, 290), (2, 120)])).unwrap();
        ledger.note(1, &progress(&[(1, 200)], &[(0, 150), (1, 210)])).unwrap();
        let times = ledger.append_to_visible(&[0..2, 2..4]);
        assert_eq!(times.count(), 2, "own entries are not counted");
        assert_eq!(times.percentile(50), Some(Duration::from_nanos(50)));
        assert_eq!(times.percentile(100), Some(Duration::from_nanos(90)));
        assert_eq!(ledger.last_seen(&(0..4)), 290);
        assert!((ledger.rate(&(0..4)) - 2.0).abs() < 1e-6);
    }

    #[test]
    fn knows_who_got_nothing() {
        let mut ledger = ledger();
        ledger.note(0, &progress(&[(0, 1)], &[(0, 2), (1, 3)])).unwrap();
        ledger.note(1, &progress(&[(1, 1)], &[(1, 2)])).unwrap();
        assert_eq!(ledger.empty_handed(&(0..2)), Some(1));
        assert_eq!(ledger.empty_handed(&(1..2)), None, "all of it is bob's own");
        ledger.note(1, &progress(&[], &[(0, 9)])).unwrap();
        assert_eq!(ledger.empty_handed(&(0..2)), None);
        assert!(ledger.all_hold(2) && !ledger.all_hold(3));
    }

    #[test]
    fn a_restarted_player_has_to_show_again() {
        let mut ledger = ledger();
        ledger.note(1, &progress(&[], &[(0, 5), (0, 6)])).unwrap();
        assert_eq!(ledger.held(1), 1);
        ledger.restarts(1);
        assert_eq!(ledger.held(1), 0);
        ledger.note(1, &progress(&[], &[(0, 99)])).unwrap();
        assert_eq!((ledger.held(1), ledger.last_seen(&(0..1))), (1, 5));
    }

    #[test]
    fn nonsense_is_an_error() {
        assert!(ledger().note(0, &progress(&[(4, 1)], &[])).unwrap_err().contains("4"));
    }
}
