//! What tokens from elsewhere are checked with: public keys as PEM (RFC 7468) or JWKS (RFC 7517), or a shared secret.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Deserialize;
use thiserror::Error;

/// The largest key file, in bytes.
const MAX_FILE_BYTES: u64 = 256 * 1024;
/// The most keys of one file.
const MAX_KEYS: usize = 64;
/// The shortest and longest shared secret, in bytes: shorter ones are guessed (RFC 7518, section 3.2).
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 32..=1024;
/// The sizes of RSA keys that are taken, in bits.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;
/// The greatest RSA exponent that is taken.
const RSA_MAX_EXPONENT: u64 = (1 << 33) - 1;
/// The permission bits that let others than the owner at a file.
const OTHERS: u32 = 0o077;

/// How a token from elsewhere is signed (RFC 7518, RFC 8037).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
pub enum JwtAlgorithm {
    /// HMAC with SHA-256, by a secret that both sides have.
    #[serde(rename = "HS256")]
    Hs256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

/// One key. Its kind decides which algorithm it is for, whatever a token says.
#[derive(Clone, PartialEq, Eq)]
pub enum JwtMaterial {
    /// A shared secret.
    Hmac(Vec<u8>),
    /// Modulus and exponent, big-endian, without leading zeros.
    Rsa {
        /// The modulus.
        n: Vec<u8>,
        /// The exponent.
        e: Vec<u8>,
    },
    /// A public key of Ed25519.
    Ed25519([u8; 32]),
}

/// A key, and the name by which tokens call it, if it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwtKey {
    /// The `kid`.
    pub id: Option<String>,
    /// The key itself.
    pub material: JwtMaterial,
}

/// The keys of one file: at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwtKeys(Vec<JwtKey>);

/// Why a file has no keys for us. Nothing of the file is in it.
#[derive(Debug, Error)]
pub enum JwtKeysError {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    /// It is too large.
    #[error("has more than {MAX_FILE_BYTES} bytes")]
    TooLarge,
    /// It holds a secret, and others than its owner may read or write it.
    #[error("holds a secret and is open to others than its owner (mode {mode:03o})")]
    OpenToOthers {
        /// The file's permission bits.
        mode: u32,
    },
    /// It begins as PEM or JSON and goes on otherwise, or is a secret of a wrong length.
    #[error("{0}")]
    Malformed(&'static str),
}

use JwtKeysError::Malformed;

impl JwtAlgorithm {
    /// Its name in a token's header.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
            Self::EdDsa => "EdDSA",
        }
    }
}

impl JwtMaterial {
    /// What it is for.
    pub fn algorithm(&self) -> JwtAlgorithm {
        match self {
            Self::Hmac(_) => JwtAlgorithm::Hs256,
            Self::Rsa { .. } => JwtAlgorithm::Rs256,
            Self::Ed25519(_) => JwtAlgorithm::EdDsa,
        }
    }
}

impl fmt::Debug for JwtMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(a key for {})", self.algorithm().name())
    }
}

impl JwtKeys {
    /// Reads a file.
    ///
    /// # Errors
    /// Where it cannot be read, is open to others although it holds a secret, or has no key that is taken.
    pub fn read(path: &Path) -> Result<Self, JwtKeysError> {
        let file = File::open(path)?;
        let mode = file.metadata()?.permissions().mode() & 0o777;
        let mut bytes = Vec::new();
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(JwtKeysError::TooLarge);
        }
        let keys = Self::parse(&bytes)?;
        let secret = keys.algorithms().any(|algorithm| algorithm == JwtAlgorithm::Hs256);
        if secret && mode & OTHERS != 0 { Err(JwtKeysError::OpenToOthers { mode }) } else { Ok(keys) }
    }

    /// Takes what a file holds: PEM if it begins so, a JWKS or one JWK if it begins with `{`, else a secret.
    ///
    /// # Errors
    /// [`JwtKeysError::Malformed`] says what is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, JwtKeysError> {
        let keys = match bytes.trim_ascii() {
            text if text.starts_with(b"-----BEGIN") => pem(text)?,
            text if text.starts_with(b"{") => jwks(text)?,
            _ => vec![JwtKey { id: None, material: hmac(bytes.trim_ascii_end())? }],
        };
        match keys.len() {
            1..=MAX_KEYS => Ok(Self(keys)),
            0 => Err(Malformed("has no key for HS256, RS256 or EdDSA")),
            _ => Err(Malformed("has more than 64 keys")),
        }
    }

    /// The keys.
    pub fn iter(&self) -> impl Iterator<Item = &JwtKey> {
        self.0.iter()
    }

    /// What they are for.
    pub fn algorithms(&self) -> impl Iterator<Item = JwtAlgorithm> {
        self.0.iter().map(|key| key.material.algorithm())
    }
}

