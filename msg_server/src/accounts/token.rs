//! Tokens of this mesh: made here, and known to everybody else by their SHA-256 alone.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use protocol::account::Hidden;
use protocol::link::accounts::TokenHash;
use ring::digest;
use ring::rand::{SecureRandom, SystemRandom};

const PREFIX: &str = "shoal_";
const RANDOM_BYTES: usize = 32;

/// The longest token that is looked at, in bytes: one of ours has 49, one from elsewhere may have claims.
pub const MAX_BYTES: usize = 8 * 1024;

/// The system has no random numbers.
#[derive(Debug, thiserror::Error)]
#[error("the system has no random numbers")]
pub struct NoRandomNumbers;

/// A new token: `shoal_` and 32 random bytes in base64url.
///
/// # Errors
/// [`NoRandomNumbers`].
pub fn fresh() -> Result<Hidden<'static>, NoRandomNumbers> {
    let mut bytes = [0; RANDOM_BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomNumbers)?;
    Ok(Hidden::from(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))))
}

/// What is known of a token: as many random bytes need no salt and no slow hash.
pub fn hash(token: &str) -> TokenHash {
    let digest = digest::digest(&digest::SHA256, token.as_bytes());
    TokenHash(digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Whether it looks like a token from elsewhere: a JWT has two dots, one of ours none.
pub fn is_foreign(token: &str) -> bool {
    token.bytes().filter(|byte| *byte == b'.').count() == 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_tokens_are_alike_and_none_looks_like_one_from_elsewhere() {
        let (one, other) = (fresh().unwrap(), fresh().unwrap());
        assert_ne!(one.expose(), other.expose());
        assert_eq!(one.expose().len(), PREFIX.len() + 43);
        assert!(!is_foreign(one.expose()) && is_foreign("a.b.c"));
    }

    #[test]
    fn a_token_is_known_by_its_sha_256() {
        // FIPS 180-2, appendix B.1.
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash("abc").0, known);
    }
}
