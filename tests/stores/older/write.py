"""Write down a store as a release leaves it: a broker is given something of everything and killed; its file becomes SQL.

    python tests/stores/older/write.py schema_3.sql     # with the `ringback` of that release installed

Run once for each release that changes the schema; the file is kept, and `tests/stores/test_upgrade.py` opens it for ever.
"""

import sqlite3
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx

PORT = 45678
"""Of the endpoint; five digits, to be replaced by those of another one."""


class Endpoint(BaseHTTPRequestHandler):
    """Fails what is called so."""

    def do_POST(self) -> None:
        """Answer."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(500 if "fail" in self.path else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def fill(url: str, token: str) -> None:
    """Make something of everything that waits."""
    with httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=10) as http:

        def post(path: str, body: str = "", **headers: str) -> None:
            named = {f"Upstash-{name.replace('_', '-')}": value for name, value in headers.items()}
            http.post(f"{url}/v2/{path}", content=body, headers=named).raise_for_status()

        to = f"http://127.0.0.1:{PORT}"
        post(f"publish/{to}/delivered", "body")
        post(f"publish/{to}/fail-for-ever", "body", Retries="0")
        post(f"publish/{to}/fail-once-more", "body", Retry_Delay="600000", Deduplication_Id="once")
        post(f"publish/{to}/delayed", "body", Delay="10m", Forward_X_Shop="Unal")
        post(f"publish/{to}/called-back", "body", Delay="10m", Callback=f"{to}/callback")
        http.post(f"{url}/v2/queues", json={"queueName": "line", "parallelism": 1}).raise_for_status()
        post(f"enqueue/line/{to}/first", "body", Delay="10m")
        post(f"enqueue/line/{to}/second", "body", Delay="10m")
        flow = {"Flow_Control_Key": "key", "Flow_Control_Value": "rate=1,period=1h"}
        for number in (1, 2):
            post(f"publish/{to}/rated-{number}", "body", **flow)
        http.post(f"{url}/v2/topics/shop/endpoints", json={"endpoints": [{"url": f"{to}/member"}]}).raise_for_status()
        post("publish/shop", "body", Delay="10m")
        post(f"schedules/{to}/tick", "body", Cron="*/30 * * * *", Schedule_Id="every-half-hour")
        http.post(f"{url}/v2/trigger/{to}/run", headers={"Upstash-Delay": "10m"})  # where there are workflows


def main(to: Path) -> None:
    """Run a broker, fill it, kill it, write its file down."""
    server = HTTPServer(("127.0.0.1", PORT), Endpoint)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "ringback.db"
        line = [sys.executable, "-u", "-m", "ringback", "dev", "--port", "0", "--db", str(database)]
        broker = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
        assert broker.stdout
        told: dict[str, str] = {}
        while "QSTASH_NEXT_SIGNING_KEY" not in told:
            name, _, value = broker.stdout.readline().strip().partition("=")
            told[name] = value
        fill(told["QSTASH_URL"], told["QSTASH_TOKEN"])
        connection = sqlite3.connect(database)
        while connection.execute("SELECT count(*) FROM deliveries WHERE lease IS NOT NULL").fetchone()[0]:
            threading.Event().wait(0.05)
        broker.kill()
        broker.wait()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        to.write_text("\n".join([*connection.iterdump(), f"PRAGMA user_version = {version};", ""]))
        connection.close()
    server.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
