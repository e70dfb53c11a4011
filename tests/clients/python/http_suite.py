"""HTTP as nobody should speak it, over a bare socket.

Whatever is sent, the server answers 4xx or closes the connection, and serves the next client.
"""

import os
import re
import socket
import sys
import threading
import time
import unittest
import urllib.parse

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from support import Case, REGION

ENDPOINT = urllib.parse.urlsplit(os.environ["AWS_ENDPOINT_URL_KMS"])
ADDRESS = (ENDPOINT.hostname, ENDPOINT.port)
CREDENTIALS = Credentials(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
# A whole minute for one answer would be a hang.
TIMEOUT = 60
COUNTS = {"requests": 0}


def signed_headers(body=b"{}", target="TrentService.ListKeys"):
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": target}
    request = AWSRequest("POST", f"http://{ENDPOINT.netloc}/", data=body, headers=headers)
    SigV4Auth(CREDENTIALS, "kms", REGION).add_auth(request)
    return dict(request.headers)


def message(
    first="POST / HTTP/1.1", headers=None, body=b"{}", host=ENDPOINT.netloc, length=True, last=True
):
    """A signed request, with its first line, its host or its length changed."""
    lines = [first]
    if last:
        lines.append("Connection: close")
    if host is not None:
        lines.append(f"Host: {host}")
    for name, value in (headers if headers is not None else signed_headers(body)).items():
        lines.append(f"{name}: {value}")
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


class Http(Case):
    def tearDown(self):
        # The server is there, and well.
        self.kms.list_keys()

    def exchange(self, data, leave=False):
        """Everything that comes back until the server closes; or the client has left by halves."""
        COUNTS["requests"] += 1
        with socket.create_connection(ADDRESS, timeout=TIMEOUT) as connection:
            try:
                connection.sendall(data)
                if leave:
                    connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # It has answered, or closed, before it had read everything.
            answer = b""
            try:
                while chunk := connection.recv(65_536):
                    answer += chunk
            except ConnectionError:
                pass  # Closed with something of ours unread.
            return answer

    def statuses(self, data):
        return [int(code) for code in re.findall(rb"HTTP/1\.[01] (\d{3}) ", self.exchange(data))]

    def assert_refused(self, data, *allowed, closed=True, leave=False):
        """Answered with one of these, or with any 4xx; or, where that is enough, with nothing."""
        answer = self.exchange(data, leave)
        found = re.match(rb"HTTP/1\.[01] (\d{3}) ", answer)
        if found is None:
            self.assertTrue(closed and not answer, answer[:200])
            return
        status = int(found[1])
        if allowed:
            self.assertIn(status, allowed, answer[:300])
        self.assertTrue(400 <= status < 500, answer[:300])

    def test_the_plain_request_is_answered(self):
        self.assertEqual(self.statuses(message()), [200])

    def test_methods(self):
        for method in ("GET", "PUT", "DELETE", "PATCH", "TRACE", "BREW"):
            with self.subTest(method=method):
                self.assert_refused(message(f"{method} / HTTP/1.1"), 405, closed=False)
        self.assert_refused(message("CONNECT example.com:443 HTTP/1.1"))
        self.assertIn(self.statuses(message("HEAD / HTTP/1.1", body=b"")), ([405], [400]))

    def test_paths(self):
        for path in ("/x", "//", "/%00", "/../../etc/passwd", "/?a=b", "/" + "a" * 60_000):
            with self.subTest(path=path[:20]):
                self.assert_refused(message(f"POST {path} HTTP/1.1"))
        # The form that proxies are sent; its path is `/`. Whether served or not is the server's
        # choice; the signature is over the same path and host.
        [status] = self.statuses(message(f"POST http://{ENDPOINT.netloc}/ HTTP/1.1"))
        self.assertIn(status, (200, 400, 404))
        self.assert_refused(message("POST * HTTP/1.1"))

    def test_versions(self):
        for first in ("POST /", "GET /", "POST / HTTP/0.9", "POST / HTTP/3.0", "POST / HTTQ/1.1"):
            with self.subTest(first=first):
                self.assert_refused(message(first))
        self.assert_refused(message("POST / HTTP/1.0", host=None))
        # TLS, where none is spoken.
        self.assert_refused(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500))
        self.assert_refused(b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n" + bytes(100), leave=True)

    def test_hosts(self):
        self.assert_refused(message(host=None))
        self.assert_refused(message(host="example.com"), 400)
        self.assert_refused(message(host="a b"))
        twice = message().replace(b"\r\n", f"\r\nHost: {ENDPOINT.netloc}\r\n".encode(), 1)
        self.assert_refused(twice)
        twice = message().replace(b"\r\n", b"\r\nHost: example.com\r\n", 1)
        self.assert_refused(twice)

    def test_lengths(self):
        self.assert_refused(message(length=False))
        for length in ("-1", "2, 3", "0x2", "99999999999999999999", "two", "1e1"):
            with self.subTest(length=length):
                plain = message(length=False)
                self.assert_refused(plain.replace(b"\r\n\r\n", f"\r\nContent-Length: {length}\r\n\r\n".encode(), 1))
        two = message().replace(b"\r\n", b"\r\nContent-Length: 3\r\n", 1)
        self.assert_refused(two)
        both = message().replace(b"\r\n", b"\r\nTransfer-Encoding: chunked\r\n", 1)
        self.assert_refused(both)
        # More is announced than comes, and the client goes.
        more = message().replace(b"Content-Length: 2", b"Content-Length: 200")
        self.assert_refused(more, leave=True)

    def test_chunks(self):
        """A body in pieces is refused: what is signed is a body of a length that is known."""
        headers = {**signed_headers(), "Transfer-Encoding": "chunked"}
        chunked = message(headers=headers, body=b"", length=False)
        for body in (b"2\r\n{}\r\n0\r\n\r\n", b"2;a=b\r\n{}\r\n0\r\nX: y\r\n\r\n", b"zz\r\n", b"FFFFFFFFFFFFFFFFF\r\n"):
            with self.subTest(body=body):
                self.assert_refused(chunked + body)

    def test_sizes(self):
        body = b'{"a":"' + b"x" * (8 << 20) + b'"}'
        self.assert_refused(message(body=body), 413)
        # Told before it is sent: nothing has to be read to refuse it.
        announced = message().replace(b"Content-Length: 2", b"Content-Length: 99999999")
        self.assert_refused(announced, 413, closed=False)
        for name, value in (("X-Long", "y" * 1_000_000), ("X-" + "n" * 100_000, "v")):
            self.assert_refused(message(headers={**signed_headers(), name: value}))
        for number in (200, 10_000):
            many = {f"X-{n}": "v" for n in range(number)}
            self.assert_refused(message(headers={**signed_headers(), **many}))
        self.assert_refused(message(headers={**signed_headers(), "X-Null": "a\0b"}))
        self.assert_refused(message(headers={**signed_headers(), "X Y": "z"}))
        self.assert_refused(message().replace(b"\r\n", b"\r\n folded: x\r\n", 1))

    def test_encodings(self):
        headers = {**signed_headers(), "Content-Encoding": "gzip"}
        self.assert_refused(message(headers=headers), 415)
        wrong = {**signed_headers(), "Content-Type": "text/plain"}
        self.assert_refused(message(headers=wrong))

    def test_pipelining(self):
        # Several in one packet: answered one by one, in order.
        unknown = signed_headers(target="TrentService.NoSuchOperation")
        first, refused = message(last=False), message(headers=unknown, last=False)
        self.assertEqual(self.statuses(first + refused + message()), [200, 400, 200])
        self.assertEqual(self.statuses(first * 49 + message()), [200] * 50)

    def test_rubbish(self):
        for data in (b"", b"\r\n", b"\r\n" * 1000, b"\x00" * 1000, bytes(range(256)) * 100, b"A" * 200_000):
            with self.subTest(data=data[:10]):
                self.assert_refused(data, leave=True)

    def test_slow_bodies_hold_nobody_up(self):
        """Connections that send a byte now and then, while others work."""
        head = message().replace(b"Content-Length: 2", b"Content-Length: 1000")
        slow = [socket.create_connection(ADDRESS, timeout=TIMEOUT) for _ in range(50)]
        try:
            for connection in slow:
                connection.sendall(head)
            stop = threading.Event()

            def drip():
                while not stop.wait(0.05):
                    for connection in slow:
                        try:
                            connection.sendall(b" ")
                        except OSError:
                            pass

            dripping = threading.Thread(target=drip)
            dripping.start()
            try:
                for _ in range(50):
                    self.kms.generate_random(NumberOfBytes=1)
            finally:
                stop.set()
                dripping.join()
        finally:
            for connection in slow:
                connection.close()
        COUNTS["requests"] += len(slow)

    def test_expectations(self):
        headers = {**signed_headers(), "Expect": "100-continue"}
        statuses = self.statuses(message(headers=headers))
        self.assertIn(statuses, ([100, 200], [200]))
        headers["Expect"] = "tea"
        [*_, status] = self.statuses(message(headers=headers))
        self.assertIn(status, (200, 417))


if __name__ == "__main__":
    begun = time.monotonic()
    program = unittest.main(exit=False, verbosity=1)
    print(f"http: {COUNTS['requests']} odd requests in {time.monotonic() - begun:.0f} s")
    sys.exit(0 if program.result.wasSuccessful() else 1)
