//! Every materializer obeys the laws.

use gossip_core::proto::Rng;
use gossip_materializers_crdt::{GCounter, LwwMap, LwwRegister, PnCounter};
use gossip_testkit::materializer_conformance;

fn key(rng: &mut Rng) -> String {
    format!("key-{}", rng.below(5))
}

materializer_conformance!(g_counter, GCounter, |rng| GCounter::add(rng.next_u64()));
materializer_conformance!(pn_counter, PnCounter, |rng| PnCounter::add(rng.next_u64() as i64));
materializer_conformance!(lww_register, LwwRegister::<(u64, String)>::new(), |rng| {
    LwwRegister::set(&(rng.below(10), key(rng))).unwrap()
});
materializer_conformance!(lww_register_of_any_value, LwwRegister::<Vec<Option<bool>>>::new(), |rng| {
    LwwRegister::set(&vec![Some(rng.chance(500)), None]).unwrap()
});
materializer_conformance!(lww_map, LwwMap, |rng| match rng.below(3) {
    0 => LwwMap::remove(&key(rng)),
    _ => LwwMap::set(&key(rng), rng.next_u64().to_be_bytes()),
});
