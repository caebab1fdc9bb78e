//! The one table of every key: checks, hints, `--help` and `docs/configuration.md` are made from it.

use super::keys::{Fallback, Fate, Key, Kind, Roles, TimeUnit};
use super::role::Role;
use super::secret::SECRET_MIN_BYTES;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const DAY_MS: u64 = 86_400_000;

const MSG_SERVER: Roles = Roles::of(&[Role::MsgServer]);
const MANAGER: Roles = Roles::of(&[Role::Manager]);
const MONITOR: Roles = Roles::of(&[Role::Monitor]);

/// The keys of the files, in the order in which the documentation shows them.
pub static TABLE: &[Key] = &[
    // Every process.
    Key {
        fallback: Fallback::OfRole(default_listen, "`\"127.0.0.1:\"` and the role's port"),
        ..key(
            "Listen",
            Kind::Listen,
            "",
            Roles::ALL,
            "Where the process listens, as ip:port; port 0 takes a free one, which its first line on stdout names.",
        )
    },
    key(
        "AuthMode",
        Kind::Choice(&["open", "accounts"]),
        "\"open\"",
        Roles::ALL,
        "Who may log in: in mode open, a client is whom it says it is; in mode accounts, it proves that by a password or a token. The same in all processes of a mesh.",
    ),
    Key {
        fallback: Fallback::Nothing("the log goes to stderr"),
        ..key(
            "LogFile",
            Kind::Path,
            "",
            Roles::ALL,
            "Where the log goes; several processes may share one file.",
        )
    },
    Key {
        fate: Fate::Reloaded,
        ..key(
            "LogLevel",
            Kind::LogLevel,
            "\"info\"",
            Roles::ALL,
            "What is logged: a level for everything, with exceptions for single modules, as \"info,mesh::link=debug\".",
        )
    },
    key(
        "LogFormat",
        Kind::Choice(&["text", "json"]),
        "\"text\"",
        Roles::ALL,
        "How a log line looks: text for people, or one JSON object a line.",
    ),
    key(
        "LogRotateBytes",
        whole("bytes", 64 * KIB, 64 * GIB),
        "67108864",
        Roles::ALL,
        "At which size LogFile is rotated; a file that several processes share is never rotated.",
    ),
    key("LogKeep", whole("files", 1, 1000), "5", Roles::ALL, "How many rotated log files are kept."),
    key(
        "DrainSeconds",
        seconds(0, 3_600_000),
        "10",
        Roles::ALL,
        "How long a process that was told to end may take to flush and to send its clients elsewhere.",
    ),
    key(
        "LoginTimeout",
        seconds(50, 600_000),
        "5",
        Roles::ALL,
        "How long a new connection may stay without saying who it is.",
    ),
    key(
        "MaxFrameBytes",
        whole("bytes", 4 * KIB, 64 * MIB),
        "1048576",
        Roles::ALL,
        "The largest frame that is taken from a client.",
    ),
    key(
        "MaxConnections",
        whole("connections", 0, 100_000_000),
        "0",
        Roles::ALL,
        "The most connections in all; 0 takes what the limit of open files leaves.",
    ),
    key(
        "MaxConnectionsPerAddress",
        whole("connections", 0, 100_000_000),
        "20000",
        Roles::ALL,
        "The most connections from one IPv4 address, or from one IPv6 network of 64 bits; 0 sets no limit.",
    ),
    // TLS.
    Key {
        fate: Fate::Reloaded,
        fallback: Fallback::Nothing("ports speak plainly, and close whoever speaks TLS"),
        ..key(
            "TlsCertFile",
            Kind::Path,
            "",
            Roles::ALL,
            "The certificate that the ports of this process show, as PEM, with its chain after it; whoever speaks TLS and whoever does not is served on the same port. A file that changes is read again.",
        )
    },
    Key {
        fate: Fate::Reloaded,
        fallback: Fallback::Nothing("see TlsCertFile"),
        ..key(
            "TlsKeyFile",
            Kind::Path,
            "",
            Roles::ALL,
            "The key of that certificate, as PEM, in a file which only its owner may read (mode 0600).",
        )
    },
    Key {
        fate: Fate::Reloaded,
        fallback: Fallback::Nothing("links are plain"),
        ..key(
            "TlsCaFile",
            Kind::Path,
            "",
            Roles::DIALLERS,
            "The certificates that are believed, as PEM. With them links speak TLS, and the certificate of a msg_server must be signed by one of them and be valid for its host in MsgServerList. A file that changes is read again.",
        )
    },
    // Links.
    Key {
        fallback: Fallback::Nothing("only processes on this machine, over loopback, may link"),
        ..key(
            "MeshSecret",
            Kind::Secret { min: SECRET_MIN_BYTES },
            "",
            Roles::ALL,
            "What every process of a mesh knows and proves before it may link; the same in all of them.",
        )
    },
    Key {
        fallback: Fallback::Nothing("see MeshSecret"),
        ..key(
            "MeshSecretFile",
            Kind::SecretFile,
            "",
            Roles::ALL,
            "A file with the MeshSecret in it, which only its owner may read (mode 0600); instead of MeshSecret.",
        )
    },
    key(
        "LinkQueueBytes",
        whole("bytes", MIB, 16 * GIB),
        "67108864",
        Roles::ALL,
        "The most bytes that wait for one link; a link whose queue overflows is closed, and catches up.",
    ),
    Key {
        fallback: Fallback::OfRole(default_uuid, "the role's port"),
        ..key(
            "UUID",
            Kind::Text { min: 1, max: 64 },
            "",
            Roles::DIALLERS,
            "The name by which the msg_servers know this process; no two processes of one role may share it, and a manager keeps its own for ever.",
        )
    },
    Key {
        fate: Fate::Reloaded,
        ..key(
            "MsgServerList",
            Kind::Addresses,
            "[\"127.0.0.1:19000\"]",
            Roles::DIALLERS,
            "The msg_servers to link to, by their LocalIP.",
        )
    },
    key(
        "BeatTime",
        seconds(50, 3_600_000),
        "5",
        Roles::DIALLERS,
        "How often the process reports its figures.",
    ),
    // msg_server.
    Key {
        fallback: Fallback::Nothing("the address of Listen"),
        ..key(
            "LocalIP",
            Kind::OwnAddress,
            "",
            MSG_SERVER,
            "The host:port by which clients and other processes reach this msg_server; port 0 stands for the one it was given.",
        )
    },
    key(
        "ScanDeadSessionTimeout",
        seconds(50, 86_400_000),
        "50",
        MSG_SERVER,
        "How often sessions are looked through for those that went silent.",
    ),
    key(
        "Expire",
        seconds(100, 604_800_000),
        "100",
        MSG_SERVER,
        "How long a session may be silent before it is ended.",
    ),
    key(
        "MonitorBeatTime",
        seconds(50, 3_600_000),
        "5",
        MSG_SERVER,
        "How often the msg_server publishes its figures; the gateway passes over one that is silent for three beats.",
    ),
    key(
        "AppendTimeout",
        seconds(50, 600_000),
        "10",
        MSG_SERVER,
        "How long an unanswered append waits before its client hears that it may have been stored.",
    ),
    key(
        "OldClientHold",
        seconds(0, 600_000),
        "10",
        Roles::of(&[Role::Gateway, Role::MsgServer]),
        "How long an old client, which cannot be told of an error, is held while it cannot be answered: by a gateway without a live msg_server, by a msg_server without a manager or for a topic that does not exist yet.",
    ),
    key(
        "SessionQueueBytes",
        whole("bytes", 4 * KIB, GIB),
        "1048576",
        MSG_SERVER,
        "The most bytes that wait for one session: what is durable and does not fit is read from its log when there is room again; what is volatile and does not fit ends the session.",
    ),
    key(
        "ReaderTimeout",
        seconds(50, 86_400_000),
        "10",
        MSG_SERVER,
        "How long a session may take nothing of what waits for it before it is ended; it resumes.",
    ),
    key(
        "UnansweredBytes",
        whole("bytes", 4 * KIB, GIB),
        "1048576",
        MSG_SERVER,
        "The most bytes of unanswered appends that are kept for one connection before it is read no further.",
    ),
    key(
        "UnfinishedBytes",
        whole("bytes", MIB, 64 * GIB),
        "268435456",
        MSG_SERVER,
        "The most bytes, over all clients, of frames that have begun and not ended, beyond 4 KiB of each; a client whose frame would need more is disconnected. One largest frame always fits.",
    ),
    key(
        "AskInterval",
        seconds(50, 86_400_000),
        "60",
        MSG_SERVER,
        "How often, for each followed log, its owner is asked for what may have been missed.",
    ),
    key(
        "HoleWait",
        milliseconds(0, 10_000),
        "50",
        MSG_SERVER,
        "How long a message that arrived early waits for those before it.",
    ),
    // Accounts.
    key(
        "Registration",
        Kind::Choice(&["open", "closed"]),
        "\"open\"",
        MSG_SERVER,
        "Who may make an account: whoever comes, or the operator alone. In mode accounts, as all keys from here to JwtAudience.",
    ),
    key(
        "RegistrationsPerHour",
        whole("accounts", 0, 1_000_000),
        "1000",
        MSG_SERVER,
        "How many accounts may be made through this msg_server within an hour; 0 sets no limit.",
    ),
    key(
        "RegistrationsPerHourPerAddress",
        whole("accounts", 0, 1_000_000),
        "20",
        MSG_SERVER,
        "How many of them from one IP address (of IPv6: from one /64); 0 sets no limit.",
    ),
    key(
        "TokenDays",
        whole("days", 1, 3650),
        "30",
        MSG_SERVER,
        "For how many days a device may log in by the token that it was given, before a newer one has to be asked for.",
    ),
    key(
        "AllowPlaintextLogin",
        Kind::Truth,
        "false",
        MSG_SERVER,
        "Whether passwords and tokens are taken over connections without TLS from other machines: everybody on the way can read them then.",
    ),
    key(
        "PasswordThreads",
        whole("threads", 1, 64),
        "1",
        MSG_SERVER,
        "How many threads check passwords, beside those that messages run on; each takes 19 MiB while it works.",
    ),
    Key {
        fallback: Fallback::Nothing("tokens from elsewhere are not taken"),
        ..key(
            "JwtKeyFile",
            Kind::Path,
            "",
            MSG_SERVER,
            "What tokens from elsewhere (JWT) are checked with: public keys as PEM or JWKS, or a secret of 32 bytes or more in a file that only its owner may read (mode 0600). It is read again when it changes.",
        )
    },
    key(
        "JwtAlgorithms",
        Kind::Choices(&["HS256", "RS256", "EdDSA"]),
        "[\"HS256\", \"RS256\", \"EdDSA\"]",
        MSG_SERVER,
        "How such tokens may be signed. A key is only ever used for the algorithm of its kind.",
    ),
    Key {
        fallback: Fallback::Nothing("the key alone decides"),
        ..key(
            "JwtIssuer",
            Kind::Text { min: 1, max: 1024 },
            "",
            MSG_SERVER,
            "The `iss` that such a token has to have.",
        )
    },
    Key {
        fallback: Fallback::Nothing("a token that has an `aud` is refused"),
        ..key(
            "JwtAudience",
            Kind::Text { min: 1, max: 1024 },
            "",
            MSG_SERVER,
            "The `aud` that such a token has to name.",
        )
    },
    // manager.
    key("Store", Kind::Object(STORE), "{}", MANAGER, "Where the logs are kept."),
    key(
        "RetentionDays",
        days(0, 36_500),
        "0",
        MANAGER,
        "After how many days an entry loses its body; 0 keeps all for ever.",
    ),
    key(
        "DedupeDays",
        days(0, 36_500),
        "0",
        MANAGER,
        "For how many days a message whose body retention took is still known as sent already; 0 is for ever.",
    ),
    key(
        "MaxTopicsPerUser",
        whole("topics", 1, 1_000_000),
        "10000",
        MANAGER,
        "The most topics that one user may be a member of; what is asked at once may be a few more.",
    ),
    // monitor.
    key(
        "WebListen",
        Kind::Listen,
        "\"127.0.0.1:30000\"",
        MONITOR,
        "Where the web page is served, as ip:port; port 0 takes a free one.",
    ),
    // What only files in the field have.
    old(
        "TransportProtocols",
        Kind::Text { min: 0, max: 64 },
        "a port tells what a connection speaks by its first bytes",
    ),
    old("MsgServerNum", whole("msg_servers", 0, 100_000_000), "the length of MsgServerList says it"),
    old("SessionManagerServerList", Kind::Texts, "managers dial the msg_servers, not the other way round"),
    old("Redis", Kind::Object(REDIS), "the embedded store needs no Redis"),
    old("Mongo", Kind::Object(MONGO), "the embedded store needs no MongoDB"),
];

