//! What others have to pay when one side drops most of its history.

use super::order::{Keep, Order};
use super::pair::{Pair, Terms};
use super::tap::Tap;
use super::{Findings, PAYLOAD, Plan};
use crate::fill::History;
use crate::{Outcome, table};

pub(super) fn measure(plan: &Plan, findings: &mut Findings) -> Outcome {
    let columns = ["who evicts", "exchanges before, B", "after, B", "entries left there", "target"];
    let entries = plan.entries.min(1_000_000);
    table::head(&format!("Meeting again after 90 % of {entries} entries were evicted"), &columns);
    let history = History::new(1, 10, entries / 10, PAYLOAD).sealed();
    for taker_evicts in [true, false] {
        let terms = Terms { giver: Some(history), taker: Some(history), ..Terms::new(Keep::Memory) };
        let mut pair = Pair::open(&terms)?;
        let tap = pair.meet_tapped(true)?;
        pair.equal()?;
        let before = thrice(&mut pair, &tap)?;
        let side = if taker_evicts { &mut pair.taker } else { &mut pair.giver };
        side.run(Order::Evict(entries / 100))?;
        let (left, _) = side.held()?;
        let after = thrice(&mut pair, &tap)?;
        let who = if taker_evicts { "who dials" } else { "the other" };
        let extra = after[1].saturating_sub(before[1]);
        let what = format!("eviction of 90 % by {who}: bytes at the next meeting");
        let target = findings.goals.note(&what, "0 B extra", &format!("{extra} B extra"), extra == 0);
        table::row(&[&who, &words(before), &words(after), &left, &target]);
        pair.quit()?;
    }
    Ok(())
}

/// They meet three times; in order of bytes. Both may speak at once, which costs a beacon more.
fn thrice(pair: &mut Pair, tap: &Tap) -> Outcome<[u64; 3]> {
    let mut bytes = [again(pair, tap)?, again(pair, tap)?, again(pair, tap)?];
    bytes.sort_unstable();
    Ok(bytes)
}

fn words(bytes: [u64; 3]) -> String {
    bytes.map(|bytes| bytes.to_string()).join(" ")
}

/// Bytes said, the handshake left out, from a new connection until all is quiet.
fn again(pair: &mut Pair, tap: &Tap) -> Outcome<u64> {
    quiet(tap);
    pair.taker.run(Order::Restart)?;
    let mut bytes = quiet(tap);
    pair.equal()?;
    bytes += quiet(tap);
    Ok(bytes)
}

fn quiet(tap: &Tap) -> u64 {
    let mut bytes = 0;
    loop {
        std::thread::sleep(std::time::Duration::from_millis(500));
        let said = tap.take();
        bytes += said.bytes;
        if said.bytes + said.handshake == 0 {
            return bytes;
        }
    }
}
