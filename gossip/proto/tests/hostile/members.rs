//! What a peer can do by talking of members: fill a table up to its bound, and no more.

use bytes::Bytes;
use gossip_proto::node::{Command, Input, LinkId, NodeConfig};
use gossip_proto::wire::{
    self, Accusers, Beacon, ChannelTag, Content, Have, Look, MAX_BITMAP, MAX_KEYS, MAX_ROWS, Message, Push,
    Row, Seen, States, Summed, Table, TreeMessage,
};
use gossip_proto::{MemberKey, MemberRow, MemberState, NodeId};

use crate::host::{Host, talk};
use crate::siege::meet;

const LINK: u64 = 1;

fn row(name: &str, incarnation: u64) -> Row {
    let id = NodeId::new(name).unwrap();
    Row::Live { row: MemberRow { id, incarnation, instance: 1, addresses: Vec::new() }, doze: 0 }
}

fn frame(message: Message) -> Bytes {
    wire::write(&message, 3).into_bytes()
}

/// A victim with a session of this version, and the liar it has it with.
fn met(config: NodeConfig, version: u8) -> (Host, Host) {
    let mut victim = Host::speaking("victim", config, version);
    let mut liar = Host::speaking("liar", NodeConfig::default(), 3);
    [&mut victim, &mut liar].into_iter().for_each(|host| _ = host.must(Command::Start));
    meet(&mut victim, &mut liar, LINK, 1 << 20);
    talk(&mut victim, &mut liar, LINK, 500);
    victim.sent.clear();
    (victim, liar)
}

impl Host {
    fn hear(&mut self, message: Message) {
        self.give(Input::Frame { link: LinkId(LINK), bytes: frame(message) });
    }
}

#[test]
fn members_are_as_many_as_are_allowed() {
    let (mut victim, _) = met(NodeConfig { max_members: 100, ..NodeConfig::default() }, 3);
    for number in 0..200 {
        victim.hear(Message::News((0..50).map(|at| row(&format!("{number}-{at}"), 1)).collect()));
    }
    let health = victim.health();
    assert_eq!((health.members, health.dropped), (100, 10_000 - 98));
    // All of them fit into what is told of them: none is told twice.
    victim.hear(Message::Table(Table::All));
    let told: usize = victim.take_sent(LINK).iter().map(Bytes::len).sum();
    assert!(told < 100 * 20, "{told} bytes");
}

#[test]
fn who_keeps_to_its_own_peers_hears_of_no_others() {
    let (mut victim, liar) = met(NodeConfig { peer_exchange: false, ..NodeConfig::default() }, 3);
    victim.hear(Message::News(vec![row("stranger", 1), row(liar.id().as_str(), 1)]));
    assert_eq!(victim.health().members, 2);
}

/// It does not take part, whatever frames come: they may be from before a handshake.
#[test]
fn an_old_session_has_no_members() {
    let (mut victim, _) = met(NodeConfig::default(), 2);
    for message in [Message::News(vec![row("stranger", 1)]), Message::Table(Table::All)] {
        let bytes = frame(message);
        victim.give(Input::Frame { link: LinkId(LINK), bytes });
    }
    assert_eq!(victim.health().members, 1);
    assert!(victim.sent.is_empty(), "{:?}", victim.sent);
}

#[test]
fn nobody_has_the_last_incarnation() {
    let (mut victim, _) = met(NodeConfig::default(), 3);
    victim.hear(Message::News(vec![row("a", 1)]));
    let before = victim.health().dropped;
    let key = MemberKey::of(&NodeId::new("a").unwrap());
    let last = [row("b", u64::MAX), row("a", u64::MAX), row("victim", u64::MAX)];
    victim.hear(Message::News(last.into_iter().chain([Row::Left { key, incarnation: u64::MAX }]).collect()));
    let health = victim.health();
    assert_eq!((health.members, health.dropped), (3, before + 4));
}

fn key(name: &str) -> MemberKey {
    MemberKey::of(&NodeId::new(name).unwrap())
}

fn suspect(of: MemberKey, incarnation: u64) -> Row {
    Row::Suspect { key: of, incarnation, left: 0, age: u32::MAX, accusers: Accusers::one(key("liar")) }
}

fn sums(of: Summed, path: Option<u8>, seed: u64) -> Message {
    Message::Table(Table::Sums { of, path, sums: [seed; 16] })
}

/// A victim that was told of so many members, and what it has said since.
fn crowded(members: usize) -> Host {
    let (mut victim, _) = met(NodeConfig::default(), 3);
    let rows: Vec<Row> = (0..members).map(|number| row(&format!("n{number}"), 1)).collect();
    rows.chunks(MAX_ROWS).for_each(|rows| victim.hear(Message::News(rows.to_vec())));
    assert_eq!(victim.health().members, members + 2);
    victim.sent.clear();
    victim
}

