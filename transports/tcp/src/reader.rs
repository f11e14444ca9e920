//! Frames in: many per read, each a slice of the buffer it was read into.

use bytes::{Buf, BytesMut};
use gossip_core::PortEvent;
use gossip_core::proto::node::LinkId;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::inbox::Inbox;
use crate::pulse::Signs;

/// Frames share buffers of this size; a larger frame gets one of its own.
const CHUNK: usize = 64 << 10;
/// A buffer with less room than this left is not read into any more.
const WORTH_READING: usize = 4 << 10;
const PREFIX: usize = 4;

/// Why reading ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The peer closed the connection, or it broke.
    Gone,
    /// The peer announced a frame over the limit.
    TooLong(usize),
}

/// Reads frames into the inbox until the connection ends. Waits while the inbox is full, which
/// makes the peer wait.
pub(crate) async fn read(
    mut socket: impl AsyncRead + Unpin,
    link: LinkId,
    max_frame: usize,
    inbox: &Inbox,
    signs: &Signs,
) -> End {
    let mut buffer = BytesMut::new();
    loop {
        loop {
            match next_frame(&mut buffer, max_frame) {
                Next::Frame(bytes) => signs.while_busy(inbox.put(PortEvent::Frame { link, bytes })).await,
                Next::Keepalive => {}
                Next::Missing(missing) => {
                    make_room(&mut buffer, missing);
                    break;
                }
                Next::TooLong(len) => return End::TooLong(len),
            }
        }
        match socket.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => return End::Gone,
            Ok(_) => signs.heard(),
        }
    }
}

enum Next {
    Frame(bytes::Bytes),
    Keepalive,
    Missing(usize),
    TooLong(usize),
}

fn next_frame(buffer: &mut BytesMut, max_frame: usize) -> Next {
    let Some(prefix) = buffer.first_chunk::<PREFIX>() else { return Next::Missing(PREFIX - buffer.len()) };
    let len = u32::from_be_bytes(*prefix) as usize;
    if len > max_frame {
        return Next::TooLong(len);
    }
    if buffer.len() < PREFIX + len {
        return Next::Missing(PREFIX + len - buffer.len());
    }
    buffer.advance(PREFIX);
    if len == 0 { Next::Keepalive } else { Next::Frame(buffer.split_to(len).freeze()) }
}

/// Room for what the frame lacks; a chunk for whatever follows when little is left.
fn make_room(buffer: &mut BytesMut, missing: usize) {
    let left = buffer.capacity() - buffer.len();
    if left < missing || left < WORTH_READING {
        buffer.reserve(missing.max(CHUNK));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbox;

    async fn frames_of(stream: Vec<u8>, max_frame: usize) -> (End, Vec<Vec<u8>>) {
        let (inbox, receiver) = inbox::channel();
        let end = read(&stream[..], LinkId(1), max_frame, &inbox, &Signs::default()).await;
        drop(inbox);
        let mut frames = Vec::new();
        while let Some(PortEvent::Frame { bytes, .. }) = receiver.next().await {
            frames.push(bytes.to_vec());
        }
        (end, frames)
    }

    #[tokio::test]
    async fn frames_and_keepalives_are_told_apart() {
        let mut stream = vec![0, 0, 0, 0, 0, 0, 0, 2, 1, 2, 0, 0, 0, 0, 0, 1, 0x11, 0x70];
        stream.extend([9; 70_000]);
        stream.extend([0, 0, 0, 1, 5, 0, 0]);
        let (end, frames) = frames_of(stream, 70_000).await;
        assert_eq!(end, End::Gone);
        assert_eq!(frames, [vec![1, 2], vec![9; 70_000], vec![5]]);
    }

    #[tokio::test]
    async fn a_length_over_the_limit_reserves_nothing_and_ends_the_link() {
        let (end, frames) = frames_of(vec![0, 0, 0, 1, 7, 0xff, 0xff, 0xff, 0xff, 1, 2, 3], 300).await;
        assert_eq!((end, frames), (End::TooLong(u32::MAX as usize), vec![vec![7]]));
    }

    #[test]
    fn small_frames_of_one_read_share_its_buffer() {
        let mut buffer = BytesMut::from(&[0, 0, 0, 1, 8, 0, 0, 0, 1, 9][..]);
        let start = buffer.as_ptr() as usize;
        for (offset, byte) in [(4, 8), (9, 9)] {
            let Next::Frame(frame) = next_frame(&mut buffer, 10) else { panic!("no frame") };
            assert_eq!((frame.as_ptr() as usize - start, frame[0]), (offset, byte));
        }
    }
}
