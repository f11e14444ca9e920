//! What was asked for and has not come yet: one book over all links, so that what is asked for stays
//! within what there is room for.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::LinkId;
use crate::{LogId, Seq, Tick};

/// A link that is asked for a log has it to itself for so long, if another one offers it too: however
/// often it says that more will come.
const TURN: Duration = Duration::from_secs(20);
/// After a failure of the store nothing is asked for, first so long, doubling up to
const STORE_PAUSE: Duration = Duration::from_millis(50);
/// this long.
const STORE_PAUSE_MAX: Duration = Duration::from_secs(10);

/// Ended wants remembered.
const ENDED: usize = 64;

/// A want: the link and the serial.
type WantName = (LinkId, u64);

/// Everything asked for and not yet answered.
#[derive(Debug, Default)]
pub(super) struct Fetches {
    open: BTreeMap<WantName, Asked>,
    /// The newest wants that are over, oldest first.
    ended: VecDeque<(WantName, Subject)>,
    /// A log is asked of one peer at a time.
    by_log: BTreeMap<LogId, WantName>,
    /// Unanswered wants in a row.
    tries: BTreeMap<LinkId, u32>,
    /// Links that have something to be asked for, for which there was no room at all.
    starved: BTreeSet<LinkId>,
    store_failures: u32,
    store_ready: Tick,
}

/// A want on its way.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) what: Subject,
    pub(super) budget: usize,
    pub(super) deadline: Tick,
    /// When it was sent.
    pub(super) since: Tick,
}

/// What a want is for.
#[derive(Debug, Clone)]
pub(super) enum Subject {
    /// Logs, each with the height it was asked from.
    Logs(Vec<(LogId, Seq)>),
    /// Logs of which only the beginnings of their ids are known.
    Unknown,
    /// Whatever the peer finds that we lack, if it finds anything.
    Gift { came: bool },
}

impl Subject {
    fn logs(&self) -> &[(LogId, Seq)] {
        if let Self::Logs(logs) = self { logs } else { &[] }
    }
}

/// Whom a log is left to.
pub(super) enum Holder {
    /// It may be asked for.
    Nobody,
    /// The same link is asked already.
    Itself,
    /// Another one is, and has it to itself for a while.
    Another { until: Tick },
}

impl Fetches {
    pub(super) fn store_works(&mut self) {
        self.store_failures = 0;
        self.store_ready = Tick(0);
    }

    pub(super) fn store_failed(&mut self, now: Tick) {
        let pause = STORE_PAUSE * (1 << self.store_failures.min(10));
        self.store_failures = self.store_failures.saturating_add(1);
        self.store_ready = now + pause.min(STORE_PAUSE_MAX);
    }

    pub(super) fn store_ready_at(&self) -> Tick {
        self.store_ready
    }

    /// Whether a floor of a log is an answer to this want, which asked for what follows `height`. The
    /// last part of an answer may have overtaken the others, so wants that ended not long ago count.
    pub(super) fn asked(&self, link: LinkId, serial: u64, log: LogId, height: Seq) -> bool {
        let open = self.open.get(&(link, serial)).map(|asked| &asked.what);
        let ended = self.ended.iter().rev().find(|(name, _)| *name == (link, serial)).map(|(_, what)| what);
        match open.or(ended) {
            None => false,
            Some(Subject::Logs(logs)) => logs.contains(&(log, height)),
            // Not if another link is being asked for the same log.
            Some(Subject::Unknown | Subject::Gift { .. }) => {
                self.by_log.get(&log).is_none_or(|(other, _)| *other == link)
            }
        }
    }

    /// Who is being asked for a log, as one sees it who might ask a link for it.
    pub(super) fn holder(&self, log: &LogId, link: LinkId, now: Tick) -> Holder {
        let Some(want) = self.by_log.get(log) else { return Holder::Nobody };
        let turn = self.open.get(want).map(|asked| asked.since + TURN);
        match turn {
            _ if want.0 == link => Holder::Itself,
            Some(until) if now < until => Holder::Another { until },
            _ => Holder::Nobody,
        }
    }

    /// Whether an answer to this want is still within what was asked for.
    pub(super) fn expects(&self, link: LinkId, serial: u64) -> bool {
        self.open.get(&(link, serial)).is_some_and(|asked| asked.budget > 0)
    }

    pub(super) fn begin(&mut self, link: LinkId, serial: u64, asked: Asked) {
        self.end(link, serial);
        self.starved.remove(&link);
        for (log, _) in asked.what.logs() {
            self.by_log.insert(*log, (link, serial));
        }
        self.open.insert((link, serial), asked);
    }

