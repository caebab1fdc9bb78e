//! Tokens from elsewhere: a site that signs.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::stage::{PATIENCE, Server};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::{Value, json};

/// Where the site's secret is, and what it signs.
struct Site {
    folder: tempfile::TempDir,
    secret: String,
}

impl Site {
    fn new() -> Self {
        let site = Self { folder: tempfile::tempdir().unwrap(), secret: "s".repeat(32) };
        site.publish();
        site
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("keys")
    }

    /// Puts the secret where the msg_server reads it, whole at every moment.
    fn publish(&self) {
        let new = self.folder.path().join("new");
        fs::write(&new, &self.secret).unwrap();
        fs::set_permissions(&new, Permissions::from_mode(0o600)).unwrap();
        fs::rename(&new, self.file()).unwrap();
    }

    fn token(&self, mut claims: Value, seconds: f64) -> String {
        claims["exp"] = json!(mesh::report::now() as f64 / 1000.0 + seconds);
        let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let message = format!("{}.{}", part(&json!({"alg": "HS256"})), part(&claims));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, self.secret.as_bytes()), message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
    }
}

fn keys(file: &Path) -> String {
    format!(r#","JwtKeyFile":{:?},"ScanDeadSessionTimeout":0.05"#, file.to_str().unwrap())
}

#[tokio::test]
async fn a_site_brings_its_own_users_who_may_do_what_their_tokens_say() {
    let site = Site::new();
    let (server, _book) = Server::with_manager(&keys(&site.file())).await;
    let mut amy = server.client().await;
    let token = site.token(json!({"sub": "amy", "device": "phone", "scope": "read"}), 60.0);
    let ok = amy.ok("SEND_CLIENT_ID", &[""], json!({"Token": token})).await;
    assert_eq!((&ok["User"], &ok["Token"]), (&json!("amy"), &Value::Null));
    assert_eq!(amy.refused("SEND_MESSAGE_P2P", &["bob", "hi"], json!({"MsgId": "m1"})).await, 4020);
    assert_eq!(amy.refused("DEVICES", &[], json!({})).await, 4020);
    let of_bob = json!({"Token": site.token(json!({"sub": "bob"}), 60.0)});
    assert_eq!(server.client().await.refused("SEND_CLIENT_ID", &["amy"], of_bob).await, 4014);
    let expired = json!({"Token": site.token(json!({"sub": "amy"}), -1.0)});
    assert_eq!(server.client().await.refused("SEND_CLIENT_ID", &["amy"], expired).await, 4014);
}

#[tokio::test]
async fn a_session_ends_when_its_token_expires() {
    let site = Site::new();
    let (server, _book) = Server::with_manager(&keys(&site.file())).await;
    let mut amy = server.client().await;
    amy.ok("SEND_CLIENT_ID", &[""], json!({"Token": site.token(json!({"sub": "amy"}), 1.0)})).await;
    assert_eq!(amy.ended().await, 3007);
}

#[tokio::test]
async fn keys_are_read_again_when_they_change_and_bad_ones_leave_the_good_in_force() {
    let mut site = Site::new();
    let (server, _book) = Server::with_manager(&keys(&site.file())).await;
    let old = site.token(json!({"sub": "amy"}), 600.0);
    site.secret = "short".into();
    site.publish();
    // It is looked at every two seconds: what is refused soon after a good change was read after it.
    let mut amy = server.client().await;
    amy.ok("SEND_CLIENT_ID", &["amy"], json!({"Token": old.clone()})).await;
    site.secret = "t".repeat(32);
    site.publish();
    let new = site.token(json!({"sub": "amy"}), 600.0);
    let changed = async {
        while server.client().await.ask("SEND_CLIENT_ID", &["amy"], json!({"Token": new.clone()})).await["Code"]
            == 4014
        {
            // Whoever fails more often has to wait.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, changed).await.unwrap();
    assert_eq!(server.client().await.refused("SEND_CLIENT_ID", &["amy"], json!({"Token": old})).await, 4014);
}
