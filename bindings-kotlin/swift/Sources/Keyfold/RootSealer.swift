import Foundation
internal import KeyfoldGlue

#if canImport(Security) && canImport(CryptoKit)
import CryptoKit
import Security
#endif

/// Keeps the root key of an embedded KMS sealed, by a key that stays in a key store of the
/// platform's. Its methods may block.
///
/// Apple's systems have a ``KeychainSealer``. Linux has no key store that an application could
/// count on: there the root key is sealed by a passphrase, by a file, or by a sealer of one's own.
public protocol RootSealer: Sendable {
    /// What kind it is, such as `keychain`: a KMS is opened by a sealer of the kind that sealed it.
    var kind: String { get }

    /// Seals 32 bytes. `binding` must be authenticated, and is given again to open them.
    func seal(_ root: Data, binding: Data) throws -> Data

    /// Opens what ``seal(_:binding:)`` made.
    ///
    /// - Throws: ``KeyfoldError/Code/authenticationFailed`` where it was sealed by another key.
    func open(_ sealed: Data, binding: Data) throws -> Data
}

/// A sealer of the caller's, as the library calls it.
final class HostSealer: KeyfoldGlue.ForeignSealer {
    private let sealer: any RootSealer

    init(_ sealer: any RootSealer) {
        self.sealer = sealer
    }

    func kind() -> String {
        sealer.kind
    }

    func seal(root: Data, binding: Data) throws -> Data {
        try Call.hostNow { try sealer.seal(root, binding: binding) }
    }

    func unseal(sealed: Data, binding: Data) throws -> Data {
        try Call.hostNow { try sealer.open(sealed, binding: binding) }
    }
}

#if canImport(Security) && canImport(CryptoKit)
/// Seals by a key of 256 bits in the Keychain, which never leaves this device; CryptoKit does it,
/// with AES-GCM. The key is made when it is first needed to seal.
///
/// It can be used once the device was unlocked after its start, so that work in the background can
/// go on. Whoever restores a backup on another device has no key there: keep a second way to the
/// data, such as a recipient at a server.
public struct KeychainSealer: RootSealer {
    /// `keychain`.
    public let kind = "keychain"
    private let service: String
    private let account: String
    private let accessGroup: String?

    /// A sealer.
    ///
    /// - Parameters:
    ///   - service: The service of the Keychain item.
    ///   - account: Its account: one for each KMS.
    ///   - accessGroup: The group of apps that share it; the app's own where absent.
    public init(
        service: String = "io.keyfold", account: String = "root", accessGroup: String? = nil
    ) {
        self.service = service
        self.account = account
        self.accessGroup = accessGroup
    }

    /// Seals 32 bytes.
    public func seal(_ root: Data, binding: Data) throws -> Data {
        let key = try find() ?? make()
        guard let sealed = try AES.GCM.seal(root, using: key, authenticating: binding).combined
        else {
            throw KeyfoldError(.internal, "AES-GCM sealed without its usual nonce")
        }
        return sealed
    }

    /// Opens them.
    public func open(_ sealed: Data, binding: Data) throws -> Data {
        guard let key = try find() else {
            throw KeyfoldError(.kmsDenied, "the Keychain has no key of this name")
        }
        do {
            let box = try AES.GCM.SealedBox(combined: sealed)
            return try AES.GCM.open(box, using: key, authenticating: binding)
        } catch {
            throw KeyfoldError(
                .authenticationFailed, "it was sealed by another key", cause: error)
        }
    }

    private var query: [CFString: Any] {
        var query: [CFString: Any] = [
            kSecClass: kSecClassGenericPassword,
            kSecAttrService: service,
            kSecAttrAccount: account,
        ]
        if let accessGroup {
            query[kSecAttrAccessGroup] = accessGroup
        }
        return query
    }

    private func find() throws -> SymmetricKey? {
        var query = self.query
        query[kSecReturnData] = true
        query[kSecMatchLimit] = kSecMatchLimitOne
        var found: CFTypeRef?
        let status = SecItemCopyMatching(query as CFDictionary, &found)
        if status == errSecItemNotFound { return nil }
        guard status == errSecSuccess, let bytes = found as? Data, bytes.count == 32 else {
            throw denied(status)
        }
        return SymmetricKey(data: bytes)
    }

    private func make() throws -> SymmetricKey {
        let key = SymmetricKey(size: .bits256)
        var item = self.query
        item[kSecValueData] = key.withUnsafeBytes { Data($0) }
        item[kSecAttrAccessible] = kSecAttrAccessibleAfterFirstUnlockThisDeviceOnly
        let status = SecItemAdd(item as CFDictionary, nil)
        if status == errSecDuplicateItem, let theirs = try find() {
            // Another process was first.
            return theirs
        }
        guard status == errSecSuccess else { throw denied(status) }
        return key
    }

    private func denied(_ status: OSStatus) -> KeyfoldError {
        KeyfoldError(.kmsDenied, "the Keychain does not give its key (status \(status))")
    }
}
#endif
