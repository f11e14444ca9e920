//! The first word about a channel on a new link, and what is remembered to make it short.
//!
//! When digests were seen to agree, what had arrived here by then is what the peer holds too. On the next
//! link whatever came since is sent at once; digests are compared afterwards. The responder
//! of the handshake speaks right behind its list of channels, because it is the first to know which are
//! shared; the initiator only if it has something to send.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::left_out::LeftOut;
use super::ops::{Landed, Landing, Op};
use super::sealed::keep_sealed;
use super::{LinkId, Node, Timer};
use crate::wire::{Delta, DeltaRun, DigestTag, LogKey};
use crate::{
    Arrival, Arrived, ChannelId, Committed, Hint, LogId, LogName, MAX_RUN_BYTES, NodeId, Seq, StoreFailure,
    StoreIncarnation, StoreReply, StoreRequest, StoredRun,
};

/// Peers remembered for each channel.
const REMEMBERED: usize = 256;
/// Changes of hints are written together: they may be lost.
const SAVE: Duration = Duration::from_secs(5);
/// More news than this are not sent unasked.
const NEWS: usize = MAX_RUN_BYTES;
/// Peers of which it is remembered what they leave out, over all channels,
const SCOPES: usize = 1024;
/// and streams of each.
const LISTED: usize = 1024;

/// A hint, and on what kind of link it is true.
#[derive(Debug, PartialEq, Eq)]
struct Agreement {
    hint: Hint,
    /// The turn of what we left out by choice: they need not hold that. 0 is nothing.
    chosen: u64,
}

/// What is remembered of peers.
#[derive(Debug, Default)]
pub(super) struct Hints {
    incarnation: StoreIncarnation,
    /// Newest arrival the store told of.
    last: Arrival,
    /// Who agreed last is last.
    of: BTreeMap<ChannelId, Vec<Agreement>>,
    changed: BTreeSet<ChannelId>,
    /// What peers left out last. As long as that is not known after a start, they are strangers.
    scopes: BTreeMap<(ChannelId, NodeId), LeftOut>,
}

impl Hints {
    /// Those of another store, or of a later time of this one, mean nothing.
    pub(super) fn load(
        incarnation: StoreIncarnation,
        last: Arrival,
        hints: Vec<(ChannelId, Vec<Hint>)>,
    ) -> Self {
        let is_true = |hint: &Hint| hint.incarnation == incarnation && hint.arrival <= last;
        let known = |hints: Vec<Hint>| {
            let known = hints.into_iter().filter(is_true).take(REMEMBERED);
            known.map(|hint| Agreement { hint, chosen: 0 }).collect()
        };
        let of = hints.into_iter().map(|(channel, hints)| (channel, known(hints))).collect();
        Self { incarnation, last, of, ..Self::default() }
    }

    /// The store took these runs in.
    pub(super) fn note_arrivals(&mut self, landings: &[Landing], committed: &Committed) {
        for (landing, first) in landings.iter().zip(&committed.arrivals) {
            let Some(first) = first else { continue };
            let more = if let Landed::Run(run) = &landing.what { run.count() - 1 } else { 0 };
            self.last = self.last.max(Arrival(first.0.saturating_add(more)));
        }
    }

    /// What is true of a peer as long as we leave out this by choice.
    fn get(&self, channel: &ChannelId, peer: &NodeId, chosen: u64) -> Option<&Hint> {
        let known = self.of.get(channel)?.iter().find(|known| known.hint.peer == *peer)?;
        (known.chosen == 0 || known.chosen == chosen).then_some(&known.hint)
    }

    /// Remembers that a peer holds what we hold, but for what we leave out. True when that is worth saving.
    fn agree(&mut self, channel: &ChannelId, peer: &NodeId, digest: [u8; 16], chosen: u64) -> bool {
        let hint = Hint { peer: peer.clone(), incarnation: self.incarnation, arrival: self.last, digest };
        let new = Agreement { hint, chosen };
        let hints = self.of.entry(channel.clone()).or_default();
        let old = hints.iter().position(|known| known.hint.peer == *peer).map(|at| hints.remove(at));
        let changed = old.as_ref() != Some(&new);
        if hints.len() == REMEMBERED {
            hints.remove(0);
        }
        hints.push(new);
        changed && self.changed.insert(channel.clone())
    }

