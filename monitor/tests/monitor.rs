//! A monitor over real sockets, with msg_servers that report what the test wants.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "the helpers of tests fail as tests do")]

#[path = "../../mesh/tests/fake_msg_server/mod.rs"]
mod fake_msg_server;

use std::time::{Duration, Instant};

use fake_msg_server::{FakeMsgServer, PATIENCE, report};
use mesh::config::{MonitorConfig, RoleConfig, Secret};
use mesh::link::Secrecy;
use mesh::process::Shutdown;
use mesh::report::Report;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

struct Monitor {
    listen: String,
    page: String,
    shutdown: Shutdown,
    running: tokio::task::JoinHandle<Result<(), monitor::MonitorError>>,
}

impl Monitor {
    async fn start(servers: &[&str], keys: Value) -> Self {
        let mut file = json!({"Listen": "127.0.0.1:0", "WebListen": "127.0.0.1:0", "UUID": "21000", "BeatTime": 0.2,
                              "MsgServerList": servers});
        file.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        let config = MonitorConfig::parse(&file.to_string(), "monitor.json").unwrap().config;
        let listener = TcpListener::bind(config.process.listen).await.unwrap();
        let page = TcpListener::bind(config.web_listen).await.unwrap();
        let address = |listener: &TcpListener| listener.local_addr().unwrap().to_string();
        let (listen, at) = (address(&listener), address(&page));
        let shutdown = Shutdown::new(Duration::from_secs(10));
        let running = tokio::spawn(monitor::serve(config, listener, page, shutdown.clone()));
        Self { listen, page: at, shutdown, running }
    }

    async fn get(&self, path: &str) -> Answer {
        Answer::to(
            &self.page,
            &format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.page),
        )
        .await
    }

    async fn mesh(&self) -> Value {
        let answer = self.get("/api/mesh").await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
        serde_json::from_str(&answer.body).unwrap()
    }

    /// The mesh, once it is as the test wants it.
    async fn until(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mesh = self.mesh().await;
            if wanted(&mesh) {
                return mesh;
            }
            assert!(Instant::now() < deadline, "the mesh stays {mesh:#}");
            tokio::task::yield_now().await;
        }
    }

    async fn drained(self) {
        self.shutdown.drain();
        timeout(PATIENCE, self.running).await.expect("an end in time").unwrap().unwrap();
        timeout(PATIENCE, self.shutdown.tasks_ended()).await.expect("the end of all tasks in time");
        assert!(TcpStream::connect(&self.page).await.is_err(), "the page is still served");
    }
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    async fn to(address: &str, request: &str) -> Self {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        timeout(PATIENCE, socket.read_to_string(&mut answer)).await.unwrap().unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

fn process<'a>(mesh: &'a Value, role: &str) -> &'a Value {
    let processes = mesh["Processes"].as_array().unwrap();
    processes.iter().find(|process| process["Process"] == role).unwrap_or(&Value::Null)
}

fn counted(report: Report, messages: u64) -> Report {
    let figures = json!({"Connections": 7, "MessagesInTotal": messages, "DeliveriesTotal": 2 * messages});
    Report { figures: figures.as_object().unwrap().clone(), beat: 100, ..report }
}

#[tokio::test]
async fn every_process_is_shown_once_however_many_msg_servers_tell_of_it() {
    let (one, two) =
        (FakeMsgServer::start(Secrecy::default()).await, FakeMsgServer::start(Secrecy::default()).await);
    let monitor = Monitor::start(&[&one.addr, &two.addr], json!({})).await;
    one.linked(1).await;
    two.linked(1).await;
    for server in [&one, &two] {
        server.publish(&Report { beat: 60_000, ..server.report(5) });
        server.publish(&Report { beat: 60_000, ..report("router", "20000", "127.0.0.1:20000", 0) });
    }
    let mesh = monitor.until(|mesh| mesh["Totals"]["Processes"] == 4).await;
    let roles: Vec<_> =
        mesh["Processes"].as_array().unwrap().iter().map(|p| p["Process"].as_str().unwrap()).collect();
    assert_eq!(roles, ["msg_server", "msg_server", "router", "monitor"]);
    assert_eq!((&mesh["Totals"]["Connections"], &mesh["Totals"]["Silent"]), (&json!(10), &json!(0)));
    assert!(mesh["Links"].as_array().unwrap().iter().all(|link| link["Up"] == true), "{mesh:#}");
    let own = process(&mesh, "monitor");
    assert_eq!(
        (&own["Uuid"], &own["Addr"], &own["Beat"]),
        (&json!("21000"), &json!(monitor.listen), &json!(200))
    );
    monitor.drained().await;
}

