//! A manager whose disk fails under it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "the helpers of tests fail as tests do")]

#[allow(dead_code, reason = "shared by the tests of this crate, each of which uses a part")]
mod harness;
#[path = "../../mesh/tests/link_end/mod.rs"]
mod link_end;

use std::sync::Arc;

use harness::{Came, Manager, Server, config};
use link_end::Links;
use manager::{ManagerError, OpenStore};
use mesh::config::{ManagerConfig, StoreConfig};
use mesh::link::Secrecy;
use protocol::code::ErrorCode;
use protocol::event::Stored as Certain;
use serde_json::json;
use storage::embedded::files::{Fault, SimFiles};
use storage::embedded::{EmbeddedStore, OpenError, Options};

fn open_on(
    disk: &Arc<SimFiles>,
) -> impl FnOnce(&ManagerConfig) -> Result<OpenStore, OpenError> + Send + use<> {
    let files = Arc::clone(disk);
    move |config| {
        let StoreConfig::Embedded { path, .. } = &config.store;
        let options = Options { segment_bytes: 1 << 20, files, ..Options::default() };
        let store = EmbeddedStore::open(path, options)?;
        let failed = store.on_fatal();
        Ok(OpenStore { store: Arc::new(store), failed })
    }
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_acknowledged_and_the_manager_ends_saying_why() {
    let disk = Arc::new(SimFiles::new(7));
    let folder = tempfile::tempdir().unwrap();
    let links = Links::start(Secrecy::default()).await;
    let config = config(&[&links], folder.path(), json!({}));
    let manager = Manager::start_with(config.clone(), open_on(&disk)).await;
    let mut server = Server::linked(&links).await;
    server.log_in(&["amy", "bob"]).await;
    assert_eq!(server.send(&[("amy", "bob", "1")]).await, [Came::Stored(1, 1)]);
    disk.inject(Fault::FailSync { nth: 1 });
    let came = server.send(&[("amy", "bob", "2")]).await;
    assert_eq!(came, [Came::Refused(ErrorCode::StoreFailed.number(), Certain::Maybe)]);
    let error = manager.failed().await;
    assert!(matches!(error, ManagerError::Failed(_)), "{error}");
    let text = error.to_string();
    assert!(text.contains("the store cannot write") && text.contains("start the manager again"), "{text}");
    server.link.closed().await;
    disk.heal();
    let again = Manager::start_with(config, open_on(&disk)).await;
    let mut server = Server::linked(&links).await;
    assert_eq!(server.send(&[("amy", "bob", "1")]).await, [Came::Stored(1, 1)]);
    let came = server.send(&[("amy", "bob", "2"), ("amy", "bob", "3")]).await;
    assert_eq!(came, [Came::Stored(2, 2), Came::Stored(3, 3)]);
    again.drained().await;
}
