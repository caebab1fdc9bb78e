//! What a config opens to others, said loudly before it happens.

use crate::config::{AuthMode, RoleConfig};

/// What whoever runs this config should know that it means.
pub(super) fn warnings<C: RoleConfig>(config: &C) -> Vec<String> {
    let each = [
        open_mode(config),
        readable_passwords(config),
        open_page(config),
        links_refused_here(config),
        links_refused_there(config),
    ];
    each.into_iter().flatten().collect()
}

fn open_mode<C: RoleConfig>(config: &C) -> Option<String> {
    let process = config.process();
    (process.auth_mode == AuthMode::Open && !process.listen.ip().is_loopback()).then(|| {
        format!(
            "AuthMode is open, and Listen ({}) reaches beyond this machine: {}. Keep the port to a network that you \
             trust, or listen on 127.0.0.1",
            process.listen,
            C::ROLE.open_means()
        )
    })
}

fn readable_passwords<C: RoleConfig>(config: &C) -> Option<String> {
    let allowed = config.accounts().is_some_and(|accounts| accounts.allow_plaintext_login);
    (allowed && config.process().auth_mode == AuthMode::Accounts).then(|| {
        "AllowPlaintextLogin is true: passwords and tokens are taken over connections without TLS, where everybody on \
         the way can read them. Set TlsCertFile and TlsKeyFile, and AllowPlaintextLogin to false"
            .to_owned()
    })
}

fn open_page<C: RoleConfig>(config: &C) -> Option<String> {
    let page = config.web_listen().filter(|address| !address.ip().is_loopback())?;
    Some(format!("WebListen ({page}) reaches beyond this machine: whoever reaches it can read the page"))
}

/// Only a msg_server is dialled.
fn links_refused_here<C: RoleConfig>(config: &C) -> Option<String> {
    let is_reached = config.dial().is_none() && !config.process().listen.ip().is_loopback();
    (is_reached && config.links().mesh_secret.is_none()).then(|| {
        "there is no MeshSecret: only processes on this machine, over loopback, may link to this msg_server. Set \
         the same MeshSecret in all processes to link machines"
            .to_owned()
    })
}

fn links_refused_there<C: RoleConfig>(config: &C) -> Option<String> {
    let servers = config.dial()?.msg_server_list.get();
    let distant = servers.iter().find(|address| !address.is_loopback())?;
    config.links().mesh_secret.is_none().then(|| {
        format!(
            "there is no MeshSecret, and MsgServerList names {distant}, which is not on loopback: it will refuse \
             this link. Set the same MeshSecret in all processes"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{MonitorConfig, MsgServerConfig, RouterConfig};

    #[track_caller]
    fn check<C: RoleConfig>(text: &str, expected: &[&str]) {
        let found = warnings(&C::parse(text, "f").unwrap().config);
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (warning, part) in found.iter().zip(expected) {
            assert!(warning.contains(part), "{warning}");
        }
    }

    #[test]
    fn a_mesh_on_loopback_is_nothing_to_warn_of() {
        check::<MsgServerConfig>("{}", &[]);
        check::<RouterConfig>(r#"{"Listen":"[::1]:0","MsgServerList":["localhost:1"]}"#, &[]);
    }

    #[test]
    fn open_mode_beyond_loopback_is_said_to_let_anyone_be_anyone() {
        let text = r#"{"Listen":"0.0.0.0:1","LocalIP":"a:1","MeshSecret":"0123456789abcdef"}"#;
        check::<MsgServerConfig>(text, &["read and send as any user"]);
    }

    #[test]
    fn passwords_that_others_can_read_are_named() {
        check::<MsgServerConfig>(
            r#"{"AuthMode":"accounts","AllowPlaintextLogin":true}"#,
            &["AllowPlaintextLogin is true"],
        );
        check::<MsgServerConfig>(r#"{"AllowPlaintextLogin":true}"#, &[]);
    }

    #[test]
    fn a_page_for_everyone_is_named() {
        check::<MonitorConfig>(r#"{"WebListen":"0.0.0.0:30000"}"#, &["can read the page"]);
    }

    #[test]
    fn links_that_will_be_refused_for_want_of_a_secret_are_named() {
        check::<MsgServerConfig>(
            r#"{"Listen":"0.0.0.0:1","LocalIP":"a:1"}"#,
            &["AuthMode is open", "may link"],
        );
        check::<RouterConfig>(r#"{"MsgServerList":["127.0.0.1:1","chat:2"]}"#, &["names chat:2"]);
    }
}
