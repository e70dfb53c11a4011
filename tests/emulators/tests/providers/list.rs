//! What every provider is asked: all that its capabilities claim, what it must refuse, and what it
//! must not even send.

use keyfold::crypto::rsa::{OaepHash, oaep_decrypt};
use keyfold::kms::admin::{
    AdminRequest, AdminResponse, KeyInfo, KeyKind, KeyState, KeyUse, SecretVersionInfo,
};
use keyfold::kms::cloud::{Capability, ContextForm};
use keyfold::kms::{Request, Response, SignInput};
use keyfold::sign::{KeySpec, MessageHasher, PublicKey, SignatureAlgorithm, SigningKey};
use keyfold::{EncryptionContext, ErrorCode, KeyUri, SystemRng};

use crate::rig::{
    About, Rig, context, generate, is_unsupported, long_context, other_context, refused, secret,
    unwrap,
};

/// The names of two changes of a secret.
const TOKENS: [&str; 2] =
    ["01234567-89ab-4def-8123-456789abcdef", "11234567-89ab-4def-8123-456789abcdef"];

/// Runs everything; what is claimed and was not run is told.
pub(crate) fn run(about: About) -> Rig {
    let rig = Rig::new(about);
    run_on(&rig);
    rig
}

/// The same on a service that runs already. It may hold a password, and no keys yet.
pub(crate) fn run_on(rig: &Rig) {
    let first = rig.wrapping_key("first");
    let second = rig.wrapping_key("second");
    data_keys(rig, &first, &second);
    sealed_data_keys(rig, &first);
    small_data(rig, &first, &second);
    signatures(rig);
    keys(rig, &first);
    states(rig, &first);
    rotation(rig, &first);
    aliases(rig, &first);
    random(rig);
    unknown_keys(rig, &first);
    secrets(rig);
    deletion(rig, &second);
    absent(rig, &first);
    for capability in Capability::ALL {
        let claimed = rig.can(*capability);
        let name = capability.as_str();
        assert_eq!(claimed, rig.has_done(*capability), "claimed and done: {name}");
    }
}

fn data_keys(rig: &Rig, first: &KeyUri, second: &KeyUri) {
    let bound = rig.capabilities().context != ContextForm::Never;
    for context in [context(), EncryptionContext::new(), long_context()] {
        let (made, wrapped) = generate(rig, first, &context).expect("a data key");
        assert!(wrapped.key.as_str().starts_with(first.as_str()), "{}", wrapped.key);
        assert_eq!(unwrap(rig, &wrapped, &context, None).expect("unwrapped"), made);
        assert_eq!(unwrap(rig, &wrapped, &context, Some(first)).expect("unwrapped"), made);
        // Another key, another context: one answer.
        let other = refused(unwrap(rig, &wrapped, &context, Some(second)));
        assert_eq!(other, ErrorCode::AuthenticationFailed);
        let other = unwrap(rig, &wrapped, &other_context(), None);
        if bound {
            assert_eq!(refused(other), ErrorCode::AuthenticationFailed);
        } else {
            assert_eq!(other.expect("nothing binds it here"), made);
        }
        let mut damaged = wrapped.clone();
        let middle = damaged.ciphertext.len() / 2;
        damaged.ciphertext[middle] = if damaged.ciphertext[middle] == b'0' { b'1' } else { b'0' };
        let damaged = refused(unwrap(rig, &damaged, &context, None));
        assert_eq!(damaged, ErrorCode::AuthenticationFailed);

        let wrap =
            Request::Wrap { key: first.clone(), data_key: secret(&made), context: context.clone() };
        let Response::Wrapped(again) = rig.call(&wrap).expect("wrapped") else { panic!() };
        assert_eq!(unwrap(rig, &again, &context, Some(first)).expect("unwrapped"), made);

        let rewrap = |key: Option<&KeyUri>| {
            rig.call(&Request::Rewrap {
                wrapped: again.clone(),
                context: context.clone(),
                key: key.cloned(),
                to: second.clone(),
            })
        };
        assert_eq!(refused(rewrap(Some(second))), ErrorCode::AuthenticationFailed);
        let Response::Wrapped(moved) = rewrap(Some(first)).expect("rewrapped") else { panic!() };
        assert_eq!(unwrap(rig, &moved, &context, Some(second)).expect("unwrapped"), made);
        let old = refused(unwrap(rig, &moved, &context, Some(first)));
        assert_eq!(old, ErrorCode::AuthenticationFailed);
    }
    // As many calls as the capabilities say.
    let (new, opened) = rig.capabilities().calls;
    rig.calls();
    let (_, wrapped) = generate(rig, first, &context()).expect("a data key");
    assert_eq!(rig.calls(), u64::from(new));
    unwrap(rig, &wrapped, &context(), None).expect("unwrapped");
    assert_eq!(rig.calls(), u64::from(opened));
}

