//! State moves when the store says so: acknowledged runs become truth, failed ones thaw.

use std::collections::BTreeMap;

use super::log::{Log, Ticket, Tip, Unsettled};
use super::ops::{Commit, Landed, Landing, Op};
use super::{CommandError, Event, Node, OpId, Reply, Timer};
use crate::{
    ChannelId, EntryId, Fault, LogHead, LogId, LogName, NodeId, Seq, SeqRange, StoreFailure, StoreReply,
    StoreRequest, StreamId, VersionVector,
};
use std::time::Duration;

/// First pause before a failed log's head is read again, and the longest.
const THAW: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(5));
/// After so many failed readings whoever waits is told that the outcome is not known.
const THAW_TRIES: u32 = 5;

impl Node {
    pub(super) fn on_stored(&mut self, id: OpId, result: Result<StoreReply, StoreFailure>) {
        let Some(op) = self.ops.end(id) else { return };
        if result.is_err() {
            self.stats.store_failures += 1;
        }
        match op {
            Op::Commit(commit) => match result {
                Ok(StoreReply::Committed(committed)) => {
                    self.hints.note_arrivals(&commit.landings, &committed);
                    self.landed(commit);
                }
                Ok(_) => self.landed(commit),
                Err(failure) => self.refused(commit, failure),
            },
            Op::Serve(link) => self.on_read(link, id, result),
            Op::Since(link, channel) => self.on_since(link, &channel, result),
            Op::Hints => {}
            Op::Delivered(command) => self.on_own_hash(command, result),
            Op::Thaw(log) => self.on_head(log, result),
            Op::Prune { command, channel, stream, floors } => {
                self.on_pruned(command, channel, stream, &floors, result);
            }
            Op::Refill(log) => self.on_refill_read(log, id, result),
            Op::Isolate { log, why } => self.on_isolated(id, log, why, result),
            Op::Erase(job) => self.on_erased(job, result),
            Op::Fork(what) => self.on_fork_stored(what, id, result),
            Op::Admin => self.on_admin(result),
        }
        // Whatever it was: a log that is gone is told of by nothing else.
        self.erase_early();
    }

    /// A commit is durable.
    fn landed(&mut self, commit: Commit) {
        let Commit { from, landings, tickets, import, bytes } = commit;
        self.store_bytes = self.store_bytes.saturating_sub(bytes);
        self.fetches.store_works();
        let mut places: BTreeMap<(ChannelId, StreamId), Vec<Landing>> = BTreeMap::new();
        let mut counted = BTreeMap::new();
        let moves_holes = landings.iter().any(|landing| !matches!(landing.what, Landed::Run(_)));
        for landing in landings {
            self.settle_filling(&landing);
            let place = (landing.name.channel.clone(), landing.name.stream.clone());
            let before = self.logs.get(&landing.log).map_or(0, |log| log.stored.height);
            counted.entry(landing.log).or_insert(before);
            if let Landed::Run(run) = &landing.what {
                self.stats.count_run(run);
            }
            let Some(landing) = self.defer(landing, from.as_ref()) else { continue };
            let before = self.height_of(&landing.log);
            let fresh = self.advance(&landing);
            if from.is_some() {
                let entries = self.height_of(&landing.log).saturating_sub(before);
                self.note_arrived(&landing.name.channel, entries);
            }
            if let Landed::Filled(range) = landing.what {
                self.tell_filled(&landing.name, landing.log, range, fresh, from.as_ref());
            } else {
                places.entry(place).or_default().push(landing);
            }
        }
        for (log, before) in &counted {
            self.settle(*log);
            self.note_growth(*log, *before);
        }
        for (place, landings) in &places {
            self.tell_landed(place, landings, from.as_ref());
        }
        for ticket in tickets {
            self.answer_append(ticket, Ok(()));
        }
        for ((channel, stream), landings) in &places {
            self.spread(channel, stream, landings, from.as_ref());
            self.write_later(channel, stream);
        }
        if let Some((id, entries)) = import {
            self.reply(id, Ok(Reply::Imported(entries)));
        }
        if let Some(from) = from {
            self.fetch_from_peer(&from);
            self.fetch_starved();
        }
        if moves_holes {
            self.refill();
        }
    }