fn hmac(secret: &[u8]) -> Result<JwtMaterial, JwtKeysError> {
    if SECRET_BYTES.contains(&secret.len()) {
        Ok(JwtMaterial::Hmac(secret.to_vec()))
    } else {
        Err(Malformed("holds a secret that has not 32 to 1024 bytes"))
    }
}

fn rsa(n: &[u8], e: &[u8]) -> Result<JwtMaterial, JwtKeysError> {
    let (n, e) = (without_zeros(n), without_zeros(e));
    let bits = n.first().map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
    let exponent = e.iter().take(9).fold(0_u64, |value, byte| value.saturating_mul(256) + u64::from(*byte));
    if !RSA_BITS.contains(&bits) {
        return Err(Malformed("has an RSA key that has not 2048 to 8192 bits"));
    }
    if !(3..=RSA_MAX_EXPONENT).contains(&exponent) || exponent % 2 == 0 {
        return Err(Malformed("has an RSA key with an exponent that is not taken"));
    }
    Ok(JwtMaterial::Rsa { n: n.to_vec(), e: e.to_vec() })
}

fn without_zeros(number: &[u8]) -> &[u8] {
    &number[number.iter().take_while(|byte| **byte == 0).count()..]
}

fn ed25519(key: &[u8]) -> Result<JwtMaterial, JwtKeysError> {
    key.try_into()
        .map(JwtMaterial::Ed25519)
        .map_err(|_| Malformed("has an Ed25519 key that has not 32 bytes"))
}

/// Every block of a PEM file.
fn pem(text: &[u8]) -> Result<Vec<JwtKey>, JwtKeysError> {
    let text = std::str::from_utf8(text).map_err(|_| Malformed("is PEM with bytes that are no text"))?;
    let mut keys = Vec::new();
    for block in text.split("-----BEGIN ").skip(1) {
        let (label, rest) = block.split_once("-----").ok_or(Malformed("is PEM with a line that is cut"))?;
        let (body, _) = rest.split_once("-----END ").ok_or(Malformed("is PEM without its end"))?;
        let digits: String = body.split_ascii_whitespace().collect();
        let der = STANDARD.decode(digits).map_err(|_| Malformed("is PEM that is no base64"))?;
        let material = match label {
            "PUBLIC KEY" => public_key(&der),
            "RSA PUBLIC KEY" => rsa_public_key(&der),
            "CERTIFICATE" => return Err(Malformed("holds a certificate: give the public key alone")),
            _ => return Err(Malformed("is PEM that holds no public key: give the public key alone")),
        };
        keys.push(JwtKey { id: None, material: material? });
    }
    Ok(keys)
}

const OID_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const OID_ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// A `SubjectPublicKeyInfo` (RFC 5280, section 4.1.2.7).
fn public_key(der: &[u8]) -> Result<JwtMaterial, JwtKeysError> {
    let parts = || {
        let mut whole = element(&mut &der[..], 0x30)?;
        let mut algorithm = element(&mut whole, 0x30)?;
        let bits = element(&mut whole, 0x03)?;
        Some((element(&mut algorithm, 0x06)?, bits.strip_prefix(&[0])?))
    };
    match parts() {
        Some((OID_RSA, key)) => rsa_public_key(key),
        Some((OID_ED25519, key)) => ed25519(key),
        Some(_) => Err(Malformed("has a public key that is neither RSA nor Ed25519")),
        None => Err(Malformed("has a public key that cannot be read")),
    }
}

