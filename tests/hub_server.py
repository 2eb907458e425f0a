"""A small Hub on the loopback address: what its client asks to create, upload and download a model."""

import base64
import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from huggingface_hub.utils.sha import git_hash

TOKEN = "hf_right"


class Hub(ThreadingHTTPServer):
    """The server, what it holds, and where it is to break."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.repos = {}  # the files of each, by path: {"user/name": {"README.md": b"…"}}
        self.private = {}  # which of them are
        self.blobs = {}  # large files by their SHA-256, before a commit names them
        self.requests = []  # what was asked, such as "POST /api/repos/create"
        self.broken = ""  # a request that holds this loses its connection
        self.url = f"http://127.0.0.1:{self.server_port}"

    def sha(self, repo_id):
        """Name the newest commit after its files."""
        return hashlib.sha1(repr(sorted(self.repos[repo_id].items())).encode()).hexdigest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        """Print nothing."""

    def answer(self, body=b"", status=200, **headers):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Length": len(body), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def serve(self):
        """Break, refuse, or do what the path asks for."""
        request = f"{self.command} {self.path.partition('?')[0]}"
        self.server.requests.append(request)
        size = int(self.headers.get("Content-Length", 0))
        if self.server.broken and self.server.broken in request:
            self.rfile.read(size // 2)
            self.close_connection = True
            return
        body = self.rfile.read(size)
        refused = self.headers.get("Authorization") != f"Bearer {TOKEN}"
        if self.command == "POST" and refused:
            return self.answer({"error": "Invalid username or password."}, 401)
        parts = request.split(" ")[1].strip("/").split("/")
        if self.command in ("PUT", "POST"):
            return self.keep_blob(parts[-1], body) if self.command == "PUT" else self.post(parts, body)
        if parts == [""]:
            return self.answer()
        repo_id = "/".join(parts[2:4] if parts[0] == "api" else parts[:2])
        if repo_id not in self.server.repos or (refused and self.server.private[repo_id]):
            return self.answer({"error": "Repository not found"}, 404, X_Error_Code="RepoNotFound")
        self.get(repo_id, parts)

    do_GET = do_HEAD = do_POST = do_PUT = serve

    def keep_blob(self, oid, body):
        if hashlib.sha256(body).hexdigest() != oid:
            return self.answer({"error": "another content than announced"}, 400)
        self.server.blobs[oid] = body
        self.answer()

    def post(self, parts, body):
        if parts == ["api", "repos", "create"]:
            order = json.loads(body)
            repo_id = f"{order['organization'] or 'me'}/{order['name']}"
            status = 409 if repo_id in self.server.repos else 200
            self.server.repos.setdefault(repo_id, {})
            self.server.private.setdefault(repo_id, order.get("visibility") == "private")
            return self.answer({"url": f"{self.server.url}/{repo_id}"}, status)
        if parts == ["api", "validate-yaml"]:
            errors = [{"message": '"license" must be one of …'}] if b"license: unknown" in body else []
            return self.answer({"errors": errors, "warnings": []}, 400 if errors else 200)
        if parts[-1] == "batch":  # large files: where to put each
            objects = json.loads(body)["objects"]
            for item in objects:
                item["actions"] = {"upload": {"href": f"{self.server.url}/blobs/{item['oid']}"}}
            return self.answer({"objects": objects})
        repo_id = "/".join(parts[2:4])
        if parts[4] == "preupload":  # which files are large
            files = [{"path": file["path"], "shouldIgnore": False} for file in json.loads(body)["files"]]
            for file in files:
                file["uploadMode"] = "lfs" if file["path"].endswith((".safetensors", ".png")) else "regular"
            return self.answer({"files": files})
        items = [json.loads(line)["value"] for line in body.splitlines()[1:]]  # the commit, after its header
        small = {item["path"]: base64.b64decode(item["content"]) for item in items if "content" in item}
        large = {item["path"]: self.server.blobs[item["oid"]] for item in items if "oid" in item}
        self.server.repos[repo_id] |= small | large
        sha = self.server.sha(repo_id)
        self.answer({"commitUrl": f"{self.server.url}/{repo_id}/commit/{sha}", "commitOid": sha})

    def get(self, repo_id, parts):
        files, sha = self.server.repos[repo_id], self.server.sha(repo_id)
        if "resolve" in parts:
            file = files["/".join(parts[4:])]
            return self.answer(file, ETag=f'"{git_hash(file)}"', X_Repo_Commit=sha)
        if "tree" in parts:
            tree = [{"path": path, "size": len(files[path]), "oid": git_hash(files[path])} for path in files]
            return self.answer([{"type": "file", **item} for item in tree])
        self.answer({"id": repo_id, "sha": sha, "siblings": [{"rfilename": path} for path in files]})


@contextmanager
def run_hub():
    """Serve until the block ends."""
    with Hub() as hub:
        thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield hub
        finally:
            hub.shutdown()
            thread.join()
