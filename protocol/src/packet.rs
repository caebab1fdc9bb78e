//! The outer frame of the command protocol and of links: a 4-byte big-endian length, then the body.

use bytes::{BufMut, BytesMut};

/// Bytes of the length in front of each body.
pub const LENGTH_BYTES: usize = 4;

/// A frame that announces more than the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a frame of {announced} bytes is announced; the limit is {limit}")]
pub struct TooLarge {
    /// Bytes that the length says will follow.
    pub announced: usize,
    /// The longest body allowed, in bytes.
    pub limit: usize,
}

/// Takes the first whole frame of `input` apart: its body, and how many bytes of `input` it used.
/// `None` while it is not all there.
///
/// # Errors
/// [`TooLarge`] as soon as a length above `limit` is seen, before any of that body is waited for.
pub fn split(input: &[u8], limit: usize) -> Result<Option<(&[u8], usize)>, TooLarge> {
    let Some((length, rest)) = input.split_first_chunk::<LENGTH_BYTES>() else {
        return Ok(None);
    };
    let announced = u32::from_be_bytes(*length) as usize;
    if announced > limit {
        return Err(TooLarge { announced, limit });
    }
    Ok(rest.get(..announced).map(|body| (body, LENGTH_BYTES + announced)))
}

/// Writes a frame: `body` appends its bytes to the vector it is given, the length is filled in after.
pub fn write(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; LENGTH_BYTES]);
    body(out);
    let length = (out.len() - start - LENGTH_BYTES) as u32;
    out[start..start + LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
}

/// A frame around a body that is there already.
pub fn framed(body: &[u8]) -> BytesMut {
    let mut out = BytesMut::with_capacity(LENGTH_BYTES + body.len());
    out.put_u32(body.len() as u32);
    out.put_slice(body);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn frames_come_out_as_they_went_in(bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..8)) {
            let mut out = Vec::new();
            for body in &bodies {
                write(&mut out, |out| out.extend_from_slice(body));
            }
            let mut rest = &out[..];
            for body in &bodies {
                let (read, used) = split(rest, 64).unwrap().unwrap();
                prop_assert_eq!(read, &body[..]);
                prop_assert_eq!(&framed(body)[..], &rest[..used]);
                rest = &rest[used..];
            }
            prop_assert!(split(rest, 64).unwrap().is_none());
        }
    }

    #[test]
    fn a_frame_that_is_not_all_there_is_waited_for() {
        let whole = framed(b"hello");
        for end in 0..whole.len() {
            assert_eq!(split(&whole[..end], 5), Ok(None));
        }
    }

    #[test]
    fn a_length_over_the_limit_is_refused_before_its_body_comes() {
        for announced in [6u32, 0x7fff_ffff, 0x8000_0000, u32::MAX] {
            let refused = TooLarge { announced: announced as usize, limit: 5 };
            assert_eq!(split(&announced.to_be_bytes(), 5), Err(refused));
        }
    }
}