/// An `RSAPublicKey` (RFC 8017, appendix A.1.1).
fn rsa_public_key(der: &[u8]) -> Result<JwtMaterial, JwtKeysError> {
    let parts = || {
        let mut whole = element(&mut &der[..], 0x30)?;
        Some((element(&mut whole, 0x02)?, element(&mut whole, 0x02)?))
    };
    let (n, e) = parts().ok_or(Malformed("has an RSA key that cannot be read"))?;
    rsa(n, e)
}

/// The content of the next DER element (X.690, section 8.1), which has to have this tag.
fn element<'d>(input: &mut &'d [u8], tag: u8) -> Option<&'d [u8]> {
    let (found, rest) = input.split_first()?;
    let (first, mut rest) = rest.split_first()?;
    let mut length = usize::from(*first);
    if length >= 0x80 {
        let digits = rest.split_off(..length - 0x80).filter(|digits| (1..=3).contains(&digits.len()))?;
        length = digits.iter().fold(0, |value, digit| value << 8 | usize::from(*digit));
    }
    let content = rest.split_off(..length)?;
    *input = rest;
    (*found == tag).then_some(content)
}

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<Jwk>,
}

/// What is read of a JWK; the rest is ignored.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    k: Option<String>,
}

/// The keys of a JWKS, or one JWK. Those that are for something else are passed over (RFC 7517, section 5).
fn jwks(text: &[u8]) -> Result<Vec<JwtKey>, JwtKeysError> {
    let keys = match serde_json::from_slice::<Jwks>(text) {
        Ok(set) => set.keys,
        Err(_) => vec![serde_json::from_slice(text).map_err(|_| Malformed("is neither a JWKS nor a JWK"))?],
    };
    keys.into_iter().filter(Jwk::is_for_signatures).filter_map(Jwk::key).collect()
}

impl Jwk {
    fn is_for_signatures(&self) -> bool {
        self.purpose.as_deref().is_none_or(|purpose| purpose == "sig")
    }

