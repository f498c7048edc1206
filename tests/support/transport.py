"""The other end of a connection that is fed by hand."""


class Transport:
    """The other end of a connection, which reads everything."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.closed = False

    def get_extra_info(self, _: str) -> tuple[str, int]:
        return "192.0.2.1", 1

    def write(self, data: bytes) -> None:
        self.sent.append(data)

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close

    def pause_reading(self) -> None:
        """It goes on."""

    resume_reading = pause_reading