/// The keys of `Store`.
static STORE: &[Key] = &[
    key(
        "Kind",
        Kind::Choice(&["embedded"]),
        "\"embedded\"",
        MANAGER,
        "What keeps the logs: embedded keeps them in files of the manager's own.",
    ),
    key("Path", Kind::Path, "\"data/store\"", MANAGER, "The folder of those files."),
    key(
        "SegmentBytes",
        whole("bytes", MIB, 4 * GIB),
        "67108864",
        MANAGER,
        "The size of one preallocated file of the commit log. One message may take an eighth of it, and 8 MiB at most, whatever MaxFrameBytes says.",
    ),
];

static REDIS: &[Key] = &[
    part("Addr", Kind::Text { min: 0, max: 253 }),
    part("Port", Kind::Port { usual: 6379 }),
    part("ConnectTimeout", milliseconds(0, DAY_MS)),
    part("ReadTimeout", milliseconds(0, DAY_MS)),
    part("WriteTimeout", milliseconds(0, DAY_MS)),
];

static MONGO: &[Key] = &[
    part("Addr", Kind::Text { min: 0, max: 253 }),
    part("Port", Kind::Port { usual: 27017 }),
    part("User", Kind::Text { min: 0, max: 1024 }),
    part("Password", Kind::Secret { min: 0 }),
];

