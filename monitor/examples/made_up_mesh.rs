//! The page with a mesh that is made up: for whoever works on the page.
//!
//! `cargo run -p monitor --example made_up_mesh -- [port] [empty|well|many]`
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "not a program of the mesh")]

#[path = "../../mesh/tests/fake_msg_server/mod.rs"]
mod fake_msg_server;

use std::time::Duration;

use fake_msg_server::{FakeMsgServer, report};
use mesh::config::{MonitorConfig, RoleConfig};
use mesh::link::Secrecy;
use mesh::process::Shutdown;
use mesh::report::Report;
use serde_json::{Value, json};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let port = arguments.next().unwrap_or_else(|| "30000".into());
    let scene = arguments.next().unwrap_or_default();
    let servers =
        [FakeMsgServer::start(Secrecy::default()).await, FakeMsgServer::start(Secrecy::default()).await];
    let mut list = vec![servers[0].addr.clone(), servers[1].addr.clone()];
    match scene.as_str() {
        "empty" => list = vec!["127.0.0.1:19000".into(), "127.0.0.1:19001".into()],
        "well" | "many" => {}
        _ => list.push("10.20.0.9:19000".into()),
    }
    let file = json!({"Listen": "127.0.0.1:0", "WebListen": format!("127.0.0.1:{port}"), "UUID": "21000",
                      "BeatTime": 1, "MsgServerList": list});
    let config = MonitorConfig::parse(&file.to_string(), "monitor.json").unwrap().config;
    let listener = TcpListener::bind(config.process.listen).await.unwrap();
    tokio::spawn(monitor::run(config, listener, Shutdown::new(Duration::from_secs(1))));
    if scene == "empty" {
        return std::future::pending().await;
    }
    servers[0].linked(1).await;
    servers[1].linked(1).await;
    let started = mesh::report::now() - 11_520_000;
    for beat in 0u64.. {
        for (number, server) in servers.iter().enumerate() {
            for report in reports(number, server, beat, &scene) {
                server.publish(&Report { started, beat: 1000, ..report });
            }
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

fn reports(number: usize, server: &FakeMsgServer, beat: u64, scene: &str) -> Vec<Report> {
    let own = with(server.report(0), msg_server(number as u64, beat));
    let router = with(report("router", "20000", "127.0.0.1:20000", 0), router(beat));
    let manager = with(report("manager", "18000", "127.0.0.1:18000", 0), manager(beat));
    let gateway = with(report("gateway", "17000", "127.0.0.1:17000", 12), gateway(beat));
    let mut all = vec![own, router, manager, gateway];
    match scene {
        "well" => {}
        "many" => all.extend((0..500).map(|n| {
            let addr = format!("10.0.{}.{}:19000", n / 200, n % 200);
            with(report("msg_server", &addr, &addr, 0), msg_server(n, beat))
        })),
        _ => all.extend(trouble(beat)),
    }
    all
}

/// A manager in trouble, a msg_server that drains, and a router that died early on.
fn trouble(beat: u64) -> Vec<Report> {
    let manager = report("manager", "18001", "10.20.0.4:18000", 0);
    let troubles = vec!["the store cannot write: no space left on device (/var/lib/shoal)".into()];
    let manager = Report { troubles, ready: false, ..with(manager, self::manager(beat / 9)) };
    let draining = report("msg_server", "10.20.0.7:19000", "10.20.0.7:19000", 0);
    let draining = Report { ready: false, ..with(draining, msg_server(0, beat)) };
    let mut all = vec![manager, draining];
    if beat < 3 {
        all.push(with(report("router", "20001", "10.20.0.3:20000", 0), router(beat)));
    }
    all
}

fn with(report: Report, figures: Value) -> Report {
    Report { figures: figures.as_object().unwrap().clone(), ..report }
}

/// A count that rises by about `rate` a beat, unevenly.
fn wavy(beat: u64, rate: f64) -> u64 {
    let beat = beat as f64;
    (beat * rate + (beat / 6.0).sin() * rate * 2.0 + (beat / 2.3).cos() * rate * 0.4 + rate * 3.0) as u64
}

fn msg_server(number: u64, beat: u64) -> Value {
    let acked = wavy(beat, 1210.0 + number as f64);
    json!({"Connections": 48_211 + number * 117 + wavy(beat, 3.0), "Sessions": 48_102, "FollowedLogs": 51_230,
           "UnansweredAppends": 3, "Managers": 1, "Routers": 1, "MessagesInTotal": wavy(beat, 1290.0),
           "DeliveriesTotal": wavy(beat, 8431.0), "ForwardedInTotal": wavy(beat, 640.0), "AckedTotal": acked,
           "AckMicrosTotal": acked * 1840 + (beat as f64 / 5.0).sin() as u64, "SlowReadersTotal": 4, "RefusedTotal": 17})
}

fn router(beat: u64) -> Value {
    json!({"Links": 2, "OnlineUsers": 91_402, "FollowedLogs": 102_400, "QueueBytes": 12_288,
           "MessagesInTotal": wavy(beat, 2580.0), "ForwardedTotal": wavy(beat, 1270.0), "ForwardedBytesTotal": wavy(beat, 402_000.0),
           "OverflowsTotal": 0})
}

fn manager(beat: u64) -> Value {
    json!({"AppendsTotal": wavy(beat, 2410.0), "ReadsTotal": wavy(beat, 96.0), "Links": 2, "QueueBytes": 8_192,
           "CommitP50Ms": 1.6, "CommitP99Ms": 4.9, "BatchesTotal": wavy(beat, 310.0)})
}

fn gateway(beat: u64) -> Value {
    json!({"Connections": 12, "Held": 0, "LiveMsgServers": 2, "HandedOutTotal": wavy(beat, 14.0), "TurnedAwayTotal": 0})
}
