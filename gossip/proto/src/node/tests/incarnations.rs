//! What a node says of itself to the group, and what it contradicts.

use std::time::Duration;

use super::*;
use crate::node::members::Members;
use crate::wire::{Accusers, Row, write};
use crate::{MemberKey, MemberRow, MemberState};

fn key(name: &str) -> MemberKey {
    MemberKey::of(&NodeId::new(name).unwrap())
}

/// Two nodes with a session, and nothing left to say.
fn met() -> Pair {
    let mut pair = Pair::new(0);
    pair.run(Tick(2_000_000));
    pair.forget();
    pair
}

impl Pair {
    fn forget(&mut self) {
        self.said.clear();
        self.told.clear();
        self.answers.clear();
    }

    /// A row comes from the other node.
    fn listen(&mut self, at: usize, row: Row) {
        let bytes = write(&Message::News(vec![row]), 3).into_bytes();
        self.give(at, Input::Frame { link: LINK, bytes });
    }

    /// Rows that one node sent.
    fn rows(&self, from: usize) -> Vec<&Row> {
        let messages = self.said.iter().filter(|(at, _)| *at == from);
        let rows = messages.filter_map(|(_, message)| match message {
            Message::News(rows) => Some(rows),
            _ => None,
        });
        rows.flatten().collect()
    }

    fn is_told(&self, at: usize, event: &Event) -> usize {
        self.told.iter().filter(|told| **told == (at, event.clone())).count()
    }
}

fn suspect(name: &str, incarnation: u64) -> Row {
    let accusers = Accusers::one(key("x"));
    Row::Suspect { key: key(name), incarnation, left: 800, age: 0, accusers }
}

#[test]
fn who_meets_is_a_member_and_each_start_a_new_incarnation() {
    let mut pair = met();
    for (at, other) in [(0, "b"), (1, "a")] {
        assert_eq!(pair.known(at, other), Some((1, MemberState::Live)));
    }
    let sums = [0, 1].map(|at| pair.nodes[at].members.sums(crate::wire::Summed::Present, None));
    assert_eq!(sums[0], sums[1]);
    pair.command(1, Command::Stop);
    assert_eq!(pair.known(0, "b"), Some((1, MemberState::Left)), "it said goodbye");
    pair.command(1, Command::Start);
    assert_eq!(pair.nodes[1].record.incarnation, 2);
    [0, 1].into_iter().for_each(|at| pair.link(at, LinkId(2)));
    pair.run(Tick(4_000_000));
    assert_eq!(pair.known(0, "b"), Some((2, MemberState::Live)));
}

/// As far as there is room.
#[test]
fn members_may_be_known_from_before() {
    let row = |name: &str| {
        let addresses = vec![format!("sim:{name}")];
        MemberRow { id: NodeId::new(name).unwrap(), incarnation: 3, instance: 1, addresses }
    };
    let record = NodeRecord::new(NodeId::new("a").unwrap());
    let config = NodeConfig { max_members: 3, ..NodeConfig::default() };
    let boot = Boot::new(record, Inventory::default(), config, 1, [1; 32]);
    let boot = Boot { members: ["b", "a", "c", "d"].map(row).into(), ..boot };
    let node = Node::new(Now { tick: Tick(0), wall: WallMs(1) }, boot);
    let known: BTreeMap<String, u64> =
        node.members.all().map(|member| (member.id.to_string(), member.incarnation)).collect();
    assert_eq!(known, [("a", 0), ("b", 3), ("c", 3)].map(|(name, at)| (name.to_owned(), at)).into());
}

/// A store that knows nothing of the present incarnation would let the next start use it again.
#[test]
fn an_incarnation_is_written_down() {
    let mut node = node("a", Vec::new(), OFFERED_VERSION);
    let now = Now { tick: Tick(0), wall: WallMs(1) };
    node.handle(now, Input::Command { id: CommandId(1), command: Command::Start });
    let mut written = std::iter::from_fn(|| node.poll_effect()).filter_map(|effect| match effect {
        Effect::Store { request: StoreRequest::SaveNode(record), .. } => Some(record.incarnation),
        _ => None,
    });
    assert_eq!(written.next(), Some(1));
}

#[test]
fn who_is_accused_contradicts_and_is_believed() {
    let mut pair = met();
    pair.listen(1, suspect("b", 1));
    assert_eq!(
        (pair.known(1, "b"), pair.known(0, "b")),
        (Some((2, MemberState::Live)), Some((2, MemberState::Live)))
    );
    for row in
        [Row::Left { key: key("b"), incarnation: 4 }, Row::Down { key: key("b"), incarnation: 9, age: 0 }]
    {
        let (_, incarnation) = row.about();
        pair.listen(1, row);
        assert_eq!(pair.known(0, "b"), Some((incarnation + 1, MemberState::Live)));
    }
    // Of what was before nothing needs to be said to all.
    pair.forget();
    pair.listen(1, suspect("b", 9));
    let told = pair.rows(1);
    assert!(matches!(told[..], [Row::Live { row, .. }] if row.incarnation == 10), "{told:?}");
}

