//! The child that only syncs.

use crate::Outcome;

/// Stays linked with `peer` until its standard input ends, then closes the store properly.
pub(crate) async fn serve(store: &str, peer: &str) -> Outcome {
    let node = crate::writer::open(store, peer).await?;
    node.channel(crate::CHANNEL).await?;
    let mut rest = Vec::new();
    tokio::task::spawn_blocking(move || std::io::Read::read_to_end(&mut std::io::stdin(), &mut rest))
        .await??;
    Ok(node.shutdown().await?)
}
