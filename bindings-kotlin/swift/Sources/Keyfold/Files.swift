import Dispatch
import Foundation
internal import KeyfoldGlue

extension Client {
    /// Encrypts a file; answers the length of its plaintext in bytes.
    ///
    /// The target appears under its name when it is complete and on disk. Where the task is
    /// cancelled, or anything fails, there is none.
    ///
    /// - Parameters:
    ///   - source: The plaintext.
    ///   - target: The envelope.
    ///   - keys: Who can open it.
    ///   - context: What must be presented to open it.
    ///   - suite: The algorithms.
    ///   - signer: Who signs it; nobody where absent.
    ///   - overwrite: Whether a file of that name is replaced.
    ///   - progress: Called now and then with how many bytes are done and how many there are (0
    ///     where nobody knows), on the thread that does the work: it must be quick.
    /// - Throws: `io`; what the KMS says.
    @discardableResult
    public func encryptFile(
        at source: URL, to target: URL, with keys: Keyring? = nil,
        context: [String: String]? = nil, suite: Suite? = nil, signer: Signer? = nil,
        overwrite: Bool = true, progress: (@Sendable (UInt64, UInt64) -> Void)? = nil
    ) async throws -> UInt64 {
        let spec = sealSpec(keys, context, suite, signer)
        let length = try await Call.run {
            let observer = HostObserver(call: Call.current, progress: progress)
            return try await offPool {
                try await glue.encryptFile(
                    source: source.path, target: target.path, spec: spec, overwrite: overwrite,
                    observer: observer)
            }
        }
        // The library knows a key by its number only, for as long as it lives.
        withExtendedLifetime(signer) {}
        return length
    }

    /// Decrypts a file; answers the length of its plaintext in bytes.
    ///
    /// The target appears under its name when all of it is proven and on disk. Where the task is
    /// cancelled, or anything fails, there is none.
    ///
    /// - Parameters:
    ///   - source: The envelope.
    ///   - target: The plaintext.
    ///   - keys: The keys that may open it.
    ///   - context: The context that it must have.
    ///   - match: How that is compared.
    ///   - signers: Whose signature is demanded; none where absent.
    ///   - overwrite: Whether a file of that name is replaced.
    ///   - progress: As for ``encryptFile(at:to:with:context:suite:signer:overwrite:progress:)``.
    /// - Throws: `io`; as ``decrypt(_:with:context:match:signers:header:)``.
    @discardableResult
    public func decryptFile(
        at source: URL, to target: URL, with keys: Keyring? = nil,
        context: [String: String]? = nil, match: ContextMatch = .exact, signers: Signers? = nil,
        overwrite: Bool = true, progress: (@Sendable (UInt64, UInt64) -> Void)? = nil
    ) async throws -> UInt64 {
        let spec = openSpec(keys, context, match, signers)
        return try await Call.run {
            let observer = HostObserver(call: Call.current, progress: progress)
            return try await offPool {
                try await glue.decryptFile(
                    source: source.path, target: target.path, spec: spec, overwrite: overwrite,
                    observer: observer)
            }
        }
    }
}

/// Looks at work on a file, as the library calls it.
final class HostObserver: KeyfoldGlue.Observer {
    private let call: Call?
    private let progress: (@Sendable (UInt64, UInt64) -> Void)?

    init(call: Call?, progress: (@Sendable (UInt64, UInt64) -> Void)?) {
        self.call = call
        self.progress = progress
    }

    func observe(done: UInt64, all: UInt64) -> Bool {
        if let call, call.isCancelled { return false }
        progress?(done, all)
        return true
    }
}

/// Works on a thread that may be kept busy: those of Swift's tasks are as many as there are
/// processors, and not for reading and writing of files. Systems before this was possible work
/// there all the same.
private func offPool(_ work: () async throws -> UInt64) async throws -> UInt64 {
    if #available(macOS 15, iOS 18, tvOS 18, watchOS 11, visionOS 2, *) {
        return try await withTaskExecutorPreference(FileExecutor.shared) {
            try await work()
        }
    }
    return try await work()
}

/// Runs tasks on threads of Dispatch.
///
/// `@unchecked Sendable`: all it has is a queue, which any thread may use; not every version of
/// Dispatch declares that.
@available(macOS 15, iOS 18, tvOS 18, watchOS 11, visionOS 2, *)
private final class FileExecutor: TaskExecutor, @unchecked Sendable {
    static let shared = FileExecutor()

    private let queue = DispatchQueue(label: "io.keyfold.files", attributes: .concurrent)

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async {
            job.runSynchronously(on: self.asUnownedTaskExecutor())
        }
    }
}
