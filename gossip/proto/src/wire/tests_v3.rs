use bytes::Bytes;
use proptest::prelude::*;
use proptest::sample::Index;

use super::laws::{by_name, is_malformed};
use super::tests::{TAG, delta};
use super::*;
use crate::node::Frame;
use crate::{Epoch, LogId, MemberKey, MemberRow, MemberState, NodeId, Run, StreamId};

const KEY: MemberKey = MemberKey(0x0102_0304_0506_0708);
const OTHER: MemberKey = MemberKey(0x0102_f304_0506_0708);

/// One of each message that version 2 does not know, by name, and its size.
fn samples() -> Vec<laws::Sample> {
    let run = run().encoded().len();
    let look = Look { serial: 700, key: KEY, incarnation: 5, age: 800 };
    let rows = vec![(KEY, 5, MemberState::Live), (OTHER, 6, MemberState::Left)];
    vec![
        ("beat", 29, Message::Beat(beat())),
        ("first-beat", 25, Message::Beat(Beat { n: 0, echo: None, held: 0, pace: 1, ..beat() })),
        ("look", 19, Message::Look(look)),
        ("seen", 16, Message::Seen(Seen { serial: 700, key: KEY, heard: true })),
        ("news", 3 + 43 + 13 + 17 + 25 + 35 + 13 + 12 + 13 + 21, Message::News(news())),
        ("table-all", 4, Message::Table(Table::All)),
        ("table-sums", 135, Message::Table(sums(Summed::Present, None))),
        ("table-roster", 135, Message::Table(sums(Summed::Roster, Some(15)))),
        ("table-bucket", 5 + 2 * 11, Message::Table(Table::Bucket { bucket: 1, rows })),
        ("table-want", 5 + 2 * 8, Message::Table(Table::Want(vec![KEY, OTHER]))),
        ("states", 14 + 125, Message::States(States { roster: 77, live: vec![0b101; 125] })),
        ("tree", 13, Message::Tree(TreeMessage { tag: Some(TAG), eager: false })),
        ("tree-of-news", 5, Message::Tree(TreeMessage { tag: None, eager: true })),
        (
            "have",
            12 + 1 + 2 * 5 + 1 + 3,
            Message::Have(Have { tag: TAG, logs: vec![([1; 5], 1), ([2; 5], 300)] }),
        ),
        ("fresh", 3 + 2 * (2 + run), Message::Fresh(fresh(None))),
        ("fresh-named", 3 + 2 * (2 + run) + 1 + 9 + 2 + 4 + 9 + 2 + run - 18, Message::Fresh(fresh(named()))),
    ]
}

fn fresh(named: Option<NamedRun>) -> Fresh {
    Fresh { named, runs: vec![run(), run()] }
}

fn named() -> Option<NamedRun> {
    let name = (StreamId::new("s").unwrap(), NodeId::new("ann").unwrap(), Epoch::from_bits(u64::MAX - 1));
    NamedRun::new(TAG, name, &run())
}

fn beat() -> Beat {
    let flags = BeatFlags::WANTED.with(BeatFlags::IS_ANSWER, true);
    Beat { n: 200, echo: Some(130), held: 200, flags, pace: 126, table: u64::MAX - 1, content: 2 }
}

/// A row of each kind.
fn news() -> Vec<Row> {
    let (key, incarnation) = (KEY, 5);
    let mut accusers = Accusers::one(KEY);
    assert!(accusers.add(OTHER) && !accusers.add(OTHER));
    let addresses = vec!["tcp:10.77.0.1:7400".to_owned()];
    let row =
        MemberRow { id: NodeId::new("ann-the-first").unwrap(), incarnation, instance: 70_000, addresses };
    vec![
        Row::Live { row, doze: 0 },
        Row::Vouch { key, incarnation, age: 0 },
        Row::Vouch { key, incarnation, age: UNHEARD },
        Row::Suspect { key, incarnation, left: 800, age: 5, accusers: Accusers::one(OTHER) },
        Row::Suspect { key, incarnation, left: 800, age: 300, accusers },
        Row::Down { key, incarnation, age: 5 },
        Row::Left { key, incarnation },
        Row::Doze { key, incarnation, seconds: 9 },
        Row::Seek { key, incarnation, by: OTHER },
    ]
}

fn sums(of: Summed, path: Option<u8>) -> Table {
    Table::Sums { of, path, sums: std::array::from_fn(|arc| arc as u64) }
}

fn run() -> Run {
    delta().runs.swap_remove(0).run
}

fn frame(message: &Message) -> Bytes {
    laws::frame(message, 3)
}

#[track_caller]
fn round_trip(message: Message) {
    laws::survives(message, 3);
}

#[test]
fn messages_survive_the_wire_at_the_size_they_are_meant_to_have() {
    laws::survive_at_their_sizes(samples(), 3);
}

#[test]
fn golden_bytes_of_every_message_of_version_3() {
    assert_eq!(laws::golden(&by_name(samples()), 3), include_str!("golden-v3.txt"), "version 3 changed");
}

