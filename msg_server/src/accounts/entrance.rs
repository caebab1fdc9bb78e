//! What a client shows when it comes in.

use protocol::account::{self, Hidden, Keys, PASSWORD_MAX_BYTES, PASSWORD_MIN_BYTES};
use protocol::code::ErrorCode;
use protocol::command::{Packet, name};
use protocol::ids::{DeviceId, UserId};
use protocol::lookalike::normalised;

use super::refused::Refused;
use super::token;
use crate::client::login::device;

/// A login or a registration, read and checked as far as that needs nobody else.
#[derive(Debug)]
pub(crate) struct Entrance {
    /// Who comes; `None`: a token says it.
    pub user: Option<UserId>,
    /// On which device.
    pub device: DeviceId,
    /// Whether the client has named it.
    pub named_device: bool,
    /// What is to prove it.
    pub evidence: Evidence,
}

/// What is to prove who comes.
#[derive(Debug, Clone)]
pub(crate) enum Evidence {
    /// A password.
    Password(Hidden<'static>),
    /// A token of this mesh.
    Token(Hidden<'static>),
    /// A token from elsewhere.
    Foreign(Hidden<'static>),
    /// Nothing: an account is to be made, with this password and display name.
    Nothing(Hidden<'static>, String),
}

impl Entrance {
    /// Reads what came.
    ///
    /// # Errors
    /// What is missing or malformed.
    pub fn read(packet: &Packet<'_>, keys: &Keys<'_>) -> Result<Self, Refused> {
        let evidence = if &*packet.cmd_name == name::REGISTER { registration(keys)? } else { proof(keys)? };
        let bad = |why: String| Refused::saying(ErrorCode::BadRequest, why);
        let named = packet.args.get(0).filter(|name| !name.is_empty());
        let user = named.map(|name| UserId::new(&normalised(name)).map_err(|error| bad(error.to_string())));
        let user = user.transpose()?;
        if user.is_none() && !matches!(evidence, Evidence::Foreign(_)) {
            return Err(bad("a user id is missing".into()));
        }
        let named_device = packet.device.is_some();
        Ok(Self { user, device: device(packet).map_err(bad)?, named_device, evidence })
    }
}

fn proof(keys: &Keys<'_>) -> Result<Evidence, Refused> {
    let bad = |why| Err(Refused::saying(ErrorCode::BadRequest, why));
    match (&keys.password, &keys.token) {
        (Some(_), Some(_)) => bad("Password and Token are both there: give one"),
        (Some(password), None) if password.expose().len() > PASSWORD_MAX_BYTES => bad("Password is too long"),
        (Some(password), None) => Ok(Evidence::Password(owned(password))),
        (None, Some(token)) if token.expose().len() > token::MAX_BYTES => bad("Token is too long"),
        (None, Some(token)) if token::is_foreign(token.expose()) => Ok(Evidence::Foreign(owned(token))),
        (None, Some(token)) => Ok(Evidence::Token(owned(token))),
        (None, None) => Err(Refused::saying(
            ErrorCode::LoginRefused,
            "this mesh has accounts: log in with Password or Token",
        )),
    }
}

fn registration(keys: &Keys<'_>) -> Result<Evidence, Refused> {
    let password = new_password(keys.password.as_ref(), "Password")?;
    let display = keys.display.as_deref().unwrap_or_default();
    account::check_display(display).map_err(|why| Refused::saying(ErrorCode::BadRequest, why.to_string()))?;
    Ok(Evidence::Nothing(password, display.to_owned()))
}

/// A password that is to be an account's.
///
/// # Errors
/// Where it is missing, too short or too long.
pub(crate) fn new_password(password: Option<&Hidden<'_>>, key: &str) -> Result<Hidden<'static>, Refused> {
    match password {
        Some(password) if (PASSWORD_MIN_BYTES..=PASSWORD_MAX_BYTES).contains(&password.expose().len()) => {
            Ok(owned(password))
        }
        _ => Err(Refused::saying(
            ErrorCode::BadRequest,
            format!("{key} has to have {PASSWORD_MIN_BYTES} to {PASSWORD_MAX_BYTES} bytes"),
        )),
    }
}

/// Out of the frame, whose buffer is used again.
pub(crate) fn owned(secret: &Hidden<'_>) -> Hidden<'static> {
    secret.expose().to_owned().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<Entrance, Refused> {
        Entrance::read(&Packet::parse(body.as_bytes()).unwrap(), &Keys::parse(body.as_bytes()).unwrap())
    }

    #[test]
    fn what_proves_who_comes_is_told_apart() {
        let entrance =
            read(r#"{"CmdName":"SEND_CLIENT_ID","Args":["ａmy"],"Password":"x","Device":"phone"}"#).unwrap();
        assert_eq!((entrance.user.unwrap().as_str(), entrance.device.as_str()), ("amy", "phone"));
        assert!(matches!(entrance.evidence, Evidence::Password(_)));
        let token =
            |text: &str| read(&format!(r#"{{"CmdName":"SEND_CLIENT_ID","Args":["amy"],"Token":"{text}"}}"#));
        assert!(matches!(token("shoal_x").unwrap().evidence, Evidence::Token(_)));
        assert!(matches!(token("a.b.c").unwrap().evidence, Evidence::Foreign(_)));
        let nobody = read(r#"{"CmdName":"SEND_CLIENT_ID","Args":[""],"Token":"a.b.c"}"#).unwrap();
        assert_eq!((nobody.user, nobody.device.as_str(), nobody.named_device), (None, "default", false));
        let made =
            read(r#"{"CmdName":"REGISTER","Args":["amy"],"Password":"12345678","Display":"Amy"}"#).unwrap();
        assert!(matches!(made.evidence, Evidence::Nothing(_, display) if display == "Amy"));
    }

    #[test]
    fn what_is_missing_or_malformed_is_refused_without_a_word_of_a_secret() {
        let long = "s3cret".repeat(2000);
        for (body, code) in [
            (r#"{"CmdName":"SEND_CLIENT_ID","Args":["amy"]}"#.to_owned(), ErrorCode::LoginRefused),
            (
                r#"{"CmdName":"SEND_CLIENT_ID","Args":["amy"],"Password":"s3cret","Token":"s3cret"}"#.into(),
                ErrorCode::BadRequest,
            ),
            (r#"{"CmdName":"SEND_CLIENT_ID","Args":[],"Password":"s3cret"}"#.into(), ErrorCode::BadRequest),
            (
                r#"{"CmdName":"SEND_CLIENT_ID","Args":["a b"],"Password":"s3cret"}"#.into(),
                ErrorCode::BadRequest,
            ),
            (
                r#"{"CmdName":"SEND_CLIENT_ID","Args":["amy"],"Password":"s3cret","Device":"a b"}"#.into(),
                ErrorCode::BadRequest,
            ),
            (
                format!(r#"{{"CmdName":"SEND_CLIENT_ID","Args":["amy"],"Password":"{long}"}}"#),
                ErrorCode::BadRequest,
            ),
            (
                format!(r#"{{"CmdName":"SEND_CLIENT_ID","Args":["amy"],"Token":"{long}"}}"#),
                ErrorCode::BadRequest,
            ),
            (r#"{"CmdName":"REGISTER","Args":["amy"],"Password":"s3cret"}"#.into(), ErrorCode::BadRequest),
            (r#"{"CmdName":"REGISTER","Args":["amy"]}"#.into(), ErrorCode::BadRequest),
            (
                format!(
                    r#"{{"CmdName":"REGISTER","Args":["amy"],"Password":"s3cret s3cret","Display":"{}"}}"#,
                    "x".repeat(129)
                ),
                ErrorCode::BadRequest,
            ),
        ] {
            let refused = read(&body).unwrap_err();
            assert_eq!(refused.code, code, "{body:.80}");
            assert!(!format!("{refused:?}").contains("s3cret"), "{refused:?}");
        }
    }
}
