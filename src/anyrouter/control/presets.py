"""What people do with presets: make, look at, change, delete. Knows no HTTP and no database.

A preset belongs to one environment; whoever works in another does not see it.
"""

import builtins
import re
import unicodedata
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec

from anyrouter.control.audit import find_differences, make_event
from anyrouter.control.key_checks import check_name
from anyrouter.control.ports import EnvironmentStore, PresetStore
from anyrouter.control.preset_rows import preset_facts
from anyrouter.core import keys
from anyrouter.core.audit import Actor, AuditEvent
from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.ids import new_id
from anyrouter.core.preset import MARK, SLUG, Preset
from anyrouter.core.tenancy import DEFAULT_ORGANISATION_ID
from anyrouter.policy.rights import Rights, has_environment
from anyrouter.wire.request import MAX_MODEL_LENGTH, REFUSED_MEMBERS

DIALECTS = ("openai", "anthropic", "responses", "gemini")
MAX_PRESETS = 1000  # of one environment
MAX_MEMBERS = 100
MAX_MEMBERS_BYTES = 65_536
MAX_PROMPT_LENGTH = 100_000
MAX_DESCRIPTION_LENGTH = 2000
# What is of one request alone.
TRANSIENT_MEMBERS = frozenset({"messages", "input", "prompt", "contents", "stream", "stream_options", "preset", "previous_response_id"})
_SYSTEM_MEMBERS = ("system", "instructions", "systemInstruction", "system_instruction")
_MEMBER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)
_ATTEMPTS = 100  # of a change that names no version: each of many at once is made in its turn
_NO_PRESET = Denied(code="not_found", message="There is no such preset.")
_CHANGED = Denied(code="etag_mismatch", message="The preset was changed meanwhile. Read it again, then repeat the change.")
_SYSTEM_ROLES = ("system", "developer")