/// Data keys that only the owner of a key pair can read.
fn sealed_data_keys(rig: &Rig, key: &KeyUri) {
    if !rig.can(Capability::SealReply) {
        return;
    }
    let ours = SigningKey::generate(KeySpec::Rsa2048, &SystemRng).expect("a key pair");
    let open = |sealed: &[u8]| {
        let opened = oaep_decrypt(&ours, OaepHash::Sha256, sealed, &SystemRng).expect("ours");
        opened.expose().to_vec()
    };
    let recipient = || ours.public_key().to_spki_der();
    let (key, context) = (key.clone(), context());
    let make = Request::GenerateSealedDataKey {
        key: key.clone(),
        context: context.clone(),
        recipient: recipient(),
    };
    let Response::SealedDataKey { sealed, wrapped } = rig.call(&make).expect("a data key") else {
        panic!()
    };
    let made = open(&sealed);
    assert_eq!(unwrap(rig, &wrapped, &context, Some(&key)).expect("unwrapped"), made);
    let unwrap_sealed = |context: EncryptionContext| {
        let (wrapped, key) = (wrapped.clone(), Some(key.clone()));
        rig.call(&Request::UnwrapSealed { wrapped, context, key, recipient: recipient() })
    };
    let Response::Sealed(again) = unwrap_sealed(context).expect("unwrapped") else { panic!() };
    assert_eq!(open(&again), made);
    let other = unwrap_sealed(other_context()).expect_err("another context");
    assert_eq!(other.code(), ErrorCode::AuthenticationFailed);
}

fn small_data(rig: &Rig, first: &KeyUri, second: &KeyUri) {
    let context = || if rig.about.small_context { context() } else { EncryptionContext::new() };
    let encrypt = |len: usize| {
        let (key, plaintext) = (first.clone(), secret(&vec![0xa5; len]));
        rig.call(&Request::Encrypt { key, plaintext, context: context() })
    };
    let decrypt = |ciphertext: &[u8], key: Option<&KeyUri>, context: EncryptionContext| {
        let (key, ciphertext) = (key.cloned(), ciphertext.to_vec());
        rig.call(&Request::Decrypt { key, ciphertext, context })
    };
    let mut made = Vec::new();
    for len in [1, 7, rig.about.small] {
        let Response::Ciphertext { ciphertext, key } = encrypt(len).expect("encrypted") else {
            panic!()
        };
        assert_eq!(&key, first);
        for demanded in [None, Some(first)] {
            let answer = decrypt(&ciphertext, demanded, context()).expect("decrypted");
            let Response::Plaintext { plaintext, key } = answer else { panic!() };
            assert_eq!((plaintext.expose(), &key), (&vec![0xa5; len][..], first));
        }
        made = ciphertext;
    }
    let wrong = ErrorCode::AuthenticationFailed;
    assert_eq!(refused(decrypt(&made, None, other_context())), wrong);
    assert_eq!(refused(decrypt(&made, Some(second), context())), wrong);
    let last = made.len() - 20;
    made[last] = if made[last] == b'0' { b'1' } else { b'0' };
    assert_eq!(refused(decrypt(&made, None, context())), wrong);
    rig.requests();
    let longest = rig.capabilities().max_plaintext;
    assert_eq!(refused(encrypt(longest + 1)), ErrorCode::LimitExceeded);
    assert_eq!(rig.requests(), 0, "what is too long is not sent");
}

