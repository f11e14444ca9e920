use gossip_proto::{ChainHash, MAX_RUN_BYTES, Meta, Payload, RunBuilder, Stamp};

use super::super::plan::{Plan, WHOLE};
use super::*;

fn log(number: u16) -> LogId {
    let mut id = [0; 16];
    id[..2].copy_from_slice(&number.to_be_bytes());
    LogId(id)
}

/// A run of one short entry.
fn single(number: u16, sequence: Seq) -> Run {
    let mut builder = RunBuilder::new(log(number), sequence, ChainHash([0; 32]));
    builder.push(Stamp::new(sequence, 0), &Payload::Present("x".into())).expect("fits");
    builder.finish(None).expect("not empty").0
}

fn noted(runs: impl IntoIterator<Item = Run>) -> Chores {
    let mut chores = Chores::new(true);
    runs.into_iter().for_each(|run| chores.note_run(&run));
    chores
}

/// The only chore, if there is any.
fn one(chores: Vec<Chore>) -> Option<Chore> {
    assert!(chores.len() <= 1, "{chores:?}");
    chores.into_iter().next()
}

fn bounds(chores: Vec<Chore>) -> Option<(Seq, Seq)> {
    one(chores).map(|chore| (chore.from, chore.last))
}

/// A log with these single entries of which a step has begun; enough was paid for others.
fn begun(entries: std::ops::RangeInclusive<Seq>) -> (Chores, Chore) {
    let mut chores = noted(entries.map(|n| single(1, n)));
    chores.credit = 10 * STEP;
    let chore = one(chores.next_paid()).expect("due");
    (chores, chore)
}

#[test]
fn a_log_is_due_when_it_has_a_full_run_together() {
    let mut chores = noted((1..=255).map(|n| single(1, n)));
    assert_eq!(chores.next_paid(), []);
    chores.note_run(&single(1, 256));
    let chore = one(chores.next_paid()).expect("due");
    assert_eq!((chore.from, chore.last, chore.only_full), (1, 256, true));
    assert_eq!(chores.next_paid(), [], "once");
    chores.done(chore, &Tidied { runs: 199, from: Some(200), more: true, ..Tidied::default() });
    (257..=400).for_each(|n| chores.note_run(&single(1, n)));
    assert_eq!(bounds(chores.next_paid()), Some((200, 400)), "it goes on");
}

#[test]
fn a_few_wait_until_their_log_is_calm() {
    let mut chores = noted((1..=8).map(|n| single(1, n)));
    let rest = Tick(u64::MAX);
    chores.settle(Tick(0));
    let first = chores.deadline(false).expect("to be looked at");
    chores.settle(first);
    chores.note_run(&single(1, 9));
    assert_eq!(chores.next_at_rest(rest), [], "seen once");
    chores.settle(chores.deadline(false).expect("again"));
    assert_eq!(chores.next_at_rest(rest), [], "it was written to meanwhile");
    chores.settle(chores.deadline(false).expect("again"));
    assert_eq!(chores.next_paid(), [], "not before others");
    assert_eq!(bounds(chores.next_at_rest(rest)), Some((1, 9)));
    chores.settle(rest);
    assert_eq!(chores.deadline(false), None, "nothing is left to wait for");
}

#[test]
fn what_a_full_run_left_waits_until_it_is_calm() {
    let mut chores = noted((1..=256).map(|n| single(1, n)));
    let chore = one(chores.next_paid()).expect("due");
    let left = (250..=256).map(|n| Size::of(&single(1, n))).collect();
    chores.done(chore, &Tidied { from: Some(250), left, ..Tidied::default() });
    chores.note_run(&single(1, 257));
    for now in [0, 1_000_000_000, 2_000_000_000].map(Tick) {
        chores.settle(now);
    }
    chores.settle(Tick(u64::MAX));
    assert_eq!(bounds(chores.next_at_rest(Tick(u64::MAX))), Some((250, 257)));
}

