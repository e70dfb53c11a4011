import Foundation

#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

/// The network by `URLSession`: the system's own TLS, proxies and trust.
///
/// No cookies, no cache, no stored credentials, no redirects.
///
/// `@unchecked Sendable`: all it has is a `URLSession`, which any thread may use; not every version
/// of Foundation declares that.
public final class URLSessionTransport: Transport, @unchecked Sendable {
    private let session: URLSession

    /// A session of its own.
    ///
    /// - Parameter configuration: What else is wished of the network, such as a proxy. It is
    ///   copied.
    public init(configuration: URLSessionConfiguration = .ephemeral) {
        let own = (configuration.copy() as? URLSessionConfiguration) ?? .ephemeral
        own.httpCookieStorage = nil
        own.httpShouldSetCookies = false
        own.urlCache = nil
        own.urlCredentialStorage = nil
        own.requestCachePolicy = .reloadIgnoringLocalCacheData
        session = URLSession(configuration: own, delegate: NoRedirects(), delegateQueue: nil)
    }

    deinit {
        // A session keeps its delegate, and its connections, until it is told.
        session.finishTasksAndInvalidate()
    }

    /// Sends a request and gets the answer.
    public func send(_ request: TransportRequest) async throws -> TransportResponse {
        guard let url = URL(string: request.url) else {
            throw KeyfoldError(.invalidArgument, "the address of the KMS is no URL")
        }
        var sent = URLRequest(url: url)
        sent.httpMethod = request.method
        sent.httpBody = request.body
        for header in request.headers where !Self.ofSession.contains(header.name.lowercased()) {
            sent.setValue(header.value, forHTTPHeaderField: header.name)
        }
        return try await perform(sent)
    }

    /// What a session sets itself, out of the URL and the body.
    private static let ofSession: Set<String> = ["host", "content-length", "connection"]

    /// By the completion handler, which every version of Foundation has.
    private func perform(_ request: URLRequest) async throws -> TransportResponse {
        let running = Running()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation {
                (continuation: CheckedContinuation<TransportResponse, any Error>) in
                let task = session.dataTask(with: request) { body, response, error in
                    continuation.resume(with: outcome(of: body, response, error))
                }
                running.start(task)
            }
        } onCancel: {
            running.cancel()
        }
    }
}

/// What became of a request.
private func outcome(
    of body: Data?, _ response: URLResponse?, _ error: (any Error)?
) -> Result<TransportResponse, any Error> {
    if let error {
        let ended = (error as? URLError)?.code == .cancelled
        return .failure(ended ? CancellationError() : error)
    }
    guard let answer = response as? HTTPURLResponse else {
        return .failure(KeyfoldError(.kmsProtocol, "the answer is not one of HTTP's"))
    }
    var headers: [(name: String, value: String)] = []
    for (name, value) in answer.allHeaderFields {
        if let name = name as? String, let value = value as? String {
            headers.append((name: name, value: value))
        }
    }
    return .success(
        TransportResponse(status: answer.statusCode, headers: headers, body: body ?? Data()))
}

/// A task of a session, and whether it was cancelled before there was one.
///
/// `@unchecked Sendable`: the lock guards both.
private final class Running: @unchecked Sendable {
    private let lock = NSLock()
    private var task: URLSessionTask?
    private var cancelled = false

    func start(_ task: URLSessionTask) {
        let late = lock.withLock {
            self.task = task
            return cancelled
        }
        task.resume()
        if late { task.cancel() }
    }

    func cancel() {
        let task = lock.withLock {
            cancelled = true
            return self.task
        }
        task?.cancel()
    }
}

/// A request carries credentials, which are for nobody but whom it was made for.
///
/// `@unchecked Sendable`: it has no state.
private final class NoRedirects: NSObject, URLSessionTaskDelegate, @unchecked Sendable {
    #if canImport(FoundationNetworking)
    func urlSession(
        _ session: URLSession, task: URLSessionTask,
        willPerformHTTPRedirection response: HTTPURLResponse, newRequest request: URLRequest,
        completionHandler: @escaping (URLRequest?) -> Void
    ) {
        completionHandler(nil)
    }
    #else
    func urlSession(
        _ session: URLSession, task: URLSessionTask,
        willPerformHTTPRedirection response: HTTPURLResponse, newRequest request: URLRequest
    ) async -> URLRequest? {
        nil
    }
    #endif
}
