//! Whatever comes in on a port: the process lives, its memory stays bounded, and others are not disturbed.
#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use serde_json::json;
use testbed::{Mesh, NewClient, OldClient, PATIENCE, Part, Role, Wire, eventually, raise_open_files};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

const MEBIBYTE: u64 = 1024 * 1024;

/// A mesh with a monitor, which gives strangers a second to say who they are.
async fn mesh() -> Mesh {
    Mesh::builder().monitor(true).set_all("LoginTimeout", 1).start().await
}

/// Every port on which a process of the mesh listens.
fn ports(mesh: &Mesh) -> Vec<SocketAddr> {
    mesh.parts().map(|part| mesh.addr(part)).chain([mesh.web_addr()]).collect()
}

/// Two people who chat, and count their messages.
async fn chat(mesh: &Mesh, sent: &AtomicUsize) {
    static CHATS: AtomicUsize = AtomicUsize::new(0);
    let chat = CHATS.fetch_add(1, Ordering::Relaxed);
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    let mut bob = NewClient::attach(mesh.msg_server_addr(1), "bob").await;
    for n in 0_usize.. {
        amy.send_p2p("bob", &n.to_string(), &format!("m{chat}-{n}")).await;
        assert_eq!(bob.texts("u/bob", 1).await, [n.to_string()]);
        if n.is_multiple_of(50) {
            OldClient::ask_gateway(mesh.gateway_addr()).await;
        }
        sent.fetch_add(1, Ordering::Relaxed);
    }
}

/// Lets `attack` loose on the mesh while two people chat: they have to get on, and every process has to live, work, and
/// hold at most `more` bytes beyond what it held.
async fn survives(mesh: &Mesh, more: u64, attack: impl Future<Output = ()>) {
    let before: Vec<_> = mesh.parts().map(|part| (part, mesh.pid(part), mesh.resident_bytes(part))).collect();
    let sent = AtomicUsize::new(0);
    tokio::select! {
        () = chat(mesh, &sent) => {}
        () = attack => {}
    }
    assert!(sent.into_inner() > 0, "nobody got on meanwhile");
    for (part, pid, held) in before {
        let health = mesh.answers(part).await;
        assert_eq!(health.report["Pid"], pid, "{part} is another one");
        eventually(&format!("{part} works"), async || {
            mesh.healthz(part).await.filter(|health| health.status == 200)
        })
        .await;
        let holds = mesh.resident_bytes(part);
        assert!(holds < held + more, "{part} held {held} bytes, and holds {holds}");
        let log = mesh.log(part);
        assert!(!log.contains("panicked"), "{part} panicked:\n{log}");
    }
}

/// Says `bytes` to a port, and nothing after them; the other side has to end that.
async fn say(address: SocketAddr, bytes: Vec<u8>) {
    let mut stream = TcpStream::connect(address).await.expect("a connect");
    // It may have heard enough before all was said.
    let _ = stream.write_all(&bytes).await;
    let mut answer = Vec::new();
    let ended = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    assert!(ended.is_ok(), "{address} still listens to {:?}", &bytes[..bytes.len().min(40)]);
}

async fn say_to_all(ports: &[SocketAddr], words: &[Vec<u8>]) {
    let mut talks = JoinSet::new();
    for word in words {
        for port in ports {
            talks.spawn(say(*port, word.clone()));
        }
        // Some at a time.
        while talks.len() > 200 {
            talks.join_next().await.expect("a talk").expect("no talk panics");
        }
    }
    while let Some(ended) = talks.join_next().await {
        ended.expect("no talk panics");
    }
}

#[tokio::test]
async fn random_bytes_on_every_port() {
    let mesh = mesh().await;
    let mut random = StdRng::seed_from_u64(7);
    let words: Vec<Vec<u8>> = (0..150)
        .map(|_| {
            let mut word = vec![0; random.random_range(0..4_000)];
            random.fill_bytes(&mut word);
            word
        })
        .collect();
    survives(&mesh, 48 * MEBIBYTE, say_to_all(&ports(&mesh), &words)).await;
}

/// A frame around `body`.
fn frame(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("a frame of less than 4 GiB");
    [&length.to_be_bytes(), body].concat()
}