class PresetService:
    """Presets of one organisation at a time. `clock` gives aware UTC times.

    `actor` is who does it, `rights` within what. All methods may raise StorageUnavailable. Refusals are ClientError: `invalid_parameter`
    with `param` (the same for an environment that never was and for one in which those rights do not work), `exceeds_rights` for a new
    preset in such a one, `duplicate_name`, `etag_mismatch`, `not_found` (the same for a preset that never was, and for one of another
    environment or organisation).
    """

    def __init__(self, *, store: PresetStore, environments: EnvironmentStore, clock: Callable[[], datetime]) -> None:
        self._store, self._environments, self._clock = store, environments, clock

    async def create(
        self,
        *,
        actor: Actor,
        rights: Rights,
        slug: str,
        environment: str,
        config: Mapping[str, Any],
        name: str | None = None,
        description: str | None = None,
        system_prompt: str | None = None,
        dialect: str = DIALECTS[0],
        organisation_id: str = DEFAULT_ORGANISATION_ID,
    ) -> Preset:
        """Make a preset. `config` are top-level members of a request's body, as JSON values; a null one is not said.

        `environment` is a slug; `name` None is the preset's own slug.
        """
        environment_id = await self._find_environment(rights, organisation_id, environment, is_making=True)
        now = self._clock().astimezone(UTC)
        members, found_prompt = check_config(config)
        prompt = system_prompt if system_prompt is not None else found_prompt
        preset = Preset(
            id=new_id("pre", int(now.timestamp() * 1000)),
            organisation_id=organisation_id,
            environment_id=environment_id,
            slug=check_slug(slug),
            name=check_name(name if name is not None else slug),
            description=check_description(description),
            system_prompt=check_prompt(prompt),
            dialect=check_dialect(dialect),
            members=members,
            created_at=now,
            updated_at=now,
        )
        if len(await self._store.list_presets(organisation_id, environment_id=environment_id)) >= MAX_PRESETS:
            raise _refusal("slug", f"this environment has {MAX_PRESETS} presets already")
        await self._store.add_preset(preset, _event(actor, "preset.create", preset, environment, now, after=preset_facts(preset)))
        return preset

    async def list(self, environment: str, *, rights: Rights, organisation_id: str = DEFAULT_ORGANISATION_ID) -> builtins.list[Preset]:
        """All presets of an environment, by slug."""
        environment_id = await self._find_environment(rights, organisation_id, environment)
        return await self._store.list_presets(organisation_id, environment_id=environment_id)

    async def show(self, environment: str, slug: str, *, rights: Rights, organisation_id: str = DEFAULT_ORGANISATION_ID) -> Preset:
        """One preset."""
        environment_id = await self._find_environment(rights, organisation_id, environment)
        preset = await self._store.find_preset(organisation_id, environment_id, slug) if SLUG.fullmatch(slug) else None
        if preset is None:
            raise ClientError(_NO_PRESET)
        return preset

    async def change(
        self,
        environment: str,
        slug: str,
        changes: Mapping[str, Any],
        *,
        actor: Actor,
        rights: Rights,
        if_match: int | None = None,
        organisation_id: str = DEFAULT_ORGANISATION_ID,
    ) -> Preset:
        """Replace `name`, `description`, `system_prompt`, `dialect` or `config`, those that `changes` has; the version rises by one.

        A `config` replaces the former one whole, and its system prompt too if it has one. `if_match` is the version that is meant.
        """
        values = _check_changes(changes)

        async def store(before: Preset) -> Preset:
            now = self._clock().astimezone(UTC)
            after = replace(before, **values, updated_at=now, version=before.version + 1)
            old, new = find_differences(preset_facts(before), preset_facts(after))
            await self._store.update_preset(after, _event(actor, "preset.update", after, environment, now, before=old, after=new))
            return after

        return await self._change_version(environment, slug, store, rights=rights, if_match=if_match, organisation_id=organisation_id)

    async def put_request(
        self,
        environment: str,
        slug: str,
        body: Mapping[str, Any],
        dialect: str,
        *,
        actor: Actor,
        rights: Rights,
        organisation_id: str = DEFAULT_ORGANISATION_ID,
    ) -> Preset:
        """Make or replace the preset of a slug from the body of a request: its settings are kept, what is of one request alone is not."""
        config = {field: value for field, value in body.items() if field not in TRANSIENT_MEMBERS}
        prompt = _read_system_message(body) if dialect == DIALECTS[0] else None
        try:
            changes = {"config": config, "dialect": dialect} | ({"system_prompt": prompt} if prompt is not None else {})
            return await self.change(environment, slug, changes, actor=actor, rights=rights, organisation_id=organisation_id)
        except ClientError as error:
            if error.code != "not_found":
                raise
        return await self.create(
            actor=actor,
            rights=rights,
            slug=slug,
            environment=environment,
            config=config,
            system_prompt=prompt,
            dialect=dialect,
            organisation_id=organisation_id,
        )

    async def delete(
        self,
        environment: str,
        slug: str,
        *,
        actor: Actor,
        rights: Rights,
        if_match: int | None = None,
        organisation_id: str = DEFAULT_ORGANISATION_ID,
    ) -> Preset:
        """Forget a preset: requests that ask for it are refused from now on."""

        async def store(preset: Preset) -> Preset:
            event = _event(actor, "preset.delete", preset, environment, self._clock(), before=preset_facts(preset))
            await self._store.delete_preset(preset, event)
            return preset

        return await self._change_version(environment, slug, store, rights=rights, if_match=if_match, organisation_id=organisation_id)

    async def _change_version(
        self,
        environment: str,
        slug: str,
        store: Callable[[Preset], Awaitable[Preset]],
        *,
        rights: Rights,
        if_match: int | None,
        organisation_id: str,
    ) -> Preset:
        """Store what is made of the version that is meant, or, when none is, of whichever is there."""
        for attempt in range(_ATTEMPTS):
            preset = await self.show(environment, slug, rights=rights, organisation_id=organisation_id)
            if if_match not in {None, preset.version}:
                raise ClientError(_CHANGED)
            try:
                return await store(preset)
            except ClientError as error:
                if error.code != "etag_mismatch" or if_match is not None or attempt == _ATTEMPTS - 1:
                    raise
        raise AssertionError  # the loop returns or raises

    async def _find_environment(self, rights: Rights, organisation_id: str, slug: str, *, is_making: bool = False) -> str:
        if keys.ENVIRONMENT_SLUG.fullmatch(slug):
            for environment in await self._environments.list_environments(organisation_id):
                if environment.slug != slug or environment.deleted_at is not None:
                    continue
                if has_environment(rights, environment.id):
                    return environment.id
                if is_making:
                    message = f"environment: Whoever asks does not work in the environment {slug}."
                    raise ClientError(Denied(code="exceeds_rights", param="environment", message=message))
        raise _refusal("environment", "there is no such environment")


