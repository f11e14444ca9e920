//! Swarms in sizes that take a moment: what nodes hold today and may not lose. All that is aimed at is in the table of
//! the binary `swarm`.

use gossip_testkit::swarm::{Case, Row, Samples, Scenario, Weather, json};

const IDLE: Scenario = Scenario::Idle { seconds: 60, weather: Weather::Fair };

fn case(scenario: Scenario, nodes: usize) -> Case {
    Case { scenario, nodes, loss: 0, seeds: 2 }
}

/// All runs of a case.
fn row(case: Case) -> Row {
    let mut all = Samples::default();
    (1..=case.seeds).for_each(|seed| all.merge(case.run(seed)));
    Row::of(&case, &all)
}

/// Figures of a case are at most these.
#[track_caller]
fn at_most(case: Case, bounds: &[(&str, f64)]) {
    let row = row(case);
    for (name, bound) in bounds {
        let found = row.figures.iter().find(|figure| figure.name == *name);
        let value = found.and_then(|figure| figure.value);
        assert!(value.is_some_and(|value| value <= *bound), "{name} over {bound}:\n{}", row.text());
    }
}

#[test]
fn the_same_seed_gives_the_same_table_and_another_seed_another() {
    let lossy = Case { loss: 100, ..case(Scenario::Message { each: 3 }, 20) };
    let table = |seed: u64| json(&[Row::of(&lossy, &lossy.run(seed))]);
    assert_eq!(table(1), table(1));
    assert_ne!(table(1), table(2));
}

/// Six links each: so many that the sizes of groups do not show.
#[test]
fn an_idle_node_costs_as_much_among_many_as_among_more() {
    let bounds = [("datagrams per node and s", 1.0), ("bytes per node and s", 30.0), ("false Down", 0.0)];
    at_most(case(IDLE, 100), &bounds);
    at_most(case(IDLE, 200), &bounds);
}

#[test]
fn every_message_reaches_everybody_however_many_datagrams_are_lost() {
    for (nodes, loss) in [(20, 300), (100, 0), (100, 300)] {
        let case = Case { loss, seeds: 1, ..case(Scenario::Message { each: 5 }, nodes) };
        at_most(case, &[("deliveries missing", 0.0), ("p99.9 of delivery, s", 1.0)]);
    }
}

#[test]
fn a_message_to_a_hundred_takes_as_long_as_the_network() {
    let case = case(Scenario::Message { each: 5 }, 100);
    at_most(case, &[("to all, ms, mean", 200.0), ("to all, ms, worst", 250.0)]);
}

#[test]
fn all_who_knew_one_see_that_it_crashed_and_nobody_else_is_called_unreachable() {
    let case = case(Scenario::Crash { victims: 1 }, 20);
    at_most(case, &[("observers that never saw", 0.0), ("false Down", 0.0)]);
}

#[test]
fn a_split_heals() {
    let bounds = [("pairs that never parted", 0.0), ("pairs that stayed apart", 0.0)];
    at_most(case(Scenario::Split { seconds: 60 }, 20), &bounds);
}

#[test]
fn who_leaves_is_known_to_have_left() {
    let bounds = [("known to all, ms, worst", 200.0), ("observers that never knew", 0.0)];
    at_most(case(Scenario::Leave { leavers: 10 }, 20), &bounds);
}

#[test]
fn healthy_nodes_accuse_only_the_blocked() {
    let blocked = Scenario::Blocked { count: 4, millis: 8_192 };
    at_most(Case { seeds: 1, ..case(blocked, 64) }, &[("of these by healthy ones", 0.0)]);
}

#[test]
fn those_that_stay_hear_everything_when_a_fifth_crashes_at_once() {
    let exodus = Case { seeds: 1, ..case(Scenario::Exodus { percent: 20 }, 100) };
    at_most(exodus, &[("deliveries missing", 0.0), ("p99.9 of delivery, s", 3.0)]);
}

#[test]
fn what_was_sent_in_a_split_reaches_the_other_side_after_it() {
    let bounds = [("deliveries missing", 0.0), ("p99.9 after healing, s", 2.0)];
    at_most(case(Scenario::Apart { seconds: 60 }, 20), &bounds);
}

#[test]
fn all_who_join_one_meet() {
    let bounds = [("pairs that never met", 0.0), ("all views full, s, worst", 3.0), ("KB per node", 45.0)];
    at_most(case(Scenario::Join, 20), &bounds);
}
