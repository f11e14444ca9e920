//! The plan against keeping and dropping single entries.

use std::collections::BTreeSet;
use std::time::Duration;

use gossip_proto::{ChannelId, Epoch, LogName, SeqRange, StreamId};
use proptest::prelude::*;

use super::*;

/// A log as a list of stamps: entry `n` is `stamps[n - 1]`, held unless below the floor or in a gap.
#[derive(Debug, Clone)]
struct Log {
    head: LogHead,
    stamps: Vec<u64>,
}

impl Log {
    fn held(&self) -> impl Iterator<Item = Seq> + '_ {
        let head = &self.head;
        (head.floor + 1..=head.height).filter(|seq| !head.gaps.iter().any(|gap| gap.contains(*seq)))
    }

    fn stamp(&self, seq: Seq) -> u64 {
        self.stamps[seq as usize - 1]
    }
}

fn logs() -> impl Strategy<Value = Vec<Log>> {
    let log = (
        0_u8..3,
        1_u16..4,
        proptest::collection::vec(1_u64..50, 0..30),
        0_u64..12,
        proptest::option::of((0_u64..20, 1_u64..5)),
    );
    proptest::collection::vec(log, 0..6).prop_map(|logs| {
        let made = logs.into_iter().enumerate().map(|(at, (author, generation, steps, floor, gap))| {
            let name = LogName {
                channel: ChannelId::new("c").unwrap(),
                stream: StreamId::new("s").unwrap(),
                author: NodeId::new(format!("a{author}")).unwrap(),
                epoch: Epoch::new(generation, at as u64),
                branch: None,
            };
            let stamps: Vec<u64> = steps
                .iter()
                .scan(0, |at, step| {
                    *at += step;
                    Some(*at)
                })
                .collect();
            let height = stamps.len() as u64;
            let stamp = Stamp::new(stamps.last().copied().unwrap_or(0), 0);
            let mut head = LogHead { height, floor: floor.min(height), stamp, ..LogHead::empty(name) };
            if let Some((first, count)) = gap {
                let first = head.floor + 2 + first;
                if first + count < height {
                    head.gaps.push(SeqRange { first, last: first + count - 1 });
                }
            }
            Log { head, stamps }
        });
        made.collect()
    })
}

fn retentions() -> impl Strategy<Value = Retention> {
    let leaf = prop_oneof![
        Just(Retention::KeepAll),
        (0_u64..1600).prop_map(|ms| Retention::TimeBased(Duration::from_millis(ms))),
        Just(Retention::TimeBased(Duration::MAX)),
        (0_u64..40).prop_map(Retention::CountBased),
    ];
    leaf.prop_recursive(2, 6, 3, |inner| {
        proptest::collection::vec(inner, 1..4).prop_map(Retention::Composite)
    })
}

/// Entries (log, sequence) that the retention keeps, one by one.
fn kept(retention: &Retention, logs: &[Log], now: u64) -> BTreeSet<(usize, Seq)> {
    let all = || logs.iter().enumerate().flat_map(|(at, log)| log.held().map(move |seq| (at, seq)));
    match retention {
        Retention::KeepAll => all().collect(),
        Retention::TimeBased(age) => {
            let oldest = u128::from(now).saturating_sub(age.as_millis());
            all().filter(|(at, seq)| u128::from(logs[*at].stamp(*seq)) >= oldest).collect()
        }
        Retention::CountBased(count) => {
            let mut newest: Vec<_> = all().collect();
            newest.sort_by_key(|(at, seq)| std::cmp::Reverse((logs[*at].head.name.epoch, *seq)));
            let mut left: BTreeMap<&NodeId, u64> = BTreeMap::new();
            newest.retain(|(at, _)| {
                let left = left.entry(&logs[*at].head.name.author).or_insert(*count);
                *left > 0 && {
                    *left -= 1;
                    true
                }
            });
            newest.into_iter().collect()
        }
        Retention::Composite(parts) => parts.iter().flat_map(|part| kept(part, logs, now)).collect(),
    }
}

fn seeks(retention: &Retention, logs: &[Log], now: u64) -> Seeks {
    let mut seeks = Seeks::new();
    for stamp in cutoffs(retention, WallMs(now)) {
        for log in logs {
            let first = log.held().find(|seq| log.stamp(*seq) >= stamp.millis());
            seeks.insert((log.head.name.id(), stamp), first.unwrap_or(log.head.height + 1));
        }
    }
    seeks
}

proptest! {
    #[test]
    fn exactly_what_a_retention_keeps_lies_above_the_floors(
        logs in logs(), retention in retentions(), now in 0_u64..1600,
    ) {
        let heads: Vec<_> = logs.iter().map(|log| log.head.clone()).collect();
        let plan = plan(&retention, &heads, WallMs(now), &seeks(&retention, &logs, now));
        let floors: BTreeMap<_, _> = plan.into_iter().collect();
        let mut above = BTreeSet::new();
        for (at, log) in logs.iter().enumerate() {
            let floor = floors.get(&log.head.name.id()).copied();
            if let Some(floor) = floor {
                prop_assert!(floor > log.head.floor && floor <= log.head.height);
            }
            let floor = floor.unwrap_or(log.head.floor);
            above.extend(log.held().filter(|seq| *seq > floor).map(|seq| (at, seq)));
        }
        prop_assert_eq!(above, kept(&retention, &logs, now));
    }
}

#[test]
fn composites_need_parts_and_have_a_depth() {
    let nested =
        |depth: usize| (0..depth).fold(Retention::KeepAll, |inner, _| Retention::Composite(vec![inner]));
    assert!(check(&nested(MAX_DEPTH)).is_ok());
    assert!(check(&nested(MAX_DEPTH + 1)).is_err());
    assert!(check(&Retention::Composite(Vec::new())).is_err());
}