const fn key(name: &'static str, kind: Kind, json: &'static str, roles: Roles, meaning: &'static str) -> Key {
    Key { name, kind, fallback: Fallback::Json(json), roles, meaning, fate: Fate::AtStart }
}

const fn old(name: &'static str, kind: Kind, why: &'static str) -> Key {
    Key { fate: Fate::Ignored(why), ..part(name, kind) }
}

/// A key within an object that is ignored as a whole.
const fn part(name: &'static str, kind: Kind) -> Key {
    Key { name, kind, fallback: Fallback::Nothing(""), roles: Roles::ALL, meaning: "", fate: Fate::AtStart }
}

const fn whole(unit: &'static str, min: u64, max: u64) -> Kind {
    Kind::Whole { unit, min, max }
}

/// Bounds in milliseconds: the file may write part of a second as `0.5`.
const fn seconds(min_ms: u64, max_ms: u64) -> Kind {
    Kind::Time { unit: TimeUnit::Seconds, min_ms, max_ms }
}

/// Bounds in days: the file may write part of one as `0.5`.
const fn days(min: u64, max: u64) -> Kind {
    let unit = TimeUnit::Days;
    Kind::Time { unit, min_ms: min * unit.milliseconds(), max_ms: max * unit.milliseconds() }
}

const fn milliseconds(min_ms: u64, max_ms: u64) -> Kind {
    Kind::Time { unit: TimeUnit::Milliseconds, min_ms, max_ms }
}

fn default_listen(role: Role) -> String {
    format!("127.0.0.1:{}", role.port())
}

fn default_uuid(role: Role) -> String {
    role.port().to_string()
}

/// The top-level keys that `role` has.
pub fn keys_of(role: Role) -> impl Iterator<Item = &'static Key> {
    TABLE.iter().filter(move |key| key.roles.has(role))
}
