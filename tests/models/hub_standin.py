"""A stand-in for the Hub on this machine: repositories with commits and branches, through the requests that the
library of the Hub makes. What it keeps is real: files that are uploaded come back byte for byte.
"""

import base64
import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

Files = dict[str, bytes]


class Hub:
    """repositories: id -> branch -> commit; commits: commit -> files. asked: the requests so far."""

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, str]] = {}
        self.commits: dict[str, Files] = {}
        self.asked: list[str] = []
        self.refuses = False
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"hub": self}))
        self.address = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def commit(self, repository: str, branch: str, files: Files) -> str:
        """Put files on top of a branch; the commit's name."""
        branches = self.repositories[repository]
        whole = {**self.commits.get(branches.get(branch, ""), {}), **files}
        name = hashlib.sha1(repr(sorted(whole.items())).encode()).hexdigest()
        self.commits[name], branches[branch] = whole, name
        return name

    def find(self, repository: str, revision: str) -> str | None:
        """The commit that a revision means."""
        branches = self.repositories[repository]
        return branches.get(revision, revision if revision in self.commits else None)


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_POST(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append(f"POST {path}")
        given = self.rfile.read(int(self.headers["Content-Length"] or 0))
        if self.hub.refuses:
            return self._send(403, {"error": "not yours"})
        if path == "/api/repos/create":
            asked = json.loads(given)
            name = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
            there = name in self.hub.repositories
            if not there:
                self.hub.repositories[name] = {}
                self.hub.commit(name, "main", {})
            return self._send(409 if there else 200, {"url": f"{self.hub.address}/{name}", "name": name})
        if path == "/api/validate-yaml":
            about = yaml.safe_load(json.loads(given)["content"].split("---")[1])
            known = isinstance(about.get("tags"), list) and about.get("library_name") == "genieredux"
            errors = [] if known else [{"message": "no metadata of a model"}]
            return self._send(200 if known else 400, {"errors": errors, "warnings": []})
        repository, rest = _split(path, "/api/models/")
        if rest.startswith("preupload/"):
            files = json.loads(given)["files"]
            kinds = [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False, "oid": None} for f in files]
            return self._send(200, {"files": kinds})
        if rest.startswith("branch/"):
            branches = self.hub.repositories[repository]
            branches[rest.removeprefix("branch/")] = branches["main"]
            return self._send(201, {})
        if rest.startswith("commit/"):
            lines = [json.loads(line) for line in given.splitlines()]
            files = {
                line["value"]["path"]: base64.b64decode(line["value"]["content"])
                for line in lines
                if line["key"] == "file"
            }
            name = self.hub.commit(repository, rest.removeprefix("commit/"), files)
            url = f"{self.hub.address}/{repository}/commit/{name}"
            return self._send(200, {"commitUrl": url, "commitOid": name, "success": True})
        return self._send(404, {"error": path})

    def _answer(self, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append(f"{self.command} {path}")
        if path.startswith("/api/models/"):
            return self._about(*_split(path, "/api/models/"))
        repository, rest = _split(path, "/")
        match = re.fullmatch(r"resolve/([^/]+)/(.+)", rest)
        if repository not in self.hub.repositories or not match:
            return self._missing("RepoNotFound")
        commit = self.hub.find(repository, match[1])
        if commit is None:
            return self._missing("RevisionNotFound")
        content = self.hub.commits[commit].get(match[2])
        if content is None:
            return self._missing("EntryNotFound")
        tag = f'"{hashlib.sha1(content).hexdigest()}"'
        return self._send(200, content if body else b"", {"ETag": tag, "X-Repo-Commit": commit}, len(content))

    def _about(self, repository: str, rest: str) -> None:
        if repository not in self.hub.repositories:
            return self._missing("RepoNotFound")
        kind, _, revision = rest.partition("/")
        commit = self.hub.find(repository, revision.partition("/")[0] or "main")
        if commit is None:
            return self._missing("RevisionNotFound")
        files = self.hub.commits[commit]
        if kind == "tree":
            tree = [
                {"type": "file", "path": name, "size": len(held), "oid": hashlib.sha1(held).hexdigest()}
                for name, held in files.items()
            ]
            return self._send(200, tree)
        names = [{"rfilename": name} for name in files]
        return self._send(200, {"id": repository, "sha": commit, "private": False, "siblings": names, "tags": []})

    def _missing(self, code: str) -> None:
        self._send(404 if code != "RepoNotFound" else 401, {"error": code}, {"X-Error-Code": code})

    def _send(self, status: int, body: Any, headers: dict[str, str] | None = None, length: int | None = None) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


def _split(path: str, prefix: str) -> tuple[str, str]:
    """(org/name, what follows) of a path."""
    parts = path.removeprefix(prefix).split("/")
    return "/".join(parts[:2]), "/".join(parts[2:])
