//! What a config file's reader is told: every mistake, where it stands, and what would be right.

#![allow(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use mesh::config::{
    ConfigError, GatewayConfig, ManagerConfig, MonitorConfig, MsgServerConfig, RoleConfig, RouterConfig,
};

#[track_caller]
fn check<C: RoleConfig>(text: &str, expected: &[&str]) {
    let told = match C::parse(text, "f.json") {
        Ok(_) => Vec::new(),
        Err(ConfigError::Mistakes { mistakes, .. }) => mistakes.iter().map(ToString::to_string).collect(),
        Err(other) => panic!("{other}"),
    };
    assert_eq!(told, expected, "{text}");
}

const LISTEN: &str = "write ip:port, as \"127.0.0.1:17000\" or \"[::1]:17000\"";
const HOST_PORT: &str = "write host:port, as \"127.0.0.1:19000\" or \"chat.example.org:19000\"";

#[test]
fn all_mistakes_of_a_file_come_in_one_message() {
    let text = "{\n  \"Listen\": \"0.0.0.0\",\n  \"MsgServerLst\": [],\n  \"Redis\": {\"Port\": \"x\"},\n  \"DrainSeconds\": -1\n}";
    let error = RouterConfig::parse(text, "etc/router.json").unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "etc/router.json: 4 mistakes\n  \
             etc/router.json:2:13: Listen (\"0.0.0.0\") is not ip:port; {LISTEN}\n  \
             etc/router.json:3:3: MsgServerLst is no key; did you mean \"MsgServerList\"?\n  \
             etc/router.json:4:21: Redis.Port is \"x\"; write a port from 0 to 65535, as 6379 or \":6379\"\n  \
             etc/router.json:5:19: DrainSeconds is -1; write seconds from 0 to 3600"
        )
    );
}

#[test]
fn what_is_not_json_is_told_where_it_stops_being_json() {
    check::<RouterConfig>("", &["1:1: the file is empty; write {} where every default will do"]);
    check::<RouterConfig>("[]", &["1:1: the file is not one JSON object; write { … } around its keys"]);
    check::<RouterConfig>(
        "{\"UUID\":\"a\",\n}",
        &["1:12: the file is not JSON: trailing commas are not allowed; correct it"],
    );
    check::<RouterConfig>(
        "{\n// the router\n}",
        &["2:1: the file is not JSON: comments are not allowed; correct it"],
    );
    check::<RouterConfig>(
        "{\"UUID\":\"a\" \"LogFile\":\"b\"}",
        &["1:12: the file is not JSON: expected comma; correct it"],
    );
}

#[test]
fn an_address_that_cannot_be_listened_on_is_told() {
    for (value, right) in [
        ("localhost:1", LISTEN),
        ("127.0.0.1:70000", LISTEN),
        ("::1:1", LISTEN),
        ("17000", "write \"0.0.0.0:17000\" for every address of this machine, or \"127.0.0.1:17000\""),
        (":17000", "write \"0.0.0.0:17000\" for every address of this machine, or \"127.0.0.1:17000\""),
    ] {
        let told = format!("1:11: Listen (\"{value}\") is not ip:port; {right}");
        check::<GatewayConfig>(&format!("{{\"Listen\":\"{value}\"}}"), &[&told]);
    }
    for value in ["0.0.0.0:17000", "[::]:1", "127.0.0.1:0"] {
        check::<GatewayConfig>(&format!("{{\"Listen\":\"{value}\"}}"), &[]);
    }
}

#[test]
fn a_list_of_addresses_is_told_of_one_by_one() {
    check::<GatewayConfig>(
        r#"{"MsgServerList":["a:1","b","c:0","a:1","[::]:5",6,"d:http"]}"#,
        &[
            &format!("1:25: MsgServerList[1] (\"b\") has no port; {HOST_PORT}"),
            "1:29: MsgServerList[2] (\"c:0\") has port 0; write the port that it listens on",
            "1:35: MsgServerList[3] (\"a:1\") is in the list twice; name each address once",
            "1:41: MsgServerList[4] (\"[::]:5\") is no address that anyone can dial; write the address or name by \
             which others reach the msg_server",
            "1:50: MsgServerList[5] is the number 6; write host:port, as \"127.0.0.1:19000\"",
            &format!(
                "1:52: MsgServerList[6] (\"d:http\") has a port that is not a number from 0 to 65535; {HOST_PORT}"
            ),
        ],
    );
    check::<GatewayConfig>(
        r#"{"MsgServerList":[]}"#,
        &["1:18: MsgServerList is empty; name at least one msg_server, as [\"127.0.0.1:19000\"]"],
    );
    check::<GatewayConfig>(
        r#"{"MsgServerList":"a:1"}"#,
        &["1:18: MsgServerList is the text \"a:1\"; write a list of host:port, as [\"127.0.0.1:19000\"]"],
    );
}

