//! The segment that is ready for when the current one is full.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use super::segment::Segment;
use super::segments::Segments;
use super::{LogError, Prepare};

/// Makes segments, ahead of need if so told.
#[derive(Debug)]
pub(super) struct Ahead {
    segments: Arc<Segments>,
    prepare: Prepare,
    bytes: u32,
    store_id: [u8; 16],
    making: Option<JoinHandle<Result<Segment, LogError>>>,
}

impl Ahead {
    /// Segments made by this get `bytes` bytes.
    pub fn new(segments: Arc<Segments>, prepare: Prepare, bytes: u32, store_id: [u8; 16]) -> Self {
        Self { segments, prepare, bytes, store_id, making: None }
    }

    /// Begins to make segment `number` in the background, unless one is made already.
    pub fn start(&mut self, number: u32) {
        if self.prepare == Prepare::WhenNeeded || self.making.is_some() {
            return;
        }
        let (segments, bytes, store_id) = (Arc::clone(&self.segments), self.bytes, self.store_id);
        let make = move || Segment::make(&*segments.files, &segments.dir, number, bytes, store_id);
        // Without a thread, the append that needs the segment makes it.
        self.making = thread::Builder::new().name("log-segment".into()).spawn(make).ok();
    }

    /// Segment `number`, for which the caller waits if it is not ready.
    pub fn take(&mut self, number: u32) -> Result<Arc<Segment>, LogError> {
        let made = self.making.take().and_then(|making| making.join().ok());
        let segment = match made {
            Some(Ok(segment)) => segment,
            // There may be room by now.
            Some(Err(LogError::NoRoom { .. })) | None => {
                Segment::make(&*self.segments.files, &self.segments.dir, number, self.bytes, self.store_id)?
            }
            Some(Err(error)) => return Err(error),
        };
        Ok(Arc::new(segment))
    }
}

impl Drop for Ahead {
    /// Waits for the thread: when the log is closed, nobody may still be making files in its folder.
    fn drop(&mut self) {
        if let Some(making) = self.making.take() {
            let _ = making.join();
        }
    }
}
