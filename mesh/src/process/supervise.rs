//! From the start of a role to its end: signals, orders, and the bounded drain.

use std::pin::{Pin, pin};
use std::process::ExitCode;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::reload::Reloader;
use super::signals::{Request, Signals};
use super::tls_files::TlsFiles;
use super::{Shutdown, exit, fail};
use crate::config::RoleConfig;

/// How long tasks and threads that were told to stop may take to notice.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(1);

/// How often the files of TLS are looked at; what changed is read one look later.
const LOOK_AT_FILES: Duration = Duration::from_secs(2);

/// Watches over one running role.
pub(super) struct Supervisor<C> {
    pub shutdown: Shutdown,
    pub signals: Signals,
    pub reloader: Reloader<C>,
    pub tls_files: TlsFiles,
}

impl<C: RoleConfig> Supervisor<C> {
    /// Waits until `role` has ended, by itself or because it was told to.
    pub async fn watch(mut self, role: JoinHandle<Result<(), String>>) -> ExitCode {
        let shutdown = self.shutdown.clone();
        let mut work = pin!(work(role, &shutdown));
        let mut looks = tokio::time::interval(LOOK_AT_FILES);
        loop {
            tokio::select! {
                // In this order, so that a drain is always announced.
                biased;
                () = shutdown.draining() => return self.drain(work).await,
                ended = &mut work => return ended,
                request = self.signals.next() => match request {
                    Request::End(_) => self.shutdown.drain(),
                    Request::Reload => self.reloader.reload(),
                },
                _ = looks.tick() => self.tls_files.look(),
            }
        }
    }

    async fn drain(mut self, mut work: Pin<&mut impl Future<Output = ExitCode>>) -> ExitCode {
        info!("draining, for at most {:?}; a second signal ends at once", self.shutdown.drain_time());
        let mut time_over = pin!(sleep(self.shutdown.drain_time()));
        loop {
            tokio::select! {
                ended = &mut work => return ended,
                () = &mut time_over => return self.cut_short(work).await,
                request = self.signals.next() => if let Request::End(code) = request {
                    warn!("told to end at once");
                    self.shutdown.cancel();
                    return ExitCode::from(code);
                },
            }
        }
    }

    async fn cut_short(self, work: Pin<&mut impl Future<Output = ExitCode>>) -> ExitCode {
        let tasks = self.shutdown.running_tasks();
        warn!(tasks, "not drained within {:?}: ending all the same", self.shutdown.drain_time());
        self.shutdown.cancel();
        timeout(LAST_WORDS, work).await.unwrap_or(ExitCode::from(exit::SUCCESS))
    }
}

/// The role, and then whatever it left running.
async fn work(role: JoinHandle<Result<(), String>>, shutdown: &Shutdown) -> ExitCode {
    match role.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => return fail(&error),
        Err(panic) => return fail(&format_args!("a fault of the program: {panic}")),
    }
    shutdown.drain();
    shutdown.tasks_ended().await;
    info!("ended");
    ExitCode::from(exit::SUCCESS)
}