    pub(super) fn forget(&mut self, channel: &ChannelId) {
        self.of.remove(channel);
        self.changed.remove(channel);
        self.scopes.retain(|(of, _), _| of != channel);
    }

    /// Remembers what a peer leaves out on a link: the next one may be like it, and the peer wants to be spared
    /// what came since. That it leaves out nothing does not count, as that may be on a link of another
    /// kind. True when what is saved changes by that.
    fn note_scope(&mut self, channel: &ChannelId, peer: &NodeId, scope: &LeftOut) -> bool {
        if scope.is_nothing() {
            return false;
        }
        let key = (channel.clone(), peer.clone());
        let is_known = self.scopes.contains_key(&key);
        if scope.listed().len() <= LISTED && (is_known || self.scopes.len() < SCOPES) {
            self.scopes.insert(key, scope.clone());
        } else {
            self.scopes.remove(&key);
            self.of
                .get_mut(channel)
                .into_iter()
                .for_each(|hints| hints.retain(|known| known.hint.peer != *peer));
        }
        !is_known && self.changed.insert(channel.clone())
    }

    /// What a peer left out last, as far as remembered.
    pub(super) fn scope(&self, channel: &ChannelId, peer: &NodeId) -> Option<&LeftOut> {
        self.scopes.get(&(channel.clone(), peer.clone()))
    }

    fn take_changed(&mut self) -> Vec<(ChannelId, Vec<Hint>)> {
        let changed = std::mem::take(&mut self.changed).into_iter();
        let kept = |channel: ChannelId| {
            // What is left out by them or by us is not saved, and nothing is true without it.
            let lasts =
                |known: &&Agreement| known.chosen == 0 && self.scope(&channel, &known.hint.peer).is_none();
            let hints = self.of.get(&channel)?.iter().filter(lasts).map(|known| known.hint.clone());
            let hints = hints.collect();
            Some((channel, hints))
        };
        changed.filter_map(kept).collect()
    }
}

impl Node {
    /// A channel turned out to be shared on a link: the first word about it.
    pub(super) fn greet(&mut self, id: LinkId, name: &ChannelId) {
        let Some(link) = self.links.get(&id) else { return };
        let Some(session) = link.session.as_ref() else { return };
        let round = Timer::Round(id, name.clone());
        if session.version == 1 {
            // The initiator speaks first; the other side waits a round trip before it does.
            let wait = if session.initiator { Duration::ZERO } else { link.rtt.timeout() };
            return self.timers.bring_forward(round, self.now.tick + wait);
        }
        self.timers.bring_forward(round, self.now.tick + link.rtt.timeout());
        if !self.is_active() || link.congested || !self.speaks(id, name) {
            return;
        }
        let Some(hint) = self.hints.get(name, &link.peer, self.narrowing(id, name)) else {
            return self.meet(id, name, true);
        };
        let (after, agreed) = (hint.arrival, hint.digest);
        let unchanged = self.digest_on(id, name).is_some_and(|mine| mine.0 == agreed);
        let paused = self.peers.get(&link.peer).is_some_and(|peer| peer.paused);
        if unchanged {
            self.know_names(id, name);
        }
        if unchanged || paused {
            return self.meet(id, name, false);
        }
        let since = StoreRequest::Since { channel: name.clone(), after, budget: NEWS };
        self.store(Op::Since(id, name.clone()), since);
    }

    /// The responder's word when there is nothing to send at once.
    fn meet(&mut self, id: LinkId, name: &ChannelId, stranger: bool) {
        let session = self.links.get(&id).and_then(|link| link.session.as_ref());
        match session.is_some_and(|session| !session.initiator) {
            true if stranger => self.look_into(id, name),
            true => self.beacon(id, name),
            false => {}
        }
    }