#[test]
fn what_is_written_during_a_step_counts_once() {
    let (mut chores, chore) = begun(1..=256);
    (257..=300).for_each(|n| chores.note_run(&single(1, n)));
    // It was read with the rest.
    let left = (250..=300).map(|n| Size::of(&single(1, n))).collect();
    chores.done(chore, &Tidied { from: Some(250), left, ..Tidied::default() });
    chores.credit = 10 * STEP;
    (301..=504).for_each(|n| chores.note_run(&single(1, n)));
    assert_eq!(chores.next_paid(), [], "one is missing");
    chores.note_run(&single(1, 505));
    chores.credit = 10 * STEP;
    assert_eq!(bounds(chores.next_paid()), Some((250, 505)));
}

#[test]
fn a_hole_that_is_filled_during_a_step_is_looked_at() {
    let (mut chores, chore) = begun(1000..=1255);
    (500..=755).for_each(|n| chores.note_run(&single(1, n)));
    chores.done(chore, &Tidied { from: Some(1256), ..Tidied::default() });
    assert_eq!(bounds(chores.next_paid()), Some((244, 1255)));
}

#[test]
fn a_join_that_failed_is_no_reason_to_walk_over_the_whole_log() {
    let (mut chores, chore) = begun(1000..=1255);
    (1256..=1511).for_each(|n| chores.note_run(&single(1, n)));
    chores.done(chore, &Tidied::default());
    let again = one(chores.next_paid()).expect("what was written meanwhile is due");
    assert_eq!((again.from, again.last), (744, 1511));
    chores.done(again, &Tidied::default());
    (1512..=1767).for_each(|n| chores.note_run(&single(1, n)));
    chores.credit = 10 * STEP;
    assert_eq!(bounds(chores.next_paid()), Some((1256, 1767)), "a full run before what comes next");
}

#[test]
fn the_first_entry_since_the_start_is_reason_to_look_back() {
    let mut chores = noted([single(1, 300), single(2, 1)]);
    assert_eq!(chores.next_paid(), [], "others go first");
    let chore = one(chores.next_at_rest(Tick(0))).expect("at once");
    assert_eq!((chore.from, chore.last, chore.only_full), (44, 300, false));
    assert_eq!(chores.next_at_rest(Tick(0)), [], "nothing comes before the beginning of a log");
    chores.done(chore, &Tidied { from: Some(290), ..Tidied::default() });
    (301..=600).for_each(|n| chores.note_run(&single(1, n)));
    assert_eq!(bounds(chores.next_paid()), Some((290, 600)), "it is known from where on");
    chores.note_run(&single(1, 100));
    (601..=900).for_each(|n| chores.note_run(&single(1, n)));
    chores.credit = STEP;
    assert_eq!(bounds(chores.next_paid()), Some((1, 900)), "unless a hole further down was filled");
}

#[test]
fn nothing_unpaid_is_begun_in_the_short_pauses_between_writes() {
    let mut chores = noted((1..=256).map(|n| single(1, n)));
    chores.credit = 0;
    chores.wrote(Tick(1000), []);
    let rest = chores.deadline(true).expect("something is due");
    assert!(rest > Tick(1000));
    assert_eq!(chores.deadline(false), None, "a lane at work asks when it has ended");
    assert_eq!(chores.next_at_rest(Tick(rest.0 - 1)), []);
    assert!(one(chores.next_at_rest(rest)).is_some());
    assert_eq!(chores.deadline(true), None);
}

#[test]
fn what_is_begun_is_noted_and_off_notes_nothing() {
    let name = gossip_proto::LogName {
        channel: "c".parse().expect("an id"),
        stream: "s".parse().expect("an id"),
        author: "a".parse().expect("an id"),
        epoch: gossip_proto::Epoch::new(0, 1),
        branch: None,
    };
    let items = (1..=256).map(|n| CommitItem::Run {
        log: name.clone().into(),
        prev: ChainHash([0; 32]),
        run: single(1, n),
        end: ChainHash([0; 32]),
    });
    let commit = StoreRequest::Commit { items: items.collect(), meta: Meta::default() };
    for is_on in [true, false] {
        let mut chores = Chores::new(is_on);
        chores.wrote(Tick(0), [&commit]);
        assert_eq!(one(chores.next_paid()).is_some(), is_on);
    }
}

