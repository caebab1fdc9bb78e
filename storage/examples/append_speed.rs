//! How fast the embedded store is on this machine: appends and pairs per second, and how long a large store takes to
//! open.
//!
//! ```text
//! cargo run --release -p storage --example append_speed -- [FOLDER] [SECONDS] [LOGS]
//! ```
//!
//! FOLDER (a new folder in the working directory unless given) says which disk is measured; SECONDS (5) how long each
//! measurement takes; LOGS (1,000,000) how many logs the large store has.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::stream::{FuturesUnordered, StreamExt};
use protocol::content::Content;
use protocol::ids::{LogName, UserId};
use storage::embedded::{EmbeddedStore, Options};
use storage::{Append, Store};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Bytes of body in each message.
const BODY: &str = "The quick brown fox jumps over the lazy dog, and then it thinks about that for a while, since it \
                    has nothing better to do on such a day; the dog sleeps on. Neither knows that their meeting is told \
                    wherever somebody needs a sentence with all letters in it.";

#[tokio::main]
async fn main() -> Outcome<()> {
    let mut args = std::env::args().skip(1);
    let dir = PathBuf::from(args.next().unwrap_or_else(|| format!("append_speed.{}", std::process::id())));
    let seconds = Duration::from_secs(args.next().map_or(Ok(5), |n| n.parse())?);
    let logs = args.next().map_or(Ok(1_000_000), |n| n.parse())?;
    let measured = measure(&dir, seconds, logs).await;
    std::fs::remove_dir_all(&dir)?;
    measured
}

async fn measure(dir: &Path, seconds: Duration, logs: usize) -> Outcome<()> {
    let store = Arc::new(EmbeddedStore::open(dir.join("speed"), Options::default())?);
    for caller in 0..64 {
        store.log_in(user(caller)?, None).await?;
    }
    for (callers, in_flight) in [(1, 1), (64, 1), (1, 64), (64, 64)] {
        let appends = run(&store, callers, in_flight, seconds, false).await?;
        println!("appends, {callers:2} callers x {in_flight:2} in flight: {appends:9.0} /s");
    }
    for (callers, in_flight) in [(64, 1), (64, 64)] {
        let pairs = run(&store, callers, in_flight, seconds, true).await?;
        println!("pairs,   {callers:2} callers x {in_flight:2} in flight: {pairs:9.0} /s");
    }
    drop(store);
    opening(&dir.join("large"), logs).await
}

fn user(number: u64) -> Outcome<UserId> {
    Ok(UserId::new(&format!("user-{number}"))?)
}

fn message(sender: u64, id: u64) -> Bytes {
    let to = format!("user-{}", (sender + 1 + id) % 64);
    Content::text(&format!("user-{sender}"), &format!("m-{id}"), Some(&to), BODY).to_bytes()
}

/// Messages per second.
async fn run(
    store: &Arc<EmbeddedStore>,
    callers: u64,
    in_flight: usize,
    seconds: Duration,
    pairs: bool,
) -> Outcome<f64> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let began = Instant::now();
    let mut tasks = Vec::new();
    for caller in 0..callers {
        let store = Arc::clone(store);
        tasks.push(tokio::spawn(async move {
            let mut done = 0u64;
            let mut waiting = FuturesUnordered::new();
            while began.elapsed() < seconds {
                while waiting.len() < in_flight {
                    let content = message(caller, NEXT.fetch_add(1, Ordering::Relaxed));
                    waiting.push(send(&store, caller, content, pairs)?);
                }
                if let Some(sent) = waiting.next().await {
                    sent?;
                    done += 1;
                }
            }
            Outcome::Ok(done)
        }));
    }
    let mut done = 0;
    for task in tasks {
        done += task.await??;
    }
    Ok(done as f64 / began.elapsed().as_secs_f64())
}

fn send(
    store: &EmbeddedStore,
    caller: u64,
    content: Bytes,
    pair: bool,
) -> Outcome<futures::future::BoxFuture<'static, Outcome<()>>> {
    if pair {
        let answer = store.append_pair(vec![content]);
        return Ok(Box::pin(
            async move { Ok(answer.await.into_iter().try_for_each(|one| one.map(|_| ()))?) },
        ));
    }
    let answer = store.append(vec![Append { log: LogName::inbox(&user(caller)?), content, open: false }]);
    Ok(Box::pin(async move { Ok(answer.await.into_iter().try_for_each(|one| one.map(|_| ()))?) }))
}

/// Fills a store with logs of one entry each, and opens it again: as it was left, and with its index built anew.
async fn opening(dir: &Path, logs: usize) -> Outcome<()> {
    let began = Instant::now();
    {
        let store = EmbeddedStore::open(dir, Options::default())?;
        let numbers: Vec<u64> = (0..logs as u64).collect();
        for part in numbers.chunks(1_000) {
            let batch = part
                .iter()
                .map(|&number| {
                    Ok(Append {
                        log: LogName::inbox(&user(number)?),
                        content: message(number, 1),
                        open: false,
                    })
                })
                .collect::<Outcome<Vec<_>>>()?;
            store.append(batch).await.into_iter().try_for_each(|one| one.map(|_| ()))?;
        }
    }
    println!("{logs} logs made, one entry each, 1,000 a call: {:.1?}", began.elapsed());
    for part in ["log", "index"] {
        let bytes = bytes_in(&dir.join(part))?;
        println!("{part}: {} MiB, {} bytes an entry", bytes >> 20, bytes / logs as u64);
    }
    for rebuild in [false, true] {
        let began = Instant::now();
        let store = EmbeddedStore::open(dir, Options { rebuild, ..Options::default() })?;
        let opened = began.elapsed();
        let bounds = store.bounds(vec![LogName::inbox(&user(logs as u64 / 2)?)]).await?;
        let what = if rebuild { "with its index built anew" } else { "as it was left" };
        println!("opened {what}: {opened:.2?}; first answer ({bounds:?}) after {:.2?}", began.elapsed());
    }
    Ok(())
}

fn bytes_in(dir: &Path) -> Outcome<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        bytes += match entry.file_type()?.is_dir() {
            true => bytes_in(&entry.path())?,
            false => entry.metadata()?.len(),
        };
    }
    Ok(bytes)
}
