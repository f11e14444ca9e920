//! Views: what entries fold to.

use gossip::{FoldError, FoldOrder, LogEntry, PnCounter, StateMaterializer};

use crate::world::{World, converge, in_sync};

on_every_pair! {
    behaviour_14_views_begin_follow_and_agree,
}

/// Texts in stream order; refuses what is no text.
struct Texts;

impl StateMaterializer for Texts {
    type State = Vec<String>;
    const ORDER: FoldOrder = FoldOrder::Total;

    fn initial(&self) -> Vec<String> {
        vec!["begin".into()]
    }

    fn fold(&self, state: &mut Vec<String>, entry: &LogEntry) -> Result<(), FoldError> {
        let text = std::str::from_utf8(entry.payload()).map_err(|error| FoldError(error.to_string()))?;
        state.push(text.to_owned());
        Ok(())
    }
}

async fn behaviour_14_views_begin_follow_and_agree(world: World) {
    let [ann, bob] = world.devices(["ann", "bob"]).await;
    let (mine, theirs) = (ann.stream().await, bob.stream().await);
    let (one, other) = (mine.view(Texts).await.unwrap(), theirs.view(Texts).await.unwrap());
    assert_eq!(*one.get(), ["begin"]);
    // Written apart: when they meet, both go back and fold the others' entries in between.
    for n in 0..5 {
        mine.append(format!("ann {n}")).await.unwrap();
        theirs.append(format!("bob {n}")).await.unwrap();
    }
    mine.append(&b"\xff no text"[..]).await.unwrap();
    assert_eq!(one.wait_for(|texts| texts.len() == 6).await.unwrap()[1], "ann 0");
    world.link(&ann, &bob).await;
    converge(&[&ann, &bob], 11).await;
    let (here, there) = (
        one.wait_for(|texts| texts.len() == 11).await.unwrap(),
        other.wait_for(|texts| texts.len() == 11).await.unwrap(),
    );
    assert_eq!(here, there);
    in_sync(&ann, &bob).await;
    other.wait_for(|_| other.skipped() == 1).await.unwrap();
    assert_eq!((one.skipped(), other.skipped()), (1, 1), "skipped on both alike");
    // Another materializer on the same stream beside the first, over what is there already.
    let count = theirs.view(PnCounter).await.unwrap();
    assert_eq!(*count.get(), 0, "texts are no counts");
    mine.append(PnCounter::add(3)).await.unwrap();
    assert_eq!(*count.wait_for(|n| *n == 3).await.unwrap(), 3);
    assert_eq!(bob.node.resource_usage().await.unwrap().views, 2);
    drop((count, other));
    // A view made anew sees the same as the one that followed.
    let again = theirs.view(Texts).await.unwrap();
    assert_eq!(again.get()[..11], there[..]);
}
