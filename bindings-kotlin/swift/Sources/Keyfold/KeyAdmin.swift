import Foundation
internal import KeyfoldGlue

/// The properties of a KMS key.
public struct KeyInfo: Hashable, Sendable {
    /// Its full name, as a key URI.
    public let key: String
    /// The bare id.
    public let keyId: String
    /// What kind of key, such as `SYMMETRIC_DEFAULT`, or the service's own word. What a service does
    /// not tell is empty.
    public let spec: String
    /// `ENCRYPT_DECRYPT` or `SIGN_VERIFY`.
    public let usage: String
    /// Such as `Enabled`, `Disabled`, `PendingDeletion`.
    public let state: String
    /// What people should know about it.
    public let description: String
    /// When it was made; 1970 where the service does not tell.
    public let created: Date
    /// When it ends, where that is decided.
    public let deletion: Date?

    /// Whether it can be used.
    public var isEnabled: Bool { state == "Enabled" }

    init(_ about: KeyfoldGlue.KeyDescription) {
        key = about.key
        keyId = about.keyId
        spec = about.spec
        usage = about.usage
        state = about.state
        description = about.description
        created = moment(about.createdMillis)
        deletion = about.deletionMillis.map { moment($0) }
    }
}

/// A moment in milliseconds since 1970.
private func moment(_ millis: UInt64) -> Date {
    Date(timeIntervalSince1970: TimeInterval(millis) / 1000)
}

/// A KMS whose keys are managed here too: ``EmbeddedKms``, ``RemoteKms``.
///
/// A key is named by its key URI, by any of its names. Every method may throw the `kms…` errors, and
/// at a cloud those that ``KeyfoldError/isUnsupported`` tells; then nothing is sent.
///
/// `@unchecked Sendable`: its one property never changes and is Sendable; Swift cannot check that
/// of a class with subclasses.
public class KeyAdmin: Kms, @unchecked Sendable {
    let service: KeyfoldGlue.KeyService

    init(service: KeyfoldGlue.KeyService) {
        self.service = service
    }

    /// Performs a request.
    public func call(_ request: KmsRequest) async throws -> KmsResponse {
        try await Call.run {
            KmsResponse(try await service.call(request: try request.glue()))
        }
    }

    /// Makes a KMS key, and a name for it; answers its full name.
    ///
    /// - Parameters:
    ///   - alias: `alias/` and letters, digits, `/`, `_`, `-`; at a cloud what that takes for a
    ///     name. Some demand one.
    ///   - spec: `SYMMETRIC_DEFAULT`; `RSA_2048` to `RSA_4096`, `ECC_NIST_P256` to `P521`,
    ///     `ECC_SECG_P256K1`, `ECC_NIST_EDWARDS25519`.
    ///   - usage: `ENCRYPT_DECRYPT` or `SIGN_VERIFY`; needed for RSA only.
    ///   - description: What people should know about it.
    ///   - tags: Names and values.
    ///   - policy: The key policy, in JSON.
    /// - Throws: `versionConflict` where the alias names another key already.
    public func createKey(
        _ alias: String? = nil, spec: String = "SYMMETRIC_DEFAULT", usage: String? = nil,
        description: String? = nil, tags: [String: String] = [:], policy: String? = nil
    ) async throws -> String {
        let new = KeyfoldGlue.NewKey(
            alias: alias, spec: spec, usage: usage, description: description, tags: tags,
            policy: policy)
        return try await Call.run { try await service.createKey(new: new) }
    }

    /// The properties of a key.
    public func describeKey(_ key: String) async throws -> KeyInfo {
        KeyInfo(try await Call.run { try await service.describeKey(key: key) })
    }

    /// The full names of all keys.
    public func listKeys() async throws -> [String] {
        try await Call.run { try await service.listKeys() }
    }

    /// Makes a disabled key usable again.
    public func enableKey(_ key: String) async throws {
        try await Call.run { try await service.enableKey(key: key) }
    }

    /// Makes a key unusable until it is enabled again.
    public func disableKey(_ key: String) async throws {
        try await Call.run { try await service.disableKey(key: key) }
    }

    /// Gives a symmetric key a new version; what older versions encrypted still opens.
    public func rotateKey(_ key: String) async throws {
        try await Call.run { try await service.rotateKey(key: key) }
    }

    /// Has a symmetric key rotate by itself every 90 to 2560 days; with nil no more.
    public func setRotation(_ key: String, days: UInt32?) async throws {
        try await Call.run { try await service.setRotation(key: key, days: days) }
    }

    /// Replaces what people should know about a key.
    public func setDescription(_ key: String, _ description: String) async throws {
        try await Call.run { try await service.setDescription(key: key, description: description) }
    }

    /// Ends a key after a waiting period of 7 to 30 days; answers when. When it is gone, everything
    /// encrypted under it is lost for good.
    @discardableResult
    public func scheduleKeyDeletion(_ key: String, days: UInt32 = 30) async throws -> Date {
        moment(try await Call.run { try await service.scheduleKeyDeletion(key: key, days: days) })
    }

    /// Keeps a key whose deletion is scheduled; it is disabled afterwards.
    public func cancelKeyDeletion(_ key: String) async throws {
        try await Call.run { try await service.cancelKeyDeletion(key: key) }
    }

    /// Gives a key another name, `alias/NAME`.
    public func createAlias(_ alias: String, for key: String) async throws {
        try await Call.run { try await service.createAlias(alias: alias, key: key) }
    }

    /// Moves a name to another key of the same kind.
    public func updateAlias(_ alias: String, to key: String) async throws {
        try await Call.run { try await service.updateAlias(alias: alias, key: key) }
    }

    /// Takes a name away; its key stays.
    public func deleteAlias(_ alias: String) async throws {
        try await Call.run { try await service.deleteAlias(alias: alias) }
    }

    /// The names of one key, or all of them, each with the id of its key.
    public func listAliases(of key: String? = nil) async throws -> [String: String] {
        try await Call.run { try await service.listAliases(key: key) }
    }

    /// Sets tags of a key.
    public func tagKey(_ key: String, _ tags: [String: String]) async throws {
        try await Call.run { try await service.tagKey(key: key, tags: tags) }
    }

    /// Removes tags of a key.
    public func untagKey(_ key: String, names: [String]) async throws {
        try await Call.run { try await service.untagKey(key: key, names: names) }
    }

    /// The tags of a key.
    public func listTags(of key: String) async throws -> [String: String] {
        try await Call.run { try await service.listTags(key: key) }
    }

    /// The policy of a key, in JSON.
    public func keyPolicy(of key: String) async throws -> String {
        try await Call.run { try await service.getKeyPolicy(key: key) }
    }

    /// Replaces the policy of a key.
    public func putKeyPolicy(_ key: String, _ policy: String) async throws {
        try await Call.run { try await service.putKeyPolicy(key: key, policy: policy) }
    }

    /// Lets go of it, and of the files that an ``EmbeddedKms`` has open: not needed, but for a
    /// moment of one's own choice. Clients over it go on; its own methods throw `invalidArgument`
    /// then. A second time does nothing.
    public func close() {
        service.release()
    }
}
