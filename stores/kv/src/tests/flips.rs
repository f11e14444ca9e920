//! Any one bit of any one row is flipped: what the store then says is right or says what is damaged, and
//! nothing that arrived is passed over.

mod answers;
mod world;

use std::sync::Arc;

use gossip_core::proto::{Durability, Rng};

use self::answers::Flipped;
use self::world::World;
use super::engine::{Ground, Tiny};
use crate::{KvStore, Table};

/// Bits tried in each row, beside those of the key.
const BITS: usize = 3;

fn show(text: &str) {
    #[allow(clippy::print_stdout, reason = "shown only when the law fails")]
    {
        println!("{text}");
    }
}

fn flip(bytes: &mut [u8], rng: &mut Rng) {
    let bit = rng.below(bytes.len() as u64 * 8) as usize;
    bytes[bit / 8] ^= 1 << (bit % 8);
}

#[tokio::test]
async fn a_flipped_value_is_noticed_and_costs_nothing_else() {
    for seed in 0..4 {
        show(&format!("flips: seed {seed}"));
        let (world, mut rng) = (World::new(seed).await, Rng::new(seed));
        for ((table, key), value) in world.rows.clone() {
            for _ in 0..BITS {
                let mut spoilt = value.clone();
                flip(&mut spoilt, &mut rng);
                show(&format!("{table:?} {}: {:?}", key.escape_ascii(), rng));
                let mut rows = world.rows.clone();
                rows.insert((table, key.clone()), spoilt);
                let ground = Arc::new(Ground::default());
                *ground.rows.lock().unwrap() = rows;
                let store = KvStore::with_opener(Tiny::opener(&ground), Durability::Sync).expect("it opens");
                let flipped = Flipped { world: &world, store, table, key: key.clone() };
                flipped.check(&mut rng).await;
            }
        }
    }
}

/// A row under another key is no row: where the order of arrival lost one, what it stood for comes again.
#[tokio::test]
async fn a_flipped_number_of_an_arrival_row_is_noticed() {
    for seed in 10..14 {
        show(&format!("flips: seed {seed}"));
        let (world, mut rng) = (World::new(seed).await, Rng::new(seed));
        for ((table, key), value) in world.rows.clone() {
            if table != Table::Arrivals {
                continue;
            }
            let mut moved = key.clone();
            let number = moved.len() - 8;
            flip(&mut moved[number..], &mut rng);
            let ground = Arc::new(Ground::default());
            let mut rows = world.rows.clone();
            rows.remove(&(table, key.clone()));
            // It may come to lie over another one, which is lost then: two flips in one.
            if rows.insert((table, moved), value).is_some() {
                continue;
            }
            *ground.rows.lock().unwrap() = rows;
            let store = KvStore::with_opener(Tiny::opener(&ground), Durability::Sync).expect("it opens");
            Flipped { world: &world, store, table, key }.check_order(0, &[], &mut rng).await;
        }
    }
}