fn signatures(rig: &Rig) {
    for (at, (kind, algorithms)) in rig.about.signing.iter().enumerate() {
        let key = rig.create_key(*kind, KeyUse::SignVerify, &format!("signs-{at}")).key;
        let key: KeyUri = format!("{key}{}", rig.about.signing_version).parse().expect("a URI");
        let get = Request::GetPublicKey { key: key.clone() };
        let Response::PublicKey { spki, .. } = rig.call(&get).expect("a public key") else {
            panic!()
        };
        let public = PublicKey::from_spki_der(&spki).expect("a key that we know");
        for algorithm in *algorithms {
            signed(rig, &key, &public, *algorithm);
        }
        // A key that signs does not wrap.
        let error = generate(rig, &key, &context()).expect_err("it signs only");
        let codes = [ErrorCode::KmsKeyUnavailable, ErrorCode::InvalidArgument];
        assert!(codes.contains(&error.code()), "{error}");
    }
}

fn signed(rig: &Rig, key: &KeyUri, public: &PublicKey, algorithm: SignatureAlgorithm) {
    let message = b"what is signed".to_vec();
    let sign = |input: &SignInput| {
        let (key, input) = (key.clone(), input.clone());
        rig.call(&Request::Sign { key, algorithm, input })
    };
    let verify = |input: &SignInput, signature: &[u8]| {
        let (key, input, signature) = (key.clone(), input.clone(), signature.to_vec());
        rig.call(&Request::Verify { key, algorithm, input, signature })
    };
    let mut inputs = vec![SignInput::Message(message.clone())];
    if let Some(len) = algorithm.digest_len() {
        let mut hasher = MessageHasher::new(algorithm).expect("it has a digest");
        hasher.update(&message);
        let digest = hasher.finish();
        assert_eq!(digest.len(), len);
        inputs.push(SignInput::Digest(digest));
        rig.requests();
        let short = SignInput::Digest(vec![7; len - 1]);
        assert_eq!(refused(sign(&short)), ErrorCode::InvalidArgument, "{algorithm}");
        assert_eq!(rig.requests(), 0, "a digest of another length is not sent");
    }
    for input in &inputs {
        let Response::Signature(signature) = sign(input).expect("signed") else { panic!() };
        public.verify(algorithm, &message, &signature).expect("it holds here");
        for input in &inputs {
            verify(input, &signature).expect("it holds there");
        }
        let other = match input {
            SignInput::Message(_) => SignInput::Message(b"something else".to_vec()),
            SignInput::Digest(digest) => SignInput::Digest(vec![7; digest.len()]),
        };
        assert_eq!(refused(verify(&other, &signature)), ErrorCode::SignatureInvalid);
    }
}

fn describe(rig: &Rig, key: &KeyUri) -> Result<KeyInfo, keyfold::Error> {
    match rig.administer(&AdminRequest::DescribeKey { key: key.clone() })? {
        AdminResponse::Key(info) => Ok(*info),
        other => panic!("{other:?}"),
    }
}