/// It contradicts a few times at once and then once a second; what is said of the past is answered, and that is all.
#[test]
fn rows_about_the_victim_cost_an_answer_each() {
    let (mut victim, _) = met(NodeConfig::default(), 3);
    let (me, id) = (key("victim"), victim.id());
    for incarnation in 0..1_000 {
        let rows = [
            suspect(me, incarnation),
            Row::Down { key: me, incarnation, age: 9 },
            Row::Left { key: me, incarnation },
            Row::Vouch { key: me, incarnation, age: 0 },
            Row::Doze { key: me, incarnation, seconds: 9 },
            Row::Seek { key: me, incarnation, by: me },
        ];
        victim.hear(Message::News(rows.into()));
    }
    let health = victim.health();
    assert_eq!((health.incarnation, health.members), (5, 2));
    let told: usize = victim.take_sent(LINK).iter().map(Bytes::len).sum();
    assert!(told < 6_010 * 40, "{told} bytes for six thousand rows");
    victim.hear(Message::News(vec![row(id.as_str(), health.incarnation)]));
    assert_eq!(victim.health().incarnation, health.incarnation, "a copy is told of, and not fought");
}

#[test]
fn accusations_and_verdicts_of_everybody_pass() {
    let mut victim = crowded(1_000);
    for round in 0..20 {
        let all = (0..1_000).map(|number| key(&format!("n{number}")));
        let rows: Vec<Row> = match round % 2 {
            0 => all.map(|of| suspect(of, 1)).collect(),
            _ => all.map(|key| Row::Down { key, incarnation: 1, age: 0 }).collect(),
        };
        rows.chunks(MAX_ROWS).for_each(|rows| victim.hear(Message::News(rows.to_vec())));
        victim.pass(1_000);
    }
    let told: usize = victim.take_sent(LINK).iter().map(Bytes::len).sum();
    assert!(told < 20_000 * 30, "{told} bytes for twenty thousand rows");
    victim.pass(60_000_000);
    assert_eq!(victim.health().members, 1_002, "who is in touch with nobody judges nobody");
}

/// What is larger than anybody may say is refused as a whole, and counted once.
#[test]
fn absurd_sizes_are_counted_and_not_answered() {
    let mut victim = crowded(3);
    let of = key("n1");
    let bucket = of.bucket();
    let absurd = [
        Message::News(vec![Row::Left { key: of, incarnation: 1 }; MAX_ROWS + 1]),
        Message::News(vec![row(&"x".repeat(128), 1); 60]),
        Message::Table(Table::Want(vec![of; MAX_KEYS + 1])),
        Message::Table(Table::Bucket { bucket, rows: vec![(of, 9, MemberState::Live); MAX_KEYS + 1] }),
        Message::Table(Table::Bucket { bucket: !bucket, rows: vec![(of, 9, MemberState::Live)] }),
        sums(Summed::Present, Some(16), 7),
        Message::States(States { roster: 1, live: vec![255; MAX_BITMAP + 1] }),
        Message::Have(Have { tag: ChannelTag([0; 8]), logs: vec![([1; 5], 1); 10_000] }),
    ];
    for message in absurd {
        let before = victim.health().dropped;
        let name = message.name();
        victim.hear(message);
        assert_eq!(victim.health().dropped, before + 1, "{name}");
    }
    assert!(victim.sent.is_empty(), "{:?}", victim.sent);
    assert_eq!(victim.health().members, 5);
}

/// Whoever asks for a table pays for what is told: no more comes of a message than it can name.
#[test]
fn comparisons_say_no_more_than_was_asked_for() {
    let mut victim = crowded(500);
    let of = key("n1");
    let live = (0..63).map(|_| 255).collect();
    let bits = States { roster: 7, live };
    let steps = [
        (sums(Summed::Present, None, 7), 16 * 135),
        (sums(Summed::Roster, Some(3), 7), 16 * (5 + 20 * 12)),
        (Message::Table(Table::Bucket { bucket: of.bucket(), rows: Vec::new() }), 20 * 30),
        (Message::Table(Table::Want(vec![of; MAX_KEYS])), 60),
        (Message::Table(Table::Want((0..256).map(MemberKey).collect())), 0),
        (Message::States(bits), 135),
    ];
    for (message, most) in steps {
        for _ in 0..20 {
            victim.hear(message.clone());
            let told: usize = victim.take_sent(LINK).iter().map(Bytes::len).sum();
            assert!(told <= most, "{told} bytes for a {}", message.name());
        }
    }
    // What is said of the arcs of others is asked for once a message, and believed of nobody unknown.
    let unknown = |number: u64| (MemberKey(u64::from(of.bucket()) << 56 | number), 1, MemberState::Live);
    let rows = (0..MAX_KEYS as u64).map(unknown).collect();
    victim.hear(Message::Table(Table::Bucket { bucket: of.bucket(), rows }));
    assert_eq!(victim.health().members, 502);
}

impl Host {
    /// Says something 300 times a second for so many minutes; answers what that brought, in bytes.
    fn told_in(&mut self, minutes: u64, message: &Message) -> usize {
        let mut told = 0;
        for _ in 0..minutes * 60 {
            for _ in 0..300 {
                self.hear(message.clone());
                told += self.take_sent(LINK).iter().map(Bytes::len).sum::<usize>();
            }
            self.pass(1_000_000);
        }
        told
    }
}

