import Foundation
import Keyfold
import XCTest

final class ValueTests: XCTestCase {
    func testValuesOfAllLengthsComeBack() async throws {
        let (client, _, _) = try await newClient(context: ["tenant": "acme"])
        for count in [0, 1, 16_383, 16_384, 16_385, 100_000] {
            for suite in Suite.allCases {
                let sealed = try await client.encrypt(pattern(count), suite: suite)
                XCTAssertLessThanOrEqual(
                    UInt64(sealed.count), try Client.maxEncryptedLength(of: UInt64(count)))
                let opened = try await client.decrypt(sealed)
                XCTAssertEqual(opened, pattern(count))
                XCTAssertEqual(try EnvelopeInfo(of: sealed).suite, suite.rawValue)
            }
        }
    }

    func testAPartOfOtherDataIsEncryptedAsItself() async throws {
        let (client, _, _) = try await newClient()
        let all = pattern(5000)
        let sealed = try await client.encrypt(all.dropFirst(1000).prefix(100))
        let behind = Data([1, 2, 3]) + sealed
        let opened = try await client.decrypt(behind.dropFirst(3))
        XCTAssertEqual(opened, Data(all[1000..<1100]))
    }

    func testHeadersAreKeptApart() async throws {
        let (client, kms, _) = try await newClient()
        let (header, body) = try await client.encryptDetached(Data("hello".utf8))
        let opened = try await client.decrypt(body, header: header)
        XCTAssertEqual(opened, Data("hello".utf8))
        let other = try await kms.createKey("alias/backup")
        let rewrapped = try await client.rewrap(header, to: Keyring(other))
        let again = try await client.decrypt(body, with: Keyring(other), header: rewrapped)
        XCTAssertEqual(again, Data("hello".utf8))
    }

    func testTheContextIsDemanded() async throws {
        let (client, _, _) = try await newClient()
        let context = ["tenant": "acme", "kind": "invoice"]
        let sealed = try await client.encrypt(Data("hello".utf8), context: context)
        await expect(.contextMismatch) { _ = try await client.decrypt(sealed) }
        await expect(.contextMismatch) {
            _ = try await client.decrypt(sealed, context: ["tenant": "acme"])
        }
        let opened = try await client.decrypt(
            sealed, context: ["tenant": "acme"], match: .containing)
        XCTAssertEqual(opened, Data("hello".utf8))
    }

    func testRecipientsChange() async throws {
        let (client, kms, key) = try await newClient()
        let other = try await kms.createKey("alias/backup")
        let sealed = try await client.encrypt(Data("hello".utf8))
        let both = try await client.addRecipients(sealed, to: Keyring(other))
        XCTAssertEqual(try EnvelopeInfo(of: both).recipients.map { $0.key }, [key, other])
        let byOther = try await client.decrypt(both, with: .unwrap(with: [other]))
        XCTAssertEqual(byOther, Data("hello".utf8))
        let one = try await client.removeRecipients(both, keys: [key])
        XCTAssertEqual(try EnvelopeInfo(of: one).recipients.map { $0.key }, [other])
        await expect(.noUsableKey) { _ = try await client.decrypt(one) }
        let back = try await client.rewrap(one, from: Keyring(other), to: Keyring(key))
        let opened = try await client.decrypt(back)
        XCTAssertEqual(opened, Data("hello".utf8))
        let found = try await client.decrypt(back, with: .discover())
        XCTAssertEqual(found, Data("hello".utf8))
    }

    func testEnvelopesAreSigned() async throws {
        let (client, kms, _) = try await newClient()
        let release = try await kms.createKey("alias/release", spec: "ECC_NIST_P256")
        let byKms = try await client.encrypt(Data("hello".utf8), signer: .kms(release))
        let ofKms = try await client.publicKey(release)
        let opened = try await client.decrypt(byKms, signers: .oneOf([ofKms]))
        XCTAssertEqual(opened, Data("hello".utf8))

        let own = try SigningKey.generate()
        let byOwn = try await client.encrypt(Data("hello".utf8), signer: .local(own))
        let openedOwn = try await client.decrypt(byOwn, signers: .oneOf([own.publicKey]))
        XCTAssertEqual(openedOwn, Data("hello".utf8))
        XCTAssertEqual(try EnvelopeInfo(of: byOwn).signature?.spec, "ECC_NIST_EDWARDS25519")
        await expect(.signatureInvalid) {
            _ = try await client.decrypt(byOwn, signers: .oneOf([ofKms]))
        }
        let unsigned = try await client.encrypt(Data("hello".utf8))
        await expect(.signatureInvalid) {
            _ = try await client.decrypt(unsigned, signers: .anyone)
        }
    }