/// Names, descriptions, pages.
fn keys(rig: &Rig, first: &KeyUri) {
    let info = describe(rig, first).expect("described");
    assert_eq!(&info.key, first);
    assert_eq!(info.state, Some(KeyState::Enabled));
    assert_eq!(info.kind, Some(rig.about.wrapping));
    assert!(matches!(info.usage, None | Some(KeyUse::EncryptDecrypt)), "{info:?}");
    assert!(info.created.is_some());
    let resolve = Request::ResolveKey { key: first.clone() };
    assert!(matches!(rig.call(&resolve), Ok(Response::Key(key)) if key == *first));
    if !rig.can(Capability::ListKeys) {
        return;
    }
    // Keys of curves are made fastest where there are no others.
    let (kind, usage) = match rig.about.wrapping {
        KeyKind::Symmetric => (KeyKind::Symmetric, KeyUse::EncryptDecrypt),
        _ => (KeyKind::EccNistP256, KeyUse::SignVerify),
    };
    let mut made: Vec<KeyUri> = (0..rig.about.pages.0)
        .map(|at| rig.create_key(kind, usage, &format!("page-{at}")).key)
        .collect();
    made.push(first.clone());
    let (mut listed, mut page, mut pages) = (Vec::new(), None, 0);
    loop {
        let answer = rig.administer(&AdminRequest::ListKeys { page }).expect("listed");
        let AdminResponse::Keys { keys, next } = answer else { panic!() };
        listed.extend(keys.into_iter().map(|info| info.key));
        (page, pages) = (next, pages + 1);
        if page.is_none() {
            break;
        }
    }
    assert!(pages > 1, "only one page of {} keys", listed.len());
    for key in made {
        assert_eq!(listed.iter().filter(|listed| **listed == key).count(), 1, "{key}");
    }
}

fn simple(rig: &Rig, request: &AdminRequest) {
    let answer = rig.administer(request);
    assert_eq!(answer.expect("done"), AdminResponse::Done, "{request:?}");
}

/// A disabled key does nothing, and all again when it is enabled.
fn states(rig: &Rig, key: &KeyUri) {
    let (made, wrapped) = generate(rig, key, &context()).expect("a data key");
    simple(rig, &AdminRequest::DisableKey { key: key.clone() });
    assert_eq!(describe(rig, key).expect("described").state, Some(KeyState::Disabled));
    let off = ErrorCode::KmsKeyUnavailable;
    assert_eq!(refused(generate(rig, key, &context())), off);
    assert_eq!(refused(unwrap(rig, &wrapped, &context(), None)), off);
    let context_of_it = if rig.about.small_context { context() } else { EncryptionContext::new() };
    let (key, plaintext) = (key.clone(), secret(b"hi"));
    let encrypt = Request::Encrypt { key: key.clone(), plaintext, context: context_of_it };
    assert_eq!(refused(rig.call(&encrypt)), off);
    simple(rig, &AdminRequest::EnableKey { key: key.clone() });
    assert_eq!(describe(rig, &key).expect("described").state, Some(KeyState::Enabled));
    assert_eq!(unwrap(rig, &wrapped, &context(), None).expect("unwrapped"), made);
}

fn rotation(rig: &Rig, key: &KeyUri) {
    if !rig.can(Capability::GetRotation) {
        return;
    }
    let get = || match rig.administer(&AdminRequest::GetRotation { key: key.clone() }) {
        Ok(AdminResponse::Rotation { on, every_days, .. }) => (on, every_days),
        other => panic!("{other:?}"),
    };
    let set = |every_days: Option<u32>| {
        simple(rig, &AdminRequest::SetRotation { key: key.clone(), every_days });
    };
    assert_eq!(get(), (false, None));
    let days = rig.about.rotation_days;
    for days in [days, days + 10] {
        set(Some(days));
        assert_eq!(get(), (true, Some(days)));
    }
    set(None);
    assert!(!get().0);
    let (made, wrapped) = generate(rig, key, &context()).expect("a data key");
    simple(rig, &AdminRequest::RotateKey { key: key.clone() });
    // What an older version wrapped opens.
    assert_eq!(unwrap(rig, &wrapped, &context(), Some(key)).expect("unwrapped"), made);
    let (made, wrapped) = generate(rig, key, &context()).expect("a data key");
    assert_eq!(unwrap(rig, &wrapped, &context(), Some(key)).expect("unwrapped"), made);
}