#[test]
fn versions_1_and_2_know_none_of_them() {
    laws::are_unknown_to(1..=2, &by_name(samples()), 3);
}

#[test]
fn what_is_cut_short_or_left_over_is_an_error() {
    laws::are_read_as_a_whole(&by_name(samples()), 3);
}

#[test]
fn a_beat_lies_in_its_frame() {
    let frame = write_beat(&beat(), 3);
    assert!(!frame.split().0.is_empty() && frame.split().1.is_empty());
    assert_eq!(frame.into_bytes(), self::frame(&Message::Beat(beat())));
    let long = Beat { flags: BeatFlags(255), held: u16::MAX, pace: u16::MAX, ..beat() };
    assert_eq!(write_beat(&long, 3).into_bytes().len(), 32);
    assert_eq!(Frame::small(&[7; 49]).into_parts(), [vec![7; 49]]);
}

#[test]
fn runs_are_slices_of_the_frame() {
    let bytes = frame(&Message::Fresh(fresh(named())));
    let Ok(Content::Whole(Message::Fresh(fresh))) = read(&bytes) else { panic!("it is a fresh") };
    let inside = |run: &Run| bytes.as_ptr_range().contains(&run.encoded().as_ptr());
    assert!(fresh.runs.len() == 2 && fresh.runs.iter().all(inside));
    // What was left out of the other one comes from its name.
    let named = fresh.named.unwrap();
    assert_eq!(named.run(run().log()), Ok(run()));
    assert_eq!(named.run(LogId([9; 16])).map(|run| run.log()), Ok(LogId([9; 16])));
}

/// What a later version says of members does not keep this one from understanding the rest.
#[test]
fn rows_of_unknown_kinds_and_what_follows_a_known_one_are_passed_over() {
    let row = |row: &[u8]| [&[0x30, 29, 0x82][..], row, &[0x83, 4, 0x48, 1, 2, 3, 4, 5, 6, 7, 8, 5]].concat();
    let left = Row::Left { key: KEY, incarnation: 5 };
    for unknown in [&[0x81, 7][..], &[0x84, 0x18, 99, 0x82, 0x61, b'x', 0xf5, 0x41, 1, 0xf6]] {
        assert_eq!(read(&row(unknown).into()), Ok(Content::Whole(Message::News(vec![left.clone()]))));
    }
    let ann = Row::Live {
        row: MemberRow { id: NodeId::new("a").unwrap(), incarnation: 1, instance: 2, addresses: vec![] },
        doze: 3,
    };
    let longer = [0x87, 0, 0x61, b'a', 1, 2, 0x80, 3, 0x82, 1, 2];
    assert_eq!(read(&row(&longer).into()), Ok(Content::Whole(Message::News(vec![ann, left]))));
    // An array in an array in a row, an array without an end, a float, no kind, a known kind and another length.
    let nested = [0x82, 7, 0x81, 0x81, 1];
    for wrong in [&nested[..], &[0x82, 7, 0x9f, 0xff], &[0x82, 7, 0xf9, 0, 0], &[0x80], &[0x82, 4, 1]] {
        assert!(is_malformed(row(wrong)), "{wrong:x?}");
    }
}

#[test]
fn what_is_over_a_limit_is_refused() {
    let news = |len| Message::News(vec![Row::Left { key: KEY, incarnation: 1 }; len]);
    let live = |addresses: usize, bytes: usize| {
        let addresses = vec!["x".repeat(bytes); addresses];
        let row =
            MemberRow { id: NodeId::new("n".repeat(128)).unwrap(), incarnation: 1, instance: 1, addresses };
        Message::News(vec![Row::Live { row, doze: 0 }])
    };
    let bucket = |bucket, len| {
        let rows = vec![(KEY, 1, MemberState::Down); len];
        Message::Table(Table::Bucket { bucket, rows })
    };
    let want = |len| Message::Table(Table::Want(vec![KEY; len]));
    let states = |len| Message::States(States { roster: 1, live: vec![1; len] });
    let have = |len| Message::Have(Have { tag: TAG, logs: vec![([0; 5], 1); len] });
    let path = |path| Message::Table(sums(Summed::Present, Some(path)));
    let pairs = vec![
        (news(MAX_ROWS), news(MAX_ROWS + 1)),
        (live(8, 256), live(9, 2)),
        (live(1, 256), live(1, 257)),
        (bucket(1, MAX_KEYS), bucket(1, MAX_KEYS + 1)),
        (want(MAX_KEYS), want(MAX_KEYS + 1)),
        (states(MAX_BITMAP), states(MAX_BITMAP + 1)),
        (have(MAX_ASKED), have(MAX_ASKED + 1)),
        (path(15), path(16)),
        (bucket(1, 1), bucket(2, 1)),
    ];
    laws::are_limited(pairs, 3);
}

