import Foundation
internal import KeyfoldGlue

/// A KMS. ``EmbeddedKms``, ``RemoteKms`` and ``RouterKms`` are three; an application may bring its
/// own.
///
/// An implementation may throw any ``KeyfoldError``, whose code arrives; anything else it throws
/// becomes ``KeyfoldError/Code/kmsUnavailable`` with that as its cause. It is called from any task,
/// and cancelled when the call that needs it is.
public protocol Kms: Sendable {
    /// Performs a request.
    func call(_ request: KmsRequest) async throws -> KmsResponse
}

/// A data key under a KMS key. All of it is public.
public struct WrappedKey: Hashable, Sendable {
    /// The KMS key, by its full name.
    public var key: String
    /// The data key under it; at most 6144 bytes.
    public var ciphertext: Data
    /// What the KMS noted, to unwrap it again; at most 4096 bytes in all.
    public var parameters: [String: Data]

    /// A wrapped key of these parts.
    public init(key: String, ciphertext: Data, parameters: [String: Data] = [:]) {
        self.key = key
        self.ciphertext = ciphertext
        self.parameters = parameters
    }
}

/// What is asked of a KMS. Where it names a context, that must be authenticated.
public enum KmsRequest: Sendable {
    /// Make a data key of 32 bytes: answer ``KmsResponse/dataKey(_:wrapped:)``.
    case generateDataKey(key: String, context: [String: String])
    /// Put a data key under another KMS key: answer ``KmsResponse/wrapped(_:)``.
    case wrap(key: String, dataKey: Secret, context: [String: String])
    /// Recover a data key: answer ``KmsResponse/unwrapped(_:)``. `key` is an alias that must name
    /// its key, where the caller demands one.
    case unwrap(WrappedKey, context: [String: String], key: String?)
    /// Put a data key under the KMS key `to`, without anybody seeing it: answer
    /// ``KmsResponse/wrapped(_:)``.
    case rewrap(WrappedKey, context: [String: String], key: String?, to: String)
    /// Encrypt 1 to 4096 bytes by the KMS key itself: answer ``KmsResponse/ciphertext(_:key:)``.
    case encrypt(key: String, plaintext: Secret, context: [String: String])
    /// Decrypt them, by `key` where that is named: answer ``KmsResponse/plaintext(_:key:)``.
    case decrypt(key: String?, ciphertext: Data, context: [String: String])
    /// Sign a message of at most 4096 bytes, or a digest: answer ``KmsResponse/signature(_:)``.
    case sign(key: String, algorithm: String, message: Data, isDigest: Bool)
    /// Verify such a signature: answer ``KmsResponse/verified``, or throw `signatureInvalid`.
    case verify(key: String, algorithm: String, message: Data, isDigest: Bool, signature: Data)
    /// The public half of a key: answer ``KmsResponse/publicKey(spki:key:)``.
    case getPublicKey(key: String)
    /// The full name behind an alias: answer ``KmsResponse/key(_:)``.
    case resolveKey(key: String)
    /// Keep a secret: answer ``KmsResponse/secretVersion(_:)``. The same `token` again is the same
    /// change.
    case putSecret(name: String, value: Secret, key: String?, token: String)
    /// Get a secret: answer ``KmsResponse/secret(_:version:)``.
    case getSecret(name: String, version: String?, stage: String?)
}

/// What a KMS answers.
public enum KmsResponse: Sendable {
    /// A data key of 32 bytes, and the same under the KMS key.
    case dataKey(Secret, wrapped: WrappedKey)
    /// A data key under a KMS key.
    case wrapped(WrappedKey)
    /// A data key of 32 bytes.
    case unwrapped(Secret)
    /// What was encrypted, and the full name of the key that did it.
    case ciphertext(Data, key: String)
    /// What was decrypted, and the full name of the key that did it.
    case plaintext(Secret, key: String)
    /// A signature, in DER for ECDSA.
    case signature(Data)
    /// The signature is right.
    case verified
    /// A public key as SubjectPublicKeyInfo in DER, and the full name of the key.
    case publicKey(spki: Data, key: String)
    /// The full name of a key.
    case key(String)
    /// The id of the version of a secret.
    case secretVersion(String)
    /// A secret, and the id of its version.
    case secret(Secret, version: String)
}

extension KmsRequest: CustomStringConvertible {
    /// What kind of request. Neither its context nor its data.
    public var description: String {
        switch self {
        case .generateDataKey: return "KmsRequest.generateDataKey"
        case .wrap: return "KmsRequest.wrap"
        case .unwrap: return "KmsRequest.unwrap"
        case .rewrap: return "KmsRequest.rewrap"
        case .encrypt: return "KmsRequest.encrypt"
        case .decrypt: return "KmsRequest.decrypt"
        case .sign: return "KmsRequest.sign"
        case .verify: return "KmsRequest.verify"
        case .getPublicKey: return "KmsRequest.getPublicKey"
        case .resolveKey: return "KmsRequest.resolveKey"
        case .putSecret: return "KmsRequest.putSecret"
        case .getSecret: return "KmsRequest.getSecret"
        }
    }
}

/// A KMS of the caller's, as the library calls it.
final class HostKms: KeyfoldGlue.ForeignKms {
    private let kms: any Kms

    init(_ kms: any Kms) {
        self.kms = kms
    }

    func call(request: KeyfoldGlue.KmsRequest) async throws -> KeyfoldGlue.KmsResponse {
        let kms = self.kms
        return try await Call.host {
            try await kms.call(KmsRequest(request)).glue()
        }
    }
}

/// A KMS as the library knows it.
func glueService(of kms: any Kms) -> KeyfoldGlue.KeyService {
    if let own = kms as? KeyAdmin { return own.service }
    if let own = kms as? RouterKms { return own.service }
    return KeyfoldGlue.KeyService.foreign(kms: HostKms(kms))
}