    fn height_of(&self, log: &LogId) -> Seq {
        self.logs.get(log).map_or(0, |log| log.stored.height)
    }

    /// A run on its way into a hole has arrived or not.
    fn settle_filling(&mut self, landing: &Landing) {
        if let Landed::Filled(_) = landing.what
            && let Some(log) = self.logs.get_mut(&landing.log)
        {
            log.rare_mut().filling = log.rare().filling.saturating_sub(1);
            self.suspect(landing.log);
        }
    }

    /// What was stored after a failure waits until the head was read: whether the failure hid a
    /// success is told first.
    fn defer(&mut self, landing: Landing, from: Option<&NodeId>) -> Option<Landing> {
        let frozen = self.logs.get_mut(&landing.log).and_then(Log::frozen_mut);
        match (frozen, from) {
            (Some(frozen), Some(from)) => {
                frozen.late.push((from.clone(), landing));
                None
            }
            _ => Some(landing),
        }
    }

    /// Moves the acknowledged end of a log, and the digests with it, or closes a hole below it.
    /// Returns what of a hole had never arrived before.
    fn advance(&mut self, landing: &Landing) -> Vec<SeqRange> {
        let Some(log) = self.logs.get_mut(&landing.log) else { return Vec::new() };
        if let Landed::Filled(range) = landing.what {
            return log.holes_mut().fill(range);
        }
        let (old, new) = (log.stored, landing.end);
        if new.height <= old.height {
            return Vec::new();
        }
        if let Landed::Floor { .. } = landing.what {
            log.holes_mut().skip(old.height, new.height);
        }
        log.stored = new;
        if old.height == 0 {
            log.number = self.numbered;
            self.numbered = self.numbered.saturating_add(1);
            let at_floor = matches!(landing.what, Landed::Floor { .. });
            log.set_starts(if at_floor { (new.height, new.hash) } else { (0, old.hash) });
        }
        if let Some(channel) = self.channels.get_mut(&landing.name.channel) {
            channel.move_log(landing.log, &landing.name.stream, &old, &new);
        }
        if let Landed::Floor { .. } = landing.what {
            self.suspect(landing.log);
        }
        Vec::new()
    }

    /// What was missing is here again; it moves no height, so only the application is told.
    fn tell_filled(
        &mut self,
        name: &LogName,
        log: LogId,
        range: SeqRange,
        fresh: Vec<SeqRange>,
        from: Option<&NodeId>,
    ) {
        if let Some(from) = from.filter(|_| !fresh.is_empty()) {
            let (channel, stream, from) = (name.channel.clone(), name.stream.clone(), from.clone());
            let mut version = VersionVector::new();
            version.raise(log, self.logs.get(&log).map_or(range.last, |log| log.stored.height));
            let entries = fresh.into_iter().map(|range| (log, range)).collect();
            self.notify(Event::EntriesMerged { channel, stream, from, entries, version });
        }
        self.notify(Event::HistoryRestored { log: name.clone(), range });
        self.note_filled(log, range);
    }

    fn settle(&mut self, log: LogId) {
        if let Some(log) = self.logs.get_mut(&log) {
            log.rare_mut().in_flight = log.rare().in_flight.saturating_sub(1);
        }
        self.thaw(log);
        self.go_on_parting(log);
    }