fn aliases(rig: &Rig, key: &KeyUri) {
    if !rig.can(Capability::SetAlias) {
        return;
    }
    let alias = format!("{}another", rig.about.alias_prefix);
    simple(rig, &AdminRequest::SetAlias { key: key.clone(), alias: alias.clone() });
    if rig.capabilities().alias_is_a_name {
        let by_alias: KeyUri = format!("{}/{alias}", rig.about.place).parse().expect("a URI");
        let resolve = Request::ResolveKey { key: by_alias.clone() };
        assert!(matches!(rig.call(&resolve), Ok(Response::Key(found)) if found == *key));
        let (made, wrapped) = generate(rig, &by_alias, &context()).expect("a data key");
        assert_eq!(&wrapped.key, key, "envelopes keep the full name");
        assert_eq!(unwrap(rig, &wrapped, &context(), Some(&by_alias)).expect("unwrapped"), made);
        // From one key to another.
        let other = rig.wrapping_key("aliased").clone();
        simple(rig, &AdminRequest::SetAlias { key: other.clone(), alias: alias.clone() });
        assert!(matches!(rig.call(&resolve), Ok(Response::Key(found)) if found == other));
        let demanded = refused(unwrap(rig, &wrapped, &context(), Some(&by_alias)));
        assert_eq!(demanded, ErrorCode::AuthenticationFailed);
        simple(rig, &AdminRequest::DeleteAlias { key: other, alias });
        assert_eq!(refused(rig.call(&resolve)), ErrorCode::KmsKeyUnavailable);
    } else {
        let found = describe(rig, key).expect("described").alias;
        assert_eq!(found.as_deref(), Some(alias.as_str()));
    }
}

fn random(rig: &Rig) {
    if !rig.can(Capability::Random) {
        return;
    }
    let take = |len: usize| match rig.administer(&AdminRequest::Random { len }).expect("random") {
        AdminResponse::Random(bytes) => bytes.expose().to_vec(),
        other => panic!("{other:?}"),
    };
    for len in [8, 32, 128] {
        let (one, other) = (take(len), take(len));
        assert!(one.len() == len && other.len() == len && one != other);
    }
}

fn unknown_keys(rig: &Rig, first: &KeyUri) {
    let (_, wrapped) = generate(rig, first, &context()).expect("a data key");
    let digits = |c: char| if c.is_ascii_digit() { '9' } else { c };
    // Of the same form, and of no key.
    let name = first.as_str().rsplit('/').next().expect("a name");
    let name: String = if name.contains(|c: char| c.is_ascii_digit()) {
        name.chars().map(digits).collect()
    } else {
        "nobody".to_owned()
    };
    let (parent, _) = first.as_str().rsplit_once('/').expect("a name");
    let nobody: KeyUri = format!("{parent}/{name}").parse().expect("a URI");
    assert_ne!(&nobody, first);
    let gone = ErrorCode::KmsKeyUnavailable;
    assert_eq!(refused(generate(rig, &nobody, &context())), gone);
    assert_eq!(refused(describe(rig, &nobody)), gone);
    assert_eq!(refused(rig.call(&Request::ResolveKey { key: nobody.clone() })), gone);
    let disable = AdminRequest::DisableKey { key: nobody.clone() };
    assert_eq!(refused(rig.administer(&disable)), gone);
    // Some ask the key, and it is not there; some decrypt, and see that it is another.
    let code = refused(unwrap(rig, &wrapped, &context(), Some(&nobody)));
    assert!([gone, ErrorCode::AuthenticationFailed].contains(&code), "{code:?}");
    // A key of another place is none of ours, and nobody is asked.
    rig.requests();
    let elsewhere: KeyUri = "tencent://elsewhere/key".parse().expect("a URI");
    let code = refused(generate(rig, &elsewhere, &context()));
    assert_eq!((code, rig.requests()), (ErrorCode::InvalidArgument, 0));
}