    /// What came since is read: sent at once, if it is not too much.
    pub(super) fn on_since(
        &mut self,
        id: LinkId,
        name: &ChannelId,
        result: Result<StoreReply, StoreFailure>,
    ) {
        let mine = self.digest_on(id, name);
        let heard = self.shared(id, name).map(|shared| shared.theirs);
        if !self.is_active() || heard.is_none() || heard == Some(mine) {
            return;
        }
        let Ok(StoreReply::Arrived(page)) = result else { return self.meet(id, name, true) };
        if page.next.is_some() {
            return self.meet(id, name, true);
        }
        let news = self.news(id, name, &page.items);
        match news.as_ref().map(|news| (&news.runs[..], news_bytes(news))) {
            None | Some((_, NEWS..)) => self.meet(id, name, true),
            Some(([], _)) => self.meet(id, name, false),
            Some(_) => self.send_news(id, name, news),
        }
    }

    /// As a message: what of it they are not known to hold. `None` if it cannot be put together.
    fn news(&mut self, id: LinkId, name: &ChannelId, arrived: &[Arrived]) -> Option<Delta> {
        let session = self.links.get(&id)?.session.as_ref()?;
        let shared = session.shared.get(name)?;
        let channel = self.channels.get(name)?;
        let mut sent: BTreeMap<LogId, Seq> = BTreeMap::new();
        let (mut names, mut runs): (Vec<LogKey>, Vec<DeltaRun>) = (Vec::new(), Vec::new());
        for Arrived { log: of, range, runs: held, .. } in arrived {
            let Some(log) = self.logs.get(of) else { continue };
            let stream = self.stream_of(log)?;
            if !stream.is_open() || !channel.scopes.has(id, &stream.key) {
                continue;
            }
            let known = shared.knows.get(of).copied().unwrap_or(0);
            let done = sent.entry(*of).or_insert_with(|| known.max(range.first - 1));
            if range.first <= log.holes().floor + 1 && known == 0 {
                push_name(&mut names, &self.logs.name_of(log)?);
            }
            for stored in held {
                if let Some(run) = rest(stored, *done) {
                    *done = run.run.last();
                    runs.push(DeltaRun { prev: None, run: run.run });
                }
            }
        }
        // The end of a log that forks may have no seal: whoever knows of the fork asks for it.
        keep_sealed(&mut runs, |DeltaRun { run, .. }| {
            let author = self.logs.get(&run.log()).and_then(|log| self.logs.author_of(log));
            let is_due = author.is_some_and(NodeId::is_key);
            (run.log(), is_due, run.seal().is_some())
        });
        Some(Delta { tag: shared.tag, serial: 0, end: true, names, floors: Vec::new(), runs })
    }

    fn send_news(&mut self, id: LinkId, name: &ChannelId, news: Option<Delta>) {
        let Some(news) = news else { return };
        self.know_names(id, name);
        let now = self.now.tick;
        if let Some(shared) = self.shared(id, name) {
            shared.moved = Some(now);
            news.runs.iter().for_each(|run| shared.note(run.run.log(), run.run.last()));
        }
        self.push(id, news);
        self.timers.cancel(&Timer::Round(id, name.clone()));
        self.compare_link_soon(id, name);
    }

    /// Both hold the same: every log we hold is known to them by name, now and after they were away.
    pub(super) fn agreed(&mut self, id: LinkId, name: &ChannelId, digest: DigestTag) {
        self.know_names(id, name);
        let Some(peer) = self.links.get(&id).map(|link| link.peer.clone()) else { return };
        let [_, theirs] = self.channels.get(name).map_or([None; 2], |channel| channel.scopes.left_out(id));
        // Without knowing what to leave out nothing is sent unasked.
        let is_clear = theirs.is_none_or(LeftOut::is_nothing) || self.hints.scope(name, &peer).is_some();
        let chosen = self.narrowing(id, name);
        if is_clear && self.hints.agree(name, &peer, digest.0, chosen) {
            self.timers.ensure(Timer::Hints, self.now.tick + SAVE);
        }
    }

