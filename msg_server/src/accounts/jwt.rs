//! Tokens from elsewhere: JSON Web Tokens (RFC 7519), signed as RFC 7515 says. Strict: what is not understood is refused, and a
//! key is only ever used for the algorithm of its kind, whatever the token says. Nothing here looks at a clock or reads a file.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mesh::config::{JwtAlgorithm, JwtKeys, JwtMaterial};
use protocol::access::Scopes;
use protocol::ids::{DeviceId, UserId};
use protocol::lookalike::normalised;
use ring::{hmac, signature};
use serde::Deserialize;

use super::token;

/// Clocks of two sites differ by so many seconds at most.
const LEEWAY: f64 = 60.0;

/// Times beyond this are none, in seconds since 1970.
const LAST_SECOND: f64 = 1e12;

/// What a token has to be, besides well signed.
#[derive(Debug, Clone)]
pub struct Rules {
    /// How it may be signed.
    pub algorithms: Vec<JwtAlgorithm>,
    /// Who has to have issued it; `None`: whoever has the key.
    pub issuer: Option<String>,
    /// Whom it has to be meant for; `None`: a token that names somebody is not for us (RFC 7519, section 4.1.3).
    pub audience: Option<String>,
}

/// What a token says, once it is known to be good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// Who its bearer is.
    pub user: UserId,
    /// On which device alone; `None`: on any.
    pub device: Option<DeviceId>,
    /// What its bearer may do.
    pub scopes: Scopes,
    /// When it was issued, in milliseconds since 1970; 0: it does not say.
    pub issued: u64,
    /// Until when it is good, in milliseconds since 1970.
    pub expires: u64,
}

/// Why a token is not good: for the log of whoever runs the mesh, never for its bearer. Nothing of the token is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// It is longer than any that is looked at.
    #[error("it is too long")]
    TooLong,
    /// It is not three parts in base64url, with JSON objects in the first two, or a claim has the wrong type.
    #[error("it is malformed")]
    Malformed,
    /// It asks for something that has to be understood and is not.
    #[error("its header has crit, which is not supported")]
    Critical,
    /// It is signed in a way that is not allowed here.
    #[error("its alg is not one of JwtAlgorithms")]
    Algorithm,
    /// No key of ours has made the signature.
    #[error("no key of JwtKeyFile fits its signature")]
    Signature,
    /// It has no `exp`, or that has passed.
    #[error("it has expired, or says no exp")]
    Expired,
    /// Its `nbf` or `iat` is in the future.
    #[error("it is not good yet")]
    Early,
    /// Somebody else issued it.
    #[error("its iss is not JwtIssuer")]
    Issuer,
    /// It is meant for somebody else.
    #[error("its aud is not JwtAudience")]
    Audience,
    /// It names no user, or one that cannot be one.
    #[error("its sub is no user id")]
    User,
    /// It names a device that cannot be one.
    #[error("its device is no device id")]
    Device,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Body {
    sub: Option<String>,
    device: Option<String>,
    scope: Option<String>,
    iss: Option<String>,
    aud: Option<Audience>,
    exp: Option<f64>,
    nbf: Option<f64>,
    iat: Option<f64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Some(Vec<String>),
}

/// Checks a token at `now`, in milliseconds since 1970.
///
/// # Errors
/// [`JwtError`] if it is not good.
pub fn verify(text: &str, keys: &JwtKeys, rules: &Rules, now: u64) -> Result<Claims, JwtError> {
    if text.len() > token::MAX_BYTES {
        return Err(JwtError::TooLong);
    }
    let (signed, signature) = text.rsplit_once('.').ok_or(JwtError::Malformed)?;
    let (header, body) = signed.split_once('.').ok_or(JwtError::Malformed)?;
    let header: Header = json(header)?;
    if header.crit.is_some() {
        return Err(JwtError::Critical);
    }
    let algorithm = rules.algorithms.iter().find(|algorithm| algorithm.name() == header.alg);
    let algorithm = *algorithm.ok_or(JwtError::Algorithm)?;
    let signature = bytes(signature)?;
    let named = |id: &Option<String>| id.is_none() || header.kid.is_none() || *id == header.kid;
    let mut candidates = keys.iter().filter(|key| key.material.algorithm() == algorithm && named(&key.id));
    if !candidates.any(|key| has_signed(&key.material, signed.as_bytes(), &signature)) {
        return Err(JwtError::Signature);
    }
    json::<Body>(body)?.claims(rules, now as f64 / 1000.0)
}

fn bytes(part: &str) -> Result<Vec<u8>, JwtError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| JwtError::Malformed)
}

fn json<T: serde::de::DeserializeOwned>(part: &str) -> Result<T, JwtError> {
    serde_json::from_slice(&bytes(part)?).map_err(|_| JwtError::Malformed)
}

/// Whether the key has made this signature.
fn has_signed(key: &JwtMaterial, message: &[u8], signature: &[u8]) -> bool {
    let verified = match key {
        JwtMaterial::Hmac(secret) => {
            hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, secret), message, signature)
        }
        JwtMaterial::Rsa { n, e } => signature::RsaPublicKeyComponents { n, e }.verify(
            &signature::RSA_PKCS1_2048_8192_SHA256,
            message,
            signature,
        ),
        JwtMaterial::Ed25519(key) => {
            signature::UnparsedPublicKey::new(&signature::ED25519, key).verify(message, signature)
        }
    };
    verified.is_ok()
}

impl Body {
    fn claims(self, rules: &Rules, now: f64) -> Result<Claims, JwtError> {
        let expires = self.exp.filter(|exp| *exp > now && *exp < LAST_SECOND).ok_or(JwtError::Expired)?;
        if self.nbf.into_iter().chain(self.iat).any(|from| from > now + LEEWAY) {
            return Err(JwtError::Early);
        }
        if rules.issuer.is_some() && rules.issuer != self.iss {
            return Err(JwtError::Issuer);
        }
        if !self.is_meant_for(rules.audience.as_deref()) {
            return Err(JwtError::Audience);
        }
        let user = self.sub.as_deref().and_then(|sub| UserId::new(&normalised(sub)).ok());
        let device = self.device.as_deref().map(DeviceId::new).transpose();
        Ok(Claims {
            user: user.ok_or(JwtError::User)?,
            device: device.map_err(|_| JwtError::Device)?,
            scopes: self.scope.as_deref().map_or(Scopes::FOREIGN, Scopes::parse),
            issued: milliseconds(self.iat.unwrap_or(0.0)),
            expires: milliseconds(expires),
        })
    }

    fn is_meant_for(&self, us: Option<&str>) -> bool {
        match (&self.aud, us) {
            (None, us) => us.is_none(),
            (Some(_), None) => false,
            (Some(Audience::One(one)), Some(us)) => one == us,
            (Some(Audience::Some(some)), Some(us)) => some.iter().any(|one| one == us),
        }
    }
}

fn milliseconds(seconds: f64) -> u64 {
    (seconds.max(0.0) * 1000.0) as u64
}

#[cfg(test)]
mod tests;