fn deletion(rig: &Rig, key: &KeyUri) {
    let (made, wrapped) = generate(rig, key, &context()).expect("a data key");
    let schedule =
        |days: u32| rig.administer(&AdminRequest::ScheduleKeyDeletion { key: key.clone(), days });
    rig.requests();
    let (least, most) = rig.capabilities().key_deletion_days;
    for days in [least - 1, most + 1] {
        assert_eq!(refused(schedule(days)), ErrorCode::InvalidArgument);
    }
    assert_eq!(rig.requests(), 0, "outside the bounds nothing is sent");
    let answer = schedule(rig.about.key_deletion_days).expect("scheduled");
    assert!(matches!(answer, AdminResponse::Deletion { .. }), "{answer:?}");
    match describe(rig, key) {
        Ok(info) => assert_eq!(info.state, Some(KeyState::PendingDeletion)),
        // Azure shows it among what was deleted.
        Err(error) => assert_eq!(error.code(), ErrorCode::KmsKeyUnavailable),
    }
    let off = ErrorCode::KmsKeyUnavailable;
    assert_eq!(refused(generate(rig, key, &context())), off);
    assert_eq!(refused(unwrap(rig, &wrapped, &context(), None)), off);
    simple(rig, &AdminRequest::CancelKeyDeletion { key: key.clone() });
    if describe(rig, key).expect("described").state != Some(KeyState::Enabled) {
        simple(rig, &AdminRequest::EnableKey { key: key.clone() });
    }
    assert_eq!(unwrap(rig, &wrapped, &context(), None).expect("unwrapped"), made);
    generate(rig, key, &context()).expect("a data key");
}

fn put(rig: &Rig, name: &str, value: &[u8], token: &str) -> String {
    let (name, value) = (name.to_owned(), secret(value));
    let put = Request::PutSecret { name, value, key: None, token: token.to_owned() };
    match rig.call(&put).expect("stored") {
        Response::SecretVersion { version } => version,
        other => panic!("{other:?}"),
    }
}

fn get(
    rig: &Rig,
    name: &str,
    version: Option<&str>,
    stage: Option<&str>,
) -> Result<(Vec<u8>, String), keyfold::Error> {
    let (version, stage) = (version.map(str::to_owned), stage.map(str::to_owned));
    match rig.call(&Request::GetSecret { name: name.to_owned(), version, stage })? {
        Response::Secret { value, version } => Ok((value.expose().to_vec(), version)),
        other => panic!("{other:?}"),
    }
}