def _event(
    actor: Actor,
    action: str,
    preset: Preset,
    environment: str,
    now: datetime,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> AuditEvent:
    return make_event(
        actor,
        preset.organisation_id,
        action,
        now,
        target_id=preset.id,
        target_label=preset.slug,
        environment=environment,
        before=before,
        after=after,
    )


def _check_changes(changes: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if "config" in changes:
        values["members"], prompt = check_config(changes["config"])
        values |= {"system_prompt": prompt} if prompt is not None else {}
    checks: Mapping[str, Callable[[Any], Any]] = {
        "name": check_name,
        "description": check_description,
        "system_prompt": check_prompt,
        "dialect": check_dialect,
    }
    return values | {field: check(changes[field]) for field, check in checks.items() if field in changes}


def check_slug(slug: str) -> str:
    """The slug; ClientError `invalid_parameter` when it is none."""
    if not SLUG.fullmatch(slug):
        raise _refusal("slug", "1 to 64 lower-case letters, digits, - and _ are needed, with a letter or digit at both ends")
    return slug


def check_dialect(dialect: str) -> str:
    """The wire format that a preset is written in."""
    if dialect not in DIALECTS:
        raise _refusal("dialect", f"one of {', '.join(DIALECTS)} is needed")
    return dialect


def check_description(description: str | None) -> str | None:
    """The description without spaces around it, None for an empty one."""
    return None if description is None else _check_text("description", description, MAX_DESCRIPTION_LENGTH).strip() or None


def check_prompt(prompt: str | None) -> str | None:
    """The system prompt as it is, None for an empty one."""
    return None if prompt is None else _check_text("system_prompt", prompt, MAX_PROMPT_LENGTH) or None


def check_config(config: Any) -> tuple[dict[str, bytes], str | None]:
    """The members as JSON texts, without those that are null; and the system prompt that stands among them, if one does."""
    if not isinstance(config, Mapping):
        raise _refusal("config", "an object of a request's members is needed")
    said = {field: value for field, value in config.items() if value is not None}
    if len(said) > MAX_MEMBERS:
        raise _refusal("config", f"at most {MAX_MEMBERS} members are allowed")
    for field in said:
        if not isinstance(field, str) or not _MEMBER.fullmatch(field):
            raise _refusal("config", "a member's name has up to 64 letters, digits and _")
        if field in REFUSED_MEMBERS:
            raise _refusal(f"config.{field}", "upstream addresses and credentials are configured by the operator")
        if field in TRANSIENT_MEMBERS:
            raise _refusal(f"config.{field}", "this is of one request alone: a preset cannot have it")
    prompts = [_read_instruction(said.pop(field)) for field in _SYSTEM_MEMBERS if field in said]
    if any(not isinstance(prompt, str) for prompt in prompts):
        raise _refusal("config", "the system prompt of a preset is a text")
    _check_models(said)
    try:
        members = {field: msgspec.json.encode(value) for field, value in said.items()}
    except (UnicodeEncodeError, RecursionError, TypeError, ValueError):
        raise _refusal("config", "its values cannot be written as JSON") from None
    if sum(len(field) + len(value) for field, value in members.items()) > MAX_MEMBERS_BYTES:
        raise _refusal("config", f"at most {MAX_MEMBERS_BYTES} bytes are allowed")
    return members, prompts[0] if prompts else None


def _check_models(said: Mapping[str, Any]) -> None:
    if "model" in said and not _is_model(said["model"]):
        raise _refusal("config.model", "the name of a model such as openai/gpt-4o is needed, and no other preset")
    names = said.get("models", [])
    if not isinstance(names, list) or not all(_is_model(name) for name in names):
        raise _refusal("config.models", "a list of models' names is needed")


def _is_model(name: Any) -> bool:
    return isinstance(name, str) and 0 < len(name) <= MAX_MODEL_LENGTH and name.isprintable() and MARK not in name


def _read_instruction(said: Any) -> Any:
    """A system prompt as it is, that of Gemini's format as a text where it is nothing but one."""
    parts = said.get("parts") if isinstance(said, Mapping) else None
    if isinstance(parts, list) and parts and all(isinstance(part, Mapping) and set(part) == {"text"} for part in parts):
        texts = [part["text"] for part in parts]
        return "\n\n".join(texts) if all(isinstance(text, str) for text in texts) else said
    return said


def _read_system_message(body: Mapping[str, Any]) -> str | None:
    """The text of a chat's system messages at its beginning."""
    messages = body.get("messages")
    texts: builtins.list[str] = []
    for message in messages if isinstance(messages, list) else ():
        if not isinstance(message, Mapping) or message.get("role") not in _SYSTEM_ROLES:
            break
        content = message.get("content")
        parts = [part.get("text") for part in content if isinstance(part, Mapping)] if isinstance(content, list) else [content]
        texts += [part for part in parts if isinstance(part, str)]
    return "\n\n".join(texts) or None


def _check_text(param: str, text: object, longest: int) -> str:
    if not isinstance(text, str) or len(text) > longest:
        raise _refusal(param, f"a text of at most {longest} characters is needed")
    if any(unicodedata.category(letter) in {"Cc", "Cs"} and letter not in "\t\n\r" for letter in text):
        raise _refusal(param, "it holds control characters")
    return text


def _refusal(param: str, reason: str) -> ClientError:
    return ClientError(Denied(code="invalid_parameter", message=f"{param}: {reason}", param=param))
