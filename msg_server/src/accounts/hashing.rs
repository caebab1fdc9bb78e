//! Passwords: argon2id (RFC 9106) with the parameters that OWASP's Password Storage Cheat Sheet names first among those of
//! little memory: 19 MiB, 2 passes, 1 lane.

use argon2::password_hash::PasswordHasher;
use argon2::password_hash::phc::PasswordHash as Phc;
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Params, PasswordVerifier, Version};
use protocol::link::accounts::PasswordHash;

const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// A stored hash that asks for more than this is not worked on: the memory of a thread is bounded, whatever a store holds.
const MOST_MEMORY_KIB: u32 = 4 * MEMORY_KIB;
const MOST_PASSES: u32 = 16;
const MOST_LANES: u32 = 8;

/// A password could not be hashed: the system has no random numbers, or no memory.
#[derive(Debug, thiserror::Error)]
#[error("a password could not be hashed: {0}")]
pub struct HashingError(String);

impl From<String> for HashingError {
    fn from(why: String) -> Self {
        Self(why)
    }
}

/// What a password turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Not the one that was hashed, or there is none.
    Wrong,
    /// The one that was hashed, with the parameters of today.
    Right,
    /// The one that was hashed, with weaker parameters: it is to be hashed anew.
    RightButWeak,
}

/// Hashes a password, with a salt of its own.
///
/// # Errors
/// [`HashingError`] where the system lacks what that needs.
pub fn hash(password: &str) -> Result<PasswordHash, HashingError> {
    let hashed = argon2id()?.hash_password(password.as_bytes());
    hashed.map(|phc| PasswordHash(phc.to_string())).map_err(|error| HashingError(error.to_string()))
}

/// Checks passwords, at the same cost whether or not there is an account.
pub struct Verifier {
    /// What a password is checked against where there is nothing to check it against.
    nobodys: PasswordHash,
}

impl Verifier {
    /// Makes what passwords of nobody are checked against, by the parameters of today.
    ///
    /// # Errors
    /// [`HashingError`] where the system lacks what that needs.
    pub fn new() -> Result<Self, HashingError> {
        Ok(Self { nobodys: hash("nobody logs in by this: it is never called right")? })
    }

    /// Checks a password: one argon2 verification, always.
    pub fn verify(&self, password: &str, stored: Option<&PasswordHash>) -> Verdict {
        let readable = stored.and_then(within_bounds);
        if stored.is_some() && readable.is_none() {
            tracing::error!(
                "the hash of a password that is stored cannot be read, or costs too much: set another password"
            );
        }
        match readable {
            Some((phc, weak)) if matches(password, &phc) => {
                if weak {
                    Verdict::RightButWeak
                } else {
                    Verdict::Right
                }
            }
            Some(_) => Verdict::Wrong,
            None => {
                if let Some((phc, _)) = within_bounds(&self.nobodys) {
                    matches(password, &phc);
                }
                Verdict::Wrong
            }
        }
    }
}

fn argon2id() -> Result<Argon2<'static>, HashingError> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None);
    let params = params.map_err(|error| HashingError(error.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn matches(password: &str, phc: &Phc) -> bool {
    // The hash itself says by which parameters.
    Argon2::default().verify_password(password.as_bytes(), phc).is_ok()
}

/// The hash, and whether it is weaker than one of today; `None` if it cannot be read, or costs more than is allowed.
fn within_bounds(stored: &PasswordHash) -> Option<(Phc, bool)> {
    let phc = Phc::new(&stored.0).ok()?;
    let params = Params::try_from(&phc).ok()?;
    let (memory, passes) = (params.m_cost(), params.t_cost());
    let bounded = memory <= MOST_MEMORY_KIB && passes <= MOST_PASSES && params.p_cost() <= MOST_LANES;
    let weak = memory < MEMORY_KIB || passes < PASSES || phc.algorithm != ARGON2ID_IDENT;
    bounded.then_some((phc, weak))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashed_by(memory: u32, passes: u32) -> PasswordHash {
        let params = Params::new(memory, passes, 1, None).unwrap();
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        PasswordHash(argon2.hash_password(b"correct horse").unwrap().to_string())
    }

    #[test]
    fn a_password_is_right_for_its_own_hash_and_for_no_other() {
        let stored = hash("correct horse").unwrap();
        assert!(stored.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", stored.0);
        assert_ne!(stored.0, hash("correct horse").unwrap().0, "the salt is used twice");
        let verifier = Verifier::new().unwrap();
        assert_eq!(verifier.verify("correct horse", Some(&stored)), Verdict::Right);
        assert_eq!(verifier.verify("correct hors", Some(&stored)), Verdict::Wrong);
        assert_eq!(verifier.verify("correct horse", None), Verdict::Wrong);
        assert_eq!(verifier.verify("nobody logs in by this: it is never called right", None), Verdict::Wrong);
    }

    #[test]
    fn a_weaker_hash_is_told() {
        let verifier = Verifier::new().unwrap();
        for (memory, passes) in [(8, 2), (19 * 1024, 1)] {
            let stored = hashed_by(memory, passes);
            assert_eq!(verifier.verify("correct horse", Some(&stored)), Verdict::RightButWeak);
            assert_eq!(verifier.verify("wrong", Some(&stored)), Verdict::Wrong);
        }
    }

    #[test]
    fn a_stored_hash_that_asks_for_too_much_or_is_none_is_never_right() {
        let costly = hashed_by(8, 1).0;
        let verifier = Verifier::new().unwrap();
        for stored in [
            costly.replace("m=8", "m=4194304"),
            costly.replace("t=1", "t=4294967295"),
            costly.replace("argon2id", "scrypt"),
            String::new(),
            "$argon2id$".into(),
        ] {
            assert_eq!(verifier.verify("correct horse", Some(&PasswordHash(stored))), Verdict::Wrong);
        }
    }
}
