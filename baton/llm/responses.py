"""Reads what a call used from the response objects of the providers' packages, or from their JSON.

Nothing is imported to know them: a response is told by its fields. What its usage means is the
business of genai-prices, whose extractors are kept up to date with the providers.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Any

from baton.errors import BatonError, UnreadableUsage
from baton.llm import genai
from baton.llm.usage import Usage

_MAIN = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cached_tokens": "cache_read_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "reasoning_tokens": "output_reasoning_tokens",
}
_INNER = ("response", "message")  # where events of a stream keep the response
_LLM_FIELDS = ("usage", "usage_metadata", "usageMetadata")
_ANTHROPIC = frozenset(
    {"cache_creation_input_tokens", "cache_read_input_tokens", "server_tool_use"}
)
_PROVIDERS = {"google-gla": "google", "google-vertex": "google", "bedrock": "aws"}
Form = tuple[str, str]


def read(response: Any) -> list[Usage]:
    """Return what each call behind a response used.

    Args:
        response: of OpenAI (chat completions, responses, embeddings; also the events of a stream
            that name a usage), of Anthropic, of Google GenAI, the result or a response of
            pydantic-ai; or the JSON of such as a mapping; or a `Usage`; or several of them.

    Raises:
        UnreadableUsage: no usage can be found in it.
        MissingPackage: genai-prices is not installed.
    """
    found = readable(response)
    if not found:
        raise UnreadableUsage(response)
    return found


def readable(response: Any) -> list[Usage]:
    """Do what `read` does, with an empty list where there is nothing to be found."""
    try:
        return list(_read(response))
    except BatonError:
        raise
    except Exception:  # it is somebody else's object, and what it says ends no attempt
        return []


def responses_in(value: Any, *, documents: bool = False) -> Iterator[Any]:
    """Yield the response objects in what a function returned, a run's responses one by one.

    Args:
        value: what was returned.
        documents: whether mappings are responses too. What a worker returns may hold results of
            other steps, which have recorded them.
    """
    if isinstance(value, list | tuple):
        for each in value:
            yield from responses_in(each, documents=documents)
    elif documents or not isinstance(value, Mapping):
        yield from one_by_one(value)


def one_by_one(response: Any) -> Sequence[Any]:
    """Return the responses of a run of pydantic-ai; all else is one by itself."""
    messages = _messages(response) or ()
    return [each for each in messages if _field(each, "kind") == "response"] or [response]


def _read(response: Any) -> Iterator[Usage]:
    if isinstance(response, Usage):
        yield response
    elif isinstance(response, list | tuple):
        for each in response:
            yield from _read(each)
    elif (messages := _messages(response)) is not None:
        for message in messages:
            yield from _of_message(message)
    elif _field(response, "kind") == "response" and _field(response, "usage") is not None:
        yield from _of_message(response)
    elif _is_bare(response):
        yield _usage(genai.amounts_of(response))
    else:
        yield from _of_provider(response)


def _of_provider(response: Any) -> Iterator[Usage]:
    for name in _LLM_FIELDS:
        usage = _field(response, name)
        if usage is not None and not callable(usage):
            document = _document(response, _plain(usage))
            if document is not None:
                yield document
            return
    for name in _INNER:
        inner = _field(response, name)
        if inner is not None and not isinstance(inner, str) and not callable(inner):
            yield from _of_provider(inner)
            return


def _document(response: Any, usage: Any) -> Usage | None:
    """Return the usage of one response; ``None`` when it is of no known form."""
    if not isinstance(usage, Mapping):
        return None
    form = _form(usage)
    if form is None:
        return None
    model = _field(response, "model")
    if form == ("google", "default"):
        model = _field(response, "model_version") or _field(response, "modelVersion")
        usage = _camel(usage)
    root = "usageMetadata" if form == ("google", "default") else "usage"
    try:
        _, amounts = genai.extracted(*form, {root: usage})
    except ValueError:
        return None
    return _usage(
        genai.amounts_of(amounts),
        model=model if isinstance(model, str) else None,
        tier=_tier(response, usage),
        response_id=_identity(response),
    )


def _form(usage: Mapping[str, Any]) -> Form | None:
    """Say whose extractor understands a usage, by the names in it."""
    names = usage.keys()
    if names & {"promptTokenCount", "prompt_token_count", "candidatesTokenCount"}:
        return "google", "default"
    if "prompt_tokens" in names:
        return "openai", "chat" if "completion_tokens" in names else "embeddings"
    if names & _ANTHROPIC or "thinking_tokens" in (usage.get("output_tokens_details") or {}):
        return "anthropic", "default"
    if {"input_tokens", "output_tokens"} <= names:
        # without words about caches both mean the same
        return "openai", "responses"
    return None


def _tier(response: Any, usage: Mapping[str, Any]) -> str | None:
    tiers = (_field(response, "service_tier"), usage.get("service_tier"), usage.get("speed"))
    named = (tier for tier in tiers if isinstance(tier, str) and tier not in genai.ORDINARY)
    return next(named, None)


def _identity(response: Any) -> str | None:
    for name in ("id", "response_id", "responseId", "provider_response_id"):
        found = _field(response, name)
        if isinstance(found, str) and found:
            return found
    return None


def _messages(response: Any) -> Sequence[Any] | None:
    """Return the messages of a run of pydantic-ai, which knows what each of its calls used."""
    new_messages = getattr(response, "new_messages", None)
    if not callable(new_messages):
        return None
    messages: Sequence[Any] = new_messages()
    return messages


def _of_message(message: Any) -> Iterable[Usage]:
    usage = _field(message, "usage")
    if _field(message, "kind") != "response" or usage is None:
        return []
    amounts = genai.amounts_of(_AsObject(usage) if isinstance(usage, Mapping) else usage)
    model = _field(message, "model_name")
    provider = _field(message, "provider_name")
    return [
        _usage(
            amounts,
            model=model if isinstance(model, str) else None,
            provider=_PROVIDERS.get(provider, provider) if isinstance(provider, str) else None,
            response_id=_identity(message),
        )
    ]


class _AsObject:
    def __init__(self, given: Mapping[str, Any]) -> None:
        self.__dict__.update(given)


def _is_bare(response: Any) -> bool:
    """Whether it is a usage by itself, as pydantic-ai and genai-prices have it."""
    given = getattr(response, "__dict__", {})
    return {"input_tokens", "output_tokens"} <= given.keys() and hasattr(
        response, "cache_read_tokens"
    )


def _usage(amounts: Mapping[str, int], **known: Any) -> Usage:
    main: dict[str, Any] = {ours: amounts.get(theirs, 0) for ours, theirs in _MAIN.items()}
    details = {name: each for name, each in amounts.items() if name not in _MAIN.values()}
    return Usage(**main, details=details, **known)


def amounts(usage: Usage) -> dict[str, int]:
    """Return the amounts of a usage by their names in genai-prices."""
    main = {theirs: getattr(usage, ours) for ours, theirs in _MAIN.items()}
    return {name: each for name, each in {**main, **usage.details}.items() if each}


def _field(holder: Any, name: str) -> Any:
    return holder.get(name) if isinstance(holder, Mapping) else getattr(holder, name, None)


def _plain(value: Any) -> Any:
    """Turn the objects of a provider's package into JSON."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items() if each is not None}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, Enum):
        return value.value
    if callable(dump := getattr(value, "model_dump", None)):
        return _plain(dump())
    return value


def _camel(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_camel_name(key): _camel(each) for key, each in value.items()}
    return [_camel(each) for each in value] if isinstance(value, list) else value


def _camel_name(name: str) -> str:
    head, *words = name.split("_")
    return head + "".join(word.capitalize() for word in words)
