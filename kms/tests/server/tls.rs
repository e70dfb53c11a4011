//! TLS: certificates, their renewal, client certificates.

use std::path::{Path, PathBuf};

use keyfold_kms::server::{ServerConfig, TlsConfig};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use reqwest::{Certificate, Client, Identity, Version};

use super::world::{World, config};

/// A folder with the files of a server, and the authority that signed them.
struct Files {
    folder: tempfile::TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Files {
    fn new() -> Self {
        let files =
            Files { folder: tempfile::tempdir().expect("a folder"), authority: authority() };
        files.renew();
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A new certificate for the server, of the same authority.
    fn renew(&self) {
        let (certificate, key) = leaf(&self.authority, ExtendedKeyUsagePurpose::ServerAuth);
        std::fs::write(self.path("server.pem"), certificate).expect("written");
        std::fs::write(self.path("server.key"), key).expect("written");
    }

    fn config(&self) -> ServerConfig {
        let mut tls = TlsConfig::new(self.path("server.pem"), self.path("server.key"));
        tls.reload_seconds = 0;
        ServerConfig { tls: Some(tls), ..config() }
    }
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signed")
}

fn leaf(
    authority: &CertifiedIssuer<'static, KeyPair>,
    purpose: ExtendedKeyUsagePurpose,
) -> (String, String) {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let mut params = CertificateParams::new(names).expect("parameters");
    params.extended_key_usages = vec![purpose];
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, authority).expect("signed");
    (certificate.pem(), key.serialize_pem())
}

/// A client that trusts one authority.
fn client(authority: &CertifiedIssuer<'static, KeyPair>, identity: Option<Identity>) -> Client {
    let root = Certificate::from_pem(authority.pem().as_bytes()).expect("a certificate");
    let client = Client::builder().no_proxy().tls_certs_only([root]).tls_info(true);
    let client = match identity {
        Some(identity) => client.identity(identity),
        None => client,
    };
    client.build().expect("a client")
}

fn identity(authority: &CertifiedIssuer<'static, KeyPair>) -> Identity {
    let (certificate, key) = leaf(authority, ExtendedKeyUsagePurpose::ClientAuth);
    Identity::from_pem(format!("{certificate}{key}").as_bytes()).expect("an identity")
}

async fn list(world: &World, client: &Client) -> reqwest::Result<reqwest::Response> {
    let request = client
        .post(&world.url)
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", "TrentService.ListKeys")
        .header("authorization", &world.authorization)
        .body("{}");
    request.send().await
}

fn certificate_of(response: &reqwest::Response) -> Vec<u8> {
    let info = response.extensions().get::<reqwest::tls::TlsInfo>().expect("TLS");
    info.peer_certificate().expect("a certificate").to_owned()
}

#[tokio::test]
async fn a_client_that_trusts_the_authority_is_served_over_http_2() {
    let files = Files::new();
    let world = World::start(files.config());
    assert!(world.url.starts_with("https://127.0.0.1:"));
    let reply = list(&world, &client(&files.authority, None)).await.expect("a reply");
    assert_eq!((reply.status().as_u16(), reply.version()), (200, Version::HTTP_2));
    assert!(list(&world, &client(&authority(), None)).await.is_err());
    // Plain HTTP gets nowhere.
    assert_ne!(world.call("TrentService.ListKeys", "{}").await.status, 200);
    world.end().await;
}

#[tokio::test]
async fn a_new_certificate_serves_new_connections() {
    let files = Files::new();
    let world = World::start(files.config());
    let ask = async || {
        let reply = list(&world, &client(&files.authority, None)).await.expect("a reply");
        certificate_of(&reply)
    };
    let first = ask().await;
    assert_eq!(ask().await, first);
    files.renew();
    world.control.reload();
    while ask().await == first {
        tokio::task::yield_now().await;
    }
    // What cannot be used is not used.
    let second = ask().await;
    std::fs::write(files.path("server.pem"), "no certificate").expect("written");
    world.control.reload();
    assert_eq!(ask().await, second);
    world.end().await;
}

#[tokio::test]
async fn files_that_change_are_found_without_a_signal() {
    let files = Files::new();
    let mut config = files.config();
    config.tls.as_mut().expect("TLS").reload_seconds = 1;
    let world = World::start(config);
    let ask = async || {
        let reply = list(&world, &client(&files.authority, None)).await.expect("a reply");
        certificate_of(&reply)
    };
    let first = ask().await;
    files.renew();
    while ask().await == first {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    world.end().await;
}

#[tokio::test]
async fn a_client_certificate_is_verified_where_an_authority_is_named() {
    let files = Files::new();
    let clients = authority();
    std::fs::write(files.path("clients.pem"), clients.pem()).expect("written");
    for required in [false, true] {
        let mut config = files.config();
        let tls = config.tls.as_mut().expect("TLS");
        tls.client_ca = Some(files.path("clients.pem"));
        tls.require_client_certificate = required;
        let world = World::start(config);
        let with = |identity| client(&files.authority, identity);
        let known = list(&world, &with(Some(identity(&clients)))).await;
        assert_eq!(known.expect("a reply").status(), 200);
        assert!(list(&world, &with(Some(identity(&authority())))).await.is_err());
        assert_eq!(list(&world, &with(None)).await.is_err(), required);
        world.end().await;
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_named() {
    type Change = fn(&Path);
    let files = Files::new();
    let change: [(&str, Change); 4] = [
        ("server.pem", |path| std::fs::write(path, "no certificate").expect("written")),
        ("server.key", |path| std::fs::write(path, "no key").expect("written")),
        ("server.key", |path| std::fs::remove_file(path).expect("removed")),
        ("server.pem", |path| {
            let of_another_key = leaf(&authority(), ExtendedKeyUsagePurpose::ServerAuth).0;
            std::fs::write(path, of_another_key).expect("written");
        }),
    ];
    for (name, change) in change {
        files.renew();
        change(&files.path(name));
        let refused = keyfold_kms::server::Server::check(&files.config()).expect_err(name);
        assert!(refused.to_string().contains(name), "{refused}");
    }
}