    /// Part of an answer came.
    pub(super) fn spend(&mut self, link: LinkId, serial: u64, bytes: usize) {
        if let Some(asked) = self.open.get_mut(&(link, serial)) {
            asked.budget = asked.budget.saturating_sub(bytes);
            if let Subject::Gift { came } = &mut asked.what {
                *came = true;
            }
        }
    }

    /// A log is asked for anew, whatever else its want brings.
    pub(super) fn excuse(&mut self, log: LogId) {
        let want = self.by_log.remove(&log).and_then(|want| self.open.get_mut(&want));
        if let Some(Asked { what: Subject::Logs(logs), .. }) = want {
            logs.retain(|(of, _)| *of != log);
        }
    }

    /// A want is over; the logs it asked for. Its room is free again.
    pub(super) fn end(&mut self, link: LinkId, serial: u64) -> Vec<(LogId, Seq)> {
        let Some(Asked { what, .. }) = self.open.remove(&(link, serial)) else { return Vec::new() };
        for (log, _) in what.logs() {
            if self.by_log.get(log) == Some(&(link, serial)) {
                self.by_log.remove(log);
            }
        }
        if self.ended.len() == ENDED {
            self.ended.pop_front();
        }
        let logs = what.logs().to_vec();
        self.ended.push_back(((link, serial), what));
        logs
    }

    /// Gives up on wants of a link that are late; how many.
    pub(super) fn expire(&mut self, link: LinkId, now: Tick) -> usize {
        let late = self.of_link(link).filter(|(_, asked)| asked.deadline <= now);
        let late: Vec<u64> = late.map(|((_, serial), _)| *serial).collect();
        if !late.is_empty() {
            *self.tries.entry(link).or_insert(0) += 1;
        }
        late.iter().for_each(|serial| _ = self.end(link, *serial));
        late.len()
    }

    pub(super) fn forget_log(&mut self, log: &LogId) {
        self.by_log.remove(log);
    }

    pub(super) fn forget_link(&mut self, link: LinkId) {
        self.tries.remove(&link);
        self.starved.remove(&link);
        let serials: Vec<u64> = self.of_link(link).map(|((_, serial), _)| *serial).collect();
        serials.into_iter().for_each(|serial| _ = self.end(link, serial));
    }

    /// Something came on a link: answers that are on their way get more time.
    pub(super) fn extend(&mut self, link: LinkId, until: Tick) {
        self.tries.remove(&link);
        for (_, asked) in self.open.range_mut((link, 0)..=(link, u64::MAX)) {
            asked.deadline = asked.deadline.max(until);
        }
    }

    /// Wants of a link in a row that were not answered.
    pub(super) fn tries(&self, link: LinkId) -> u32 {
        self.tries.get(&link).copied().unwrap_or(0)
    }

    pub(super) fn starve(&mut self, link: LinkId) {
        if self.count(link) == 0 {
            self.starved.insert(link);
        }
    }

    pub(super) fn feed(&mut self, link: LinkId) {
        self.starved.remove(&link);
    }

    /// Links for which there was no room at all.
    pub(super) fn starved(&self) -> Vec<LinkId> {
        self.starved.iter().copied().collect()
    }

    /// Links that are being asked or would be, this one among them.
    pub(super) fn links_with(&self, link: LinkId) -> usize {
        let mut links: Vec<LinkId> = self.open.keys().map(|(link, _)| *link).collect();
        links.dedup();
        let is_new = |link: &LinkId| links.binary_search(link).is_err();
        let starved = self.starved.iter().filter(|other| **other != link && is_new(other)).count();
        links.len() + starved + usize::from(is_new(&link))
    }

    /// Wants on their way on a link, and gifts that began to come.
    pub(super) fn count(&self, link: LinkId) -> usize {
        let busy = |asked: &Asked| !matches!(asked.what, Subject::Gift { came: false });
        self.of_link(link).filter(|(_, asked)| busy(asked)).count()
    }

    /// When the first want of a link is late.
    pub(super) fn deadline(&self, link: LinkId) -> Option<Tick> {
        self.of_link(link).map(|(_, asked)| asked.deadline).min()
    }

    /// Bytes asked for, of one link or of all.
    pub(super) fn budget(&self, link: Option<LinkId>) -> usize {
        match link {
            Some(link) => self.of_link(link).map(|(_, asked)| asked.budget).sum(),
            None => self.open.values().map(|asked| asked.budget).sum(),
        }
    }

    fn of_link(&self, link: LinkId) -> impl Iterator<Item = (&WantName, &Asked)> {
        self.open.range((link, 0)..=(link, u64::MAX))
    }
}
