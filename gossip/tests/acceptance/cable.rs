//! A TCP connection with scissors: forwards a loopback address to another until it is cut.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// Where the far end is now; it moves when its node starts again.
pub(crate) type FarEnd = Arc<Mutex<Option<SocketAddr>>>;

pub(crate) struct Cable {
    near: SocketAddr,
    whole: watch::Sender<bool>,
    hung: watch::Sender<()>,
    task: AbortHandle,
}

impl Cable {
    pub(crate) async fn lay(far: FarEnd) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = listener.local_addr().unwrap();
        let ((whole, is_whole), (hung, hangs)) = (watch::channel(true), watch::channel(()));
        let task = tokio::spawn(forward(listener, far, is_whole, hangs)).abort_handle();
        Self { near, whole, hung, task }
    }

    /// Where to dial.
    pub(crate) fn near(&self) -> String {
        format!("tcp://{}", self.near)
    }

    /// Ends all connections; new ones end at once.
    pub(crate) fn cut(&self) {
        self.whole.send_replace(false);
    }

    /// Connections that there are pass on nothing any more, and nobody is told; new ones work.
    pub(crate) fn hang(&self) {
        self.hung.send_replace(());
    }

    pub(crate) fn mend(&self) {
        self.whole.send_replace(true);
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(
    listener: TcpListener,
    far: FarEnd,
    is_whole: watch::Receiver<bool>,
    hangs: watch::Receiver<()>,
) {
    while let Ok((near, _)) = listener.accept().await {
        let far = *far.lock().unwrap();
        let (mut is_whole, mut hangs) = (is_whole.clone(), hangs.clone());
        hangs.mark_unchanged();
        if let Some(far) = far.filter(|_| *is_whole.borrow()) {
            tokio::spawn(async move {
                tokio::select! {
                    () = join(near, far, &mut hangs) => {}
                    _ = is_whole.wait_for(|whole| !whole) => {}
                }
            });
        }
    }
}

async fn join(mut near: TcpStream, far: SocketAddr, hangs: &mut watch::Receiver<()>) {
    if let Ok(mut far) = TcpStream::connect(far).await {
        tokio::select! {
            // An end that breaks off is what cables are for.
            _ = copy_bidirectional(&mut near, &mut far) => {}
            Ok(()) = hangs.changed() => std::future::pending().await,
        }
    }
}
