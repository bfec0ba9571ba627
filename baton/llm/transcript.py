"""What a stream has said so far, put together from its events.

Nothing is imported to know the events of OpenAI, Anthropic and Google: they are told by their
fields, as objects or as JSON.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import to_jsonable_python

# the events of OpenAI's responses that carry a piece, by what it is a piece of
_PIECES = {
    "response.output_text.delta": "text",
    "response.refusal.delta": "refusal",
    "response.reasoning_text.delta": "reasoning",
    "response.reasoning_summary_text.delta": "reasoning",
}
_ARGUMENTS = ("response.function_call_arguments.delta", "response.custom_tool_call_input.delta")
_TOOLS = ("function_call", "custom_tool_call", "tool_use", "server_tool_use", "mcp_tool_use")


@dataclass(slots=True)
class _Tool:
    name: str | None = None
    pieces: list[str] = field(default_factory=list)
    given: Any = None  # arguments that came in one piece

    def content(self) -> dict[str, Any]:
        arguments = self.given if self.given is not None else "".join(self.pieces)
        return {"name": self.name, "arguments": arguments}


@dataclass(slots=True)
class _Choice:
    pieces: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    tools: dict[Any, _Tool] = field(default_factory=dict)
    reason: Any = None

    def say(self, kind: str, piece: Any) -> None:
        if isinstance(piece, str) and piece:
            self.pieces[kind].append(piece)

    def call(self, key: Any, name: Any = None, piece: Any = None, given: Any = None) -> None:
        tool = self.tools.setdefault(key, _Tool())
        tool.name = name or tool.name
        tool.given = given if given is not None else tool.given
        if isinstance(piece, str):
            tool.pieces.append(piece)

    def content(self) -> dict[str, Any]:
        said: dict[str, Any] = {kind: "".join(pieces) for kind, pieces in self.pieces.items()}
        calls = [tool.content() for tool in self.tools.values()]
        return {
            "text": "",
            **said,
            **({"tool_calls": calls} if calls else {}),
            **({} if self.reason is None else {"finish_reason": self.reason}),
        }


class Transcript:
    """Puts together what the events of one stream say: text, calls of tools, and what was used."""

    def __init__(self) -> None:
        self._choices: dict[int, _Choice] = {}
        self._known: dict[str, str] = {}
        self._usage: dict[str, Any] = {}
        self._events = 0

    def add(self, event: Any) -> None:
        """Take in the next event; one of an unknown form is counted, and no more."""
        self._events += 1
        event = raw(event)
        for holder in (event, _get(event, "message"), _get(event, "response")):
            self._know(holder)
        kind = _get(event, "type")
        if _get(event, "choices"):
            self._add_chunk(event)
        elif _get(event, "candidates"):
            self._add_candidates(event)
        elif isinstance(kind, str) and kind in _ANTHROPIC:
            _ANTHROPIC[kind](self._choice(), event)
        elif isinstance(kind, str) and kind.startswith("response."):
            _add_response(self._choice(), kind, event)

    def content(self) -> dict[str, Any]:
        """Return what is known by now, as something to be captured."""
        if set(self._choices) <= {0}:
            said = self._choice().content()
        else:
            said = {"choices": [each.content() for _, each in sorted(self._choices.items())]}
        used = {"usage": self._usage} if self._usage else {}
        return {**self._known, **said, **used, "events": self._events}

    def _choice(self, index: Any = 0) -> _Choice:
        return self._choices.setdefault(index if isinstance(index, int) else 0, _Choice())

    def _know(self, holder: Any) -> None:
        """Keep who answered, and what was used: later events say more of the same."""
        if holder is None:
            return
        for ours, theirs in (("id", ("id", "response_id")), ("model", ("model", "model_version"))):
            named = (_get(holder, each) for each in theirs)
            found = next((each for each in named if isinstance(each, str)), None)
            if found:
                self._known[ours] = found
        usage = _get(holder, "usage") or _get(holder, "usage_metadata")
        if usage is not None:
            said = to_jsonable_python(usage, fallback=repr, exclude_none=True)
            self._usage |= said if isinstance(said, dict) else {}

    def _add_chunk(self, chunk: Any) -> None:
        for each in _get(chunk, "choices"):
            choice = self._choice(_get(each, "index"))
            delta = _get(each, "delta")
            choice.reason = _get(each, "finish_reason") or choice.reason
            choice.say("text", _get(each, "text") or _get(delta, "content"))
            choice.say("refusal", _get(delta, "refusal"))
            choice.say("reasoning", _get(delta, "reasoning_content"))
            for call in _get(delta, "tool_calls") or ():
                function = _get(call, "function")
                name, piece = _get(function, "name"), _get(function, "arguments")
                choice.call(_get(call, "index"), name, piece)

    def _add_candidates(self, chunk: Any) -> None:
        for each in _get(chunk, "candidates"):
            choice = self._choice(_get(each, "index"))
            choice.reason = _get(each, "finish_reason") or choice.reason
            for part in _get(_get(each, "content"), "parts") or ():
                choice.say("reasoning" if _get(part, "thought") else "text", _get(part, "text"))
                call = _get(part, "function_call")
                if call is not None:
                    given = _get(call, "args")
                    choice.call(len(choice.tools), _get(call, "name"), given=given)


def raw(event: Any) -> Any:
    """Return the provider's own event, where a package puts one into its own."""
    chunk = _get(event, "chunk")
    return event if chunk is None or callable(chunk) else chunk


def _add_response(choice: _Choice, kind: str, event: Any) -> None:
    item = _get(event, "item")
    if kind in _PIECES:
        choice.say(_PIECES[kind], _get(event, "delta"))
    elif kind in _ARGUMENTS:
        choice.call(_get(event, "output_index"), piece=_get(event, "delta"))
    elif kind == "response.output_item.added" and _get(item, "type") in _TOOLS:
        choice.call(_get(event, "output_index"), _get(item, "name"))
    elif (response := _get(event, "response")) is not None:
        choice.reason = _get(response, "status") or choice.reason


def _begin_block(choice: _Choice, event: Any) -> None:
    block = _get(event, "content_block")
    if _get(block, "type") in _TOOLS:
        choice.call(_get(event, "index"), _get(block, "name"))


def _add_to_block(choice: _Choice, event: Any) -> None:
    delta = _get(event, "delta")
    choice.say("text", _get(delta, "text"))
    choice.say("reasoning", _get(delta, "thinking"))
    if (piece := _get(delta, "partial_json")) is not None:
        choice.call(_get(event, "index"), piece=piece)


def _end_message(choice: _Choice, event: Any) -> None:
    choice.reason = _get(_get(event, "delta"), "stop_reason") or choice.reason


_ANTHROPIC: dict[str, Callable[[_Choice, Any], None]] = {
    "content_block_start": _begin_block,
    "content_block_delta": _add_to_block,
    "message_delta": _end_message,
}


def _get(holder: Any, name: str) -> Any:
    return holder.get(name) if isinstance(holder, Mapping) else getattr(holder, name, None)