#[test]
fn memory_is_bounded() {
    let mut chores = Chores::new(true);
    for log in 0..MAX_LOGS as u16 + 500 {
        (2..=9).for_each(|sequence| chores.note_run(&single(log, sequence)));
    }
    assert_eq!(chores.logs.len(), MAX_LOGS);
    assert!(chores.stirred.len() <= MAX_LOGS && chores.queues.len() <= MAX_LOGS);
}

/// Logs as a store holds them.
struct Stored(Vec<Vec<Size>>);

impl Stored {
    /// What [`super::super::tidy::tidy`] does; returns also the weight of what was rewritten.
    fn tidy(&mut self, chore: Chore) -> (Tidied, usize) {
        let runs = &mut self.0[usize::from(u16::from_be_bytes([chore.log.0[0], chore.log.0[1]]))];
        let begin = runs.partition_point(|run| run.end() <= chore.from);
        let look = |budget: usize| {
            let mut bytes = 0;
            let fits = |run: &&Size| {
                bytes += run.bytes;
                bytes <= budget || bytes == run.bytes
            };
            let sizes: Vec<_> = runs[begin..].iter().take_while(fits).copied().collect();
            Plan::of(&chore, &sizes, budget)
        };
        let plan = look(chore.budget).or_else(|| look(WHOLE)).expect("enough");
        let (mut joined, mut rewritten) = (0, 0);
        for group in plan.groups.into_iter().rev() {
            let mut sum = Size { first: runs[begin + group.start].first, ..Size::default() };
            let group = begin + group.start..begin + group.end;
            runs[group.clone()].iter().for_each(|run| sum.add(*run));
            joined += group.len() as u64;
            rewritten += sum.weight();
            runs.splice(group, [sum]);
        }
        let (from, more, left) = (Some(plan.from), plan.more, plan.left);
        (Tidied { runs: joined, from, more, left, ..Tidied::default() }, rewritten)
    }

    fn small(&self) -> impl Iterator<Item = &Size> {
        self.0.iter().flatten().filter(|run| !run.is_settled())
    }
}

/// How many steps a load without any pause has room for.
enum Pace {
    /// One for each full run it writes.
    KeepsUp,
    /// Fewer: some are left to rest.
    FallsBehind,
}

/// `batches` of one run in each of so many logs, and then rest.
fn without_pauses(logs: u16, count: u64, bytes: usize, batches: u64, pace: &Pace) {
    let case = format!("{logs} logs, {count} entries, {bytes} bytes");
    let mut stored = Stored(vec![Vec::new(); usize::from(logs)]);
    let mut chores = Chores::new(true);
    let (mut written, mut rewritten, mut steps) = (0, 0, 0);
    let bound = (usize::from(logs) * 2 + 4) * MAX_RUN_BYTES;
    for batch in 0..batches {
        for number in 0..logs {
            let run = Size { first: 1 + batch * count, count, bytes };
            stored.0[usize::from(number)].push(run);
            chores.note_size(log(number), run);
            written += run.weight();
        }
        chores.wrote(Tick(batch), []);
        let before = steps;
        while let Some(weight) = stored.take_on(&mut chores, Chores::next_paid, &mut steps) {
            rewritten += weight;
        }
        assert!(steps - before <= STEPS + usize::from(logs) / STEP, "{case}: too much at once");
        let debt: usize = if batch % 8 == 0 { stored.small().map(|run| run.weight()).sum() } else { 0 };
        assert!(
            debt <= bound || matches!(pace, Pace::FallsBehind),
            "{debt} of {bound} after {batch} batches"
        );
    }
    assert!(written > 4 * bound, "{case}: too little to see anything");
    assert!(steps <= usize::from(logs) * batches as usize / STEP, "{case}: {steps} steps under a load");
    assert!(rewritten <= written, "{case}: a byte is written again once");
    let mut now = Tick(batches);
    chores.settle(now);
    while let Some(at) = chores.deadline(true) {
        now = now.max(at);
        chores.settle(now);
        stored.take_on(&mut chores, |chores| chores.next_at_rest(now), &mut steps);
        chores.settle(now);
    }
    assert_eq!(stored.full_runs_to_make(), 0, "{case}: after a rest");
}

