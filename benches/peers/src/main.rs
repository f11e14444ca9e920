//! What the peers of gossip cost on the workloads of `gossip-bench sync-table`: a line of JSON per figure.
//!
//! ```text
//! cargo run --release --manifest-path benches/peers/Cargo.toml > peers.jsonl          # all of them
//! cargo run --release --manifest-path benches/peers/Cargo.toml -- yrs loro
//! ```
//!
//! **What is counted.** Bytes are those of the messages of the published protocols as they come out of the
//! crates, both ways, without the framing, transport encryption and session set-up that each leaves to its
//! surroundings: that favours them, since ours are counted on the socket. Both replicas live in this
//! process, one after the other on one thread; processor time is that of the process, user and system,
//! over both sides of the exchange and without a network. Building the replicas is not counted. Live
//! entries go over TCP on loopback between two threads.
//!
//! | module | whose |
//! |---|---|
//! | `meter` | what a figure is and how it is taken |
//! | `live` | one entry each millisecond over TCP |
//! | `amerge` | Automerge: changes in a document, sync protocol with Bloom filters |
//! | `yrs_doc` | Yrs: the protocol of Yjs |
//! | `loro_doc` | Loro: version vectors and updates |
//! | `negentropy_set` | Negentropy: range-based set reconciliation |
//! | `panda`, `panda_store` | p2panda: signed logs |

mod amerge;
mod live;
mod loro_doc;
mod meter;
mod negentropy_set;
mod panda;
mod panda_store;
mod yrs_doc;

/// Whatever went wrong, for a person.
type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> Outcome {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let systems: [(&str, fn() -> Outcome); 5] = [
        ("negentropy", negentropy_set::measure),
        ("yrs", yrs_doc::measure),
        ("loro", loro_doc::measure),
        ("automerge", amerge::measure),
        ("p2panda", panda::measure),
    ];
    for (name, measure) in systems {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            measure()?;
        }
    }
    Ok(())
}
