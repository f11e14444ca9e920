//! What the operations do, and that their bytes stay as they are.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use gossip_core::StateMaterializer;
use gossip_core::proto::{ChannelId, Epoch, LogEntry, LogName, NodeId, Payload, RunEntry, Stamp, StreamId};
use gossip_materializers_crdt::{GCounter, LwwMap, LwwRegister, PnCounter};
use proptest::prelude::*;

/// An entry of `author`, stamped `millis`.
fn entry(author: &str, millis: u64, payload: Bytes) -> LogEntry {
    let name = LogName {
        channel: ChannelId::new("c").expect("valid"),
        stream: StreamId::new("s").expect("valid"),
        author: NodeId::new(author).expect("valid"),
        epoch: Epoch::new(1, 0),
        branch: None,
    };
    let id = name.id();
    let payload = Payload::Present(payload);
    LogEntry::new(Arc::new(name), id, RunEntry { sequence: millis, stamp: Stamp::new(millis, 0), payload })
}

fn fold<M: StateMaterializer>(rules: &M, entries: &[LogEntry]) -> M::State {
    let mut state = rules.initial();
    for entry in entries {
        rules.fold(&mut state, entry).expect("valid");
    }
    state
}

#[test]
fn bytes_are_frozen() {
    assert_eq!(&PnCounter::add(1)[..], [0x01]);
    assert_eq!(&PnCounter::subtract(500)[..], [0x39, 0x01, 0xf3]);
    assert_eq!(&GCounter::add(u64::MAX)[..], [0x1b, 255, 255, 255, 255, 255, 255, 255, 255]);
    assert_eq!(&LwwMap::set("k", b"v")[..], [0x83, 0, 0x61, b'k', 0x41, b'v']);
    assert_eq!(&LwwMap::remove("k")[..], [0x82, 1, 0x61, b'k']);
    assert_eq!(&LwwRegister::set(&"v").unwrap()[..], [0x61, b'v']);
}

#[test]
fn a_growing_counter_refuses_to_shrink() {
    let mut total = 5;
    assert!(GCounter.fold(&mut total, &entry("ann", 1, PnCounter::add(-1))).is_err());
    assert_eq!(total, 5);
}

#[test]
fn the_extremes_add_up() {
    let entries: Vec<_> = (1..=4).map(|n| entry("ann", n, PnCounter::add(i64::MIN))).collect();
    assert_eq!(fold(&PnCounter, &entries), 4 * i128::from(i64::MIN));
    let entries: Vec<_> = (1..=4).map(|n| entry("ann", n, GCounter::add(u64::MAX))).collect();
    assert_eq!(fold(&GCounter, &entries), 4 * u128::from(u64::MAX));
}

#[test]
fn the_later_write_wins_whenever_it_arrives() {
    let early = entry("bob", 1, LwwRegister::set(&"early").unwrap());
    let late = entry("ann", 2, LwwRegister::set(&"late").unwrap());
    let rules = LwwRegister::<String>::new();
    for order in [[early.clone(), late.clone()], [late, early]] {
        let state = fold(&rules, &order);
        assert_eq!(state.value().unwrap(), "late");
        assert_eq!(state.written().unwrap().author.as_str(), "ann");
    }
}

#[test]
fn equal_stamps_are_settled_by_author() {
    let ann = entry("ann", 1, LwwMap::set("k", b"ann"));
    let bob = entry("bob", 1, LwwMap::set("k", b"bob"));
    for order in [[ann.clone(), bob.clone()], [bob, ann]] {
        assert_eq!(fold(&LwwMap, &order).value("k").unwrap(), "bob");
    }
}

#[test]
fn a_removal_stays_removed_when_an_older_write_arrives() {
    let remove = entry("ann", 2, LwwMap::remove("k"));
    let write = entry("bob", 1, LwwMap::set("k", b"old"));
    let state = fold(&LwwMap, &[remove, write]);
    assert_eq!((state.value("k"), state.len(), state.removed()), (None, 0, 1));
    assert!(state.is_empty());
}

#[test]
fn what_is_no_operation_is_refused() {
    for bytes in [&b""[..], b"text", b"\x83\x02\x61k\x41v", b"\x82\x00\x61k", b"\x82\x01\x61k\x00"] {
        let bad = entry("ann", 1, Bytes::from_static(bytes));
        assert!(LwwMap.fold(&mut LwwMap.initial(), &bad).is_err(), "{bytes:?}");
    }
    let two = entry("ann", 1, Bytes::from_static(&[1, 1]));
    assert!(PnCounter.fold(&mut 0, &two).is_err());
    assert!(LwwRegister::<u8>::new().fold(&mut Default::default(), &two).is_err());
}

#[test]
fn nesting_is_bounded() {
    let mut deep = vec![0x81; 100_000];
    deep.push(0);
    let rules = LwwRegister::<ciborium::Value>::new();
    let error = rules.fold(&mut rules.initial(), &entry("ann", 1, deep.into())).unwrap_err();
    assert!(error.0.contains("ecursion"), "{error}");
}

proptest! {
    #[test]
    fn counters_sum(amounts in proptest::collection::vec(any::<i64>(), 0..50)) {
        let entries: Vec<_> = (1..).zip(&amounts).map(|(n, a)| entry("ann", n, PnCounter::add(*a))).collect();
        prop_assert_eq!(fold(&PnCounter, &entries), amounts.iter().map(|a| i128::from(*a)).sum::<i128>());
    }

    #[test]
    fn a_map_is_what_the_last_operations_say(
        ops in proptest::collection::vec(("[a-c]{0,2}", proptest::option::of(".*")), 0..50),
    ) {
        let (mut model, mut entries) = (BTreeMap::new(), Vec::new());
        for (n, (key, value)) in (1..).zip(ops) {
            entries.push(match value {
                Some(value) => {
                    model.insert(key.clone(), value.clone());
                    entry("ann", n, LwwMap::set(&key, value))
                }
                None => {
                    model.remove(&key);
                    entry("ann", n, LwwMap::remove(&key))
                }
            });
        }
        let state = fold(&LwwMap, &entries);
        let pairs: Vec<_> = state.iter().map(|(k, v)| (k.to_owned(), v.to_vec())).collect();
        let wanted: Vec<_> = model.into_iter().map(|(k, v)| (k, v.into_bytes())).collect();
        prop_assert_eq!(state.len(), pairs.len());
        prop_assert_eq!(pairs, wanted);
    }

    #[test]
    fn any_bytes_fold_or_fail(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let entry = entry("ann", 1, bytes.into());
        let _ = PnCounter.fold(&mut 0, &entry);
        let _ = GCounter.fold(&mut 0, &entry);
        let _ = LwwMap.fold(&mut LwwMap.initial(), &entry);
        let rules = LwwRegister::<ciborium::Value>::new();
        let _ = rules.fold(&mut rules.initial(), &entry);
    }
}
