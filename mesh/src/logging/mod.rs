//! What a process says of itself: to stderr, or to a file; for people, or as JSON lines.

mod file;
mod seldom;

use std::io;
use std::panic;
use std::sync::{Arc, OnceLock};

use thiserror::Error;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt, reload};

use crate::config::{LogFormat, LogLevel, ProcessConfig};
use crate::process::wants_colour;

pub use file::LogFile;
pub use seldom::Seldom;

/// The log of this process, once it is started.
static LOG: OnceLock<Log> = OnceLock::new();

struct Log {
    level: reload::Handle<Targets, Registry>,
    file: Option<Arc<LogFile>>,
}

/// Why a log cannot be started.
#[derive(Debug, Error)]
pub enum LogError {
    /// `LogFile` cannot be opened for appending.
    #[error("LogFile: {path} cannot be opened: {cause}; name a file in a folder that this user may write to")]
    Unopened {
        /// The file.
        path: String,
        /// What the system said.
        cause: io::Error,
    },
    /// This process logs already.
    #[error("the log of this process is started already")]
    StartedTwice,
}

/// Starts the log of this process, as `config` has it.
///
/// # Errors
/// Where the file cannot be opened, or a log is started already.
pub fn start(config: &ProcessConfig) -> Result<(), LogError> {
    let file = config.log_file.as_deref().map(|path| {
        LogFile::open(path, config.log_rotate_bytes, config.log_keep)
            .map(Arc::new)
            .map_err(|cause| LogError::Unopened { path: path.display().to_string(), cause })
    });
    let file = file.transpose()?;
    let (level, handle) = reload::Layer::new(config.log_level.targets());
    let lines = lines(config.log_format, file.clone());
    tracing_subscriber::registry().with(level).with(lines).try_init().map_err(|_| LogError::StartedTwice)?;
    LOG.set(Log { level: handle, file }).map_err(|_| LogError::StartedTwice)?;
    log_panics();
    Ok(())
}

/// A panic is a fault of the program: it has to be found in the log, not only on a stderr that nobody keeps.
fn log_panics() {
    let to_stderr = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        tracing::error!("a fault of the program: {panic}");
        to_stderr(panic);
    }));
}

/// From now on logs what `level` lets through; nothing happens before [`start`].
pub fn set_level(level: &LogLevel) {
    if let Some(log) = LOG.get() {
        // Fails only where the subscriber is gone, that is, where nothing is logged any more.
        let _ = log.level.reload(level.targets());
    }
}

/// Opens the log file anew, so that a program that rotates logs may take the old one away.
pub fn reopen() {
    if let Some(file) = LOG.get().and_then(|log| log.file.as_ref()) {
        file.reopen();
    }
}

fn lines<S>(format: LogFormat, file: Option<Arc<LogFile>>) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let coloured = file.is_none() && wants_colour(&io::stderr());
    let writer = match file {
        Some(file) => BoxMakeWriter::new(file),
        None => BoxMakeWriter::new(io::stderr),
    };
    let lines = fmt::layer().with_writer(writer).with_ansi(coloured);
    match format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    }
}
