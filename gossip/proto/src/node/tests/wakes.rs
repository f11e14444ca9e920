//! Who wakes tries at once what it would have tried a minute later: there may be a network again.

use std::time::Duration;

use super::*;

const TEN_MINUTES: Duration = Duration::from_secs(600);

/// Two nodes that can be dialled, and whose link was lost so long ago.
fn parted() -> Pair {
    let mut pair = Pair::new(0);
    for (at, name) in [(0, "a"), (1, "b")] {
        pair.command(at, Command::SetAddresses(vec![format!("sim:{name}")]));
    }
    pair.run(Tick(5_000_000));
    [0, 1].into_iter().for_each(|at| pair.give(at, Input::LinkDown { link: LINK }));
    pair.run(pair.now + TEN_MINUTES);
    pair.dialled.clear();
    pair
}

impl Pair {
    fn wake(&mut self) -> Vec<(usize, String)> {
        self.command(0, Command::Wake);
        self.run(self.now + Duration::from_millis(1));
        std::mem::take(&mut self.dialled)
    }
}

#[test]
fn who_wakes_dials_at_once() {
    let mut pair = parted();
    assert_eq!(pair.wake(), [(0, "b".to_owned())]);
    assert_eq!(pair.wake(), [], "it is being dialled");
    // And again soon, as if for the first time.
    pair.run(pair.now + Duration::from_secs(6));
    let again = pair.dialled.iter().filter(|(at, _)| *at == 0).count();
    assert!((2..=3).contains(&again), "{again}");
}

#[test]
fn who_stopped_dials_nobody_when_it_wakes() {
    let mut pair = parted();
    for (command, dials) in [(Command::Pause, 0), (Command::Resume, 1), (Command::Stop, 0)] {
        pair.command(0, command);
        pair.run(pair.now + Duration::from_secs(10));
        pair.dialled.clear();
        assert_eq!(pair.wake().len(), dials);
    }
}