fn secrets(rig: &Rig) {
    if !rig.can(Capability::PutSecret) {
        return;
    }
    let name = "db-password";
    let none = ErrorCode::SecretNotFound;
    assert_eq!(refused(get(rig, name, None, None)), none);
    let describe = || rig.administer(&AdminRequest::DescribeSecret { name: name.to_owned() });
    assert_eq!(refused(describe()), none);

    // Text, then bytes that are none.
    let binary = [0xff, 0, 0xfe, b'"', b'\\'];
    let old = put(rig, name, b"hunter2", TOKENS[0]);
    assert_eq!(get(rig, name, None, None).expect("read"), (b"hunter2".to_vec(), old.clone()));
    if rig.about.tokens {
        // The answer was lost, and the change is sent again.
        assert_eq!(put(rig, name, b"hunter2", TOKENS[0]), old);
    }
    let new = put(rig, name, &binary, TOKENS[1]);
    assert_ne!(old, new);
    for (version, stage) in [
        (None, None),
        (None, Some("AWSCURRENT")),
        (Some(&new), None),
        (Some(&new), Some("AWSCURRENT")),
    ] {
        let read = get(rig, name, version.map(String::as_str), stage).expect("read");
        assert_eq!(read, (binary.to_vec(), new.clone()), "{stage:?}");
    }
    for (version, stage) in [(Some(&old), None), (None, Some("AWSPREVIOUS"))] {
        let read = get(rig, name, version.map(String::as_str), stage).expect("read");
        assert_eq!(read, (b"hunter2".to_vec(), old.clone()), "{stage:?}");
    }
    assert_eq!(refused(get(rig, name, Some(&old), Some("AWSCURRENT"))), none);

    let versions = versions(rig, name);
    let ids: Vec<&str> = versions.iter().map(|version| version.id.as_str()).collect();
    assert!(ids.contains(&old.as_str()) && ids.contains(&new.as_str()), "{ids:?}");
    for (stage, id) in [("AWSCURRENT", &new), ("AWSPREVIOUS", &old)] {
        let found = versions.iter().find(|version| version.stages.iter().any(|s| s == stage));
        assert_eq!(found.map(|version| &version.id), Some(id), "{stage}");
    }
    match describe().expect("described") {
        AdminResponse::Secret(info) => assert!(info.name == name && !info.deleted, "{info:?}"),
        other => panic!("{other:?}"),
    }
    longest(rig);
    listed(rig);

    let days = rig.about.secret_deletion_days;
    let delete = AdminRequest::DeleteSecret { name: name.to_owned(), days };
    let answer = rig.administer(&delete).expect("deleted");
    assert!(matches!(answer, AdminResponse::Deletion { .. }), "{answer:?}");
    assert_eq!(refused(get(rig, name, None, None)), none);
    if rig.can(Capability::RestoreSecret) {
        simple(rig, &AdminRequest::RestoreSecret { name: name.to_owned() });
        assert_eq!(get(rig, name, None, None).expect("read").0, binary);
    }
}

fn versions(rig: &Rig, name: &str) -> Vec<SecretVersionInfo> {
    let (mut all, mut page) = (Vec::new(), None);
    loop {
        let request = AdminRequest::ListSecretVersions { name: name.to_owned(), page };
        let answer = rig.administer(&request).expect("listed");
        let AdminResponse::SecretVersions { versions, next } = answer else { panic!() };
        all.extend(versions);
        page = next;
        if page.is_none() {
            return all;
        }
    }
}

fn longest(rig: &Rig) {
    let most = rig.capabilities().max_secret;
    let long = vec![b'x'; most];
    put(rig, "long", &long, TOKENS[0]);
    assert_eq!(get(rig, "long", None, None).expect("read").0, long);
    rig.requests();
    let (name, value) = ("long".to_owned(), secret(&vec![b'x'; most + 1]));
    let put = Request::PutSecret { name, value, key: None, token: TOKENS[1].to_owned() };
    assert_eq!((refused(rig.call(&put)), rig.requests()), (ErrorCode::LimitExceeded, 0));
}

fn listed(rig: &Rig) {
    for at in 0..rig.about.pages.1 {
        put(rig, &format!("page-{at}"), b"value", TOKENS[0]);
    }
    let (mut found, mut page, mut pages) = (Vec::new(), None, 0);
    loop {
        let answer = rig.administer(&AdminRequest::ListSecrets { page }).expect("listed");
        let AdminResponse::Secrets { secrets, next } = answer else { panic!() };
        found.extend(secrets.into_iter().map(|secret| secret.name));
        (page, pages) = (next, pages + 1);
        if page.is_none() {
            break;
        }
    }
    assert!(pages > 1, "only one page of {} secrets", found.len());
    for at in 0..rig.about.pages.1 {
        let name = format!("page-{at}");
        assert_eq!(found.iter().filter(|found| **found == name).count(), 1, "{name}");
    }
}

