//! What is written next: frames laid out for one vectored write.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use gossip_core::proto::node::Frame;

/// A batch stops growing here, so that an urgent frame never waits behind much more.
const ENOUGH_BYTES: usize = 64 << 10;
/// Slices per write.
const SLICES: usize = 64;
/// Parts up to this size are copied next to the lengths: cheaper than a slice of their own.
const SMALL: usize = 256;

/// Frames that left their lanes and are not written yet.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    parts: VecDeque<Bytes>,
    scratch: BytesMut,
    bytes: usize,
    frames: usize,
}

impl Batch {
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    pub(crate) fn is_full(&self) -> bool {
        self.bytes >= ENOUGH_BYTES || self.parts.len() >= SLICES
    }

    /// Frames of which some bytes may be unwritten.
    pub(crate) fn frames(&self) -> usize {
        self.frames
    }

    /// Lays out one frame after its length. Its length was checked against a `u32` limit.
    pub(crate) fn add(&mut self, frame: &Frame) {
        self.scratch.put_u32(frame.len() as u32);
        let (small, parts) = frame.split();
        self.scratch.extend_from_slice(small);
        for part in parts {
            if part.len() <= SMALL {
                self.scratch.extend_from_slice(part);
            } else {
                self.flush_scratch();
                self.parts.push_back(part.clone());
            }
        }
        self.bytes += 4 + frame.len();
        self.frames += 1;
    }

    /// A length of 0 tells the peer that we live.
    pub(crate) fn add_keepalive(&mut self) {
        self.scratch.put_u32(0);
        self.bytes += 4;
    }

    /// Offers the first slices to a writer and drops what it took.
    pub(crate) fn write<E>(
        &mut self,
        write: impl FnOnce(&[IoSlice<'_>]) -> Result<usize, E>,
    ) -> Result<usize, E> {
        self.flush_scratch();
        let mut slices = [IoSlice::new(&[]); SLICES];
        let count = self.parts.len().min(SLICES);
        for (slice, part) in slices.iter_mut().zip(&self.parts) {
            *slice = IoSlice::new(part);
        }
        let written = write(&slices[..count])?;
        self.advance(written);
        Ok(written)
    }

    fn flush_scratch(&mut self) {
        if !self.scratch.is_empty() {
            self.parts.push_back(self.scratch.split().freeze());
        }
    }

    fn advance(&mut self, mut written: usize) {
        self.bytes -= written;
        while let Some(first) = self.parts.front_mut().filter(|_| written > 0) {
            let step = written.min(first.len());
            first.advance(step);
            written -= step;
            if first.is_empty() {
                self.parts.pop_front();
            }
        }
        if self.bytes == 0 {
            self.frames = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes in steps of at most `step` bytes.
    fn written(batch: &mut Batch, step: usize) -> Vec<u8> {
        let mut out = Vec::new();
        while !batch.is_empty() {
            let take = |slices: &[IoSlice<'_>]| -> Result<usize, ()> {
                let all: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
                out.extend_from_slice(&all[..all.len().min(step)]);
                Ok(all.len().min(step))
            };
            assert!(batch.write(take).unwrap() > 0);
        }
        out
    }

    #[test]
    fn frames_come_out_whole_however_little_is_written_at_once() {
        let parts = vec![Bytes::from(vec![1; 3]), Bytes::from(vec![2; 1000]), Bytes::from(vec![3; 5])];
        for step in [1, 7, 1000, 1 << 20] {
            let mut batch = Batch::default();
            batch.add(&Frame::from_parts(parts.clone()));
            batch.add_keepalive();
            batch.add(&Frame::from(vec![4; 2]));
            assert_eq!(batch.frames(), 2);
            let mut expected = vec![0, 0, 3, 240];
            expected.extend(parts.concat());
            expected.extend([0, 0, 0, 0, 0, 0, 0, 2, 4, 4]);
            assert_eq!(written(&mut batch, step), expected);
            assert_eq!(batch.frames(), 0);
        }
    }

    #[test]
    fn large_parts_are_not_copied() {
        let (mut batch, part) = (Batch::default(), Bytes::from(vec![5; 5000]));
        batch.add(&part.clone().into());
        let same = batch.write(|slices| -> Result<usize, ()> {
            assert_eq!(slices[1].as_ptr(), part.as_ptr());
            Ok(5004)
        });
        assert_eq!(same, Ok(5004));
    }
}