/// The whole table is a lot for four bytes: who lost half of it is told again at once, then it takes time.
#[test]
fn who_asks_for_the_table_in_a_loop_is_told_it_now_and_then() {
    let mut victim = crowded(2_000);
    let dropped = victim.health().dropped;
    victim.hear(Message::Table(Table::All));
    let table: usize = victim.take_sent(LINK).iter().map(Bytes::len).sum();
    assert!(table > 2_000 * 11, "{table} bytes");
    victim.hear(Message::Table(Table::All));
    assert_eq!(victim.take_sent(LINK).iter().map(Bytes::len).sum::<usize>(), table, "once more at once");
    let told = victim.told_in(2, &Message::Table(Table::All));
    assert!((800_000..1_600_000).contains(&told), "{told} bytes for 36,000 questions");
    assert!(victim.health().dropped - dropped > 30_000);
    // Who hears nobody for long does not speak of others for a while.
    for number in 0..14 {
        victim.pass(5_000_000);
        victim.hear(Message::Ping(number, false));
    }
    victim.sent.clear();
    victim.hear(Message::Table(Table::All));
    let again: usize = victim.take_sent(LINK).iter().map(Bytes::len).sum();
    assert!((table..table + 40).contains(&again), "and again later, perhaps with a beacon: {again}");
}

/// Whatever is asked.
#[test]
fn no_question_is_answered_all_the_time() {
    let names: Vec<String> = (0..256).map(|number| format!("n{number}")).collect();
    let keys = || names.iter().map(|name| key(name));
    let bucket = key("n1").bucket();
    let old = keys().take(MAX_ROWS).map(|key| Row::Vouch { key, incarnation: 0, age: 0 });
    let questions = [
        sums(Summed::Present, None, 7),
        sums(Summed::Roster, Some(bucket >> 4), 7),
        Message::Table(Table::Bucket { bucket, rows: Vec::new() }),
        Message::Table(Table::Want(keys().collect())),
        Message::Table(Table::Want((0..256).map(MemberKey).collect())),
        Message::States(States { roster: 7, live: Vec::new() }),
        Message::News(old.collect()),
    ];
    for question in questions {
        let mut victim = crowded(1_000);
        let dropped = victim.health().dropped;
        let told = victim.told_in(1, &question);
        assert!(told < 1_100_000, "{told} bytes for 18,000 of {question:?}");
        assert!(victim.health().dropped - dropped > 1_000, "{question:?}");
        // Another minute, and it is answered.
        victim.pass(70_000_000);
        let dropped = victim.health().dropped;
        victim.hear(question);
        assert_eq!(victim.health().dropped, dropped);
    }
}

/// Nobody is asked, and nobody answered, for who is no member or has no link.
#[test]
fn looks_for_strangers_and_answers_nobody_asked_for_do_nothing() {
    let mut victim = crowded(10);
    for number in 0..1_000 {
        for key in [MemberKey(number), key("n1"), key("liar")] {
            let look = Look { serial: number as u16, key, incarnation: 1, age: 1_000 };
            victim.hear(Message::Look(look));
            victim.hear(Message::Seen(Seen { serial: number as u16, key, heard: number % 2 == 0 }));
        }
    }
    assert!(victim.sent.is_empty(), "{:?}", victim.sent);
}

/// Links are pruned and grafted, and heights announced, a thousand times and of channels that are none.
#[test]
fn trees_and_announcements_are_bounded() {
    let (mut victim, mut liar) = met(NodeConfig::default(), 3);
    liar.append(10);
    let frames = talk(&mut victim, &mut liar, LINK, 500);
    let messages = frames.iter().filter_map(|frame| match wire::read(frame) {
        Ok(Content::Whole(message)) => Some(message),
        _ => None,
    });
    let tags = messages.filter_map(|message| match message {
        Message::Beacon(Beacon { tag, .. }) | Message::Push(Push { tag, .. }) => Some(tag),
        _ => None,
    });
    let tag = tags.last().expect("both share a channel");
    victim.sent.clear();
    for round in 0..1_000_u64 {
        for tag in [None, Some(tag), Some(ChannelTag([9; 8]))] {
            victim.hear(Message::Tree(TreeMessage { tag, eager: round % 3 == 0 }));
        }
        let [.., a, b, c] = round.to_be_bytes();
        let logs = (0..200).map(|log| ([log, a, b, c, 7], u64::MAX)).collect();
        victim.hear(Message::Have(Have { tag, logs }));
    }
    let told = victim.take_sent(LINK);
    assert!(told.len() <= 2_000, "{} frames for three thousand", told.len());
    victim.pass(10_000_000);
    let asked: usize = victim.take_sent(LINK).iter().map(Bytes::len).sum();
    assert!((1..20_000).contains(&asked), "{asked} bytes to ask for two hundred thousand logs");
    assert!(victim.health().logs <= 2);
}
