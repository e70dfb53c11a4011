import Foundation
internal import KeyfoldGlue

/// One call into the native library, from its beginning to its end.
///
/// The library polls in the task that asks, and code of the caller's (a KMS, a network) is begun
/// from within such a poll. So that code finds the call that it belongs to in a task local: the
/// call's cancellation reaches it, and what it throws stays here while the library passes on a
/// number.
///
/// `@unchecked Sendable`: the lock guards all that changes.
final class Call: @unchecked Sendable {
    @TaskLocal static var current: Call?

    private let lock = NSLock()
    private var cancelled = false
    private var next: UInt64 = 0
    private var running: [UInt64: @Sendable () -> Void] = [:]
    private var causes: [UInt64: any Error] = [:]

    /// Calls the library from a task.
    static func run<T>(_ work: () async throws -> T) async throws -> T {
        try Task.checkCancellation()
        let call = Call()
        do {
            return try await withTaskCancellationHandler {
                try await Call.$current.withValue(call) {
                    try await work()
                }
            } onCancel: {
                call.cancel()
            }
        } catch {
            throw call.translated(error)
        }
    }

    /// Calls the library where it waits for nobody, and may call the caller's own code.
    static func now<T>(_ work: () throws -> T) throws -> T {
        let call = Call()
        do {
            return try Call.$current.withValue(call) {
                try work()
            }
        } catch {
            throw call.translated(error)
        }
    }

    /// Calls the library where it runs nothing of the caller's.
    static func plain<T>(_ work: () throws -> T) throws -> T {
        do {
            return try work()
        } catch let failure as KeyfoldGlue.Failure {
            throw KeyfoldError(failure, cause: nil)
        } catch {
            throw error is KeyfoldError ? error : Call.defect
        }
    }

    /// Runs code of the caller's for the library; what it throws becomes a failure of the
    /// library's.
    static func host<T: Sendable>(
        _ work: @escaping @Sendable () async throws -> T
    ) async throws -> T {
        let call = Call.current
        let task = Task { try await work() }
        let number = call?.began { task.cancel() }
        defer {
            if let number { call?.ended(number) }
        }
        do {
            // The library gives up as well: where a time limit is over.
            return try await withTaskCancellationHandler {
                try await task.value
            } onCancel: {
                task.cancel()
            }
        } catch {
            throw Call.failure(of: error, in: call)
        }
    }

    /// The same for code that does not wait.
    static func hostNow<T>(_ work: () throws -> T) throws -> T {
        do {
            return try work()
        } catch {
            throw Call.failure(of: error, in: Call.current)
        }
    }

    var isCancelled: Bool {
        lock.withLock { cancelled }
    }

    private func cancel() {
        let stop = lock.withLock {
            cancelled = true
            return Array(running.values)
        }
        for cancel in stop {
            cancel()
        }
    }

    /// Notes how to cancel something; at once, where the call is cancelled already.
    private func began(_ cancel: @escaping @Sendable () -> Void) -> UInt64 {
        let (number, late) = lock.withLock {
            next += 1
            running[next] = cancel
            return (next, cancelled)
        }
        if late { cancel() }
        return number
    }

    private func ended(_ number: UInt64) {
        lock.withLock { running[number] = nil }
    }

    private func keep(_ error: any Error, as number: UInt64) {
        lock.withLock { causes[number] = error }
    }

    private func cause(_ number: UInt64) -> (any Error)? {
        lock.withLock { causes[number] }
    }

    /// What the caller gets to see.
    private func translated(_ error: any Error) -> any Error {
        if isCancelled || error is CancellationError { return CancellationError() }
        guard let failure = error as? KeyfoldGlue.Failure else {
            return error is KeyfoldError ? error : Call.defect
        }
        switch failure {
        case .Failed(_, _, _, let origin, _, _):
            return KeyfoldError(failure, cause: origin == 0 ? nil : cause(origin))
        }
    }

    /// What the library gets to see. Any other error than keyfold's has no code: what fits the
    /// place becomes of it.
    private static func failure(of error: any Error, in call: Call?) -> KeyfoldGlue.Failure {
        // A number that no other call has: an error of another's is not taken for this one's.
        let origin = UInt64.random(in: 1...UInt64.max)
        call?.keep(error, as: origin)
        if error is CancellationError {
            return .Failed(
                code: KeyfoldError.Code.cancelled.rawValue, detail: "the operation was cancelled",
                retry: .never, origin: origin, said: nil, unsupported: false)
        }
        guard let error = error as? KeyfoldError else {
            return .Failed(
                code: "", detail: "", retry: .never, origin: origin, said: nil,
                unsupported: false)
        }
        return .Failed(
            code: error.code.rawValue, detail: error.detail, retry: error.retry.glue,
            origin: origin, said: nil, unsupported: error.isUnsupported)
    }

    /// What is no failure of the library's is a panic of it: its text ends here.
    private static var defect: KeyfoldError {
        KeyfoldError(.internal, "a defect of keyfold: the native library panicked")
    }
}

extension KeyfoldError {
    init(_ failure: KeyfoldGlue.Failure, cause: (any Error)?) {
        switch failure {
        case .Failed(let code, let detail, let retry, _, let said, let unsupported):
            // A code newer than this package is treated like `internal`.
            self.init(
                Code(rawValue: code) ?? .internal, detail, retry: Retry(retry),
                serviceMessage: said, cause: cause, isUnsupported: unsupported)
        }
    }
}

extension KeyfoldError.Retry {
    init(_ retry: KeyfoldGlue.Retry) {
        switch retry {
        case .never:
            self = .never
        case .afterChange:
            self = .afterChange
        case .later(let afterMillis):
            self = .later(after: afterMillis.map { TimeInterval($0) / 1000 })
        }
    }

    var glue: KeyfoldGlue.Retry {
        switch self {
        case .never:
            return .never
        case .afterChange:
            return .afterChange
        case .later(let after):
            return .later(afterMillis: after.map { milliseconds($0) })
        }
    }
}

/// Seconds as milliseconds; no less than 0, and no more than fits.
func milliseconds(_ seconds: TimeInterval) -> UInt64 {
    let millis = (seconds * 1000).rounded(.up)
    if !(millis > 0) { return 0 }
    return millis < 9e18 ? UInt64(millis) : UInt64.max
}