    /// Names what we leave out on a link besides what we refuse everywhere; 0 is nothing.
    fn narrowing(&self, id: LinkId, name: &ChannelId) -> u64 {
        let Some(channel) = self.channels.get(name) else { return 0 };
        let [ours, _] = channel.scopes.left_out(id);
        let ours = ours.map_or(0, LeftOut::turn);
        if ours == channel.refused.turn() { 0 } else { ours }
    }

    /// A peer leaves this out on a link.
    pub(super) fn remember_scope(&mut self, id: LinkId, name: &ChannelId, scope: &LeftOut) {
        let Some(peer) = self.links.get(&id).map(|link| link.peer.clone()) else { return };
        if self.hints.note_scope(name, &peer, scope) {
            self.timers.ensure(Timer::Hints, self.now.tick + SAVE);
        }
    }

    /// They know all logs by name that we have so far.
    fn know_names(&mut self, id: LinkId, name: &ChannelId) {
        let numbered = self.numbered;
        if let Some(shared) = self.shared(id, name) {
            shared.named = numbered;
        }
    }

    /// Writes the hints that changed. If that fails older ones remain.
    pub(super) fn save_hints(&mut self) {
        for (channel, hints) in self.hints.take_changed() {
            if self.channels.get(&channel).is_some_and(|channel| !channel.removing) {
                self.store(Op::Hints, StoreRequest::SaveHints(channel, hints));
            }
        }
    }

    /// Our digest of a channel, as a link's peer has to have it.
    pub(super) fn digest_on(&self, id: LinkId, name: &ChannelId) -> Option<DigestTag> {
        let session = self.links.get(&id)?.session.as_ref()?;
        Some(session.shared.get(name)?.digest_of(self.channels.get(name)?))
    }
}

fn push_name(names: &mut Vec<LogKey>, log: &LogName) {
    let key = (log.stream.clone(), log.author.clone(), log.epoch, log.branch);
    if !names.contains(&key) {
        names.push(key);
    }
}

/// What of a run comes after a sequence.
fn rest(stored: &StoredRun, after: Seq) -> Option<StoredRun> {
    match stored.run.first() > after {
        true => Some(stored.clone()),
        false if stored.run.last() > after => stored.cut_front(after + 1).ok(),
        false => None,
    }
}

fn news_bytes(news: &Delta) -> usize {
    news.runs.iter().map(|run| run.run.encoded().len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> (ChannelId, NodeId) {
        (ChannelId::new(name).unwrap(), NodeId::new(name).unwrap())
    }

    #[test]
    fn who_agreed_longest_ago_is_forgotten_first() {
        let (channel, _) = named("c");
        let mut hints = Hints { last: Arrival(7), ..Hints::default() };
        for peer in 0..=REMEMBERED {
            hints.agree(&channel, &named(&format!("p{peer}")).1, [1; 16], 0);
        }
        assert_eq!(hints.get(&channel, &named("p0").1, 0), None);
        assert_eq!(hints.get(&channel, &named("p1").1, 0).unwrap().arrival, Arrival(7));
        assert_eq!(hints.take_changed()[0].1.len(), REMEMBERED);
        assert!(!hints.agree(&channel, &named("p1").1, [1; 16], 0), "nothing new");
        assert!(hints.agree(&channel, &named("p1").1, [2; 16], 0) && !hints.take_changed().is_empty());
    }

    #[test]
    fn hints_of_another_store_or_of_its_future_mean_nothing() {
        let (channel, peer) = named("c");
        let hint = |incarnation, arrival| Hint {
            peer: peer.clone(),
            incarnation: StoreIncarnation(incarnation),
            arrival: Arrival(arrival),
            digest: [0; 16],
        };
        let load = |hint| {
            let hints = Hints::load(StoreIncarnation(1), Arrival(10), vec![(channel.clone(), vec![hint])]);
            hints.get(&channel, &peer, 0).is_some()
        };
        assert!(load(hint(1, 10)) && !load(hint(1, 11)) && !load(hint(2, 10)));
    }
}
