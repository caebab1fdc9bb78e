//! What is made from files that the config names, and made again when they change.

use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;

use super::changes::Changes;
use super::files::{FileError, Stamp};

/// Files, and how something is made from them.
pub(super) trait Source: Clone + Default {
    /// What is made.
    type Made;

    /// The files, those that are named.
    fn files(&self) -> Vec<&Path>;

    /// Reads them; `None` where none is named.
    fn make(&self) -> Result<Option<Self::Made>, FileError>;
}

/// The newest of what its files held; every clone has the same.
pub(super) struct Reloadable<S: Source>(Arc<Shared<S>>);

struct Shared<S: Source> {
    source: Mutex<(S, Changes<Vec<Option<Stamp>>>)>,
    made: ArcSwapOption<S::Made>,
}

impl<S: Source> Reloadable<S> {
    /// Of files that are not read yet.
    pub fn new(source: S) -> Self {
        let source = Mutex::new((source, Changes::new(Vec::new())));
        Self(Arc::new(Shared { source, made: ArcSwapOption::empty() }))
    }

    /// What there is.
    pub fn get(&self) -> Option<Arc<S::Made>> {
        self.0.made.load_full()
    }

    /// The files.
    pub fn source(&self) -> S {
        self.0.source.lock().0.clone()
    }

    /// Reads the files.
    ///
    /// # Errors
    /// Where they are bad; what there was then stays.
    pub fn load(&self) -> Result<(), FileError> {
        let made = {
            let mut source = self.0.source.lock();
            // Before they are read: what changes meanwhile is read once more.
            source.1 = Changes::new(stamps(&source.0));
            source.0.make()?
        };
        self.0.made.store(made.map(Arc::new));
        Ok(())
    }

    /// Looks whether the files have changed, and then reads them; `None`: they have not.
    pub fn look(&self) -> Option<Result<(), FileError>> {
        let changed = {
            let mut source = self.0.source.lock();
            let stamps = stamps(&source.0);
            source.1.looked(stamps)
        };
        changed.then(|| self.load())
    }

    /// Takes over what `newer` has, with its files.
    pub fn replace(&self, newer: &Self) {
        let source = newer.source();
        let stamps = stamps(&source);
        *self.0.source.lock() = (source, Changes::new(stamps));
        self.0.made.store(newer.get());
    }
}

fn stamps(source: &impl Source) -> Vec<Option<Stamp>> {
    source.files().into_iter().map(Stamp::of).collect()
}

impl<S: Source> Clone for Reloadable<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: Source> Default for Reloadable<S> {
    fn default() -> Self {
        Self::new(S::default())
    }
}
