//! Wrong configurations, each told where it is wrong.

use serde_json::{Value, json};

use super::world::{ISSUER, authenticator};

#[test]
fn a_wrong_configuration_says_where() {
    let base = json!({
        "name": "corp", "issuer": ISSUER, "audiences": ["keyfold"],
        "jwks_url": "https://login.example.test/keys",
    });
    let with = |name: &str, value: Value| {
        let mut issuer = base.clone();
        issuer[name] = value;
        authenticator(&json!({ "tokens": { "issuers": [issuer] } }))
    };
    assert!(with("leeway_seconds", json!(60)).is_ok());
    assert!(with("jwks_url", json!("http://[::1]:8080/keys")).is_ok());
    assert!(with("jwks_url", json!("http://localhost/keys")).is_ok());
    for (name, value, place) in [
        ("name", json!("local"), "tokens.issuers[0].name"),
        ("name", json!("Corp"), "tokens.issuers[0].name"),
        ("name", json!("a/b"), "tokens.issuers[0].name"),
        ("issuer", json!(""), "tokens.issuers[0].issuer"),
        ("issuer", json!("urn:keyfold:store:x"), "tokens.issuers[0].issuer"),
        ("audiences", json!([]), "tokens.issuers[0].audiences"),
        ("audiences", json!([""]), "tokens.issuers[0].audiences"),
        ("algorithms", json!([]), "tokens.issuers[0].algorithms"),
        ("algorithms", json!(["HS256"]), "unknown variant `HS256`"),
        ("algorithms", json!(["none"]), "unknown variant `none`"),
        ("max_lifetime_seconds", json!(0), "tokens.issuers[0].max_lifetime_seconds"),
        ("max_lifetime_seconds", json!(604_801), "tokens.issuers[0].max_lifetime_seconds"),
        ("leeway_seconds", json!(61), "tokens.issuers[0].leeway_seconds"),
        ("min_refresh_seconds", json!(0), "tokens.issuers[0].min_refresh_seconds"),
        ("min_refresh_seconds", json!(301), "tokens.issuers[0].min_refresh_seconds"),
        ("rules", json!([{ "claim": "", "value": "x", "allow": [] }]), "tokens.issuers[0].rules"),
        (
            "rules",
            json!([{ "claim": "g", "value": "x", "allow": ["kms:Decrpt"] }]),
            "tokens.issuers[0].rules",
        ),
        ("allow", json!(["s3:*"]), "tokens.issuers[0].rules"),
        ("jwks_url", json!("http://login.example.test/keys"), "tokens.issuers.corp.jwks_url"),
        ("jwks_url", json!("http://127.0.0.1.example.test/keys"), "tokens.issuers.corp.jwks_url"),
        ("jwks_url", json!("ftp://127.0.0.1/keys"), "tokens.issuers.corp.jwks_url"),
        ("jwks_url", json!("file:///etc/passwd"), "tokens.issuers.corp.jwks_url"),
        ("jwks_url", json!("https://u:p@login.example.test/keys"), "tokens.issuers.corp.jwks_url"),
        ("jwks_url", json!("nonsense"), "tokens.issuers.corp.jwks_url"),
        ("jwks_file", json!("/no/such/file"), "tokens.issuers[0].jwks_url"),
        ("jkws_url", json!("x"), "unknown field `jkws_url`"),
    ] {
        let error = with(name, value.clone()).err().expect("it is wrong");
        assert!(error.contains(place), "{name} {value}: {error}");
    }
    let none = |name: &str| {
        let mut issuer = base.clone();
        issuer.as_object_mut().expect("an object").remove(name);
        authenticator(&json!({ "tokens": { "issuers": [issuer] } })).err().expect("it is wrong")
    };
    assert!(none("audiences").contains("missing field `audiences`"));
    assert!(none("jwks_url").contains("tokens.issuers[0].jwks_url"));
    let mut file = base.clone();
    file.as_object_mut().expect("an object").remove("jwks_url");
    file["jwks_file"] = "/no/such/file".into();
    let missing = authenticator(&json!({ "tokens": { "issuers": [file] } })).err();
    assert!(missing.expect("it is wrong").contains("tokens.issuers.corp.jwks_file: /no/such/file"));
    let twice = authenticator(&json!({ "tokens": { "issuers": [base, base] } })).err();
    assert!(twice.expect("it is wrong").contains("tokens.issuers[1]"));
    for (config, place) in [
        (json!({ "tokens": { "audience": "" } }), "auth.tokens.audience"),
        (json!({ "mtls": { "rules": [{ "san": "", "allow": ["*"] }] } }), "auth.mtls.rules"),
        (json!({ "mtls": { "rules": [{ "san": "a", "allow": ["x"] }] } }), "auth.mtls.rules"),
        (json!({ "sigv5": {} }), "unknown field `sigv5`"),
    ] {
        let error = authenticator(&config).err().expect("it is wrong");
        assert!(error.contains(place), "{error}");
    }
}