#[tokio::test]
async fn counters_become_rates() {
    let server = FakeMsgServer::start(Secrecy::default()).await;
    let monitor = Monitor::start(&[&server.addr], json!({})).await;
    server.linked(1).await;
    server.publish(&counted(server.report(0), 0));
    let mesh = monitor.until(|mesh| process(mesh, "msg_server") != &Value::Null).await;
    assert_eq!(mesh["Totals"]["MessagesInPerSecond"], Value::Null);
    // No sooner than a rate is taken: 80 of the beat's 100 ms.
    monitor.until(|mesh| process(mesh, "msg_server")["HeardAgo"].as_u64() >= Some(80)).await;
    server.publish(&counted(server.report(0), 1000));
    let mesh = monitor.until(|mesh| mesh["Totals"]["MessagesInPerSecond"].is_number()).await;
    let rate = |name: &str| mesh["Totals"][name].as_f64().unwrap();
    assert!(rate("MessagesInPerSecond") > 0.0 && rate("MessagesInPerSecond") <= 12_500.0, "{mesh:#}");
    let ratio = rate("MessagesOutPerSecond") / rate("MessagesInPerSecond");
    assert!((ratio - 2.0).abs() < 1e-9, "{ratio}");
    assert!(process(&mesh, "msg_server")["Rates"]["DeliveriesPerSecond"].is_number());
    monitor.drained().await;
}

#[tokio::test]
async fn silence_and_troubles_are_told() {
    let server = FakeMsgServer::start(Secrecy::default()).await;
    let monitor = Monitor::start(&[&server.addr], json!({})).await;
    server.linked(1).await;
    let router = Report { beat: 50, ..report("router", "20000", "r:1", 0) };
    let manager = report("manager", "18000", "m:1", 0);
    let troubles = vec!["the store cannot write".to_owned()];
    server.publish(&router);
    server.publish(&Report { beat: 60_000, troubles, ready: false, ..manager });
    server.publish(&Report { beat: 60_000, ready: false, ..server.report(0) });
    let mesh = monitor.until(|mesh| process(mesh, "router")["State"] == "silent").await;
    let age = mesh["Now"].as_u64().unwrap() - process(&mesh, "router")["SilentSince"].as_u64().unwrap();
    assert!(age >= 150, "silent after {age} ms");
    assert_eq!(process(&mesh, "manager")["State"], "troubled");
    assert_eq!(process(&mesh, "manager")["Troubles"], json!(["the store cannot write"]));
    assert_eq!(process(&mesh, "msg_server")["State"], "unready");
    server.die().await;
    let mesh = monitor.until(|mesh| process(mesh, "msg_server")["State"] == "silent").await;
    assert_eq!(mesh["Links"][0]["Up"], false);
    monitor.drained().await;
}

#[tokio::test]
async fn a_broken_report_is_left_out_and_the_others_are_heard() {
    let server = FakeMsgServer::start(Secrecy::new(Some(Secret::new("a secret of the mesh")))).await;
    let monitor = Monitor::start(&[&server.addr], json!({"MeshSecret": "a secret of the mesh"})).await;
    server.linked(1).await;
    for broken in [&b"nonsense"[..], b"{}", b"\xff", &vec![b' '; 100_000]] {
        server.send(&protocol::link::Frame::Report(broken));
    }
    server.send(&protocol::link::Frame::Unknown(99));
    server.publish(&server.report(3));
    monitor.until(|mesh| process(mesh, "msg_server")["Figures"]["Connections"] == 3).await;
    monitor.drained().await;
}

