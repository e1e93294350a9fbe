"""What Gradio keeps of its sessions, so that who waits for an answer gets it, however many come meanwhile.

Gradio keeps the messages of the 2,000 sessions that began last, and every call of the API is a session. A page that was
opened earlier loses its own while it waits; Gradio's loop over all questions then ends with a KeyError, and from there
on nobody is answered. `python -m benchmarks.load --clients 50 --seconds 240` shows it.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict

import gradio as gr
from gradio.queueing import Queue


class Messages(OrderedDict):
    """Session -> its messages. Where there are too many, the one that was used least recently goes, of those that wait
    for no answer. To be looked for is use."""

    def __init__(self, queue: Queue, most: int) -> None:
        super().__init__()
        self.queue, self.most = queue, most

    def __contains__(self, session: object) -> bool:
        """Whether there are messages of it."""
        there = super().__contains__(session)
        if there:
            self.move_to_end(session)
        return there

    def __getitem__(self, session: str):
        """Its messages."""
        self.move_to_end(session)
        return super().__getitem__(session)

    def __setitem__(self, session: str, messages) -> None:
        """Keep its messages."""
        if len(self) >= self.most and session not in self:
            waiting = {event.session_hash for event in self.queue.event_ids_to_events.values()}
            for idle in [one for one in self if one not in waiting][: len(self) - self.most + 1]:
                del self[idle]
        super().__setitem__(session, messages)


def keep_sessions(page: gr.Blocks, most: int) -> None:
    """Have a page that has a queue keep the messages of so many sessions, and of all that wait for an answer."""
    queue = page._queue
    queue.pending_messages_per_session = Messages(queue, most)
    queue.pending_event_ids_session = defaultdict(set)  # a session that `forget_sessions` dropped may ask again
    # Gradio makes a table of the last 10,000 answers every few, also where nobody may look at it.
    queue.ANALYTICS_MAX_EVENTS = most


def forget_sessions(page: gr.Blocks) -> None:
    """Drop the sessions that wait for nothing, or whose messages are gone: Gradio would remember every one for good."""
    kept = set(page._queue.pending_messages_per_session)
    asked = page._queue.pending_event_ids_session
    for session in list(asked):
        if not asked[session] or session not in kept:
            asked.pop(session, None)