    /// `None` if it is of a kind that we do not take.
    fn key(self) -> Option<Result<JwtKey, JwtKeysError>> {
        let part = |part: &Option<String>| {
            let digits = part.as_deref().ok_or(Malformed("has a JWK that lacks a part"))?;
            URL_SAFE_NO_PAD
                .decode(digits)
                .map_err(|_| Malformed("has a JWK with a part that is no base64url"))
        };
        let (material, algorithm) = match (&*self.kty, self.crv.as_deref()) {
            ("RSA", _) => (part(&self.n).and_then(|n| rsa(&n, &part(&self.e)?)), JwtAlgorithm::Rs256),
            ("OKP", Some("Ed25519")) => (part(&self.x).and_then(|x| ed25519(&x)), JwtAlgorithm::EdDsa),
            ("oct", _) => (part(&self.k).and_then(|k| hmac(&k)), JwtAlgorithm::Hs256),
            _ => return None,
        };
        if self.alg.as_deref().is_some_and(|named| named != algorithm.name()) {
            return None;
        }
        Some(material.map(|material| JwtKey { id: self.kid, material }))
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{Permissions, set_permissions, write};

    use super::*;

    /// The key of RFC 8410, section 10.1.
    const ED25519_PEM: &str = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";

    /// The keys of RFC 7515, appendices A.1 and A.2, and of RFC 8037, appendix A.2; one of another kind between them.
    const JWKS: &str = r#"{"keys":[
        {"kty":"oct","kid":"a1","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"},
        {"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},
        {"kty":"RSA","use":"enc","n":"AQAB","e":"AQAB"},
        {"kty":"RSA","alg":"RS256","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"},
        {"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

    fn why(bytes: &[u8]) -> String {
        JwtKeys::parse(bytes).unwrap_err().to_string()
    }

    #[test]
    fn the_keys_of_a_set_are_taken_and_those_for_something_else_passed_over() {
        let keys = JwtKeys::parse(JWKS.as_bytes()).unwrap();
        let algorithms: Vec<_> = keys.algorithms().collect();
        assert_eq!(algorithms, [JwtAlgorithm::Hs256, JwtAlgorithm::Rs256, JwtAlgorithm::EdDsa]);
        assert_eq!(keys.iter().next().unwrap().id.as_deref(), Some("a1"));
        assert!(!format!("{keys:?}").contains("3, 35, 53"), "a secret is shown");
    }

    #[test]
    fn public_keys_are_read_from_pem() {
        let keys = JwtKeys::parse(ED25519_PEM.as_bytes()).unwrap();
        let JwtMaterial::Ed25519(key) = &keys.0[0].material else { panic!("{keys:?}") };
        assert_eq!(key[..4], [0x19, 0xbf, 0x44, 0x09]);
        let JwtMaterial::Rsa { n, e } = &JwtKeys::parse(JWKS.as_bytes()).unwrap().0[1].material else {
            panic!()
        };
        let twice =
            [pem_of("RSA PUBLIC KEY", &pkcs1(n, e)), pem_of("PUBLIC KEY", &spki(&pkcs1(n, e)))].concat();
        let keys = JwtKeys::parse(twice.as_bytes()).unwrap();
        assert!(keys.iter().all(|key| key.material == JwtMaterial::Rsa { n: n.clone(), e: e.clone() }));
        assert_eq!(keys.0.len(), 2);
    }

    fn der(tag: u8, content: &[u8]) -> Vec<u8> {
        [&[tag, 0x82, (content.len() >> 8) as u8, content.len() as u8], content].concat()
    }

    fn pkcs1(n: &[u8], e: &[u8]) -> Vec<u8> {
        der(0x30, &[der(0x02, &[&[0], n].concat()), der(0x02, e)].concat())
    }

    fn spki(key: &[u8]) -> Vec<u8> {
        let algorithm = der(0x30, &[der(0x06, OID_RSA), vec![5, 0]].concat());
        der(0x30, &[algorithm, der(0x03, &[&[0], key].concat())].concat())
    }

    fn pem_of(label: &str, der: &[u8]) -> String {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
    }

    #[test]
    fn what_is_no_key_is_told_without_a_word_of_it() {
        assert!(why(b"short secret").contains("32 to 1024 bytes"));
        assert!(why(b"{\"kty\":").contains("neither a JWKS nor a JWK"));
        assert!(why(br#"{"keys":[]}"#).contains("no key"));
        assert!(why(br#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#).contains("2048"));
        assert!(why(br#"{"kty":"OKP","crv":"Ed25519","x":"AQAB"}"#).contains("32 bytes"));
        assert!(why(pem_of("PRIVATE KEY", b"x").as_bytes()).contains("public key alone"));
        assert!(why(pem_of("PUBLIC KEY", b"x").as_bytes()).contains("cannot be read"));
        assert!(why(b"-----BEGIN PUBLIC KEY-----\n!").contains("PEM"));
        // A length that runs beyond the end, or is longer than any file.
        for length in [&[0x30, 0x05, 1][..], &[0x30, 0x84, 1, 1, 1, 1, 0], &[0x30, 0x80], &[0x30]] {
            assert!(why(pem_of("PUBLIC KEY", length).as_bytes()).contains("cannot be read"));
        }
    }

    #[test]
    fn a_secret_that_others_may_read_is_refused_and_a_public_key_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        for (text, mode, good) in [
            (&*"s".repeat(32), 0o600, true),
            (&*"s".repeat(32), 0o640, false),
            (JWKS, 0o644, false),
            (ED25519_PEM, 0o644, true),
        ] {
            write(&path, text).unwrap();
            set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert_eq!(JwtKeys::read(&path).is_ok(), good, "{mode:o} {text:.20}");
        }
        assert!(matches!(JwtKeys::read(folder.path()), Err(JwtKeysError::Unreadable(_))));
    }
}
