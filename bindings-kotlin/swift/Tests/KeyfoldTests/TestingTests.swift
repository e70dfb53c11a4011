#if canImport(Testing)
import Foundation
import Keyfold
import Testing

/// The six tasks once more, as Swift Testing has tests.
struct SixTasks {
    @Test func valuesComeBack() async throws {
        let (client, _, _) = try await newClient(context: ["tenant": "acme"])
        let sealed = try await client.encrypt(Data("hello".utf8))
        let opened = try await client.decrypt(sealed)
        #expect(opened == Data("hello".utf8))
    }

    @Test func streamsComeBack() async throws {
        let (client, _, _) = try await newClient()
        var sealed = Data()
        for try await piece in client.seal(pieces(pattern(50_000), of: 7000)) {
            sealed.append(piece)
        }
        var opened = Data()
        for try await piece in client.open(stream: pieces(sealed, of: 7000)) {
            opened.append(piece)
        }
        #expect(opened == pattern(50_000))
    }

    @Test func partsAreRead() async throws {
        let (client, _, _) = try await newClient()
        let reader = try await client.open(DataSource(try await client.encrypt(pattern(50_000))))
        let part = try await reader.read(20_000..<20_010)
        #expect(part == Data(pattern(50_000)[20_000..<20_010]))
    }

    @Test func recipientsChange() async throws {
        let (client, kms, _) = try await newClient()
        let other = try await kms.createKey()
        let sealed = try await client.encrypt(Data("hello".utf8))
        let rewrapped = try await client.rewrap(sealed, to: Keyring(other))
        let opened = try await client.decrypt(rewrapped, with: Keyring(other))
        #expect(opened == Data("hello".utf8))
    }

    @Test func messagesAreSigned() async throws {
        let (client, kms, _) = try await newClient()
        let release = try await kms.createKey(spec: "ECC_NIST_P256")
        let signature = try await client.sign(Data("report".utf8), using: release)
        try await client.verify(signature, for: Data("report".utf8), using: release)
    }

    @Test func secretsAreKept() async throws {
        let (client, _, _) = try await newClient()
        try await client.secrets.put("db/password", Secret("correct horse"))
        let secret = try await client.secrets.get("db/password")
        let text = try secret.exposeText()
        #expect(text == "correct horse")
    }

    @Test func wrongContextsAreRefused() async throws {
        let (client, _, _) = try await newClient()
        let sealed = try await client.encrypt(Data(), context: ["tenant": "acme"])
        await #expect(throws: KeyfoldError.self) {
            _ = try await client.decrypt(sealed)
        }
    }
}
#endif
