//! Lists, filters and tokens.

use super::*;

fn list(safe: &Safe, request: &ListSecretsRequest) -> ListSecretsResponse {
    safe.call(request).expect("a list")
}

fn names(response: &ListSecretsResponse) -> Vec<&str> {
    response.secret_list.iter().map(|entry| entry.name.as_str()).collect()
}

fn pages(safe: &Safe, mut request: ListSecretsRequest) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let page = list(safe, &request);
        all.extend(names(&page).into_iter().map(str::to_owned));
        match page.next_token {
            Some(token) => request.next_token = Some(token),
            None => return all,
        }
    }
}

#[test]
fn secrets_are_listed_in_order_of_creation() {
    with_safes(|safe| {
        for name in ["c", "a", "b"] {
            safe.wait(1);
            safe.create(name, "v");
        }
        assert_eq!(names(&list(safe, &ListSecretsRequest::default())), ["c", "a", "b"]);
        let descending =
            ListSecretsRequest { sort_order: Some(SortOrder::Descending), ..Default::default() };
        assert_eq!(names(&list(safe, &descending)), ["b", "a", "c"]);
        let small = ListSecretsRequest { max_results: Some(1), ..Default::default() };
        assert_eq!(pages(safe, small.clone()), ["c", "a", "b"]);
        assert_eq!(
            pages(safe, ListSecretsRequest { max_results: Some(2), ..descending }),
            ["b", "a", "c"]
        );
        for max_results in [0, 101] {
            let request =
                ListSecretsRequest { max_results: Some(max_results), ..Default::default() };
            assert_eq!(code(safe.call(&request)), KmsErrorCode::InvalidParameter);
        }
    });
}

#[test]
fn what_is_added_or_removed_between_pages_makes_nothing_repeat_or_disappear() {
    with_safes(|safe| {
        for n in 0..6 {
            safe.wait(1);
            safe.create(&format!("s{n}"), "v");
        }
        let request = ListSecretsRequest { max_results: Some(3), ..Default::default() };
        let first = list(safe, &request);
        assert_eq!(names(&first), ["s0", "s1", "s2"]);
        for gone in ["s2", "s4"] {
            safe.delete(gone).expect("scheduled");
        }
        safe.wait(1);
        safe.create("s6", "v");
        let rest = pages(safe, ListSecretsRequest { next_token: first.next_token, ..request });
        assert_eq!(rest, ["s3", "s5", "s6"]);
    });
}

#[test]
fn more_secrets_than_a_page_looks_at_are_all_found() {
    let safe = Safe::in_memory();
    for n in 0..1250 {
        safe.wait(1);
        safe.call(&create(&format!("{}-{n}", if n % 600 == 7 { "odd" } else { "even" })))
            .expect("created");
    }
    let filters = vec![SecretFilter { key: SecretFilterKey::Name, values: vec!["odd".into()] }];
    let request = ListSecretsRequest { filters, max_results: Some(1), ..Default::default() };
    assert_eq!(pages(&safe, request.clone()), ["odd-7", "odd-607", "odd-1207"]);
    let first = list(&safe, &ListSecretsRequest { max_results: Some(3), ..request.clone() });
    assert_eq!((names(&first), first.next_token.is_some()), (vec!["odd-7", "odd-607"], true));
    let descending = ListSecretsRequest { sort_order: Some(SortOrder::Descending), ..request };
    assert_eq!(pages(&safe, descending), ["odd-1207", "odd-607", "odd-7"]);
    assert_eq!(pages(&safe, ListSecretsRequest::default()).len(), 1250);
}

