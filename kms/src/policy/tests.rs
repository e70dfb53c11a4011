use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const ACCOUNT: &str = "111122223333";
const KEY: &str = "arn:aws:kms:local:111122223333:key/0c5d6a1e-6f0e-4c57-9b2b-0d9f6c3b7a10";
const ROOT: &str = "arn:aws:iam::111122223333:root";
const ALICE: &str = "arn:aws:iam::111122223333:user/alice";
const BOB: &str = "arn:aws:iam::111122223333:role/bob";

fn statement() -> Value {
    json!({"Sid": "S", "Effect": "Allow", "Principal": "*", "Action": "kms:*", "Resource": "*"})
}

fn document(statements: &Value) -> String {
    json!({"Version": "2012-10-17", "Statement": statements}).to_string()
}

/// The policy of one statement, that of `statement()` with some members replaced.
fn with(members: &Value) -> String {
    let mut statement = statement();
    for (name, value) in members.as_object().expect("members") {
        statement[name] = value.clone();
    }
    document(&json!([statement]))
}

fn ask<'a>(principal: &'a str, action: &'a str, conditions: &'a Conditions) -> PolicyRequest<'a> {
    PolicyRequest {
        principal,
        account: ACCOUNT,
        role_allows: false,
        action,
        resource: KEY,
        conditions,
    }
}

