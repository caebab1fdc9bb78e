//! A record as bytes: in the embedded store, and in an export.
//!
//! Parts follow one another without names, so a part that is added comes last, and a reader that does not find it takes
//! what an account without it has.

use protocol::ids::{DeviceId, Time, UserId};
use protocol::link::accounts::{PasswordHash, TokenHash};

use super::{Account, AccountState, Device, Token};
use crate::codec::{Malformed, Reader, put_bytes, put_int};

const CLAIMED: u64 = 1;
const ADMITTED: u64 = 1;

impl AccountState {
    /// The byte that stands for it.
    pub(crate) fn byte(self) -> u8 {
        match self {
            Self::Active => 1,
            Self::Disabled => 2,
            Self::Deleted => 3,
        }
    }

    /// The state that a byte stands for.
    pub(crate) fn from_byte(byte: u8) -> Result<Self, Malformed> {
        [Self::Active, Self::Disabled, Self::Deleted]
            .into_iter()
            .find(|state| state.byte() == byte)
            .ok_or(Malformed("the state of an account"))
    }
}

impl Account {
    /// The record as bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        put_bytes(&mut out, self.user.as_str().as_bytes());
        out.push(self.state.byte());
        let claimed = if self.claimed { CLAIMED } else { 0 };
        for number in [claimed, self.made.0, self.generation, self.ended.0, self.life, self.revision] {
            put_int(&mut out, number);
        }
        let password = self.password.as_ref().map_or("", |hash| &hash.0);
        for text in [password, &self.display, &self.about] {
            put_bytes(&mut out, text.as_bytes());
        }
        put_int(&mut out, self.devices.len() as u64);
        for device in &self.devices {
            put_bytes(&mut out, &device.encode());
        }
        out
    }

    /// Reads a record.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let user = UserId::new(reader.text("a user")?).map_err(|_| Malformed("a user"))?;
        let state = AccountState::from_byte(reader.byte("the state of an account")?)?;
        let flags = reader.int("whether claimed")?;
        let made = Time(reader.int("a time")?);
        let generation = reader.int("a generation")?;
        let ended = Time(reader.int("a time")?);
        let life = reader.int("a number of lives")?;
        let revision = reader.int("a revision")?;
        let password = Some(reader.text("a password's hash")?).filter(|hash| !hash.is_empty());
        let display = reader.text("a display name")?.to_owned();
        let about = reader.text("a description")?.to_owned();
        let count = reader.int32("a number of devices")?;
        let devices =
            (0..count).map(|_| Device::decode(reader.bytes("a device")?)).collect::<Result<_, _>>()?;
        let password = password.map(|hash| PasswordHash(hash.to_owned()));
        let claimed = flags & CLAIMED != 0;
        Ok(Self {
            user,
            made,
            claimed,
            state,
            password,
            display,
            about,
            generation,
            ended,
            devices,
            life,
            revision,
        })
    }
}

impl Device {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(64);
        put_bytes(&mut out, self.id.as_str().as_bytes());
        let admitted = if self.admitted { ADMITTED } else { 0 };
        for number in [admitted, self.ended.0, self.seen.0] {
            put_int(&mut out, number);
        }
        for token in [&self.token, &self.previous] {
            put_token(&mut out, token.as_ref());
        }
        out
    }

    fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let id = DeviceId::new(reader.text("a device")?).map_err(|_| Malformed("a device"))?;
        let flags = reader.int("whether admitted")?;
        let (ended, seen) = (Time(reader.int("a time")?), Time(reader.int("a time")?));
        let (token, previous) = (read_token(&mut reader)?, read_token(&mut reader)?);
        Ok(Self { id, admitted: flags & ADMITTED != 0, token, previous, ended, seen })
    }
}

/// A token that is none has no hash.
fn put_token(out: &mut Vec<u8>, token: Option<&Token>) {
    put_bytes(out, token.map_or("", |token| &token.hash.0).as_bytes());
    if let Some(token) = token {
        put_int(out, token.issued.0);
        put_int(out, token.expires.0);
    }
}

fn read_token(reader: &mut Reader<'_>) -> Result<Option<Token>, Malformed> {
    let hash = reader.text("a token's hash")?;
    if hash.is_empty() {
        return Ok(None);
    }
    let hash = TokenHash(hash.to_owned());
    let (issued, expires) = (Time(reader.int("a time")?), Time(reader.int("a time")?));
    Ok(Some(Token { hash, issued, expires }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token() -> impl Strategy<Value = Option<Token>> {
        let parts = ("[0-9a-f]{64}", any::<u64>(), any::<u64>());
        prop::option::of(parts.prop_map(|(hash, issued, expires)| Token {
            hash: TokenHash(hash),
            issued: Time(issued),
            expires: Time(expires),
        }))
    }

    fn device() -> impl Strategy<Value = Device> {
        ("[a-z]{1,20}", any::<bool>(), token(), token(), any::<u64>(), any::<u64>()).prop_map(
            |(id, admitted, token, previous, ended, seen)| Device {
                id: DeviceId::new(&id).unwrap(),
                admitted,
                token,
                previous,
                ended: Time(ended),
                seen: Time(seen),
            },
        )
    }

    fn account() -> impl Strategy<Value = Account> {
        let texts = ("[a-zä]{1,20}", prop::option::of("[$a-z]{1,90}"), ".{0,40}", ".{0,40}");
        let numbers = any::<[u64; 5]>();
        let states =
            prop::sample::select(&[AccountState::Active, AccountState::Disabled, AccountState::Deleted]);
        (texts, numbers, states, any::<bool>(), prop::collection::vec(device(), 0..4)).prop_map(
            |(
                (user, password, display, about),
                [made, generation, ended, life, revision],
                state,
                claimed,
                devices,
            )| {
                Account {
                    user: UserId::new(&user).unwrap(),
                    made: Time(made),
                    claimed,
                    state,
                    password: password.map(PasswordHash),
                    display,
                    about,
                    generation,
                    ended: Time(ended),
                    devices,
                    life,
                    revision,
                }
            },
        )
    }

    proptest! {
        #[test]
        fn a_record_reads_back(account in account(), later in prop::collection::vec(any::<u8>(), 0..9)) {
            let mut bytes = account.encode();
            prop_assert_eq!(Account::decode(&bytes), Ok(account.clone()));
            bytes.extend(later);
            prop_assert_eq!(Account::decode(&bytes), Ok(account), "a later version adds parts");
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Account::decode(&bytes);
        }
    }

    #[test]
    fn a_record_that_is_shown_shows_no_hash() {
        let mut account = Account::unclaimed(UserId::new("amy").unwrap(), Time(1));
        account.password = Some(PasswordHash("$argon2id$v=19$secret".into()));
        let token = Token { hash: TokenHash("ab".repeat(32)), issued: Time(1), expires: Time(2) };
        let device = account.see(&DeviceId::new("phone").unwrap(), Time(1));
        (device.token, device.previous) = (Some(token.clone()), Some(token));
        let shown = format!("{account:?}");
        assert!(!shown.contains("argon2id") && !shown.contains("abab"), "{shown}");
    }
}
