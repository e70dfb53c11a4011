//! Alibaba: KMS and its secrets, signed in both ways.

use keyfold::kms::admin::KeyKind;
use keyfold::sign::SignatureAlgorithm as A;
use keyfold_emulators::Provider;

use crate::list;
use crate::rig::{About, Rig, USUAL, context, generate};

pub(crate) const ABOUT: About = About {
    provider: Provider::Alibaba,
    place: "alibaba://cn-hangzhou",
    uri: "alibaba://cn-hangzhou",
    small: 6144,
    signing: &[
        (KeyKind::Rsa2048, &[A::RsaPssSha256, A::RsaPkcs1Sha256]),
        (KeyKind::EccNistP256, &[A::EcdsaSha256]),
        (KeyKind::EccSecgP256k1, &[A::EcdsaSha256]),
    ],
    alias_prefix: "alias/",
    ..USUAL
};

pub(crate) const RPC: About = About { settings: &[("signing", "rpc")], ..ABOUT };

#[test]
fn every_operation() {
    list::run(ABOUT);
}

#[test]
fn every_operation_by_rpc() {
    list::run(RPC);
}

#[test]
fn parameters_in_the_body() {
    for signing in ["acs3-hmac-sha256", "rpc"] {
        let settings = match signing {
            "rpc" => &[("signing", "rpc"), ("parameters", "body")][..],
            _ => &[("parameters", "body")][..],
        };
        let rig = Rig::new(About { settings, ..ABOUT });
        let key = rig.wrapping_key("docs");
        generate(&rig, &key, &context()).expect("a data key");
    }
}

#[test]
fn temporary_credentials() {
    for about in [ABOUT, RPC] {
        let rig = Rig::new(about);
        let key = rig.wrapping_key("docs");
        let temporary = [
            ("ALIBABA_CLOUD_ACCESS_KEY_ID", rig.variable("EMULATOR_TEMPORARY_ACCESS_KEY_ID")),
            (
                "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
                rig.variable("EMULATOR_TEMPORARY_ACCESS_KEY_SECRET"),
            ),
            ("ALIBABA_CLOUD_SECURITY_TOKEN", rig.variable("EMULATOR_SECURITY_TOKEN")),
        ];
        let temporary = temporary.each_ref().map(|(name, value)| (*name, value.as_str()));
        let rig = Rig { kms: rig.again(&temporary), ..rig };
        generate(&rig, &key, &context()).expect("a data key");
    }
}
