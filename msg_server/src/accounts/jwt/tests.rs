//! The examples of the standards, and every way in which a token is not good.

use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use serde_json::{Value, json};

use super::*;

const SECRET: &[u8] = b"a secret of thirty-two bytes or more";
const NOW: u64 = 1_700_000_000_000;

fn rules() -> Rules {
    Rules {
        algorithms: vec![JwtAlgorithm::Hs256, JwtAlgorithm::Rs256, JwtAlgorithm::EdDsa],
        issuer: None,
        audience: None,
    }
}

fn part(json: &Value) -> String {
    URL_SAFE_NO_PAD.encode(json.to_string())
}

fn signed(header: &Value, body: &Value) -> String {
    let message = format!("{}.{}", part(header), part(body));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
}

fn by_secret(body: &Value, rules: &Rules) -> Result<Claims, JwtError> {
    let token = signed(&json!({"alg": "HS256", "typ": "JWT"}), body);
    verify(&token, &JwtKeys::parse(SECRET).unwrap(), rules, NOW)
}

#[test]
fn the_examples_of_rfc_7515_and_rfc_8037_are_verified() {
    // RFC 7515, appendix A.1.
    let key = r#"{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}"#;
    let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    is_example(key, token);
    // RFC 7515, appendix A.2.
    let key = r#"{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}"#;
    let token = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    is_example(key, token);
    // RFC 8037, appendix A.4.
    let key = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    let token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    is_example(key, token);
}

/// The signature is good, and is no longer as soon as a bit of what it signs or of itself is another.
#[track_caller]
fn is_example(key: &str, token: &str) {
    let keys = JwtKeys::parse(key.as_bytes()).unwrap();
    let material = &keys.iter().next().unwrap().material;
    let (message, signature) = token.rsplit_once('.').unwrap();
    let mut signature = bytes(signature).unwrap();
    assert!(has_signed(material, message.as_bytes(), &signature));
    assert!(!has_signed(material, message.to_uppercase().as_bytes(), &signature));
    signature[7] ^= 1;
    assert!(!has_signed(material, message.as_bytes(), &signature));
    assert!(!has_signed(material, message.as_bytes(), &[]));
    // Its claims are of 2011, or none at all.
    let refused = verify(token, &keys, &rules(), NOW).unwrap_err();
    assert!(matches!(refused, JwtError::Expired | JwtError::Malformed), "{refused:?}");
}

#[test]
fn a_good_token_says_who_on_which_device_and_what() {
    let body = json!({"sub": "ａmy", "exp": 1_700_000_060, "iat": 1_700_000_059.5, "device": "phone", "scope": "read send", "more": [1]});
    let claims = by_secret(&body, &rules()).unwrap();
    assert_eq!(claims.user.as_str(), "amy");
    assert_eq!(claims.device, Some(DeviceId::new("phone").unwrap()));
    assert_eq!(claims.scopes, Scopes::parse("read send"));
    assert_eq!((claims.issued, claims.expires), (1_700_000_059_500, 1_700_000_060_000));
    let claims = by_secret(&json!({"sub": "amy", "exp": 1_700_000_001}), &rules()).unwrap();
    assert_eq!((claims.device, claims.scopes, claims.issued), (None, Scopes::FOREIGN, 0));
}

#[test]
fn a_token_that_lacks_something_or_is_of_another_time_is_refused() {
    let soon = 1_700_000_060;
    for (body, why) in [
        (json!({"sub": "amy"}), JwtError::Expired),
        (json!({"sub": "amy", "exp": 1_700_000_000}), JwtError::Expired),
        (json!({"sub": "amy", "exp": 1e300}), JwtError::Expired),
        (json!({"sub": "amy", "exp": "1700000060"}), JwtError::Malformed),
        (json!({"sub": "amy", "exp": null}), JwtError::Expired),
        (json!({"sub": "amy", "exp": soon, "nbf": 1_700_000_061}), JwtError::Early),
        (json!({"sub": "amy", "exp": soon, "iat": 1_700_000_061}), JwtError::Early),
        (json!({"exp": soon}), JwtError::User),
        (json!({"sub": "", "exp": soon}), JwtError::User),
        (json!({"sub": "a my", "exp": soon}), JwtError::User),
        (json!({"sub": 7, "exp": soon}), JwtError::Malformed),
        (json!({"sub": "amy", "exp": soon, "device": "a phone"}), JwtError::Device),
        (json!({"sub": "amy", "exp": soon, "scope": ["account"]}), JwtError::Malformed),
        (json!({"sub": "amy", "exp": soon, "aud": "shop"}), JwtError::Audience),
        (json!(["amy"]), JwtError::Malformed),
    ] {
        assert_eq!(by_secret(&body, &rules()), Err(why), "{body}");
    }
}

