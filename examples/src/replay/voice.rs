//! Gathers what a player has to tell and writes it to standard output, a few times a second
//! rather than for every entry.

use std::time::Duration;

use tokio::io::{AsyncWriteExt, Stdout, stdout};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::message::{Nanos, News, now};

/// How long small news are gathered.
const GATHER: Duration = Duration::from_millis(10);
/// Small news waiting; whoever tells more waits too.
const QUEUE: usize = 4096;

/// Tells the conductor; cheap to clone.
#[derive(Debug, Clone)]
pub struct Voice(mpsc::Sender<Note>);

/// The conductor does not listen any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nobody listens any more")]
pub struct Unheard;

#[derive(Debug)]
enum Note {
    Sent(usize, Nanos),
    Durable(usize),
    Seen(usize, Nanos),
    News(News),
}

impl Voice {
    /// A voice, and the task behind it, which ends when the last clone is gone and all was told.
    #[must_use]
    pub fn on_stdout() -> (Self, JoinHandle<()>) {
        let (notes, queue) = mpsc::channel(QUEUE);
        // When standard output is gone the queue closes, and all who tell get `Unheard`.
        let task = tokio::spawn(async move { speak(queue).await.unwrap_or_default() });
        (Self(notes), task)
    }

    /// A transaction is now given to `append`.
    ///
    /// # Errors
    /// [`Unheard`].
    pub async fn sent(&self, index: usize) -> Result<(), Unheard> {
        self.note(Note::Sent(index, now())).await
    }

    /// So many own transactions are durable now.
    ///
    /// # Errors
    /// [`Unheard`].
    pub async fn durable(&self, count: usize) -> Result<(), Unheard> {
        self.note(Note::Durable(count)).await
    }

    /// The subscription has just yielded a transaction.
    ///
    /// # Errors
    /// [`Unheard`].
    pub async fn seen(&self, index: usize) -> Result<(), Unheard> {
        self.note(Note::Seen(index, now())).await
    }

    /// Something larger, told after all that was noted before.
    ///
    /// # Errors
    /// [`Unheard`].
    pub async fn tell(&self, news: News) -> Result<(), Unheard> {
        self.note(Note::News(news)).await
    }

    async fn note(&self, note: Note) -> Result<(), Unheard> {
        self.0.send(note).await.map_err(|_| Unheard)
    }
}

async fn speak(mut queue: mpsc::Receiver<Note>) -> std::io::Result<()> {
    let mut out = stdout();
    let (mut notes, mut durable) = (Vec::new(), 0);
    while queue.recv_many(&mut notes, QUEUE).await > 0 {
        for news in gather(notes.drain(..), &mut durable) {
            write(&mut out, &news).await?;
        }
        out.flush().await?;
        tokio::time::sleep(GATHER).await;
    }
    Ok(())
}

/// Joins small notes into progress messages and keeps the larger news in their place.
fn gather(notes: impl Iterator<Item = Note>, durable: &mut usize) -> Vec<News> {
    let mut told = Vec::new();
    let (mut sent, mut seen, mut fresh) = (Vec::new(), Vec::new(), false);
    for note in notes {
        match note {
            Note::Sent(index, at) => sent.push((index, at)),
            Note::Seen(index, at) => seen.push((index, at)),
            Note::Durable(count) => *durable = count,
            Note::News(news) => {
                if std::mem::take(&mut fresh) {
                    let (sent, seen) = (std::mem::take(&mut sent), std::mem::take(&mut seen));
                    told.push(News::Progress { durable: *durable, sent, seen });
                }
                told.push(news);
                continue;
            }
        }
        fresh = true;
    }
    if fresh {
        told.push(News::Progress { durable: *durable, sent, seen });
    }
    told
}

async fn write(out: &mut Stdout, news: &News) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(news)?;
    line.push(b'\n');
    out.write_all(&line).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_notes_are_joined_and_keep_their_place() {
        let notes = [Note::Sent(1, 10), Note::Durable(1), Note::News(News::Written), Note::Seen(4, 20)];
        let mut durable = 0;
        let told = gather(notes.into_iter(), &mut durable);
        let progress =
            |sent: &[_], seen: &[_]| News::Progress { durable: 1, sent: sent.into(), seen: seen.into() };
        assert_eq!(told, [progress(&[(1, 10)], &[]), News::Written, progress(&[], &[(4, 20)])]);
        assert!(gather(std::iter::empty(), &mut durable).is_empty());
    }
}