fn allows(text: &str, principal: &str, action: &str, conditions: &Conditions) -> bool {
    let policy = parse(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    matches!(policy.decide(&ask(principal, action, conditions)), Decision::Allow { .. })
}

fn condition_holds(condition: &Value, conditions: &Conditions) -> bool {
    allows(&with(&json!({"Condition": condition})), ALICE, "kms:Encrypt", conditions)
}

fn values(pairs: &[(&str, &[&str])]) -> Conditions {
    let mut conditions = Conditions::new();
    for (key, values) in pairs {
        conditions.set_all(*key, values.iter().copied());
    }
    conditions
}

#[test]
fn the_default_document_is_the_default_policy() {
    let text = Policy::default_document("aws", ACCOUNT);
    assert!(parse(&text).is_ok_and(|policy| policy == Policy::default_for(ACCOUNT)));
}

#[test]
fn the_default_policy_lets_the_account_do_everything() {
    let policy = Policy::default_for(ACCOUNT);
    let none = Conditions::new();
    let allow = Decision::Allow { statement: "Enable IAM User Permissions" };
    assert_eq!(policy.decide(&ask(ROOT, "kms:ScheduleKeyDeletion", &none)), allow);
    assert_eq!(policy.decide(&ask(ALICE, "kms:Encrypt", &none)), Decision::Implicit);
    let by_role = PolicyRequest { role_allows: true, ..ask(ALICE, "kms:Encrypt", &none) };
    assert_eq!(policy.decide(&by_role), allow);
    let foreign = PolicyRequest { account: "999999999999", ..by_role };
    assert_eq!(policy.decide(&foreign), Decision::Implicit);
}

#[test]
fn an_explicit_deny_wins_in_any_order() {
    let allow = statement();
    let mut deny = statement();
    deny["Sid"] = json!("No");
    deny["Effect"] = json!("Deny");
    for statements in [json!([allow, deny]), json!([deny, allow])] {
        let policy = parse(&document(&statements)).expect("valid");
        let none = Conditions::new();
        let request = ask(ALICE, "kms:Encrypt", &none);
        assert_eq!(policy.decide(&request), Decision::Deny { statement: "No" });
    }
}

#[test]
fn the_statement_that_decided_is_named() {
    let mut nameless = statement();
    nameless.as_object_mut().expect("object").remove("Sid");
    nameless["Action"] = json!("kms:Sign");
    let policy = parse(&document(&json!([nameless, statement()]))).expect("valid");
    let none = Conditions::new();
    let decided = |action| policy.decide(&ask(ALICE, action, &none));
    assert_eq!(decided("kms:Sign"), Decision::Allow { statement: "#0" });
    assert_eq!(decided("kms:Verify"), Decision::Allow { statement: "S" });
}

#[test]
fn principals() {
    let none = Conditions::new();
    let reaches = |principal: Value, who: &str| {
        allows(&with(&json!({"Principal": principal})), who, "kms:Encrypt", &none)
    };
    assert!(reaches(json!("*"), ALICE));
    assert!(reaches(json!({"AWS": "*"}), ALICE));
    assert!(reaches(json!({"AWS": ALICE}), ALICE));
    assert!(!reaches(json!({"AWS": ALICE}), BOB));
    assert!(reaches(json!({"AWS": [BOB, ALICE]}), ALICE));
    assert!(!reaches(json!({"AWS": ALICE}), "arn:aws:iam::111122223333:user/alice2"));
    assert!(!reaches(json!({"AWS": ALICE}), ROOT));
    for account in [json!({"AWS": ACCOUNT}), json!({"AWS": ROOT})] {
        assert!(reaches(account.clone(), ROOT));
        assert!(!reaches(account, ALICE), "the account allows only those whose role allows");
    }
    for subject in ["oidc/issuer.example/subject 1", "mtls/CN=db", "user/team/alice"] {
        let arn = format!("arn:aws:iam::{ACCOUNT}:{subject}");
        assert!(reaches(json!({"AWS": arn}), &arn));
    }
}

#[test]
fn to_deny_an_account_is_to_deny_everybody_in_it() {
    let policy =
        parse(&with(&json!({"Effect": "Deny", "Principal": {"AWS": ROOT}}))).expect("valid");
    let none = Conditions::new();
    for who in [ROOT, ALICE] {
        let decision = policy.decide(&ask(who, "kms:Encrypt", &none));
        assert_eq!(decision, Decision::Deny { statement: "S" });
    }
    let foreign = PolicyRequest { account: "999999999999", ..ask(ALICE, "kms:Encrypt", &none) };
    assert_eq!(policy.decide(&foreign), Decision::Implicit);
}

#[test]
fn principals_that_are_not_understood() {
    for principal in [
        json!("alice"),
        json!([]),
        json!({}),
        json!(["*"]),
        json!({"AWS": []}),
        json!({"AWS": "alice"}),
        json!({"AWS": "11112222333"}),
        json!({"AWS": "arn:aws:iam::111122223333:user/*"}),
        json!({"AWS": "arn:aws:iam::111122223333:user/a?"}),
        json!({"AWS": "arn:aws:iam::111122223333:user/${aws:username}"}),
        json!({"AWS": "arn:aws:iam::111122223333:user/"}),
        json!({"AWS": "arn:aws:iam::*:root"}),
        json!({"AWS": "arn:aws:iam:eu:111122223333:root"}),
        json!({"AWS": "arn:aws:iam::111122223333:group/admins"}),
        json!({"AWS": "arn:aws:sts::111122223333:assumed-role/r/s"}),
        json!({"Service": "s3.amazonaws.com"}),
        json!({"Federated": "accounts.google.com"}),
        json!({"AWS": "*", "Service": "s3.amazonaws.com"}),
        json!(null),
        json!(7),
    ] {
        assert!(parse(&with(&json!({"Principal": principal}))).is_err(), "{principal}");
    }
}

#[test]
fn actions() {
    let none = Conditions::new();
    let contains =
        |action: Value, asked: &str| allows(&with(&json!({"Action": action})), ALICE, asked, &none);
    assert!(contains(json!("kms:Encrypt"), "kms:Encrypt"));
    assert!(!contains(json!("kms:Encrypt"), "kms:Decrypt"));
    assert!(contains(json!("KMS:encrypt"), "kms:Encrypt"));
    assert!(contains(json!("kms:GenerateDataKey*"), "kms:GenerateDataKeyWithoutPlaintext"));
    assert!(contains(json!("kms:GenerateDataKey*"), "kms:GenerateDataKey"));
    assert!(!contains(json!("kms:GenerateDataKey"), "kms:GenerateDataKeyWithoutPlaintext"));
    assert!(contains(json!(["kms:Sign", "kms:ReEncrypt*"]), "kms:ReEncryptTo"));
    assert!(contains(json!("kms:*"), "kms:PutKeyPolicy"));
    assert!(!contains(json!("kms:*"), "secretsmanager:GetSecretValue"));
    for action in [
        json!("*"),
        json!("kms:"),
        json!("kms:ReEncrypt"),
        json!("kms:Encript"),
        json!("kms:*crypt"),
        json!("kms:En*t"),
        json!("kms:Encryp?"),
        json!("kms:Zap*"),
        json!("kms:**"),
        json!("s3:GetObject"),
        json!("Encrypt"),
        json!([]),
        json!(["kms:Encrypt", "kms:"]),
        json!(true),
        json!(null),
        json!([["kms:Encrypt"]]),
    ] {
        assert!(parse(&with(&json!({"Action": action}))).is_err(), "{action}");
    }
}

#[test]
fn resources() {
    let none = Conditions::new();
    let own = with(&json!({"Resource": KEY}));
    assert!(allows(&own, ALICE, "kms:Encrypt", &none));
    assert!(parse(&own).expect("valid").is_only_about(KEY));
    let other = KEY.replace("0c5d", "0c5e");
    let foreign = with(&json!({"Resource": [other]}));
    assert!(!allows(&foreign, ALICE, "kms:Encrypt", &none));
    assert!(!parse(&foreign).expect("valid").is_only_about(KEY));
    for resource in [
        json!(""),
        json!([]),
        json!("arn:aws:kms:*:111122223333:key/*"),
        json!("arn:aws:kms:local:111122223333:alias/docs"),
        json!("arn:aws:s3:::bucket"),
        json!("key/1"),
        json!({"KMS": "*"}),
    ] {
        assert!(parse(&with(&json!({"Resource": resource}))).is_err(), "{resource}");
    }
}

#[test]
fn text_conditions() {
    let mut sealed = Conditions::new();
    sealed.set_context(&EncryptionContext::from([("tenant", "acme"), ("doc", "42")]));
    let absent = Conditions::new();
    let equals = json!({"StringEquals": {"kms:EncryptionContext:tenant": ["acme", "umbrella"]}});
    assert!(condition_holds(&equals, &sealed));
    assert!(!condition_holds(&equals, &absent));
    let case = json!({"StringEquals": {"kms:EncryptionContext:Tenant": "acme"}});
    assert!(!condition_holds(&case, &sealed));
    let not_equals = json!({"StringNotEquals": {"kms:EncryptionContext:tenant": "acme"}});
    assert!(!condition_holds(&not_equals, &sealed));
    assert!(condition_holds(&not_equals, &absent));
    let like = json!({"StringLike": {"kms:EncryptionContext:tenant": ["x", "a?m*"]}});
    assert!(condition_holds(&like, &sealed));
    assert!(!condition_holds(&like, &absent));
    let account = json!({"StringEquals": {"kms:CallerAccount": ACCOUNT}});
    assert!(condition_holds(&account, &absent));
    let other = json!({"StringEquals": {"kms:CallerAccount": "999999999999"}});
    assert!(!condition_holds(&other, &values(&[("kms:CallerAccount", &["999999999999"])])));
}

#[test]
fn conditions_on_sets() {
    let all = json!({"ForAllValues:StringEquals": {"kms:GrantOperations": ["Encrypt", "Decrypt"]}});
    let any = json!({"ForAnyValue:StringEquals": {"kms:GrantOperations": ["Encrypt", "Decrypt"]}});
    let of = |operations: &[&str]| values(&[("kms:GrantOperations", operations)]);
    assert!(condition_holds(&all, &of(&["Encrypt"])));
    assert!(!condition_holds(&all, &of(&["Encrypt", "Sign"])));
    assert!(condition_holds(&all, &of(&[])), "as in AWS, no value contradicts");
    assert!(condition_holds(&any, &of(&["Encrypt", "Sign"])));
    assert!(!condition_holds(&any, &of(&["Sign"])));
    assert!(!condition_holds(&any, &of(&[])));
    let mut sealed = Conditions::new();
    sealed.set_context(&EncryptionContext::from([("tenant", "acme")]));
    let keys = json!({"ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["tenant"]}});
    assert!(condition_holds(&keys, &sealed));
}

#[test]
fn booleans_and_absence() {
    let is = json!({"Bool": {"kms:GrantIsForAWSResource": true}});
    assert!(condition_holds(&is, &values(&[("kms:GrantIsForAWSResource", &["true"])])));
    assert!(!condition_holds(&is, &values(&[("kms:GrantIsForAWSResource", &["false"])])));
    assert!(!condition_holds(&is, &Conditions::new()));
    let absent = json!({"Null": {"kms:ViaService": "true"}});
    let there = json!({"Null": {"kms:ViaService": ["false"]}});
    let via = values(&[("kms:ViaService", &["s3"])]);
    assert!(condition_holds(&absent, &Conditions::new()) && !condition_holds(&absent, &via));
    assert!(!condition_holds(&there, &Conditions::new()) && condition_holds(&there, &via));
}

#[test]
fn addresses() {
    let within =
        json!({"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32"]}});
    let from = |address: &str| condition_holds(&within, &values(&[("aws:SourceIp", &[address])]));
    for address in ["10.255.0.1", "192.0.2.7", "::ffff:10.1.2.3", "2001:db8::1"] {
        assert!(from(address), "{address}");
    }
    for address in ["11.0.0.1", "192.0.2.8", "2001:db9::1", "", "10.0.0", "010.0.0.1"] {
        assert!(!from(address), "{address}");
    }
    assert!(!condition_holds(&within, &Conditions::new()));
}

#[test]
fn all_conditions_must_hold() {
    let both = json!({
        "StringEquals": {"kms:KeySpec": "SYMMETRIC_DEFAULT", "kms:KeyUsage": "ENCRYPT_DECRYPT"},
        "Bool": {"kms:ReEncryptOnSameKey": "true"},
    });
    let all: &[(&str, &[&str])] = &[
        ("kms:KeySpec", &["SYMMETRIC_DEFAULT"]),
        ("kms:KeyUsage", &["ENCRYPT_DECRYPT"]),
        ("kms:ReEncryptOnSameKey", &["true"]),
    ];
    assert!(condition_holds(&both, &values(all)));
    for left_out in 0..all.len() {
        let mut some = all.to_vec();
        some.remove(left_out);
        assert!(!condition_holds(&both, &values(&some)), "{left_out}");
    }
}

#[test]
fn conditions_that_are_not_understood() {
    for condition in [
        json!({"StringEqualsIfExists": {"kms:KeySpec": "x"}}),
        json!({"stringequals": {"kms:KeySpec": "x"}}),
        json!({"ForAllValues:StringLike": {"kms:GrantOperations": "x"}}),
        json!({"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}),
        json!({"StringEquals": {"aws:username": "x"}}),
        json!({"StringEquals": {"kms:keyspec": "x"}}),
        json!({"StringEquals": {"kms:EncryptionContextKeys": "x"}}),
        json!({"ForAnyValue:StringEquals": {"kms:KeySpec": "x"}}),
        json!({"StringEquals": {"aws:SourceIp": "10.0.0.1"}}),
        json!({"Bool": {"kms:KeySpec": "true"}}),
        json!({"Bool": {"kms:ReEncryptOnSameKey": ["true", "false"]}}),
        json!({"Bool": {"kms:ReEncryptOnSameKey": "yes"}}),
        json!({"Null": {"kms:KeySpec": "maybe"}}),
        json!({"IpAddress": {"aws:SourceIp": "10.0.0.0/33"}}),
        json!({"IpAddress": {"aws:SourceIp": "everywhere"}}),
        json!({"StringEquals": {"kms:KeySpec": []}}),
        json!({"StringEquals": {"kms:KeySpec": 5}}),
        json!({"StringEquals": {"kms:KeySpec": null}}),
        json!({"StringEquals": {"kms:KeySpec": {"x": "y"}}}),
        json!({"StringEquals": {"kms:KeySpec": "${aws:PrincipalTag/spec}"}}),
        json!({"StringEquals": {}}),
        json!({"StringEquals": "kms:KeySpec"}),
        json!(null),
        json!([]),
    ] {
        assert!(parse(&with(&json!({"Condition": condition}))).is_err(), "{condition}");
    }
}

#[test]
fn documents_that_are_not_understood() {
    let statement = statement().to_string();
    let around = |members: &str| format!(r#"{{"Version":"2012-10-17",{members}}}"#);
    let inside = |members: &str| {
        around(&format!(r#""Statement":[{},{members}}}]"#, &statement[..statement.len() - 1]))
    };
    for text in [
        String::new(),
        "null".into(),
        "[]".into(),
        "{}".into(),
        around(r#""Statement":[]"#),
        around(r#""Id":"x""#),
        around(&format!(r#""Statement":[{statement}],"Extra":1"#)),
        around(&format!(r#""Statement":[{statement}],"Id":null"#)),
        around(&format!(r#""Statement":[{statement}],"Statement":[{statement}]"#)),
        around(&format!(r#""Version":"2012-10-17","Statement":[{statement}]"#)),
        around(&format!(r#""Statement":[{statement},{statement}]"#)),
        around(&format!(r#""Statement":[{statement}]}} x {{"#)),
        format!(r#"{{"Statement":[{statement}]}}"#),
        format!(r#"{{"Version":"2008-10-17","Statement":[{statement}]}}"#),
        inside(r#""Effect":"Deny""#),
        inside(r#""NotAction":"kms:Sign""#),
        inside(r#""NotPrincipal":"*""#),
        inside(r#""NotResource":"*""#),
        inside(r#""Condition":null"#),
        inside(
            r#""Condition":{"Bool":{"kms:ReEncryptOnSameKey":true},"Bool":{"kms:ReEncryptOnSameKey":true}}"#,
        ),
        inside(r#""Condition":{"Null":{"kms:KeySpec":true,"kms:KeySpec":false}}"#),
        with(&json!({"Effect": "allow"})),
        with(&json!({"Sid": ""})),
        with(&json!({"Sid": "a\nb"})),
        with(&json!({"Sid": "x".repeat(257)})),
        "[".repeat(20_000),
        format!("{}1{}", "{\"a\":".repeat(3000), "}".repeat(3000)),
    ] {
        assert!(parse(&text).is_err(), "{text}");
    }
    assert!(parse(&inside(r#""Condition":{}"#)).is_ok());
    assert!(parse(&around(&format!(r#""Statement":{statement}"#))).is_ok());
}

#[test]
fn the_size_limit_is_exact() {
    let text = Policy::default_document("aws", ACCOUNT);
    let padded = |len: usize| format!("{text}{}", " ".repeat(len - text.len()));
    assert!(parse(&padded(MAX_LEN)).is_ok());
    let error = parse(&padded(MAX_LEN + 1)).err().expect("too long");
    assert_eq!(error.to_string(), "the policy is longer than 32768 bytes");
}

#[test]
fn errors_say_where_and_repeat_no_value() {
    let planted = "planted-value";
    let mut second = statement();
    second["Sid"] = json!("T");
    second["Condition"] = json!({"StringEquals": {"kms:Planted": planted}});
    let error = parse(&document(&json!([statement(), second]))).err().expect("refused");
    assert_eq!(error.to_string(), "statement 1: a condition key is not understood");
    for text in [
        with(&json!({"Condition": {"StringEquals": planted}})),
        with(&json!({"Effect": planted})),
        with(&json!({planted: 1})),
        format!("{{\"Version\": {planted}"),
    ] {
        let error = parse(&text).err().expect("refused");
        assert!(!format!("{error} {error:?}").contains(planted), "{error}");
    }
}

#[test]
fn the_debug_output_of_conditions_has_no_values() {
    let mut conditions = Conditions::new();
    conditions.set_context(&EncryptionContext::from([("tenant", "planted-value")]));
    let printed = format!("{conditions:?}");
    assert!(printed.contains("kms:EncryptionContext:tenant") && !printed.contains("planted-value"));
}

#[test]
fn the_lockout_check() {
    let none = Conditions::new();
    let keeps = |policy: &str, who| {
        parse(policy).expect("valid").keeps_control(&ask(who, "kms:CreateKey", &none))
    };
    let alice_only = with(&json!({"Principal": {"AWS": ALICE}, "Action": "kms:Put*"}));
    assert!(keeps(&alice_only, ALICE));
    assert!(!keeps(&alice_only, BOB));
    assert!(!keeps(&with(&json!({"Action": "kms:Encrypt"})), ALICE));
    assert!(!keeps(&with(&json!({"Effect": "Deny"})), ROOT));
    assert!(keeps(&Policy::default_document("aws", ACCOUNT), ROOT));
}

const ASKED: [&str; 4] = ["kms:Encrypt", "kms:Decrypt", "kms:PutKeyPolicy", "kms:Sign"];

fn any_statement() -> impl Strategy<Value = Value> {
    let principal = prop_oneof![
        Just(json!("*")),
        Just(json!({"AWS": ALICE})),
        Just(json!({"AWS": [BOB, ROOT]})),
    ];
    let action = prop_oneof![
        Just(json!("kms:*")),
        Just(json!("kms:En*")),
        Just(json!(["kms:Decrypt", "kms:Sign"])),
    ];
    let condition = prop_oneof![
        Just(json!({})),
        Just(json!({"StringEquals": {"kms:KeySpec": "A"}})),
        Just(json!({"Null": {"kms:KeySpec": true}})),
    ];
    (any::<bool>(), principal, action, condition).prop_map(
        |(allow, principal, action, condition)| {
            json!({
                "Effect": if allow { "Allow" } else { "Deny" },
                "Principal": principal,
                "Action": action,
                "Resource": "*",
                "Condition": condition,
            })
        },
    )
}

proptest! {
    #[test]
    fn a_deny_always_wins(
        statements in prop::collection::vec(any_statement(), 1..6),
        who in prop::sample::select(vec![ALICE, BOB, ROOT]),
        action in prop::sample::select(ASKED.to_vec()),
        spec in prop::option::of(prop::sample::select(vec!["A", "B"])),
        role_allows in any::<bool>(),
    ) {
        let mut conditions = Conditions::new();
        if let Some(spec) = spec {
            conditions.set("kms:KeySpec", spec);
        }
        let request = PolicyRequest { role_allows, ..ask(who, action, &conditions) };
        let decide = |statements: &[Value]| match parse(&document(&json!(statements))) {
            Ok(policy) => match policy.decide(&request) {
                Decision::Allow { .. } => 'a',
                Decision::Deny { .. } => 'd',
                Decision::Implicit => 'i',
            },
            Err(error) => panic!("{error}"),
        };
        // Each statement alone, then all of them together.
        let alone: Vec<char> = statements.iter().map(|s| decide(std::slice::from_ref(s))).collect();
        let expected = ['d', 'a'].into_iter().find(|d| alone.contains(d)).unwrap_or('i');
        prop_assert_eq!(decide(&statements), expected);
    }

    #[test]
    fn unknown_operators_and_keys_never_parse(
        operator in "[A-Za-z:]{0,24}",
        key in "(aws|kms):[A-Za-z]{0,20}",
    ) {
        const OPERATORS: &[&str] = &[
            "StringEquals", "StringLike", "StringNotEquals", "ForAllValues:StringEquals",
            "ForAnyValue:StringEquals", "Bool", "Null", "IpAddress",
        ];
        const KEYS: &[&str] = &[
            "kms:EncryptionContextKeys", "kms:EncryptionAlgorithm", "kms:SigningAlgorithm",
            "kms:MacAlgorithm", "kms:MessageType", "kms:KeySpec", "kms:KeyUsage", "kms:KeyOrigin",
            "kms:RequestAlias", "kms:ResourceAliases", "kms:GrantOperations",
            "kms:GrantIsForAWSResource", "kms:GranteePrincipal", "kms:ViaService",
            "kms:CallerAccount", "kms:ReEncryptOnSameKey", "kms:ValidTo", "kms:WrappingAlgorithm",
            "aws:SourceIp",
        ];
        let refused = |operator: &str, key: &str| {
            parse(&with(&json!({"Condition": {operator: {key: "true"}}}))).is_err()
        };
        if !OPERATORS.contains(&operator.as_str()) {
            prop_assert!(KEYS.iter().all(|known| refused(&operator, known)));
        }
        if !KEYS.contains(&key.as_str()) {
            prop_assert!(OPERATORS.iter().all(|known| refused(known, &key)));
        }
        // Each known key is understood under at least one operator.
        prop_assert!(KEYS.iter().all(|known| !refused("Null", known)));
    }

    #[test]
    fn the_parser_is_total(text in ".{0,200}", cut in 0usize..400, flip in any::<u8>()) {
        let _ = parse(&text);
        let mut bytes = Policy::default_document("aws", ACCOUNT).into_bytes();
        let at = cut % bytes.len();
        bytes[at] = flip;
        if let Ok(text) = String::from_utf8(bytes.clone()) {
            let _ = parse(&text);
        }
        bytes[at] = b' ';
        bytes.truncate(at);
        prop_assert!(String::from_utf8(bytes).is_ok_and(|text| parse(&text).is_err()));
    }
}