/// Each contradiction is a write and a message to everybody.
#[test]
fn nobody_makes_a_node_contradict_all_the_time() {
    let mut pair = met();
    for incarnation in 1..100 {
        pair.listen(1, suspect("b", incarnation));
    }
    assert_eq!(pair.nodes[1].record.incarnation, 5);
    assert!(pair.rows(1).len() <= 5, "{:?}", pair.rows(1));
    pair.now = pair.now + Duration::from_secs(10);
    pair.listen(1, suspect("b", 5));
    assert_eq!(pair.known(0, "b"), Some((6, MemberState::Live)));
}

impl Pair {
    /// Somebody calls itself `b`, one incarnation above `b` itself, at both.
    fn listen_to_another(&mut self, instance: u32) {
        let id = NodeId::new("b").unwrap();
        let incarnation = self.nodes[1].record.incarnation + 1;
        let row = MemberRow { id, incarnation, instance, addresses: Vec::new() };
        [0, 1].into_iter().for_each(|at| self.listen(at, Row::Live { row: row.clone(), doze: 0 }));
    }
}

/// Its store had not written the incarnation it was in when its power failed.
#[test]
fn an_earlier_life_is_outranked() {
    let mut pair = met();
    pair.listen_to_another(77);
    assert_eq!([0, 1].map(|at| pair.known(at, "b")), [Some((3, MemberState::Live)); 2]);
    let event = Event::DuplicateIdentity(NodeId::new("b").unwrap());
    assert_eq!([0, 1].map(|at| pair.is_told(at, &event)), [0, 0]);
}

/// Two nodes with one id would outrank each other for ever: a person is told.
#[test]
fn a_copy_is_told_once_an_hour_and_outranked_once_a_minute() {
    let mut pair = met();
    let event = Event::DuplicateIdentity(NodeId::new("b").unwrap());
    // After the hour it also hears what the other said last, from who goes by that.
    for (told, raised) in [(1, 9), (2, 13)] {
        for _ in 0..9 {
            pair.now = pair.now + Duration::from_secs(5);
            pair.listen_to_another(77);
        }
        assert_eq!([0, 1].map(|at| pair.is_told(at, &event)), [told; 2]);
        assert_eq!(pair.nodes[1].record.incarnation, raised);
        pair.now = pair.now + Duration::from_secs(3600);
    }
}

impl Pair {
    /// One of them has lost what it knew of the other, as if that had never introduced itself.
    fn lose_member(&mut self, at: usize, name: &str) {
        let members = &mut self.nodes[at].members;
        let slot = members.find(key(name)).unwrap();
        members.remove(slot).unwrap();
    }
}

#[test]
fn introductions_that_were_lost_are_repeated() {
    for lost in [&[(0, "b")][..], &[(1, "a")], &[(0, "b"), (1, "a")]] {
        let mut pair = met();
        lost.iter().for_each(|(at, name)| pair.lose_member(*at, name));
        pair.run(Tick(12_000_000));
        let known = [(0, "b"), (1, "a")].map(|(at, name)| pair.known(at, name));
        assert_eq!(known, [Some((1, MemberState::Live)); 2], "{lost:?}");
    }
}

/// A node that told of an incarnation with what was told under an earlier one would make two of its own.
#[test]
fn what_a_member_told_of_itself_is_repeated_as_it_said_it() {
    let mut pair = met();
    let ahead = Row::Vouch { key: key("b"), incarnation: 5, age: 0 };
    pair.listen(0, ahead.clone());
    let members = &pair.nodes[0].members;
    let b = members.get(members.find(key("b")).unwrap()).unwrap();
    let rows: Vec<Row> = pair.nodes[0].rows_of(b, true).collect();
    assert!(
        matches!(&rows[..], [Row::Live { row, .. }, vouch] if row.incarnation == 1 && *vouch == ahead),
        "{rows:?}"
    );
    pair.run(Tick(12_000_000));
    assert_eq!([0, 1].map(|at| pair.known(at, "b")), [Some((6, MemberState::Live)); 2]);
}

/// With two the link tells whether the other one is there, with three the group does.
#[test]
fn who_is_the_third_is_reachable() {
    let mut pair = met();
    pair.lose_member(0, "b");
    let row = |name: &str, incarnation| {
        let (id, addresses) = (NodeId::new(name).unwrap(), Vec::new());
        Row::Live { row: MemberRow { id, incarnation, instance: 9, addresses }, doze: 0 }
    };
    pair.listen(0, row("c", 1));
    pair.listen(0, row("b", 1));
    let c = NodeId::new("c").unwrap();
    let told = pair.told.iter().filter(|(at, _)| *at == 0).filter_map(|(_, event)| match event {
        Event::PeerStatusChanged(id, status) if *id == c => Some(*status),
        _ => None,
    });
    assert_eq!(told.collect::<Vec<_>>(), [PeerStatus::Reachable]);
}