impl Stored {
    /// Does what is due now; the weight of what it rewrote, `None` when nothing was.
    fn take_on(
        &mut self,
        chores: &mut Chores,
        next: impl Fn(&mut Chores) -> Vec<Chore>,
        steps: &mut usize,
    ) -> Option<usize> {
        let due = next(chores);
        assert!(due.len() <= STEPS);
        *steps += due.len();
        let mut rewritten = None;
        for chore in due {
            let (tidied, weight) = self.tidy(chore);
            chores.done(chore, &tidied);
            *rewritten.get_or_insert(0) += weight;
        }
        rewritten
    }

    fn full_runs_to_make(&self) -> usize {
        let groups = self.0.iter().map(|runs| {
            let last = runs.last().map_or(0, |run| run.end() - 1);
            let chore = Chore { log: log(0), from: 1, last, only_full: true, budget: WHOLE };
            Plan::of(&chore, runs, WHOLE).map_or(0, |plan| plan.groups.len())
        });
        groups.sum()
    }
}

#[test]
fn a_load_of_short_entries_is_kept_up_with_in_even_steps() {
    without_pauses(1, 1, 70, 20_000, &Pace::KeepsUp);
    without_pauses(1, 2, 140, 10_000, &Pace::KeepsUp);
    without_pauses(1, 1, 250, 20_000, &Pace::KeepsUp);
    without_pauses(64, 1, 70, 4_000, &Pace::KeepsUp);
    without_pauses(300, 1, 70, 2_500, &Pace::KeepsUp);
}

#[test]
fn what_a_load_wrote_in_larger_runs_is_joined_when_it_rests() {
    without_pauses(1, 16, 1_200, 2_000, &Pace::FallsBehind);
    without_pauses(1, 16, 17_000, 500, &Pace::FallsBehind);
    without_pauses(1, 1, 20_000, 500, &Pace::FallsBehind);
    without_pauses(64, 2, 2_200, 1_000, &Pace::FallsBehind);
    without_pauses(64, 16, 1_200, 500, &Pace::FallsBehind);
}

#[test]
fn steps_go_one_by_one_while_others_wait_and_together_at_rest() {
    let mut chores = Chores::new(true);
    for number in 1..=6 {
        (1..=255).for_each(|n| chores.note_run(&single(number, n)));
    }
    (1..=6).for_each(|number| chores.note_run(&single(number, 256)));
    let logs = |chores: Vec<Chore>| chores.iter().map(|chore| chore.log).collect::<Vec<_>>();
    assert_eq!(logs(chores.next_paid()), [log(1)]);
    chores.credit = 0;
    assert_eq!(chores.next_paid(), []);
    assert_eq!(logs(chores.next_at_rest(Tick(u64::MAX))), [2, 3, 4, 5].map(log));
}

#[test]
fn a_step_that_was_put_off_is_not_paid_for() {
    let mut chores = noted((1..=256).map(|n| single(1, n)));
    chores.credit = STEP;
    let chore = one(chores.next_paid()).expect("due");
    chores.done(chore, &Tidied { from: Some(chore.from), more: true, ..Tidied::default() });
    let again = one(chores.next_paid()).expect("still due");
    assert_eq!((again.from, again.last), (chore.from, chore.last));
    chores.done(again, &Tidied { runs: 100, from: Some(101), more: true, ..Tidied::default() });
    assert_eq!(chores.next_paid(), []);
}

#[test]
fn what_is_alone_between_settled_runs_is_no_reason_to_walk_over_them() {
    let mut chores = noted([single(1, 1)]);
    let mut next = 2;
    for _ in 0..100 {
        chores.note_size(log(1), Size { first: next, count: MAX_RUN_ENTRIES, bytes: 1000 });
        chores.note_size(log(1), Size { first: next + MAX_RUN_ENTRIES, count: 150, bytes: 600 });
        next += MAX_RUN_ENTRIES + 150;
    }
    chores.settle(Tick(0));
    assert_eq!(chores.deadline(true), None);
    (next..next + 106).for_each(|n| chores.note_run(&single(1, n)));
    chores.credit = STEP;
    assert_eq!(
        bounds(chores.next_paid()),
        Some((next - 150, next + 105)),
        "the last one can still be joined"
    );
}