    func testMessagesAreSigned() async throws {
        let (client, kms, _) = try await newClient()
        let release = try await kms.createKey("alias/release", spec: "ECC_NIST_P256")
        for message in [Data("report".utf8), pattern(100_000)] {
            let signature = try await client.sign(message, using: release)
            try await client.verify(signature, for: message, using: release)
            await expect(.signatureInvalid) {
                try await client.verify(signature, for: message + Data([0]), using: release)
            }
        }
        let own = try SigningKey.generate(spec: "ECC_NIST_P256")
        let signature = try own.sign(Data("report".utf8))
        let copy = try SigningKey(pem: try own.toPem())
        try copy.publicKey.verify(signature, for: Data("report".utf8))
        XCTAssertEqual(try PublicKey(der: own.publicKey.der), own.publicKey)
        XCTAssertEqual(try PublicKey(pem: own.publicKey.pem), own.publicKey)
        XCTAssertEqual(try PublicKey(jwk: own.publicKey.jwk), own.publicKey)
        XCTAssertEqual(try SigningKey(der: try own.toDer()).publicKey, own.publicKey)
    }

    func testSmallDataGoesToTheKms() async throws {
        let (client, _, _) = try await newClient()
        let phone = Data("+49 30 1234567".utf8)
        let sealed = try await client.encryptSmall(phone, context: ["row": "1"])
        let opened = try await client.decryptSmall(sealed, context: ["row": "1"])
        XCTAssertEqual(opened, phone)
        await expect(.authenticationFailed) {
            _ = try await client.decryptSmall(sealed, context: ["row": "2"])
        }
        await expect(.limitExceeded) { _ = try await client.encryptSmall(pattern(4097)) }
    }

    func testSecretsAreKept() async throws {
        let (client, _, _) = try await newClient()
        let first = try await client.secrets.put("db/password", Secret("correct horse"))
        let second = try await client.secrets.put("db/password", Secret("battery staple"))
        XCTAssertNotEqual(first, second)
        let now = try await client.secrets.get("db/password")
        XCTAssertEqual(try now.exposeText(), "battery staple")
        XCTAssertEqual(now.version, second)
        let before = try await client.secrets.get("db/password", version: first)
        XCTAssertEqual(before, Secret("correct horse"))
        await expect(.secretNotFound) { _ = try await client.secrets.get("db/other") }
    }

    func testSecretsDoNotShowThemselves() async throws {
        let secret = Secret("correct horse")
        XCTAssertEqual(secret.count, 13)
        var dumped = ""
        dump(secret, to: &dumped)
        for text in ["\(secret)", String(reflecting: secret), dumped] {
            XCTAssertFalse(text.contains("horse"), text)
        }
        let shown = "\(KmsRequest.wrap(key: "k", dataKey: secret, context: ["a": "horse"]))"
        XCTAssertFalse(shown.contains("horse"), shown)
        for credentials in [
            Credentials.token("horse"), .accessKey(AccessKey(id: "id", secret: "horse")),
        ] {
            XCTAssertFalse("\(credentials)".contains("horse"))
            dumped = ""
            dump(credentials, to: &dumped)
            XCTAssertFalse(dumped.contains("horse"), dumped)
        }
        secret.wipe()
        secret.wipe()
        await expect(.invalidArgument) { _ = try secret.expose() }
        XCTAssertEqual(secret.count, 0)
        XCTAssertNotEqual(secret, Secret("correct horse"))
    }

