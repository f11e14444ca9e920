//! Views over a real store: catch-up, late arrivals, several at once, the end.

mod common;

use common::{Count, Joined, eventually, linked, local, notes, payloads, soon};
use gossip_core::{Error, Retention};
use gossip_transport_memory::MemoryNetwork;

#[tokio::test]
async fn a_view_has_folded_what_is_held_and_follows() {
    let node = local("ann").await;
    let stream = notes(&node).await;
    stream.append_all(["a", "b"]).await.unwrap();
    let mut total = stream.view(Joined).await.unwrap();
    let any = stream.view(Count).await.unwrap();
    assert_eq!((*total.get()).clone(), ["a", "b"]);
    assert_eq!(*any.get(), 2);
    stream.append("c").await.unwrap();
    assert_eq!(*soon("change", total.changed()).await.unwrap(), ["a", "b", "c"]);
    assert_eq!(*soon("count", any.wait_for(|n| *n >= 3)).await.unwrap(), 3);
    stream.append("").await.unwrap();
    eventually("skipped", || async { total.skipped() == 1 }).await;
    assert_eq!((any.skipped(), total.report().folded, total.report().partial), (0, 3, false));
    assert_eq!(node.resource_usage().await.unwrap().views, 2);
    drop((total, any));
    eventually("views gone", || async {
        let usage = node.resource_usage().await.unwrap();
        (usage.views, usage.subscriptions) == (0, 0)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn equal_views_after_both_wrote_apart() {
    let network = MemoryNetwork::new(5);
    let (ann, bob) = (linked(&network, "ann").await, linked(&network, "bob").await);
    let (a, b) = (notes(&ann).await, notes(&bob).await);
    let (at_a, at_b) = (a.view(Joined).await.unwrap(), b.view(Joined).await.unwrap());
    ann.connect("memory:bob").await.unwrap();
    for round in 0..5 {
        network.cut_links("ann", "bob");
        for n in 0..40 {
            a.append(format!("a{round}/{n}")).await.unwrap();
            b.append(format!("b{round}/{n}")).await.unwrap();
        }
        network.restore_links("ann", "bob");
        let all = (round + 1) * 80;
        soon("view of ann", at_a.wait_for(|seen| seen.len() == all)).await.unwrap();
        soon("view of bob", at_b.wait_for(|seen| seen.len() == all)).await.unwrap();
        assert_eq!(*at_a.get(), payloads(&a).await, "stream order, round {round}");
        assert_eq!(at_a.get(), at_b.get());
    }
}

#[tokio::test]
async fn a_view_over_a_pruned_stream_says_so() {
    let node = local("ann").await;
    let stream = node.channel("project").await.unwrap();
    let stream = stream.stream_with("notes", Retention::CountBased(2)).await.unwrap();
    for n in 0..5 {
        stream.append(format!("{n}")).await.unwrap();
    }
    let before = stream.view(Joined).await.unwrap();
    stream.compact().await.unwrap();
    let after = stream.view(Joined).await.unwrap();
    assert_eq!((before.get().len(), before.report().partial), (5, false));
    assert_eq!((after.get().len(), after.report().partial), (2, true));
    stream.append("new").await.unwrap();
    soon("before", before.wait_for(|seen| seen.len() == 6)).await.unwrap();
    soon("after", after.wait_for(|seen| seen.len() == 3)).await.unwrap();
}

#[tokio::test]
async fn a_view_ends_with_its_stream_and_keeps_its_last_state() {
    let node = local("ann").await;
    let stream = notes(&node).await;
    stream.append("a").await.unwrap();
    let mut view = stream.view(Joined).await.unwrap();
    node.channel("project").await.unwrap().remove_stream("notes").await.unwrap();
    let ended = soon("end", view.changed()).await;
    assert!(matches!(ended, Err(Error::ViewEnded(_))), "{ended:?}");
    assert!(matches!(view.wait_for(|seen| seen.len() > 9).await, Err(Error::ViewEnded(_))));
    assert_eq!(view.get().len(), 1);
    assert!(matches!(stream.view(Joined).await, Err(Error::Command(_))));
}
