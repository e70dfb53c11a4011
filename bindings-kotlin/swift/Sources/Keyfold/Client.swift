import Foundation
internal import KeyfoldGlue

/// When a cached data key ends: at the first of these.
public struct CacheLimits: Hashable, Sendable {
    /// Age in seconds.
    public var maxAge: TimeInterval
    /// Messages.
    public var maxMessages: UInt64
    /// Bytes of plaintext.
    public var maxBytes: UInt64
    /// Data keys that are kept at all.
    public var maxEntries: UInt64

    /// The limits that count where none are given: change what is wished otherwise.
    public init() {
        let bounds = KeyfoldGlue.defaultCacheBounds()
        maxAge = TimeInterval(bounds.maxAgeMillis) / 1000
        maxMessages = bounds.maxMessages
        maxBytes = bounds.maxBytes
        maxEntries = bounds.maxEntries
    }

    var glue: KeyfoldGlue.CacheBounds {
        KeyfoldGlue.CacheBounds(
            maxAgeMillis: milliseconds(maxAge), maxMessages: maxMessages, maxBytes: maxBytes,
            maxEntries: maxEntries)
    }
}

/// What a cache of data keys did.
public struct CacheStats: Hashable, Sendable {
    /// How often a data key was there.
    public let hits: UInt64
    /// How often the KMS was asked.
    public let misses: UInt64
}

/// Encrypts, decrypts, signs and keeps secrets under the keys of one KMS.
///
/// ```swift
/// let kms = try EmbeddedKms(folder: folder, create: true)
/// let docs = try await kms.createKey("alias/docs")
/// let client = try Client(kms: kms, keys: Keyring(docs), context: ["tenant": "acme"])
///
/// let sealed = try await client.encrypt(data)
/// let plain = try await client.decrypt(sealed)
/// ```
///
/// One client serves all tasks at once. Where a call brings no keys or no context of its own, those
/// of the client count. A call is cancelled with its task, and so is what the KMS does for it.
public final class Client: Sendable {
    let glue: KeyfoldGlue.Client
    private let keys: Keyring?
    private let context: [String: String]
    private let suites: [Suite]?

    /// A client of a KMS.
    ///
    /// - Parameters:
    ///   - kms: An ``EmbeddedKms``, a ``RemoteKms``, a ``RouterKms`` over several, or one of the
    ///     application's own.
    ///   - keys: The keys of calls that bring none.
    ///   - context: The context of calls that bring none: public, bound to what is sealed, and
    ///     needed again to open it.
    ///   - cache: How long a data key is used for more than one message; with nil every message
    ///     asks the KMS.
    ///   - threads: How many threads work on large data: 1 is the caller's own, more are the
    ///     client's, which end with it.
    ///   - suites: The suites that are accepted; all of them where absent.
    /// - Throws: `invalidArgument` for keys or threads that cannot be.
    public init(
        kms: any Kms, keys: Keyring? = nil, context: [String: String] = [:],
        cache: CacheLimits? = CacheLimits(), threads: UInt32 = 1, suites: [Suite]? = nil
    ) throws {
        self.keys = keys
        self.context = context
        self.suites = suites
        let service = glueService(of: kms)
        let defaults = KeyfoldGlue.Spec(
            keys: keys?.glue, context: context, contextInPart: false, suite: nil,
            suites: suites?.map { $0.rawValue }, signer: nil, signers: nil)
        glue = try Call.plain {
            try KeyfoldGlue.Client(
                kms: service, defaults: defaults, cache: cache?.glue, threads: threads)
        }
    }

    /// At most how many bytes the envelope of so many bytes has.
    ///
    /// - Throws: `limitExceeded`.
    public static func maxEncryptedLength(of plaintextLength: UInt64) throws -> UInt64 {
        try Call.plain {
            try KeyfoldGlue.maxEncryptedLength(plaintextLength: plaintextLength)
        }
    }

    /// What the cache did since the client was made.
    public var cacheStats: CacheStats {
        let counts = glue.cacheCounts()
        return CacheStats(hits: counts.hits, misses: counts.misses)
    }

    /// Forgets every data key.
    public func clearCache() {
        glue.clearCache()
    }

    // MARK: Whole values

    /// Encrypts a whole value; answers its envelope.
    ///
    /// - Parameters:
    ///   - plaintext: At most 2 GB; longer data is sealed as a stream or a file.
    ///   - keys: Who can open it.
    ///   - context: What must be presented to open it.
    ///   - suite: The algorithms.
    ///   - signer: Who signs it; nobody where absent.
    public func encrypt(
        _ plaintext: Data, with keys: Keyring? = nil, context: [String: String]? = nil,
        suite: Suite? = nil, signer: Signer? = nil
    ) async throws -> Data {
        try checkWhole(plaintext)
        let spec = sealSpec(keys, context, suite, signer)
        return try await Call.run {
            let sealing = try await glue.seal(spec: spec, length: UInt64(plaintext.count))
            var envelope = try sealing.whole(plaintext: plaintext)
            if let signer {
                envelope.append(try await sealing.trailer())
                // The library knows a key by its number only, for as long as it lives.
                withExtendedLifetime(signer) {}
            }
            return envelope
        }
    }