/// What the capabilities call absent is refused, and nothing is sent.
fn absent(rig: &Rig, key: &KeyUri) {
    let (requests, others) = every_request(key);
    let (mut refused, mut seen) = (0, 0);
    rig.requests();
    for request in &requests {
        seen += 1;
        if !rig.can(Capability::of(request)) {
            let error = rig.call(request).expect_err("absent");
            assert!(is_unsupported(&error), "{request:?}: {error}");
            refused += 1;
        }
    }
    for request in &others {
        seen += 1;
        if !rig.can(Capability::of_admin(request)) {
            let error = rig.administer(request).expect_err("absent");
            assert!(is_unsupported(&error), "{request:?}: {error}");
            refused += 1;
        }
    }
    assert_eq!(rig.requests(), 0, "{refused} requests that are absent");
    assert_eq!(seen, Capability::ALL.len(), "one request of each kind");
    let claimed = Capability::ALL.iter().filter(|capability| rig.can(**capability)).count();
    assert_eq!(refused, seen - claimed);
}

/// One request of each kind.
fn every_request(key: &KeyUri) -> (Vec<Request>, Vec<AdminRequest>) {
    let (key, name) = (key.clone(), "db-password".to_owned());
    let wrapped = || keyfold::WrappedKey {
        key: key.clone(),
        params: keyfold::ProviderParams::new(),
        ciphertext: b"AQIDBAUG".to_vec(),
    };
    let algorithm = SignatureAlgorithm::EcdsaSha256;
    let digest = || SignInput::Digest(vec![7; 32]);
    let requests = vec![
        Request::GenerateDataKey { key: key.clone(), context: context() },
        Request::GenerateSealedDataKey {
            key: key.clone(),
            context: context(),
            recipient: vec![0; 294],
        },
        Request::Wrap { key: key.clone(), data_key: secret(&[0; 32]), context: context() },
        Request::Unwrap { wrapped: wrapped(), context: context(), key: None },
        Request::Rewrap { wrapped: wrapped(), context: context(), key: None, to: key.clone() },
        Request::Encrypt { key: key.clone(), plaintext: secret(b"hi"), context: context() },
        Request::Decrypt { key: None, ciphertext: b"AQIDBA==".to_vec(), context: context() },
        Request::Sign { key: key.clone(), algorithm, input: SignInput::Message(vec![7]) },
        Request::Sign { key: key.clone(), algorithm, input: digest() },
        Request::Verify { key: key.clone(), algorithm, input: digest(), signature: vec![1] },
        Request::GetPublicKey { key: key.clone() },
        Request::ResolveKey { key: key.clone() },
        Request::PutSecret {
            name: name.clone(),
            value: secret(b"hunter2"),
            key: None,
            token: TOKENS[0].to_owned(),
        },
        Request::GetSecret { name: name.clone(), version: None, stage: None },
    ];
    let alias = "alias/docs".to_owned();
    let others = vec![
        AdminRequest::CreateKey {
            kind: KeyKind::Symmetric,
            usage: KeyUse::EncryptDecrypt,
            alias: Some("docs".into()),
            description: None,
        },
        AdminRequest::DescribeKey { key: key.clone() },
        AdminRequest::ListKeys { page: None },
        AdminRequest::EnableKey { key: key.clone() },
        AdminRequest::DisableKey { key: key.clone() },
        AdminRequest::ScheduleKeyDeletion { key: key.clone(), days: 30 },
        AdminRequest::CancelKeyDeletion { key: key.clone() },
        AdminRequest::GetRotation { key: key.clone() },
        AdminRequest::SetRotation { key: key.clone(), every_days: Some(90) },
        AdminRequest::RotateKey { key: key.clone() },
        AdminRequest::SetAlias { key: key.clone(), alias: alias.clone() },
        AdminRequest::DeleteAlias { key, alias },
        AdminRequest::Random { len: 32 },
        AdminRequest::DescribeSecret { name: name.clone() },
        AdminRequest::ListSecrets { page: None },
        AdminRequest::ListSecretVersions { name: name.clone(), page: None },
        AdminRequest::DeleteSecret { name: name.clone(), days: 7 },
        AdminRequest::RestoreSecret { name },
    ];
    (requests, others)
}