#[test]
fn filters_and_planned_deletions() {
    with_safes(|safe| {
        let tags = vec![SecretTag { key: "team".into(), value: "red".into() }];
        safe.call(&CreateSecretRequest { tags, ..create("prod/db") }).expect("created");
        safe.wait(1);
        let description = Some("The staging database".into());
        safe.call(&CreateSecretRequest { description, ..create("staging/db") }).expect("created");
        safe.wait(1);
        safe.call(&create("gone")).expect("created");
        safe.delete("gone").expect("scheduled");
        let found = |key, value: &str| {
            let filters = vec![SecretFilter { key, values: vec![value.into()] }];
            let request = ListSecretsRequest { filters, ..Default::default() };
            names(&list(safe, &request)).join(" ")
        };
        assert_eq!(found(SecretFilterKey::Name, "prod"), "prod/db");
        assert_eq!(found(SecretFilterKey::Name, "!prod"), "staging/db");
        assert_eq!(found(SecretFilterKey::TagValue, "red"), "prod/db");
        assert_eq!(found(SecretFilterKey::Description, "database"), "staging/db");
        assert_eq!(found(SecretFilterKey::All, "RED"), "prod/db");
        assert_eq!(found(SecretFilterKey::PrimaryRegion, "us-east-1"), "prod/db staging/db");
        let planned =
            ListSecretsRequest { include_planned_deletion: Some(true), ..Default::default() };
        let all = list(safe, &planned);
        assert_eq!(names(&all), ["prod/db", "staging/db", "gone"]);
        assert!(all.secret_list[2].deleted_date.is_some());
        safe.wait(31 * Timestamp::DAY);
        assert_eq!(names(&list(safe, &planned)), ["prod/db", "staging/db"]);
        let bad = vec![SecretFilter { key: SecretFilterKey::All, values: Vec::new() }];
        let bad = ListSecretsRequest { filters: bad, ..Default::default() };
        assert_eq!(code(safe.call(&bad)), KmsErrorCode::InvalidParameter);
    });
}

#[test]
fn tokens_are_authentic_fresh_and_of_their_own_list() {
    with_safes(|safe| {
        for name in ["a", "b", "s"] {
            safe.wait(1);
            safe.create(name, "v");
        }
        for n in 0..3 {
            safe.wait(1);
            safe.put("s", &n.to_string());
        }
        let page = |token: Option<&str>, sort_order| {
            safe.call(&ListSecretsRequest {
                max_results: Some(1),
                next_token: token.map(str::to_owned),
                sort_order,
                ..Default::default()
            })
        };
        let of_versions = |secret: &str, token: Option<&str>| {
            safe.call(&ListSecretVersionIdsRequest {
                secret_id: secret.into(),
                max_results: Some(1),
                next_token: token.map(str::to_owned),
                include_deprecated: Some(true),
            })
        };
        let token = page(None, None).expect("a page").next_token.expect("more follows");
        let versions = of_versions("s", None).expect("a page").next_token.expect("more follows");
        page(Some(&token), None).expect("the next page");
        let refused = |token: &str| code(page(Some(token), None));
        for bad in ["", "x", "ä", &"A".repeat(5000), &versions, &token[1..], &format!("{token}A")]
        {
            assert_eq!(refused(bad), KmsErrorCode::InvalidNextToken, "{bad}");
        }
        for at in 0..token.len() {
            let mut altered = token.clone().into_bytes();
            altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(altered).expect("ASCII");
            assert_eq!(refused(&altered), KmsErrorCode::InvalidNextToken, "{at}");
        }
        let descending = page(Some(&token), Some(SortOrder::Descending));
        assert_eq!(code(descending), KmsErrorCode::InvalidNextToken);
        assert_eq!(code(of_versions("a", Some(&versions))), KmsErrorCode::InvalidNextToken);
        of_versions("s", Some(&versions)).expect("the next page");
        safe.wait(Timestamp::DAY + 1);
        assert_eq!(refused(&token), KmsErrorCode::InvalidNextToken);
    });
}

#[test]
fn versions_are_listed_newest_first() {
    with_safes(|safe| {
        safe.create("s", "0");
        let mut ids = Vec::new();
        for n in 1..5 {
            safe.wait(1);
            ids.push(safe.put("s", &n.to_string()));
        }
        ids.reverse();
        let ask = |deprecated: bool, max: u32, token: Option<String>| {
            let request = ListSecretVersionIdsRequest {
                secret_id: "s".into(),
                max_results: Some(max),
                next_token: token,
                include_deprecated: Some(deprecated),
            };
            let page = safe.call(&request).expect("a page");
            let ids: Vec<String> = page.versions.into_iter().map(|v| v.version_id).collect();
            (ids, page.next_token)
        };
        assert_eq!(ask(false, 100, None), (ids[..2].to_vec(), None));
        let (first, token) = ask(true, 3, None);
        assert_eq!(first, ids[..3]);
        let (second, token) = ask(true, 3, token);
        assert_eq!((second.len(), second.first(), token), (2, ids.get(3), None));
        let missing =
            ListSecretVersionIdsRequest { secret_id: "nothing".into(), ..Default::default() };
        assert_eq!(code(safe.call(&missing)), KmsErrorCode::ResourceNotFound);
    });
}
