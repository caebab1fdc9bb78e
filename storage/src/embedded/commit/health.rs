//! Whether the store can write, and who is told when it cannot any more.

use futures::channel::oneshot;
use parking_lot::Mutex;

use crate::{Answer, StoreError};

/// Whether the store can write.
#[derive(Default)]
pub(crate) struct Health(Mutex<Condition>);

#[derive(Default)]
struct Condition {
    /// Why nothing can be written at the moment.
    now: Option<StoreError>,
    /// Why nothing will be written any more.
    fatal: Option<StoreError>,
    told: Vec<oneshot::Sender<StoreError>>,
}

impl Health {
    /// The reason why the store cannot write.
    pub fn check(&self) -> Result<(), StoreError> {
        let condition = self.0.lock();
        condition.fatal.as_ref().or(condition.now.as_ref()).map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Why nothing will be written any more.
    pub fn fatal_error(&self) -> Option<StoreError> {
        self.0.lock().fatal.clone()
    }

    /// The last record was written.
    pub fn well(&self) {
        self.0.lock().now = None;
    }

    /// The last record could not be written, the next one may be.
    pub fn ill(&self, error: StoreError) {
        self.0.lock().now = Some(error);
    }

    /// Nothing will be written any more. Only the first such reason counts.
    pub fn fatal(&self, error: StoreError) {
        let mut condition = self.0.lock();
        if condition.fatal.is_none() {
            tracing::error!(%error, "the store takes nothing more");
            condition.fatal = Some(error.clone());
        }
        for told in condition.told.drain(..) {
            // Whoever waited may have gone.
            let _ = told.send(error.clone());
        }
    }

    /// The reason, once nothing will be written any more; [`StoreError::Closed`] when the store was closed.
    pub fn on_fatal(&self) -> Answer<StoreError> {
        let mut condition = self.0.lock();
        if let Some(error) = condition.fatal.clone() {
            return Box::pin(std::future::ready(error));
        }
        let (tell, told) = oneshot::channel();
        condition.told.push(tell);
        Box::pin(async move { told.await.unwrap_or(StoreError::Closed) })
    }
}
