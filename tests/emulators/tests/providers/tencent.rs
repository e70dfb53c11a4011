//! Tencent: KMS and SSM.

use keyfold::kms::admin::KeyKind;
use keyfold::sign::SignatureAlgorithm as A;
use keyfold_emulators::Provider;

use crate::list;
use crate::rig::{About, Rig, USUAL, context, generate};

pub(crate) const ABOUT: About = About {
    provider: Provider::Tencent,
    place: "tencent://ap-guangzhou",
    uri: "tencent://ap-guangzhou",
    signing: &[
        (KeyKind::Rsa2048, &[A::RsaPssSha256, A::RsaPkcs1Sha256]),
        (KeyKind::EccNistP256, &[A::EcdsaSha256]),
    ],
    ..USUAL
};

#[test]
fn every_operation() {
    list::run(ABOUT);
}

#[test]
fn temporary_credentials() {
    let rig = Rig::new(ABOUT);
    let key = rig.wrapping_key("docs");
    let temporary = [
        ("TENCENTCLOUD_SECRET_ID", rig.variable("EMULATOR_TEMPORARY_SECRET_ID")),
        ("TENCENTCLOUD_SECRET_KEY", rig.variable("EMULATOR_TEMPORARY_SECRET_KEY")),
        ("TENCENTCLOUD_TOKEN", rig.variable("EMULATOR_TEMPORARY_TOKEN")),
    ];
    let temporary = temporary.each_ref().map(|(name, value)| (*name, value.as_str()));
    let rig = Rig { kms: rig.again(&temporary), ..rig };
    generate(&rig, &key, &context()).expect("a data key");
}
