import Foundation
internal import KeyfoldGlue

/// A KMS in this process: no server, no account, no network.
///
/// It lives in a folder, with a database and its sealed root key, as the command `keyfold` makes
/// them; both may use it at the same time, and so may several processes. On iOS give it a folder in
/// the app's own container, and a ``KeychainSealer``.
///
/// `@unchecked Sendable`: as its superclass.
public final class EmbeddedKms: KeyAdmin, @unchecked Sendable, CustomStringConvertible {
    /// Where it lives; nothing for one in memory.
    public let folder: URL?

    private init(service: KeyfoldGlue.KeyService, folder: URL?) {
        self.folder = folder
        super.init(service: service)
    }

    /// Opens the KMS in a folder.
    ///
    /// - Parameters:
    ///   - folder: The folder.
    ///   - create: Whether to make one where there is none: its root key is sealed by the
    ///     passphrase, or by the sealer, or by a new file.
    ///   - passphrase: What opens the root key.
    ///   - rootKey: The file of the root key; `root.key` in the folder where absent. Keep a copy of
    ///     it elsewhere: without it the database opens nothing.
    ///   - sealer: A key store that opens the root key.
    /// - Throws: `kmsUnavailable` where there is none; `kmsDenied` where nothing that was given
    ///   opens the root key.
    public convenience init(
        folder: URL, create: Bool = false, passphrase: Secret? = nil, rootKey: URL? = nil,
        sealer: (any RootSealer)? = nil
    ) throws {
        let options = KeyfoldGlue.EmbeddedOptions(
            create: create, passphrase: passphrase?.glue, rootKey: rootKey?.path,
            sealer: sealer.map { HostSealer($0) })
        let service = try Call.now {
            try KeyfoldGlue.KeyService.embedded(folder: folder.path, options: options)
        }
        self.init(service: service, folder: folder)
    }

    /// A KMS that ends with the process, for tests and trials.
    public static func inMemory() throws -> EmbeddedKms {
        let service = try Call.plain { try KeyfoldGlue.KeyService.inMemory() }
        return EmbeddedKms(service: service, folder: nil)
    }

    /// Where it lives.
    public var description: String {
        "EmbeddedKms(\(folder?.path ?? "in memory"))"
    }
}
