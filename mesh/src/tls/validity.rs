//! Until when a certificate is valid: the one field of X.509 (RFC 5280, 4.1) that nothing here else reads.

/// The end of a DER certificate's validity, in seconds since 1970; `None` if it is no certificate.
pub(super) fn not_after(der: &[u8]) -> Option<i64> {
    let (certificate, _) = field(der, SEQUENCE)?;
    let (mut rest, _) = field(certificate, SEQUENCE)?;
    if let Some((_version, after)) = field(rest, VERSION) {
        rest = after;
    }
    for kind in [INTEGER, SEQUENCE, SEQUENCE] {
        // The serial number, the algorithm, the issuer.
        (_, rest) = field(rest, kind)?;
    }
    let (validity, _) = field(rest, SEQUENCE)?;
    let (_not_before, after) = any_field(validity)?.1;
    let (kind, (text, _)) = any_field(after)?;
    time(kind, text)
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// What a field holds, and what comes after it.
type Field<'a> = (&'a [u8], &'a [u8]);

fn field(der: &[u8], kind: u8) -> Option<Field<'_>> {
    any_field(der).and_then(|(found, field)| (found == kind).then_some(field))
}

/// A field's kind, and the field.
fn any_field(der: &[u8]) -> Option<(u8, Field<'_>)> {
    let (&[kind, first], rest) = der.split_first_chunk()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        // So many bytes of length follow.
        0x81..=0x84 => {
            let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    Some((kind, rest.split_at_checked(length)?))
}

/// `YYMMDDhhmmssZ` (of 1950 to 2049) or `YYYYMMDDhhmmssZ`.
fn time(kind: u8, text: &[u8]) -> Option<i64> {
    let digits = text.strip_suffix(b"Z")?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let two =
        |at: usize| Some(i64::from(*digits.get(at)? - b'0') * 10 + i64::from(*digits.get(at + 1)? - b'0'));
    let (year, at) = match kind {
        UTC_TIME => (if two(0)? < 50 { 2000 + two(0)? } else { 1900 + two(0)? }, 2),
        GENERALIZED_TIME => (two(0)? * 100 + two(2)?, 4),
        _ => return None,
    };
    let days = days_since_1970(year, two(at)?, two(at + 2)?);
    Some(((days * 24 + two(at + 4)?) * 60 + two(at + 6)?) * 60 + two(at + 8)?)
}

/// Of a date of the Gregorian calendar (Howard Hinnant's `days_from_civil`, which counts years from March on).
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_time_are_read() {
        assert_eq!(time(UTC_TIME, b"700101000000Z"), Some(0));
        assert_eq!(time(UTC_TIME, b"491231235959Z"), Some(2_524_607_999));
        assert_eq!(time(GENERALIZED_TIME, b"20240229120000Z"), Some(1_709_208_000));
        assert_eq!(time(GENERALIZED_TIME, b"99991231235959Z"), Some(253_402_300_799));
        for bad in [&b"700101000000"[..], b"70010100000Z", b"7001010000x0Z", b"Z", b""] {
            assert_eq!(time(UTC_TIME, bad), None);
        }
    }

    #[test]
    fn the_end_of_a_real_certificate_is_found_and_of_a_part_of_it_never() {
        let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2031, 7, 1);
        let der = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().to_vec();
        assert_eq!(not_after(&der), Some(1_940_630_400));
        for end in 0..der.len() {
            assert_eq!(not_after(&der[..end]), None);
        }
    }
}