extension WrappedKey {
    init(_ wrapped: KeyfoldGlue.Wrapped) {
        self.init(
            key: wrapped.key, ciphertext: wrapped.ciphertext, parameters: wrapped.parameters)
    }

    var glue: KeyfoldGlue.Wrapped {
        KeyfoldGlue.Wrapped(key: key, ciphertext: ciphertext, parameters: parameters)
    }
}

extension KmsRequest {
    init(_ request: KeyfoldGlue.KmsRequest) {
        switch request {
        case .generateDataKey(let key, let context):
            self = .generateDataKey(key: key, context: context)
        case .wrap(let key, let dataKey, let context):
            self = .wrap(key: key, dataKey: Secret(dataKey), context: context)
        case .unwrap(let wrapped, let context, let key):
            self = .unwrap(WrappedKey(wrapped), context: context, key: key)
        case .rewrap(let wrapped, let context, let key, let to):
            self = .rewrap(WrappedKey(wrapped), context: context, key: key, to: to)
        case .encrypt(let key, let plaintext, let context):
            self = .encrypt(key: key, plaintext: Secret(plaintext), context: context)
        case .decrypt(let key, let ciphertext, let context):
            self = .decrypt(key: key, ciphertext: ciphertext, context: context)
        case .sign(let key, let algorithm, let message, let isDigest):
            self = .sign(key: key, algorithm: algorithm, message: message, isDigest: isDigest)
        case .verify(let key, let algorithm, let message, let isDigest, let signature):
            self = .verify(
                key: key, algorithm: algorithm, message: message, isDigest: isDigest,
                signature: signature)
        case .getPublicKey(let key):
            self = .getPublicKey(key: key)
        case .resolveKey(let key):
            self = .resolveKey(key: key)
        case .putSecret(let name, let value, let key, let token):
            self = .putSecret(name: name, value: Secret(value), key: key, token: token)
        case .getSecret(let name, let version, let stage):
            self = .getSecret(name: name, version: version, stage: stage)
        }
    }

    func glue() throws -> KeyfoldGlue.KmsRequest {
        switch self {
        case .generateDataKey(let key, let context):
            return .generateDataKey(key: key, context: context)
        case .wrap(let key, let dataKey, let context):
            return .wrap(key: key, dataKey: try dataKey.expose(), context: context)
        case .unwrap(let wrapped, let context, let key):
            return .unwrap(wrapped: wrapped.glue, context: context, key: key)
        case .rewrap(let wrapped, let context, let key, let to):
            return .rewrap(wrapped: wrapped.glue, context: context, key: key, to: to)
        case .encrypt(let key, let plaintext, let context):
            return .encrypt(key: key, plaintext: try plaintext.expose(), context: context)
        case .decrypt(let key, let ciphertext, let context):
            return .decrypt(key: key, ciphertext: ciphertext, context: context)
        case .sign(let key, let algorithm, let message, let isDigest):
            return .sign(key: key, algorithm: algorithm, message: message, isDigest: isDigest)
        case .verify(let key, let algorithm, let message, let isDigest, let signature):
            return .verify(
                key: key, algorithm: algorithm, message: message, isDigest: isDigest,
                signature: signature)
        case .getPublicKey(let key):
            return .getPublicKey(key: key)
        case .resolveKey(let key):
            return .resolveKey(key: key)
        case .putSecret(let name, let value, let key, let token):
            return .putSecret(name: name, value: try value.expose(), key: key, token: token)
        case .getSecret(let name, let version, let stage):
            return .getSecret(name: name, version: version, stage: stage)
        }
    }
}

extension KmsResponse {
    init(_ response: KeyfoldGlue.KmsResponse) {
        switch response {
        case .dataKey(let dataKey, let wrapped):
            self = .dataKey(Secret(dataKey), wrapped: WrappedKey(wrapped))
        case .wrapped(let wrapped):
            self = .wrapped(WrappedKey(wrapped))
        case .unwrapped(let dataKey):
            self = .unwrapped(Secret(dataKey))
        case .ciphertext(let ciphertext, let key):
            self = .ciphertext(ciphertext, key: key)
        case .plaintext(let plaintext, let key):
            self = .plaintext(Secret(plaintext), key: key)
        case .signature(let signature):
            self = .signature(signature)
        case .verified:
            self = .verified
        case .publicKey(let spki, let key):
            self = .publicKey(spki: spki, key: key)
        case .key(let key):
            self = .key(key)
        case .secretVersion(let version):
            self = .secretVersion(version)
        case .secret(let value, let version):
            self = .secret(Secret(value), version: version)
        }
    }

    func glue() throws -> KeyfoldGlue.KmsResponse {
        switch self {
        case .dataKey(let dataKey, let wrapped):
            return .dataKey(dataKey: try dataKey.expose(), wrapped: wrapped.glue)
        case .wrapped(let wrapped):
            return .wrapped(wrapped: wrapped.glue)
        case .unwrapped(let dataKey):
            return .unwrapped(dataKey: try dataKey.expose())
        case .ciphertext(let ciphertext, let key):
            return .ciphertext(ciphertext: ciphertext, key: key)
        case .plaintext(let plaintext, let key):
            return .plaintext(plaintext: try plaintext.expose(), key: key)
        case .signature(let signature):
            return .signature(signature: signature)
        case .verified:
            return .verified
        case .publicKey(let spki, let key):
            return .publicKey(spki: spki, key: key)
        case .key(let key):
            return .key(key: key)
        case .secretVersion(let version):
            return .secretVersion(version: version)
        case .secret(let value, let version):
            return .secret(value: try value.expose(), version: version)
        }
    }
}