    fn tell_landed(
        &mut self,
        (channel, stream): &(ChannelId, StreamId),
        landings: &[Landing],
        from: Option<&NodeId>,
    ) {
        let mut ranges: BTreeMap<LogId, SeqRange> = BTreeMap::new();
        let mut version = VersionVector::new();
        for Landing { log, end, what, name } in landings {
            version.raise(*log, end.height);
            match what {
                Landed::Run(run) => {
                    let range = ranges.entry(*log).or_insert(run.range());
                    range.last = range.last.max(run.last());
                }
                Landed::Floor { from: 0 } | Landed::Filled(_) => {}
                Landed::Floor { from } => {
                    let missing = SeqRange { first: from + 1, last: end.height };
                    self.notify(Event::HistoryGap { log: (**name).clone(), missing });
                }
            }
        }
        if ranges.is_empty() {
            return;
        }
        let (channel, stream) = (channel.clone(), stream.clone());
        match from {
            Some(from) => {
                let (from, entries) = (from.clone(), ranges.into_iter().collect());
                self.notify(Event::EntriesMerged { channel, stream, from, entries, version });
            }
            None => {
                for (log, range) in ranges {
                    let (channel, stream) = (channel.clone(), stream.clone());
                    let first = EntryId { log, sequence: range.first };
                    self.notify(Event::EntriesAppended { channel, stream, first, count: range.count() });
                }
            }
        }
    }

    fn answer_append(&mut self, ticket: Ticket, result: Result<(), StoreFailure>) {
        let Ticket { command, ids, bytes } = ticket;
        self.append_bytes = self.append_bytes.saturating_sub(bytes);
        self.reply(command, result.map(|()| Reply::Appended(ids)).map_err(CommandError::Store));
    }

    /// A commit failed: its logs stand still until their heads were read again, because the
    /// failure may hide a success, and what follows it was checked against it.
    fn refused(&mut self, commit: Commit, failure: StoreFailure) {
        let Commit { from, landings, tickets, import, bytes } = commit;
        self.store_bytes = self.store_bytes.saturating_sub(bytes);
        if let Some((id, _)) = import {
            self.reply(id, Err(CommandError::Store(failure.clone())));
        }
        if from.is_some() {
            self.fetches.store_failed(self.now.tick);
            self.timers.set(Timer::Store, self.fetches.store_ready_at());
            self.notify(Event::StoreFailed(failure.clone()));
        }
        let ends: BTreeMap<LogId, Tip> = landings.iter().map(|landing| (landing.log, landing.end)).collect();
        let mut tickets = Some(tickets);
        for (id, end) in &ends {
            let Some(log) = self.logs.get_mut(id) else { continue };
            log.rare_mut().in_flight = log.rare().in_flight.saturating_sub(1);
            log.set_pending(log.stored);
            let frozen = log.freeze();
            // Our own commits are about one log.
            if let Some(tickets) = tickets.take_if(|_| from.is_none()) {
                frozen.unsettled.push(Unsettled { end: *end, tickets, failure: failure.clone() });
            }
        }
        for ticket in tickets.into_iter().flatten() {
            self.answer_append(ticket, Err(failure.clone()));
        }
        for landing in landings {
            self.settle_filling(&landing);
            if let (Landed::Filled(range), Some(from)) = (&landing.what, from.as_ref()) {
                self.spend_peer(from, landing.log, range.last);
            }
            self.defer(landing, from.as_ref());
        }
        for id in ends.keys() {
            self.thaw(*id);
            self.give_up_parting(id);
        }
    }

    /// Nothing is taken into a log until its head was read again.
    pub(super) fn doubt(&mut self, id: LogId) {
        if let Some(log) = self.logs.get_mut(&id) {
            log.outdate();
            log.freeze();
            self.thaw(id);
        }
    }

    /// Reads the head of a frozen log once nothing of it is in flight.
    pub(super) fn thaw(&mut self, id: LogId) {
        let Some(log) = self.logs.get_mut(&id) else { return };
        let idle = log.rare().in_flight == 0;
        let Some(frozen) = log.frozen_mut().filter(|frozen| idle && !frozen.reading) else { return };
        frozen.reading = true;
        self.timers.cancel(&Timer::Thaw(id));
        self.store(Op::Thaw(id), StoreRequest::Head { log: id });
    }

