import Foundation
internal import KeyfoldGlue

/// Which KMS keys wrap data keys, and which may unwrap them.
///
/// Keys are named by their key URIs, such as `keyfold:alias/docs`. A string literal is a keyring of
/// one key.
public struct Keyring: Hashable, Sendable, ExpressibleByStringLiteral {
    private var generate: String?
    private var alsoWrap: [String]
    private var alsoUnwrap: [String]
    private var bindOnly: [String]?
    private var scheme: String?

    /// A keyring that seals and opens.
    ///
    /// - Parameters:
    ///   - generate: The key that makes data keys and wraps them.
    ///   - alsoWrap: Keys that wrap them too: each of them opens the envelope.
    ///   - alsoUnwrap: Keys that may open, and never wrap.
    ///   - bindOnly: The names of the context that the KMS is told; all of them where absent.
    public init(
        _ generate: String, alsoWrap: [String] = [], alsoUnwrap: [String] = [],
        bindOnly: [String]? = nil
    ) {
        self.generate = generate
        self.alsoWrap = alsoWrap
        self.alsoUnwrap = alsoUnwrap
        self.bindOnly = bindOnly
    }

    /// A keyring of one key.
    public init(stringLiteral key: String) {
        self.init(key)
    }

    private init(unwrap: [String], scheme: String?) {
        alsoWrap = []
        alsoUnwrap = unwrap
        self.scheme = scheme
    }

    /// A keyring that opens and never seals: any of these keys may unwrap, in their order.
    public static func unwrap(with keys: [String]) -> Keyring {
        Keyring(unwrap: keys, scheme: nil)
    }

    /// A keyring that opens whatever is wrapped by any key of the KMS with this scheme: the KMS
    /// alone decides who may.
    public static func discover(scheme: String = "keyfold") -> Keyring {
        Keyring(unwrap: [], scheme: scheme)
    }

    var glue: KeyfoldGlue.Keys {
        KeyfoldGlue.Keys(
            generate: generate, alsoWrap: alsoWrap, alsoUnwrap: alsoUnwrap, bindOnly: bindOnly,
            discover: scheme)
    }
}

/// A suite of algorithms that envelopes are sealed with.
public enum Suite: UInt16, CaseIterable, Sendable {
    /// AES-256-GCM: where none is named.
    case aes256Gcm = 1
    /// ChaCha20-Poly1305: for machines without AES in their processor.
    case chaCha20Poly1305 = 2
}

/// How the context of an envelope is compared with the one that is demanded.
public enum ContextMatch: Sendable {
    /// It is equal.
    case exact
    /// It has these pairs among others.
    case containing
}

/// Who signs envelopes.
public enum Signer: Sendable {
    /// A key of the KMS, by its key URI.
    case kms(String)
    /// A key of the caller's own.
    case local(SigningKey)

    var glue: KeyfoldGlue.SignedWith {
        switch self {
        case .kms(let key):
            return .kms(key: key)
        case .local(let key):
            return .local(handle: key.glue.number())
        }
    }
}

/// Whose signature is accepted, and demanded.
public enum Signers: Sendable {
    /// That of one of these public keys.
    case oneOf([PublicKey])
    /// That of whatever key the envelope names itself: proves that it is as its signer made it, not
    /// who that was.
    case anyone

    var glue: KeyfoldGlue.SignedBy {
        switch self {
        case .oneOf(let keys):
            return .oneOf(keys: keys.map { $0.der })
        case .anyone:
            return .anyone
        }
    }
}