    /// Encrypts a whole value; answers the header of its envelope and the rest apart.
    public func encryptDetached(
        _ plaintext: Data, with keys: Keyring? = nil, context: [String: String]? = nil,
        suite: Suite? = nil, signer: Signer? = nil
    ) async throws -> (header: Data, body: Data) {
        let envelope = try await encrypt(
            plaintext, with: keys, context: context, suite: suite, signer: signer)
        let parts = try Header.split(envelope)
        return (Data(parts.header), Data(parts.body))
    }

    /// Decrypts a whole envelope. Nothing of the plaintext is there until all of it is proven.
    ///
    /// - Parameters:
    ///   - envelope: The envelope, or its body where `header` is given; at most 2 GB.
    ///   - keys: The keys that may open it.
    ///   - context: The context that it must have.
    ///   - match: How that is compared.
    ///   - signers: Whose signature is demanded; none where absent.
    ///   - header: The header, where it was kept apart.
    public func decrypt(
        _ envelope: Data, with keys: Keyring? = nil, context: [String: String]? = nil,
        match: ContextMatch = .exact, signers: Signers? = nil, header: Data? = nil
    ) async throws -> Data {
        try checkWhole(envelope)
        let spec = openSpec(keys, context, match, signers)
        let parts: (header: Data, body: Data)
        if let header {
            parts = (header, envelope)
        } else {
            parts = try Header.split(envelope)
        }
        return try await Call.run {
            let opening = try await glue.open(
                spec: spec, header: parts.header, bodyLength: UInt64(parts.body.count),
                unproven: false)
            return try opening.whole(body: parts.body)
        }
    }

    // MARK: Recipients

    /// Gives an envelope the recipients of `newKeys` instead of those before; answers it. Its body
    /// stays as it is, byte for byte.
    ///
    /// - Parameters:
    ///   - envelope: The envelope, or its header alone.
    ///   - oldKeys: The keys that may open it now.
    ///   - newKeys: The keys that can open it afterwards.
    public func rewrap(
        _ envelope: Data, from oldKeys: Keyring? = nil, to newKeys: Keyring
    ) async throws -> Data {
        try checkWhole(envelope)
        let (header, body) = try Header.split(envelope)
        let (from, to) = (openSpec(oldKeys), openSpec(newKeys))
        return try await Call.run {
            try await glue.rewrap(header: header, from: from, to: to) + body
        }
    }

    /// As ``rewrap(_:from:to:)``, for the envelope in a file.
    public func rewrapFile(
        at file: URL, from oldKeys: Keyring? = nil, to newKeys: Keyring
    ) async throws {
        let (from, to) = (openSpec(oldKeys), openSpec(newKeys))
        try await Call.run {
            try await glue.rewrapFile(path: file.path, from: from, to: to)
        }
    }

    /// Gives an envelope the recipients of `newKeys` beside those before; answers it.
    public func addRecipients(
        _ envelope: Data, from oldKeys: Keyring? = nil, to newKeys: Keyring
    ) async throws -> Data {
        try checkWhole(envelope)
        let (header, body) = try Header.split(envelope)
        let (from, to) = (openSpec(oldKeys), openSpec(newKeys))
        return try await Call.run {
            try await glue.addRecipients(header: header, from: from, to: to) + body
        }
    }

    /// As ``addRecipients(_:from:to:)``, for the envelope in a file.
    public func addRecipientsToFile(
        at file: URL, from oldKeys: Keyring? = nil, to newKeys: Keyring
    ) async throws {
        let (from, to) = (openSpec(oldKeys), openSpec(newKeys))
        try await Call.run {
            try await glue.addRecipientsToFile(path: file.path, from: from, to: to)
        }
    }

    /// Takes recipients from an envelope; answers it. Whoever could open it may have kept a copy,
    /// or its data key.
    public func removeRecipients(_ envelope: Data, keys: [String]) async throws -> Data {
        try checkWhole(envelope)
        let (header, body) = try Header.split(envelope)
        return try await Call.run {
            try await glue.removeRecipients(header: header, keys: keys) + body
        }
    }

    /// As ``removeRecipients(_:keys:)``, for the envelope in a file.
    public func removeRecipientsOfFile(at file: URL, keys: [String]) async throws {
        try await Call.run {
            try await glue.removeRecipientsOfFile(path: file.path, keys: keys)
        }
    }

    // MARK: Keys of the KMS

