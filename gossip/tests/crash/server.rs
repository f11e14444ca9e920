//! The child that only syncs.

use crate::Outcome;

/// Stays linked with the peer it is configured with until its standard input ends, then closes the store properly.
pub(crate) async fn serve(config: &str) -> Outcome {
    let node = crate::writer::open(config).await?;
    node.channel(crate::CHANNEL).await?;
    let mut rest = Vec::new();
    tokio::task::spawn_blocking(move || std::io::Read::read_to_end(&mut std::io::stdin(), &mut rest))
        .await??;
    let report = node.verify().await?;
    if !report.is_sound() || report.gaps > 0 {
        return Err(format!("verifying finds damage: {report:?}").into());
    }
    Ok(node.shutdown().await?)
}