#[test]
fn issuer_and_audience_are_checked_where_they_are_set() {
    let rules = Rules { issuer: Some("site".into()), audience: Some("chat".into()), ..rules() };
    let body = |iss: &str, aud: Value| json!({"sub": "amy", "exp": 1_700_000_060, "iss": iss, "aud": aud});
    assert!(by_secret(&body("site", json!("chat")), &rules).is_ok());
    assert!(by_secret(&body("site", json!(["shop", "chat"])), &rules).is_ok());
    assert_eq!(by_secret(&body("other", json!("chat")), &rules), Err(JwtError::Issuer));
    assert_eq!(by_secret(&body("site", json!(["shop"])), &rules), Err(JwtError::Audience));
    assert_eq!(by_secret(&body("site", json!(null)), &rules), Err(JwtError::Audience));
}

#[test]
fn no_key_is_used_for_an_algorithm_that_is_not_its_own() {
    let keys = JwtKeys::parse(SECRET).unwrap();
    let body = json!({"sub": "amy", "exp": 1_700_000_060});
    for (alg, why) in [
        ("none", JwtError::Algorithm),
        ("None", JwtError::Algorithm),
        ("HS512", JwtError::Algorithm),
        ("RS256", JwtError::Signature),
        ("EdDSA", JwtError::Signature),
    ] {
        let token = signed(&json!({"alg": alg}), &body);
        assert_eq!(verify(&token, &keys, &rules(), NOW), Err(why), "{alg}");
        let (unsigned, _) = token.rsplit_once('.').unwrap();
        assert!(verify(&format!("{unsigned}."), &keys, &rules(), NOW).is_err());
    }
    // The classic: a public key that everybody has, taken for the secret of an HMAC.
    let pair = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(pair.as_ref()).unwrap();
    let public = pair.public_key().as_ref();
    let jwk =
        json!({"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": URL_SAFE_NO_PAD.encode(public)}).to_string();
    let keys = JwtKeys::parse(jwk.as_bytes()).unwrap();
    let message = format!("{}.{}", part(&json!({"alg": "HS256"})), part(&body));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, public), message.as_bytes());
    let forged = format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag));
    assert_eq!(verify(&forged, &keys, &rules(), NOW), Err(JwtError::Signature));
    let message = format!("{}.{}", part(&json!({"alg": "EdDSA", "kid": "k"})), part(&body));
    let good = format!("{message}.{}", URL_SAFE_NO_PAD.encode(pair.sign(message.as_bytes())));
    assert!(verify(&good, &keys, &rules(), NOW).is_ok());
    let of_secrets = Rules { algorithms: vec![JwtAlgorithm::Hs256], ..rules() };
    assert_eq!(verify(&good, &keys, &of_secrets, NOW), Err(JwtError::Algorithm));
}

#[test]
fn what_is_not_understood_is_refused() {
    let keys = JwtKeys::parse(SECRET).unwrap();
    let body = json!({"sub": "amy", "exp": 1_700_000_060});
    let good = signed(&json!({"alg": "HS256"}), &body);
    assert!(verify(&good, &keys, &rules(), NOW).is_ok());
    let crit = signed(&json!({"alg": "HS256", "crit": ["b64"], "b64": false}), &body);
    assert_eq!(verify(&crit, &keys, &rules(), NOW), Err(JwtError::Critical));
    assert_eq!(verify(&format!("{good}="), &keys, &rules(), NOW), Err(JwtError::Malformed));
    assert_eq!(verify(&"a.".repeat(5000), &keys, &rules(), NOW), Err(JwtError::TooLong));
    for malformed in ["", ".", "..", "a.b", "e30.e30.e30", &format!("{good}.x"), &format!("x.{good}")] {
        assert_eq!(verify(malformed, &keys, &rules(), NOW), Err(JwtError::Malformed), "{malformed}");
    }
}

#[test]
fn a_token_that_names_its_key_is_checked_by_that_key_alone() {
    let jwk = |id: &str, secret: &[u8]| json!({"kty": "oct", "kid": id, "k": URL_SAFE_NO_PAD.encode(secret)});
    let keys = json!({"keys": [jwk("a", SECRET), jwk("b", b"another secret of thirty-two bytes....")]});
    let keys = JwtKeys::parse(keys.to_string().as_bytes()).unwrap();
    let body = json!({"sub": "amy", "exp": 1_700_000_060});
    let by = |header: &Value| verify(&signed(header, &body), &keys, &rules(), NOW).is_ok();
    assert!(by(&json!({"alg": "HS256", "kid": "a"})));
    assert!(by(&json!({"alg": "HS256"})));
    assert!(!by(&json!({"alg": "HS256", "kid": "b"})));
    assert!(!by(&json!({"alg": "HS256", "kid": "c"})));
}