#[tokio::test]
async fn frames_that_make_no_sense_on_every_port() {
    let mesh = mesh().await;
    let deep = "[".repeat(1_000_000);
    let words = vec![
        frame(b""),
        frame(b"").repeat(100_000),
        0x8000_0000_u32.to_be_bytes().to_vec(),
        u32::MAX.to_be_bytes().to_vec(),
        // A frame that never ends.
        [&1_000_000_u32.to_be_bytes()[..], br#"{"CmdName":"SEND_CLIENT_ID","Args":["amy"#].concat(),
        frame(deep.as_bytes()),
        frame(format!(r#"{{"CmdName":"SEND_PING","Args":{deep}"#).as_bytes()),
        frame(format!(r#"{{"CmdName":"SEND_PING","Deep":{deep}"#).as_bytes()),
        frame(&vec![b'"'; 1024 * 1024]),
        frame(&[0xff; 64]),
        b"G".to_vec(),
        b"GET ".to_vec(),
        b"GET /healthz HTTP/1.1\r\nX: y\r\n".to_vec(),
        [b"GET /".to_vec(), vec![b'a'; 1024 * 1024]].concat(),
        Vec::new(),
        vec![0],
        vec![0, 0, 0, 9],
    ];
    // Links that come to nothing. A gateway lets whoever speaks in packets stay for a while.
    let nonce = "0".repeat(64);
    let links = [
        frame(br#"{"CmdName":"LINK_HELLO","Args":["router","x","00","","",""]}"#),
        frame(br#"{"CmdName":"LINK_PROOF","Args":["","",""]}"#),
        frame(format!(r#"{{"CmdName":"LINK_HELLO","Args":["router","x","{nonce}",""]}}"#).as_bytes()),
    ];
    let linked: Vec<_> = ports(&mesh).into_iter().filter(|port| *port != mesh.gateway_addr()).collect();
    let thrice = |words: &[Vec<u8>]| words.iter().cycle().take(3 * words.len()).cloned().collect::<Vec<_>>();
    survives(&mesh, 128 * MEBIBYTE, async {
        say_to_all(&ports(&mesh), &thrice(&words)).await;
        say_to_all(&linked, &thrice(&links)).await;
    })
    .await;
}

#[tokio::test]
async fn nonsense_from_somebody_who_is_logged_in() {
    let mesh = mesh().await;
    let nonsense = async {
        let mut random = StdRng::seed_from_u64(11);
        let mut eve = NewClient::attach(mesh.msg_server_addr(0), "eve").await;
        for _ in 0..4_000 {
            let args: Vec<String> = (0..random.random_range(0..6)).map(|_| argument(&mut random)).collect();
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            let keys = keys(&mut random);
            let answer = eve.request_with(command(&mut random), &args, keys).await;
            assert!(answer["CmdName"] == "OK" || answer["Code"].is_u64(), "{answer}");
            eve.pushed_meanwhile();
        }
    };
    survives(&mesh, 64 * MEBIBYTE, nonsense).await;
}

fn command(random: &mut StdRng) -> &'static str {
    const COMMANDS: [&str; 18] = [
        "SEND_PING",
        "SEND_CLIENT_ID",
        "SEND_CLIENT_ID_FOR_TOPIC",
        "SEND_MESSAGE_P2P",
        "P2P_ACK",
        "CREATE_TOPIC",
        "JOIN_TOPIC",
        "LEAVE_TOPIC",
        "SEND_MESSAGE_TOPIC",
        "TOPICS",
        "MEMBERS",
        "PRESENCE",
        "RESUME",
        "SYNC",
        "ACK",
        "READ",
        "OK",
        "RESP_MESSAGE_P2P",
    ];
    COMMANDS[random.random_range(0..COMMANDS.len())]
}

fn argument(random: &mut StdRng) -> String {
    const ARGUMENTS: [&str; 22] = [
        "",
        "eve",
        "amy",
        "u/eve",
        "u/amy",
        "t/garden",
        "garden",
        "0",
        "1",
        "-1",
        "18446744073709551615",
        "9007199254740993",
        "1e9",
        "\u{0}",
        "\u{202e}",
        "u/",
        "t/",
        "/",
        "💥",
        " ",
        "null",
        "53686f61-6c00-8000-8000-ffffffffffff",
    ];
    match random.random_range(0..12) {
        0 => "x".repeat(random.random_range(0..70_000)),
        1 => random.random::<u64>().to_string(),
        _ => ARGUMENTS[random.random_range(0..ARGUMENTS.len())].to_owned(),
    }
}

fn keys(random: &mut StdRng) -> serde_json::Value {
    let text = argument(random);
    let mut keys = json!({});
    for (key, value) in [
        ("MsgId", json!(text)),
        ("MsgId", json!(random.random::<u32>().to_string())),
        ("Volatile", json!(true)),
        ("Body64", json!(text)),
        ("Body64", json!("AAAA")),
        ("Type", json!(text)),
        ("Device", json!(text)),
        ("Logs", json!({"u/eve": random.random::<u32>()})),
        ("Logs", json!(text)),
        ("Version", json!(random.random::<u64>())),
        ("Unknown", json!([{"a": [text]}])),
    ] {
        if random.random_bool(0.2) {
            keys[key] = value;
        }
    }
    keys
}

#[tokio::test]
async fn requests_without_end_from_somebody_who_does_not_read_the_answers() {
    let mesh = mesh().await;
    let mut eve = NewClient::attach(mesh.msg_server_addr(0), "eve").await;
    eve.ok("CREATE_TOPIC", &["garden"]).await;
    for n in 0..50 {
        eve.send_topic("garden", &"x".repeat(1_000), &format!("m{n}")).await;
    }
    let flood = async {
        for (command, args) in [
            ("SYNC", r#"["t/garden","0","1000"]"#),
            ("TOPICS", "[]"),
            ("MEMBERS", r#"["garden"]"#),
            ("PRESENCE", r#"["amy","nobody"]"#),
            ("ACK", r#"["t/garden","1"]"#),
            ("JOIN_TOPIC", r#"["garden"]"#),
        ] {
            let mut eve = NewClient::attach(mesh.msg_server_addr(0), "eve").await;
            let mut requests = Vec::new();
            for seq in 0..50_000 {
                let request = format!(r#"{{"CmdName":"{command}","Args":{args},"Seq":{seq}}}"#);
                requests.extend_from_slice(&frame(request.as_bytes()));
            }
            // Either it is let go, or its requests are taken no further until it reads; both are well.
            let _ = timeout(Duration::from_secs(2), eve.wire().write(&requests)).await;
        }
    };
    survives(&mesh, 64 * MEBIBYTE, flood).await;
}

#[tokio::test]
async fn ten_thousand_connections_that_say_nothing() {
    let mesh = Mesh::builder().set_all("LoginTimeout", 5).start().await;
    let count = (raise_open_files().min(11_000) - 1_000) as usize;
    for part in [Part::MsgServer(0), Part::Gateway(0)] {
        let silence = async {
            let before = mesh.resident_bytes(part);
            let mut silent = Vec::with_capacity(count);
            for _ in 0..count {
                silent.push(TcpStream::connect(mesh.addr(part)).await.expect("a connect"));
            }
            eventually("all are connected", async || {
                (mesh.figure(part, "Connections").await >= count as u64).then_some(())
            })
            .await;
            let each = mesh.resident_bytes(part).saturating_sub(before) / count as u64;
            println!("{part}: {count} silent connections hold {each} bytes each");
            assert!(each < 8 * 1024, "{each} bytes for each silent connection");
            eventually("who says nothing is let go", async || {
                (mesh.figure(part, "Connections").await < 100).then_some(())
            })
            .await;
        };
        survives(&mesh, 96 * MEBIBYTE, silence).await;
    }
}

#[tokio::test]
async fn more_connections_than_allowed() {
    let mesh = Mesh::builder()
        .msg_servers(1)
        .set_for(Part::MsgServer(0), "MaxConnections", 20)
        .set(Role::MsgServer, "LoginTimeout", 60)
        .start()
        .await;
    let mut amy = NewClient::attach(mesh.msg_server_addr(0), "amy").await;
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(Wire::connect(mesh.msg_server_addr(0)).await);
    }
    // The last of them is turned away, at once and without a packet: it may be an old client.
    let turned_away = silent.last_mut().expect("a connection").closed().await;
    assert!(turned_away.is_empty(), "{turned_away:?}");
    amy.send_p2p("amy", "still here", "m1").await;
    drop(silent);
    eventually("there is room again", async || {
        let mut bob = Wire::connect(mesh.msg_server_addr(0)).await;
        bob.send(br#"{"CmdName":"SEND_CLIENT_ID","Args":["bob"],"Seq":1}"#).await;
        bob.frame().await
    })
    .await;
}