    func testKeysAreManaged() async throws {
        let (client, kms, key) = try await newClient()
        let made = try await kms.describeKey("keyfold:alias/docs")
        XCTAssertEqual(made.key, key)
        XCTAssertTrue(made.isEnabled)
        XCTAssertNil(made.deletion)
        let listed = try await kms.listKeys()
        XCTAssertTrue(listed.contains(key))
        let resolved = try await client.resolve("keyfold:alias/docs")
        XCTAssertEqual(resolved, key)
        await expect(.versionConflict) { _ = try await kms.createKey("alias/docs") }

        let sealed = try await client.encrypt(Data("hello".utf8))
        try await kms.rotateKey(key)
        client.clearCache()
        let opened = try await client.decrypt(sealed)
        XCTAssertEqual(opened, Data("hello".utf8))

        try await kms.setDescription(key, "documents")
        try await kms.tagKey(key, ["team": "blue"])
        let tags = try await kms.listTags(of: key)
        XCTAssertEqual(tags, ["team": "blue"])
        try await kms.untagKey(key, names: ["team"])
        try await kms.createAlias("alias/papers", for: key)
        let names = try await kms.listAliases(of: key)
        XCTAssertEqual(names.keys.sorted(), ["alias/docs", "alias/papers"])
        try await kms.deleteAlias("alias/papers")

        try await kms.disableKey(key)
        client.clearCache()
        let refused = await expect(.noUsableKey) { _ = try await client.decrypt(sealed) }
        XCTAssertEqual(refused?.retry, .afterChange)
        try await kms.enableKey(key)
        let end = try await kms.scheduleKeyDeletion(key, days: 7)
        let ending = try await kms.describeKey(key)
        XCTAssertEqual(ending.state, "PendingDeletion")
        XCTAssertEqual(ending.deletion, end)
        try await kms.cancelKeyDeletion(key)
    }

    func testAClosedKmsRefusesAndItsClientsGoOn() async throws {
        let (client, kms, key) = try await newClient()
        kms.close()
        kms.close()
        await expect(.invalidArgument) { _ = try await kms.describeKey(key) }
        await expect(.invalidArgument) { _ = try await kms.call(.resolveKey(key: key)) }
        await expect(.invalidArgument) { _ = try Client(kms: kms) }
        let sealed = try await client.encrypt(Data("hello".utf8))
        client.clearCache()
        let opened = try await client.decrypt(sealed)
        XCTAssertEqual(opened, Data("hello".utf8))
    }

    func testAnEmbeddedKmsStaysInItsFolder() async throws {
        try await withFolder { folder in
            let home = folder.appendingPathComponent("keys")
            await expect(.kmsUnavailable) { _ = try EmbeddedKms(folder: home) }
            let passphrase = Secret("open sesame")
            var sealed = Data()
            do {
                let kms = try EmbeddedKms(folder: home, create: true, passphrase: passphrase)
                let key = try await kms.createKey("alias/docs")
                sealed = try await Client(kms: kms, keys: Keyring(key)).encrypt(Data("hi".utf8))
            }
            await expect(.kmsDenied) {
                _ = try EmbeddedKms(folder: home, passphrase: Secret("another"))
            }
            let again = try EmbeddedKms(folder: home, passphrase: passphrase)
            let opened = try await Client(kms: again, keys: .discover()).decrypt(sealed)
            XCTAssertEqual(opened, Data("hi".utf8))
        }
    }

    func testARootKeyIsSealedBySwift() async throws {
        try await withFolder { folder in
            let sealer = PlainSealer()
            let kms = try EmbeddedKms(folder: folder, create: true, sealer: sealer)
            let key = try await kms.createKey()
            let again = try EmbeddedKms(folder: folder, sealer: sealer)
            let keys = try await again.listKeys()
            XCTAssertTrue(keys.contains(key))
            let error = await expect(.kmsDenied) {
                _ = try EmbeddedKms(folder: folder, sealer: ThrowingSealer())
            }
            XCTAssertNotNil(error)
        }
    }
}

/// Keeps the root key as it is: for tests of the way to a sealer only.
private struct PlainSealer: RootSealer {
    let kind = "plain"

    func seal(_ root: Data, binding: Data) throws -> Data {
        binding + root
    }

    func open(_ sealed: Data, binding: Data) throws -> Data {
        guard sealed.starts(with: binding) else {
            throw KeyfoldError(.authenticationFailed, "another binding")
        }
        return Data(sealed.dropFirst(binding.count))
    }
}

private struct ThrowingSealer: RootSealer {
    let kind = "plain"

    func seal(_ root: Data, binding: Data) throws -> Data {
        throw Boo(text: "seal")
    }

    func open(_ sealed: Data, binding: Data) throws -> Data {
        throw KeyfoldError(.authenticationFailed, "sealed by another key")
    }
}