#[test]
fn addresses_are_told_when_they_change() {
    let mut pair = met();
    let addresses = vec!["tcp:10.0.0.2:7400".to_owned()];
    for _ in 0..3 {
        pair.command(1, Command::SetAddresses(addresses.clone()));
    }
    assert_eq!((pair.nodes[1].record.incarnation, pair.rows(1).len()), (2, 1));
    pair.command(0, Command::Query(Query::Group));
    let Some((0, Ok(Reply::Group(group)))) = pair.answers.last() else { panic!("{:?}", pair.answers) };
    let b = group.iter().find(|member| member.id.as_str() == "b").unwrap();
    assert_eq!((group.len(), &b.addresses, b.incarnation, b.state), (2, &addresses, 2, MemberState::Live));
    for wrong in [vec!["x".to_owned(); 9], vec!["x".repeat(257)]] {
        pair.command(1, Command::SetAddresses(wrong));
        assert!(matches!(pair.answers.last(), Some((1, Err(CommandError::Invalid(_))))));
    }
    assert_eq!(pair.nodes[1].record.incarnation, 2);
}

#[test]
fn who_dozes_says_so() {
    let mut pair = met();
    let dozes = |pair: &mut Pair| {
        pair.command(0, Command::Query(Query::Group));
        let Some((0, Ok(Reply::Group(group)))) = pair.answers.last() else { panic!("{:?}", pair.answers) };
        group.iter().find(|member| member.id.as_str() == "b").unwrap().dozes
    };
    for seconds in [90, 0] {
        pair.command(1, Command::Doze { lasting: Duration::from_secs(seconds) });
        assert_eq!(dozes(&mut pair), Duration::from_secs(seconds));
    }
    // Who comes later is told too.
    pair.command(1, Command::Doze { lasting: Duration::from_secs(60) });
    pair.nodes[0].members = Members::new(
        pair.now,
        MemberRow { id: NodeId::new("a").unwrap(), incarnation: 1, instance: 0, addresses: vec![] },
        9,
    );
    pair.nodes[1].introduce(LINK);
    pair.give(1, Input::Deadline);
    assert_eq!(dozes(&mut pair), Duration::from_secs(60));
}

fn address(number: usize) -> Command {
    Command::SetAddresses(vec![format!("tcp:10.0.0.{number}:7400")])
}

/// Its application may change what it likes, and others may accuse it.
#[test]
fn what_a_node_says_of_itself_is_said_however_much_it_said_before() {
    let mut pair = met();
    (0..4).for_each(|number| pair.command(1, address(number)));
    pair.forget();
    pair.command(1, Command::Stop);
    assert!(pair.rows(1).iter().any(|row| matches!(row, Row::Left { .. })), "{:?}", pair.rows(1));
    let mut pair = met();
    (0..4).for_each(|number| pair.command(1, address(number)));
    pair.forget();
    pair.command(1, Command::Doze { lasting: Duration::from_secs(60) });
    assert!(pair.rows(1).iter().any(|row| matches!(row, Row::Doze { .. })), "{:?}", pair.rows(1));
}

#[test]
fn who_dozes_and_wakes_again_and_again_dozes_in_the_end() {
    let mut pair = met();
    for lasting in [60, 0].map(Duration::from_secs).into_iter().cycle().take(11) {
        pair.run(pair.now + Duration::from_millis(45));
        pair.command(1, Command::Doze { lasting });
    }
    let b = NodeId::new("b").unwrap();
    let mut told = pair.told.iter().filter_map(|(at, event)| match event {
        Event::PeerStatusChanged(id, status) if (*at, id) == (0, &b) => Some(*status),
        _ => None,
    });
    assert_eq!(told.next_back(), Some(PeerStatus::Dozing));
}

/// What is said of itself by who is believed to be another one may be let pass, not that it is gone.
#[test]
fn who_was_made_to_believe_in_a_copy_still_contradicts() {
    let mut pair = met();
    for _ in 0..9 {
        pair.now = pair.now + Duration::from_secs(5);
        pair.listen_to_another(77);
    }
    for row in [
        |incarnation| Row::Left { key: key("b"), incarnation },
        |incarnation| Row::Down { key: key("b"), incarnation, age: 0 },
        |incarnation| suspect("b", incarnation),
    ] {
        let said = pair.nodes[1].record.incarnation + 1;
        pair.listen(1, row(said));
        assert_eq!(pair.known(0, "b"), Some((said + 1, MemberState::Live)));
    }
}
