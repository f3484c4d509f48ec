"""Things made ahead by threads and handed out in order. Knows nothing of what is made.

The threads change when a thing is made, never what it is. Decoding (zstd, copies) releases the interpreter lock, so
threads are enough.
"""

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def prefetch(
    make: Callable[[int], T], start: int, count: int | None, threads: int, ahead: int
) -> Generator[T, None, None]:
    """make(start), make(start + 1), ... in order, `count` of them (None: without end), up to `ahead` of them being made
    by `threads` threads before they are wanted.

    threads = 0 makes each when it is asked for. An error in `make` is raised where its turn is. Closing the generator
    stops the threads.
    """
    stop = None if count is None else start + count
    number = start
    if threads < 1:
        while stop is None or number < stop:
            yield make(number)
            number += 1
        return
    pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="ahead")
    waiting: deque[Future[T]] = deque()
    try:
        while True:
            while len(waiting) < max(ahead, 1) and (stop is None or number < stop):
                waiting.append(pool.submit(make, number))
                number += 1
            if not waiting:
                return
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