    fn on_head(&mut self, id: LogId, result: Result<StoreReply, StoreFailure>) {
        let Some(frozen) = self.logs.get_mut(&id).and_then(Log::frozen_mut) else { return };
        frozen.reading = false;
        if std::mem::take(&mut frozen.is_outdated) {
            return self.thaw(id);
        }
        match result {
            Ok(StoreReply::Head(head)) => self.thawed(id, head.as_deref()),
            Ok(_) | Err(_) => {
                frozen.tries += 1;
                let (tries, pause) = (frozen.tries, THAW.0 * (1 << frozen.tries.min(8)));
                self.timers.set(Timer::Thaw(id), self.now.tick + pause.min(THAW.1));
                if tries == THAW_TRIES {
                    self.give_up(id);
                }
            }
        }
    }

    /// The head is known: what failed either happened after all, or did not.
    fn thawed(&mut self, id: LogId, head: Option<&LogHead>) {
        let Some(name) = self.logs.name(&id) else { return };
        let Some(log) = self.logs.get_mut(&id) else { return };
        let frozen = log.take_frozen();
        let (old, old_holes) = (log.stored, log.holes().clone());
        match head {
            Some(head) => log.adopt_head(head),
            None => log.adopt_nothing(&name),
        }
        let (new, holes) = (log.stored, log.holes().clone());
        if old.height == 0 {
            log.number = self.numbered;
            self.numbered = self.numbered.saturating_add(1);
        }
        self.suspect(id);
        if let Some(channel) = self.channels.get_mut(&name.channel) {
            channel.move_log(id, &name.stream, &old, &new);
        }
        self.note_growth(id, old.height.min(new.height));
        self.free_place(&id);
        let filled = |(_, landing): &(NodeId, Landing)| matches!(landing.what, Landed::Filled(_));
        if new.height > old.height && frozen.late.iter().all(filled) {
            let (channel, stream) = (name.channel.clone(), name.stream.clone());
            let first = EntryId { log: id, sequence: old.height + 1 };
            let count = new.height - old.height;
            self.notify(Event::EntriesAppended { channel, stream, first, count });
        }
        for range in holes.new_gaps(&old_holes, old.height) {
            self.notify(Event::LogDamaged { log: (*name).clone(), range });
        }
        if new.height < old.height {
            // The store forgot what it acknowledged: its sequences must not be used again.
            self.retire(id);
        }
        for Unsettled { end, tickets, failure } in frozen.unsettled {
            let happened = new.height >= end.height && (new.height > end.height || new.hash == end.hash);
            let result = if happened { Ok(()) } else { Err(failure) };
            tickets.into_iter().for_each(|ticket| self.answer_append(ticket, result.clone()));
        }
        for (from, landing) in frozen.late {
            if let Landed::Filled(range) = landing.what {
                if old_holes.touched_by(&range).is_some() && holes.touched_by(&range).is_none() {
                    self.tell_filled(&name, id, range, old_holes.missed_in(range), Some(&from));
                }
            } else if landing.end.height <= new.height {
                let place = (name.channel.clone(), name.stream.clone());
                self.tell_landed(&place, &[landing], Some(&from));
            }
        }
        if new.height > old.height {
            self.announce(&name.channel, &[id]);
        }
        self.write_later(&name.channel, &name.stream);
        self.fetch_everywhere();
        self.refill();
    }

    /// The store does not even say what it holds: the callers learn that the outcome is unknown,
    /// and the epoch ends here so that no sequence can be used twice.
    fn give_up(&mut self, id: LogId) {
        let Some(frozen) = self.logs.get_mut(&id).and_then(Log::frozen_mut) else { return };
        let unsettled = std::mem::take(&mut frozen.unsettled);
        for Unsettled { tickets, failure, .. } in unsettled {
            let failure = StoreFailure { fault: Fault::Unknown, ..failure };
            tickets.into_iter().for_each(|ticket| self.answer_append(ticket, Err(failure.clone())));
        }
        self.retire(id);
        if let Some((channel, stream)) = self.log_place(&id) {
            self.write_later(&channel, &stream);
        }
    }
}
