//! One entry at a time.

use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::Rows;
use crate::payload::payload;
use crate::{Outcome, cpu};

/// More than any measurement has entries.
const AGES: usize = 1 << 17;

/// The receiving side.
pub(super) struct Live {
    ages: mpsc::Receiver<u64>,
}

impl Live {
    pub(super) async fn listen(place: Option<&Path>) -> Outcome<(Self, String)> {
        let rows = Rows::open(place)?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let (entries, delivered) = mpsc::channel(AGES);
        let (sender, ages) = mpsc::channel(AGES);
        tokio::spawn(async move {
            let (socket, _) = listener.accept().await?;
            receive(socket, &rows, entries).await
        });
        tokio::spawn(read(delivered, sender));
        Ok((Self { ages }, address))
    }

    pub(super) async fn ages(&mut self, count: u64) -> Outcome<Vec<u64>> {
        let mut all = Vec::new();
        while (all.len() as u64) < count {
            all.push(self.ages.recv().await.ok_or("the sender ended")?);
        }
        Ok(all)
    }
}

async fn receive(mut socket: TcpStream, rows: &Rows, entries: mpsc::Sender<Vec<u8>>) -> Outcome {
    socket.set_nodelay(true)?;
    let mut number = 0;
    loop {
        let mut entry = vec![0; socket.read_u32().await? as usize];
        socket.read_exact(&mut entry).await?;
        number += 1;
        rows.put(number, &entry)?;
        entries.send(entry).await?;
    }
}

async fn read(mut entries: mpsc::Receiver<Vec<u8>>, ages: mpsc::Sender<u64>) -> Outcome {
    while let Some(entry) = entries.recv().await {
        let now = cpu::clock();
        let stamp: [u8; 8] = entry.get(..8).ok_or("no stamp")?.try_into()?;
        ages.send(now.saturating_sub(u64::from_le_bytes(stamp))).await?;
    }
    Ok(())
}

pub(super) async fn send(address: &str, place: Option<&Path>, entries: u64, bytes: usize) -> Outcome {
    let rows = Rows::open(place)?;
    let mut socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    let mut beat = tokio::time::interval(Duration::from_millis(1));
    for number in 0..entries {
        beat.tick().await;
        let mut frame = (bytes as u32).to_be_bytes().to_vec();
        frame.extend_from_slice(&payload(number as usize, bytes));
        frame[4..12].copy_from_slice(&cpu::clock().to_le_bytes());
        rows.put(number, &frame[4..])?;
        socket.write_all(&frame).await?;
    }
    Ok(())
}