#[test]
fn a_value_of_the_wrong_type_is_told_with_what_to_write() {
    for (key, value, told) in [
        ("DrainSeconds", "\"5s\"", "is the text \"5s\"; write seconds from 0 to 3600"),
        ("DrainSeconds", "null", "is null; write seconds from 0 to 3600"),
        ("LogKeep", "1.5", "is 1.5; write a whole number of files from 1 to 1000"),
        ("LogKeep", "true", "is true; write a whole number of files from 1 to 1000"),
        (
            "LogKeep",
            "99999999999999999999",
            "is 99999999999999999999; write a whole number of files from 1 to 1000",
        ),
        ("MaxFrameBytes", "12", "is 12; write a whole number of bytes from 4096 to 67108864"),
        ("LogFile", "{}", "is an object; write a path"),
        ("LogFile", "\"\"", "(\"\") is no path; write a path, or leave the key out"),
        ("UUID", "\"\"", "(\"\") has 0 bytes, or a control character in it; write a text of 1 to 64 bytes"),
        (
            "AuthMode",
            "\"none\"",
            "is \"none\", which this version does not know; write \"open\" or \"accounts\"",
        ),
        ("LogFormat", "\"xml\"", "is \"xml\", which this version does not know; write \"text\" or \"json\""),
        (
            "LogLevel",
            "\"info,mesh=loud\"",
            "(\"info,mesh=loud\") has no level in \"mesh=loud\"; write off, error, warn, info, debug or trace, or \
             one with exceptions, as \"info,mesh=debug\"",
        ),
    ] {
        let column = key.len() + 5;
        let told = format!("1:{column}: {key} {told}");
        check::<RouterConfig>(&format!("{{\"{key}\":{value}}}"), &[&told]);
    }
}

#[test]
fn a_key_that_is_there_twice_is_told_with_the_first_place() {
    check::<RouterConfig>(
        "{\"UUID\":\"a\",\n \"UUID\":\"a\"}",
        &["2:2: UUID is there twice (first at 1:2); keep one of them"],
    );
}

#[test]
fn a_store_of_an_unknown_kind_and_its_unknown_keys_are_told() {
    check::<ManagerConfig>(
        r#"{"Store":{"Kind":"postgres","path":"x"}}"#,
        &[
            "1:18: Store.Kind is \"postgres\", which this version does not know; write \"embedded\"",
            "1:29: Store.path is no key; did you mean \"Path\"?",
        ],
    );
}

#[test]
fn what_is_right_alone_but_not_together_is_told() {
    check::<MsgServerConfig>(
        r#"{"Listen":"0.0.0.0:1"}"#,
        &[
            "1:11: LocalIP is not set, and Listen (0.0.0.0:1) is no address that a client can dial; set LocalIP to the \
           host:port that clients and other processes reach this msg_server by",
        ],
    );
    check::<MsgServerConfig>(
        r#"{"SessionQueueBytes":8192,"MaxFrameBytes":16384}"#,
        &[
            "1:22: SessionQueueBytes is 8192, too small for one frame of MaxFrameBytes; write 16384 or more, or lower \
           MaxFrameBytes",
        ],
    );
    check::<MonitorConfig>(
        r#"{"Listen":"127.0.0.1:30000"}"#,
        &["1:11: WebListen is 127.0.0.1:30000, which Listen has already; give the page a port of its own"],
    );
}

#[test]
fn a_conflict_with_a_value_that_is_itself_wrong_is_not_told() {
    check::<MsgServerConfig>(
        r#"{"Listen":"0.0.0.0:1","LocalIP":"a"}"#,
        &[&format!("1:33: LocalIP (\"a\") has no port; {HOST_PORT}")],
    );
}

#[test]
fn a_secret_is_never_repeated_in_a_message() {
    check::<RouterConfig>(
        r#"{"MeshSecret":"hunter2"}"#,
        &[
            "1:15: MeshSecret has 7 bytes; write a text of 16 to 1024 bytes, as `openssl rand -hex 32` makes it",
        ],
    );
    check::<RouterConfig>(
        r#"{"MeshSecret":1234567890}"#,
        &["1:15: MeshSecret is the number; write a text of 16 to 1024 bytes"],
    );
    check::<RouterConfig>(
        r#"{"MeshSecrt":"0123456789abcdef"}"#,
        &["1:2: MeshSecrt is no key; did you mean \"MeshSecret\"?"],
    );
    let config = RouterConfig::parse(r#"{"MeshSecret":"0123456789abcdef"}"#, "f").unwrap().config;
    assert!(!format!("{config:?}").contains("0123456789abcdef"));
}

#[test]
fn a_secret_file_is_its_owner_s_alone_and_the_only_source() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    let file = path.display();
    let text = format!(r#"{{"MeshSecretFile":"{file}"}}"#);
    check::<RouterConfig>(
        &text,
        &[&format!(
            "1:19: MeshSecretFile (\"{file}\") cannot be read: No such file or directory (os error 2); make it: \
             (umask 077; openssl rand -hex 32 > {file})"
        )],
    );
    std::fs::write(&path, "0123456789abcdef\n").unwrap();
    allow(&path, 0o644);
    let open = format!(
        "1:19: MeshSecretFile (\"{file}\") is open to others than its owner (mode 644); run: chmod 600 {file}"
    );
    check::<RouterConfig>(&text, &[&open]);
    allow(&path, 0o600);
    let secret = RouterConfig::parse(&text, "f").unwrap().config.links.mesh_secret.unwrap();
    assert_eq!(secret.expose(), b"0123456789abcdef");
    check::<RouterConfig>(
        &format!(r#"{{"MeshSecretFile":"{file}","MeshSecret":"0123456789abcdef"}}"#),
        &["1:19: MeshSecretFile and MeshSecret are both there; keep one of them"],
    );
}

fn allow(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_missing_file_is_named_with_what_to_do() {
    let error = RouterConfig::load(Path::new("no/such.json")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no/such.json: there is no such file\n  name another with --conf-file FILE, or write one: {} is enough to \
         begin with"
    );
    let folder = RouterConfig::load(Path::new(".")).unwrap_err().to_string();
    assert!(folder.starts_with(".: cannot be read: "), "{folder}");
}

#[test]
fn a_byte_order_mark_is_not_a_mistake() {
    check::<RouterConfig>("\u{feff}{}", &[]);
}