#[tokio::test]
async fn prometheus_reads_all_processes() {
    let server = FakeMsgServer::start(Secrecy::default()).await;
    let monitor = Monitor::start(&[&server.addr], json!({})).await;
    server.linked(1).await;
    server.publish(&server.report(9));
    monitor.until(|mesh| process(mesh, "msg_server") != &Value::Null).await;
    let answer = monitor.get("/metrics").await;
    assert!(answer.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
    let labels = format!("process=\"msg_server\",uuid=\"{0}\",addr=\"{0}\"", server.addr);
    assert!(answer.body.contains(&format!("shoal_connections{{{labels}}} 9\n")), "{}", answer.body);
    monitor.drained().await;
}

#[tokio::test]
async fn the_page_comes_whole_small_and_loads_nothing_from_elsewhere() {
    let monitor = Monitor::start(&["127.0.0.1:1"], json!({})).await;
    let page = monitor.get("/").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.body.contains("No process has reported yet"));
    let mut bytes = page.body.len();
    let files = [("icon.svg", "image/svg+xml"), ("page.css", "text/css"), ("page.js", "text/javascript")];
    let scripts =
        ["dom.js", "format.js", "processes.js", "theme.js", "tiles.js"].map(|file| (file, "text/javascript"));
    for (file, kind) in files.into_iter().chain(scripts) {
        let answer = monitor.get(&format!("/{file}")).await;
        assert!(answer.status == 200 && answer.header("content-type").unwrap().starts_with(kind), "{file}");
        let without_namespace = answer.body.replace("http://www.w3.org/2000/svg", "");
        assert!(!without_namespace.contains("://"), "{file} names another place");
        bytes += answer.body.len();
    }
    assert!(bytes < 100_000, "{bytes} bytes");
    assert!(!page.body.contains("://") && !page.body.contains("style=") && !page.body.contains("onclick"));
    monitor.drained().await;
}

#[tokio::test]
async fn every_answer_tells_browsers_what_not_to_do() {
    let monitor = Monitor::start(&["127.0.0.1:1"], json!({})).await;
    for path in ["/", "/api/mesh", "/metrics", "/readyz", "/nothing"] {
        let answer = monitor.get(path).await;
        assert!(
            answer.header("content-security-policy").unwrap().starts_with("default-src 'self'"),
            "{path}"
        );
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
    }
    assert_eq!(monitor.get("/nothing").await.status, 404);
    monitor.drained().await;
}

#[tokio::test]
async fn another_host_s_name_and_other_methods_are_refused() {
    let monitor = Monitor::start(&["127.0.0.1:1"], json!({})).await;
    for host in ["evil.example", "evil.example:30000", ""] {
        let request = format!("GET /api/mesh HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let answer = Answer::to(&monitor.page, &request).await;
        assert!(answer.status >= 400 && !answer.body.contains("Processes"), "{host:?}: {}", answer.status);
    }
    let request =
        "POST /api/mesh HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let answer = Answer::to(&monitor.page, request).await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")));
    let request = "HEAD / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answer = Answer::to(&monitor.page, request).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    monitor.drained().await;
}

#[tokio::test]
async fn both_ports_tell_how_the_monitor_is() {
    let server = FakeMsgServer::start(Secrecy::default()).await;
    let monitor = Monitor::start(&[&server.addr], json!({})).await;
    server.linked(1).await;
    monitor.until(|mesh| mesh["Links"][0]["Up"] == true).await;
    for port in [&monitor.listen, &monitor.page] {
        for path in ["/healthz", "/readyz"] {
            let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
            let answer = Answer::to(port, &request).await;
            assert!(answer.status == 200 && answer.body.contains("\"Links\":1"), "{path}: {}", answer.body);
        }
    }
    server.die().await;
    monitor.until(|mesh| mesh["Links"][0]["Up"] == false).await;
    let answer = monitor.get("/healthz").await;
    assert!(answer.status == 503 && answer.body.contains("no msg_server is linked"), "{}", answer.body);
    monitor.drained().await;
}
