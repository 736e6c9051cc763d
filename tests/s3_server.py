"""A small object store that speaks enough of the S3 protocol: put, get, head, list, delete, multipart uploads."""

from __future__ import annotations

import hashlib
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape


class Store(ThreadingHTTPServer):
    """Objects by ``bucket/key``; ``is_full`` refuses every further put."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, bytes] = {}
        self.parts: dict[str, dict[int, bytes]] = {}
        self.is_full = False
        self.lock = threading.Lock()

    def uri(self, folder: str) -> str:
        return f"s3://user:password@{folder}?endpoint_override=127.0.0.1:{self.server_port}&scheme=http&region=local"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Store

    def log_message(self, *args) -> None:
        pass

    def _asked(self) -> tuple[str, dict[str, str]]:
        url = urlsplit(self.path)
        return unquote(url.path).lstrip("/"), {k: v[0] for k, v in parse_qs(url.query, keep_blank_values=True).items()}

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", headers.get("length", str(len(body))))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _body(self) -> bytes:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                raw += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        return _unchunked(raw) if "aws-chunked" in self.headers.get("Content-Encoding", "") else raw

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        key, query = self._asked()
        if "/" not in key.rstrip("/"):
            self._list(key.rstrip("/"), query) if self.command == "GET" else self._answer(200)
            return
        content = self.server.objects.get(key)
        if content is None:
            self._answer(404, b"<Error><Code>NoSuchKey</Code><Message>no such key</Message></Error>")
        elif self.command == "HEAD":
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
        elif span := self.headers.get("Range"):
            first, _, last = span.removeprefix("bytes=").partition("-")
            end = min(int(last) if last else len(content) - 1, len(content) - 1)
            shown = f"bytes {first}-{end}/{len(content)}"
            self._answer(206, content[int(first) : end + 1], Content_Range=shown)
        else:
            self._answer(200, content)

    def _list(self, bucket: str, query: dict[str, str]) -> None:
        prefix, cut = f"{bucket}/{query.get('prefix', '')}", query.get("delimiter", "")
        keys, folders = [], set()
        with self.server.lock:
            found = sorted((k, len(v)) for k, v in self.server.objects.items() if k.startswith(prefix))
        for key, size in found:
            head, cut_here, _ = key[len(prefix) :].partition(cut) if cut else ("", "", "")
            if cut_here:
                folders.add(key[len(bucket) + 1 : len(prefix)] + head + cut)
            else:
                keys.append(f"<Contents><Key>{escape(key[len(bucket) + 1 :])}</Key><Size>{size}</Size></Contents>")
        common = "".join(f"<CommonPrefixes><Prefix>{escape(f)}</Prefix></CommonPrefixes>" for f in sorted(folders))
        count = f"<KeyCount>{len(keys) + len(folders)}</KeyCount><IsTruncated>false</IsTruncated>"
        body = f"<ListBucketResult>{count}{''.join(keys)}{common}</ListBucketResult>"
        self._answer(200, body.encode(), Content_Type="application/xml")

    def do_PUT(self) -> None:
        key, query = self._asked()
        content = self._body()
        if self.server.is_full:
            self._answer(507, b"<Error><Code>QuotaExceeded</Code><Message>the bucket is full</Message></Error>")
            return
        with self.server.lock:
            if "uploadId" in query:
                self.server.parts[query["uploadId"]][int(query["partNumber"])] = content
            elif "/" in key.rstrip("/"):
                self.server.objects[key] = content
        self._answer(200, ETag=f'"{hashlib.md5(content).hexdigest()}"')

    def do_POST(self) -> None:
        key, query = self._asked()
        content = self._body()
        with self.server.lock:
            if "uploads" in query:
                upload = f"u{len(self.server.parts)}"
                self.server.parts[upload] = {}
                body = f"<InitiateMultipartUploadResult><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
            elif "uploadId" in query:
                parts = self.server.parts[query["uploadId"]]
                self.server.objects[key] = b"".join(parts[n] for n in sorted(parts))
                body = "<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>"
            else:
                for found in ElementTree.fromstring(content).iter():
                    if found.tag.endswith("Key"):
                        self.server.objects.pop(f"{key.rstrip('/')}/{found.text}", None)
                body = "<DeleteResult></DeleteResult>"
        self._answer(200, body.encode(), Content_Type="application/xml")

    def do_DELETE(self) -> None:
        key, _ = self._asked()
        with self.server.lock:
            self.server.objects.pop(key, None)
        self._answer(204)


def _unchunked(raw: bytes) -> bytes:
    """Contents of an upload in signed chunks: size in hex, a signature, a line end, the bytes."""
    out, at = b"", 0
    while at < len(raw):
        end = raw.index(b"\r\n", at)
        size = int(raw[at:end].partition(b";")[0], 16)
        if size == 0:
            break
        out += raw[end + 2 : end + 2 + size]
        at = end + 2 + size + 2
    return out


@contextmanager
def object_store():
    store = Store()
    threading.Thread(target=store.serve_forever, daemon=True).start()
    try:
        yield store
    finally:
        store.shutdown()
        store.server_close()
