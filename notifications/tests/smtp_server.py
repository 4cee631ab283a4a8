"""A mail server that answers as a test tells it to."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

GOOD = {"MAIL": "250 ok", "RCPT": "250 ok", "DATA": "354 go on", "END": "250 taken"}


class MailServer(socketserver.ThreadingTCPServer):
    """`answers` holds the replies to MAIL, RCPT, DATA and the end of the text. None hangs up instead."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.answers: dict[str, str | None] = dict(GOOD)
        self.taken: list[str] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Session(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        self.say("220 ready")
        while line := self.rfile.readline().decode().strip():
            verb = line[:4].upper()
            if verb == "QUIT":
                return self.say("221 bye")
            answer = self.server.answers.get(verb, "250 ok")
            if answer is not None:
                self.say(answer)
            if verb == "DATA" and answer == GOOD["DATA"]:
                text = self.read_text()
                answer = self.server.answers["END"]
                if answer == GOOD["END"]:
                    self.server.taken.append(text)
                if answer is not None:
                    self.say(answer)
            if answer is None:
                return None
        return None

    def say(self, answer: str) -> None:
        self.wfile.write(f"{answer}\r\n".encode())

    def read_text(self) -> str:
        lines = []
        while (line := self.rfile.readline().decode()) != ".\r\n":
            lines.append(line)
        return "".join(lines)


@contextmanager
def running_mail_server() -> Iterator[MailServer]:
    with MailServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