#[test]
fn nobody_and_nobody_twice_accuses() {
    for keys in [&[][..], &[1, 1], &[1, 2, 3, 4, 5]] {
        let mut bytes = vec![0x30, 29, 0x81, 0x86, 2, 0x48, 1, 2, 3, 4, 5, 6, 7, 8, 5, 1, 1];
        bytes.extend([0x58, keys.len() as u8 * 8]);
        bytes.extend(keys.iter().flat_map(|key| [*key; 8]));
        assert!(is_malformed(bytes), "{keys:?}");
    }
}

/// What is claimed to follow and does not is refused before anything is reserved for it.
#[test]
fn claims_are_not_believed() {
    laws::do_not_believe_claims(26..=34, 3);
}

fn key() -> impl Strategy<Value = MemberKey> {
    any::<u64>().prop_map(MemberKey)
}

fn row() -> impl Strategy<Value = Row> {
    let texts = proptest::collection::vec("[a-z0-9:]{0,40}", 0..=8);
    let live = ("[a-z]{1,30}", any::<(u64, u32, u32)>(), texts).prop_map(|(id, numbers, addresses)| {
        let (incarnation, instance, doze) = numbers;
        let row = MemberRow { id: NodeId::new(id).unwrap(), incarnation, instance, addresses };
        Row::Live { row, doze }
    });
    let others = proptest::collection::btree_set(any::<u64>(), 1..=4);
    let short = (0..6, key(), any::<u64>(), any::<(u32, u32)>(), others);
    let short = short.prop_map(|(kind, key, incarnation, (a, b), others)| {
        let mut others = others.into_iter().map(MemberKey);
        let by = others.next().unwrap();
        let mut accusers = Accusers::one(by);
        others.for_each(|key| _ = accusers.add(key));
        match kind {
            0 => Row::Vouch { key, incarnation, age: a },
            1 => Row::Suspect { key, incarnation, left: a, age: b, accusers },
            2 => Row::Down { key, incarnation, age: a },
            3 => Row::Left { key, incarnation },
            4 => Row::Doze { key, incarnation, seconds: a },
            _ => Row::Seek { key, incarnation, by },
        }
    });
    prop_oneof![1 => live, 3 => short]
}

proptest! {
    #[test]
    fn any_beat_survives(
        (n, echo, held) in any::<(u8, Option<u8>, u16)>(),
        (flags, pace, table, content) in any::<(u8, u16, u64, u64)>(),
    ) {
        let beat = Beat { n, echo, held, flags: BeatFlags(flags), pace, table, content };
        prop_assert_eq!(write_beat(&beat, 3).into_bytes(), frame(&Message::Beat(beat)));
        round_trip(Message::Beat(beat));
    }

    #[test]
    fn any_news_survive(rows in proptest::collection::vec(row(), 0..=8)) {
        round_trip(Message::News(rows));
    }

    #[test]
    fn any_table_survives(
        (numbers, path, present) in (any::<[u64; 16]>(), proptest::option::of(0..16_u8), any::<bool>()),
        rows in proptest::collection::vec((any::<u64>(), any::<u64>(), 0..3_usize), 0..40),
        bucket in any::<u8>(),
    ) {
        let of = if present { Summed::Present } else { Summed::Roster };
        round_trip(Message::Table(Table::Sums { of, path, sums: numbers }));
        round_trip(Message::Table(Table::Want(rows.iter().map(|row| MemberKey(row.0)).collect())));
        let states = [MemberState::Live, MemberState::Down, MemberState::Left];
        let arc = |key: u64| MemberKey(u64::from(bucket) << 56 | key >> 8);
        let rows = rows.into_iter().map(|(key, incarnation, state)| (arc(key), incarnation, states[state]));
        round_trip(Message::Table(Table::Bucket { bucket, rows: rows.collect() }));
    }

    #[test]
    fn any_question_and_answer_survives(
            (serial, key, incarnation, age, heard) in any::<(u16, u64, u64, u32, bool)>()
        ) {
        let look = Look { serial, key: MemberKey(key), incarnation, age };
        round_trip(Message::Look(look));
        round_trip(Message::Seen(Seen { serial, key: MemberKey(key), heard }));
        let tag = heard.then(|| ChannelTag(key.to_le_bytes()));
        round_trip(Message::Tree(TreeMessage { tag, eager: serial % 2 == 0 }));
    }

    #[test]
    fn any_states_survive(roster in any::<u64>(), live in proptest::collection::vec(any::<u8>(), 0..300)) {
        round_trip(Message::States(States { roster, live }));
    }

    #[test]
    fn any_have_survives(logs in proptest::collection::vec(any::<([u8; 5], u64)>(), 0..100)) {
        round_trip(Message::Have(Have { tag: TAG, logs }));
    }

    #[test]
    fn changed_frames_are_refused_or_mean_something(
        which in any::<Index>(),
        changes in proptest::collection::vec((any::<Index>(), any::<u8>()), 1..4),
    ) {
        let (_, _, message) = which.get(&samples()).clone();
        laws::means_something_when_changed(&message, changes, 3);
    }
}
