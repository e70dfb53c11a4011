import Foundation
internal import KeyfoldGlue

/// Verifies signatures without any KMS.
public final class PublicKey: Sendable {
    let glue: KeyfoldGlue.PublicKey

    init(glue: KeyfoldGlue.PublicKey) {
        self.glue = glue
    }

    /// A key in DER: SubjectPublicKeyInfo.
    ///
    /// - Throws: `invalidArgument` where it is none.
    public convenience init(der: Data) throws {
        self.init(glue: try Call.plain { try KeyfoldGlue.PublicKey.read(form: .der, bytes: der) })
    }

    /// A key in PEM.
    ///
    /// - Throws: `invalidArgument` where it is none.
    public convenience init(pem: String) throws {
        let bytes = Data(pem.utf8)
        self.init(glue: try Call.plain { try KeyfoldGlue.PublicKey.read(form: .pem, bytes: bytes) })
    }

    /// A JSON Web Key.
    ///
    /// - Throws: `invalidArgument` where it is none.
    public convenience init(jwk: String) throws {
        let bytes = Data(jwk.utf8)
        self.init(glue: try Call.plain { try KeyfoldGlue.PublicKey.read(form: .jwk, bytes: bytes) })
    }

    /// The key in DER: SubjectPublicKeyInfo.
    public var der: Data { glue.write(form: .der) }

    /// The key in PEM.
    public var pem: String { String(decoding: glue.write(form: .pem), as: UTF8.self) }

    /// The key as a JSON Web Key.
    public var jwk: String { String(decoding: glue.write(form: .jwk), as: UTF8.self) }

    /// What kind of key, such as `ECC_NIST_P256`.
    public var spec: String { glue.spec() }

    /// The algorithms that such keys sign with, first the one that counts where none is named.
    public var algorithms: [String] { glue.algorithms() }

    /// Verifies the signature of a message; it is in DER for ECDSA.
    ///
    /// - Throws: `signatureInvalid`.
    public func verify(_ signature: Data, for message: Data, algorithm: String? = nil) throws {
        try checkWhole(message)
        try Call.plain {
            try glue.verify(
                algorithm: algorithm ?? algorithms[0], message: message, signature: signature)
        }
    }
}

extension PublicKey: Hashable, CustomStringConvertible {
    /// Whether both are the same key.
    public static func == (left: PublicKey, right: PublicKey) -> Bool {
        left.der == right.der
    }

    /// Hashes the key in DER.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(der)
    }

    /// What kind of key.
    public var description: String { "PublicKey(\(spec))" }
}

/// A private key of the caller's own, for signing without a KMS. It is overwritten in memory when
/// the last reference is gone.
public final class SigningKey: Sendable {
    let glue: KeyfoldGlue.SigningKey

    private init(glue: KeyfoldGlue.SigningKey) {
        self.glue = glue
    }

    /// A new key; `ECC_NIST_EDWARDS25519` where no other spec is named.
    ///
    /// - Throws: `invalidArgument` where the spec is unknown.
    public static func generate(spec: String = "ECC_NIST_EDWARDS25519") throws -> SigningKey {
        SigningKey(glue: try Call.plain { try KeyfoldGlue.SigningKey.generate(spec: spec) })
    }

    /// A key in DER: PKCS#8.
    ///
    /// - Throws: `invalidArgument` where it is none.
    public convenience init(der: Secret) throws {
        self.init(
            glue: try Call.plain { try KeyfoldGlue.SigningKey.read(form: .der, bytes: der.glue) })
    }

    /// A key in PEM.
    ///
    /// - Throws: `invalidArgument` where it is none.
    public convenience init(pem: Secret) throws {
        self.init(
            glue: try Call.plain { try KeyfoldGlue.SigningKey.read(form: .pem, bytes: pem.glue) })
    }

    /// The key in DER: PKCS#8.
    public func toDer() throws -> Secret {
        Secret(glue: try Call.plain { try glue.write(form: .der) })
    }

    /// The key in PEM.
    public func toPem() throws -> Secret {
        Secret(glue: try Call.plain { try glue.write(form: .pem) })
    }

    /// Its public half.
    public var publicKey: PublicKey { PublicKey(glue: glue.publicKey()) }

    /// Signs a message; with the algorithm that counts for its kind where none is named. In DER for
    /// ECDSA.
    ///
    /// - Throws: `invalidArgument` where the key does not sign with the algorithm.
    public func sign(_ message: Data, algorithm: String? = nil) throws -> Data {
        try checkWhole(message)
        return try Call.plain { try glue.sign(algorithm: algorithm, message: message) }
    }
}

extension SigningKey: CustomStringConvertible {
    /// What kind of key; nothing of the key itself.
    public var description: String { "SigningKey(\(publicKey.spec), ..)" }
}