    /// Signs a message with a key of the KMS; one that is too long for it is hashed here. In DER
    /// for ECDSA.
    ///
    /// - Parameters:
    ///   - message: At most 2 GB.
    ///   - key: The key URI.
    ///   - algorithm: The algorithm; where absent the one that counts for the key.
    public func sign(
        _ message: Data, using key: String, algorithm: String? = nil
    ) async throws -> Data {
        try checkWhole(message)
        return try await Call.run {
            try await glue.sign(key: key, algorithm: algorithm, message: message)
        }
    }

    /// Signs the digest of a message.
    public func signDigest(
        _ digest: Data, using key: String, algorithm: String
    ) async throws -> Data {
        try await Call.run {
            try await glue.signDigest(key: key, algorithm: algorithm, digest: digest)
        }
    }

    /// Verifies a signature by a key of the KMS, whose public half is fetched.
    ///
    /// - Throws: `signatureInvalid`; what the KMS says.
    public func verify(
        _ signature: Data, for message: Data, using key: String, algorithm: String? = nil
    ) async throws {
        try await publicKey(key).verify(signature, for: message, algorithm: algorithm)
    }

    /// The public key of an asymmetric KMS key: hand it to whoever verifies.
    public func publicKey(_ key: String) async throws -> PublicKey {
        PublicKey(glue: try await Call.run { try await glue.publicKey(key: key) })
    }

    /// The full name behind an alias or a short name, as a key URI.
    public func resolve(_ key: String) async throws -> String {
        try await Call.run { try await glue.resolve(key: key) }
    }

    // MARK: Small data

    /// Encrypts 1 to 4096 bytes by the KMS key itself: they go to the KMS.
    ///
    /// - Parameters:
    ///   - plaintext: The bytes.
    ///   - key: The key URI; the first key of the client where absent.
    ///   - context: What must be presented to decrypt them.
    public func encryptSmall(
        _ plaintext: Data, using key: String? = nil, context: [String: String]? = nil
    ) async throws -> Data {
        try checkWhole(plaintext)
        let plaintext = KeyfoldGlue.Secret(value: plaintext)
        return try await Call.run {
            try await glue.encryptSmall(key: key, plaintext: plaintext, context: context)
        }
    }

    /// Decrypts what ``encryptSmall(_:using:context:)`` made; with a key, of that one only.
    public func decryptSmall(
        _ ciphertext: Data, using key: String? = nil, context: [String: String]? = nil
    ) async throws -> Data {
        try await Call.run {
            let plaintext = try await glue.decryptSmall(
                key: key, ciphertext: ciphertext, context: context)
            return try plaintext.expose()
        }
    }

    // MARK: Secrets

    /// The secrets that the KMS keeps.
    public var secrets: Secrets { Secrets(client: self) }

    // MARK: What the calls share

    func sealSpec(
        _ keys: Keyring?, _ context: [String: String]?, _ suite: Suite?, _ signer: Signer?
    ) -> KeyfoldGlue.Spec {
        KeyfoldGlue.Spec(
            keys: (keys ?? self.keys)?.glue, context: context ?? self.context,
            contextInPart: false, suite: suite?.rawValue, suites: suites?.map { $0.rawValue },
            signer: signer?.glue, signers: nil)
    }

    func openSpec(
        _ keys: Keyring?, _ context: [String: String]? = nil, _ match: ContextMatch = .exact,
        _ signers: Signers? = nil
    ) -> KeyfoldGlue.Spec {
        KeyfoldGlue.Spec(
            keys: (keys ?? self.keys)?.glue, context: context ?? self.context,
            contextInPart: match == .containing, suite: nil, suites: suites?.map { $0.rawValue },
            signer: nil, signers: signers?.glue)
    }
}

/// Secrets under names, in versions, which the KMS keeps encrypted.
public struct Secrets: Sendable {
    let client: Client

    /// Keeps a secret under a name, as a new version where there is one; answers the id of its
    /// version.
    ///
    /// - Parameters:
    ///   - name: 1 to 512 characters of `A-Za-z0-9/_+=.@-`.
    ///   - value: 1 to 65536 bytes.
    ///   - key: The KMS key for a new secret; the service's default where absent.
    @discardableResult
    public func put(
        _ name: String, _ value: Secret, using key: String? = nil
    ) async throws -> String {
        let glue = client.glue
        return try await Call.run {
            try await glue.putSecret(name: name, value: value.glue, key: key)
        }
    }

    /// A secret: of this version or stage, or the current one.
    ///
    /// - Throws: `secretNotFound`; what the KMS says.
    public func get(
        _ name: String, version: String? = nil, stage: String? = nil
    ) async throws -> Secret {
        let glue = client.glue
        return Secret(
            glue: try await Call.run {
                try await glue.getSecret(name: name, version: version, stage: stage)
            })
    }
}

/// Whether data can pass to the library at once: a length is a signed number of 32 bits there, and
/// an envelope is a little longer than what is in it.
func checkWhole(_ data: Data) throws {
    if data.count > 2_000_000_000 {
        throw KeyfoldError(.limitExceeded, "whole values have at most 2 GB: use a stream or a file")
    }
}
