//! Every way to spoil a signed request.

use super::{MINUTE, Request};
use crate::clock::Timestamp;
use crate::error::KmsErrorCode as Code;
use crate::server::auth::Service;

/// A way to spoil a request, and how it is refused.
pub(super) type Mutation = (&'static str, Change, Code);

pub(super) type Change = fn(&mut Request);

pub(super) const BAD: Code = Code::InvalidRequestSignature;
pub(super) const INCOMPLETE: Code = Code::IncompleteSignature;

#[expect(clippy::too_many_lines, reason = "a list")]
pub(super) fn mutations() -> Vec<Mutation> {
    fn next_digit(request: &mut Request, at: usize) {
        let mut signature = request.signature().into_bytes();
        signature[at] = if signature[at] == b'0' { b'1' } else { b'0' };
        let old = request.signature();
        request.edit(&old, std::str::from_utf8(&signature).expect("digits"));
    }
    vec![
        // What is signed.
        ("another body", |r| r.body.push(b' '), BAD),
        (
            "a byte of the body",
            |r| if let Some(b) = r.body.first_mut() { *b ^= 1 } else { r.body.push(1) },
            BAD,
        ),
        ("another target", |r| r.set("x-amz-target", "TrentService.Decrypt2"), BAD),
        ("no target", |r| r.remove("x-amz-target"), BAD),
        ("two targets", |r| r.add("x-amz-target", "TrentService.Decrypt"), BAD),
        ("another content type", |r| r.set("content-type", "application/json"), BAD),
        ("no content type", |r| r.remove("content-type"), BAD),
        ("two content types", |r| r.add("content-type", "application/json"), BAD),
        ("another host", |r| r.host = "evil.example.test".into(), BAD),
        (
            "another port",
            |r| r.host = format!("{}:444", r.host.split(':').next().unwrap_or("")),
            BAD,
        ),
        ("a port too many", |r| r.host.push_str(":443"), BAD),
        ("the host in capitals", |r| r.host = format!("X{}", r.host.to_uppercase()), BAD),
        ("no host", |r| r.host.clear(), BAD),
        (
            "a host header twice",
            |r| {
                r.add("host", "a");
                r.add("host", "b");
            },
            BAD,
        ),
        ("a second later", |r| r.set("x-amz-date", "20261122T000001Z"), BAD),
        ("no date", |r| r.remove("x-amz-date"), BAD),
        ("two dates", |r| r.add("x-amz-date", "20261122T000000Z"), BAD),
        ("a date of another form", |r| r.set("x-amz-date", "2026-11-22T00:00:00Z"), BAD),
        ("a date that is none", |r| r.set("x-amz-date", "20261322T000000Z"), BAD),
        ("a date with letters", |r| r.set("x-amz-date", "2026112xT000000Z"), BAD),
        (
            "the header Date instead",
            |r| {
                r.remove("x-amz-date");
                r.add("date", "Sun, 22 Nov 2026 00:00:00 GMT");
            },
            BAD,
        ),
        // The signature.
        ("its first digit", |r| next_digit(r, 0), BAD),
        ("its last digit", |r| next_digit(r, 63), BAD),
        (
            "in capitals",
            |r| {
                let s = r.signature();
                r.edit(&s, &s.to_uppercase());
            },
            INCOMPLETE,
        ),
        (
            "cut off",
            |r| {
                let s = r.signature();
                r.edit(&s, &s[..62]);
            },
            INCOMPLETE,
        ),
        (
            "longer",
            |r| {
                let s = r.signature();
                r.edit(&s, &format!("{s}00"));
            },
            INCOMPLETE,
        ),
        (
            "empty",
            |r| {
                let s = r.signature();
                r.edit(&s, "");
            },
            INCOMPLETE,
        ),
        (
            "of zeros",
            |r| {
                let s = r.signature();
                r.edit(&s, &"0".repeat(64));
            },
            BAD,
        ),
        (
            "no digits",
            |r| {
                let s = r.signature();
                r.edit(&s, &"g".repeat(64));
            },
            INCOMPLETE,
        ),
        (
            "twice",
            |r| {
                let s = r.signature();
                r.edit(&s, &format!("{s}, Signature={s}"));
            },
            INCOMPLETE,
        ),
        // The scope.
        ("another day", |r| r.edit("/20261122/", "/20261121/"), BAD),
        ("a day of another form", |r| r.edit("/20261122/", "/2026112/"), BAD),
        ("another region", |r| r.edit("/us-east-1/", "/eu-central-1/"), BAD),
        ("no region", |r| r.edit("/us-east-1/", "//"), BAD),
        ("another service", |r| r.edit("-1/", "-1/s3"), BAD),
        (
            "the other service",
            |r| {
                r.service = match r.service {
                    Service::Kms => Service::Secrets,
                    Service::Secrets | Service::Keyfold => Service::Kms,
                }
            },
            BAD,
        ),
        ("another end", |r| r.edit("aws4_request", "aws5_request"), BAD),
        ("an end too many", |r| r.edit("aws4_request", "aws4_request/x"), BAD),
        (
            "no scope",
            |r| {
                let old = r.get("authorization");
                let scope = old.split([',', '/']).skip(1).take(4).collect::<Vec<_>>().join("/");
                r.edit(&format!("/{scope}"), "");
            },
            INCOMPLETE,
        ),
        (
            "a key that is not there",
            |r| r.edit("AKIDEXAMPLE", "KFAKAAAAAAAAAAAAAAAA"),
            Code::UnrecognizedClient,
        ),
        ("an empty key id", |r| r.edit("AKIDEXAMPLE", ""), Code::UnrecognizedClient),
        (
            "the key id in lower case",
            |r| r.edit("AKIDEXAMPLE", "akidexample"),
            Code::UnrecognizedClient,
        ),
        // The list.
        ("target not signed", |r| r.edit(";x-amz-target", ""), BAD),
        ("host not signed", |r| r.edit("host;", ""), BAD),
        ("date not signed", |r| r.edit("x-amz-date;", ""), BAD),
        ("content type no longer signed", |r| r.edit("content-type;", ""), BAD),
        (
            "a header that is not there",
            |r| r.edit(";x-amz-target", ";x-amz-target;x-amz-zero"),
            BAD,
        ),
        ("another order", |r| r.edit("content-type;host", "host;content-type"), INCOMPLETE),
        ("a header twice", |r| r.edit(";host;", ";host;host;"), INCOMPLETE),
        ("capitals", |r| r.edit(";host;", ";Host;"), INCOMPLETE),
        ("an empty name", |r| r.edit("SignedHeaders=", "SignedHeaders=;"), BAD),
        (
            "no names",
            |r| {
                let old = r.get("authorization");
                let list = old
                    .split("SignedHeaders=")
                    .nth(1)
                    .and_then(|rest| rest.split(',').next())
                    .unwrap_or("")
                    .to_owned();
                r.edit(&list, "");
            },
            BAD,
        ),
        // The header as a whole.
        ("no header", |r| r.remove("authorization"), Code::MissingAuthentication),
        (
            "two headers",
            |r| {
                let old = r.get("authorization");
                r.add("authorization", &old);
            },
            INCOMPLETE,
        ),
        ("an empty header", |r| r.set("authorization", ""), INCOMPLETE),
        ("the scheme alone", |r| r.set("authorization", "AWS4-HMAC-SHA256"), INCOMPLETE),
        ("SigV4A", |r| r.edit("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), INCOMPLETE),
        ("an older signature", |r| r.edit("AWS4-HMAC-SHA256", "AWS3-HMAC-SHA256"), INCOMPLETE),
        ("another scheme", |r| r.set("authorization", "Basic YTpi"), INCOMPLETE),
        ("a parameter more", |r| r.edit("Credential", "X=1, Credential"), INCOMPLETE),
        ("a parameter less", |r| r.edit("Credential=", "Credentials="), INCOMPLETE),
        ("no commas", |r| r.edit(", SignedHeaders", " SignedHeaders"), INCOMPLETE),
        (
            "no text",
            |r| {
                r.remove("authorization");
                r.headers.push(("authorization".into(), b"AWS4-HMAC-SHA256 \xff".to_vec()));
            },
            INCOMPLETE,
        ),
        (
            "a long one",
            |r| {
                let long = "x".repeat(5000);
                r.edit("AKIDEXAMPLE", &long);
            },
            INCOMPLETE,
        ),
        // The payload.
        ("an unsigned payload", |r| r.add("x-amz-content-sha256", "UNSIGNED-PAYLOAD"), BAD),
        (
            "an unsigned hash of the payload",
            |r| {
                let hash = crate::audit::hex(&keyfold::crypto::hash::Sha256::digest(&r.body));
                r.add("x-amz-content-sha256", &hash);
            },
            BAD,
        ),
        ("a token that is not signed", |r| r.add("x-amz-security-token", "tok"), BAD),
        // The clock.
        ("five minutes and a second late", |r| r.now = r.now.plus(5 * MINUTE + 1000), BAD),
        ("five minutes and a second early", |r| r.now = r.now.plus(-5 * MINUTE - 1000), BAD),
        ("a day late", |r| r.now = r.now.plus(Timestamp::DAY), BAD),
        ("a day early", |r| r.now = r.now.plus(-Timestamp::DAY), BAD),
    ]
}
