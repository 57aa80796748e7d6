"""/dashboard/playground: chats with any model, by the session, in the place of a key. What is sent is a request like any other."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import JSONResponse, Response

from anyrouter.control.generations import GenerationService
from anyrouter.core.errors import ClientError, Denied
from anyrouter.core.ids import new_request_id
from anyrouter.core.scopes import ADMIN_BYOK, COMPLETIONS_WRITE
from anyrouter.core.tenancy import Environment, EnvironmentKind
from anyrouter.policy.rights import may, rights_of_role
from anyrouter.providers.sandbox import VENDOR as SANDBOX_VENDOR
from anyrouter.relay.call import RequestHead
from anyrouter.relay.session_principal import ENDPOINT, SessionPrincipals
from anyrouter.web.pages.mistakes import NO_MISTAKE, Mistake, read_mistake
from anyrouter.web.pages.model_lines import ModelLine
from anyrouter.web.pages.model_view import ModelView
from anyrouter.web.pages.playground_call import Answer, PlaygroundCall, PlaygroundStream
from anyrouter.web.pages.playground_form import PATH, PlaygroundForm, read_playground, read_talk, write_talk
from anyrouter.web.pages.ports import PagePorts
from anyrouter.web.pages.request_code import Sample, write_chat
from anyrouter.web.pages.routes import Page, PageRoutes

APP_TITLE = b"AnyRouter playground"
SUGGESTIONS = 200
_MAX_KEPT = 1000
SANDBOX_MODEL = "sandbox/echo"
USUAL_MODELS = ("openai/gpt-4o-mini", "anthropic/claude-haiku-4-5", "mistralai/mistral-small")
_FIELDS = ("model", "message", "temperature", "max_tokens")


class PlaygroundPages:
    """The form; the chat as it comes for scripts, whole for who has none; the code that does the same."""

    def __init__(self, ports: PagePorts, view: ModelView) -> None:
        self._ports, self._view = ports, view
        self._principals = SessionPrincipals(ports.tenants)
        self._suggested: dict[str, tuple[Mapping[str, ModelLine], Sequence[str]]] = {}  # by environment's id
        self._generations = GenerationService(ledger=ports.api.ledger, find_pending=ports.gateway.find_pending)

    def add_to(self, routes: PageRoutes) -> None:
        """Put the pages on."""
        routes.get(PATH, self.show, needs=COMPLETIONS_WRITE)
        routes.post(PATH, self.send, needs=COMPLETIONS_WRITE)
        routes.post(f"{PATH}/stream", self.stream, needs=COMPLETIONS_WRITE)
        routes.post(f"{PATH}/code", self.write, needs=COMPLETIONS_WRITE)

    async def show(self, page: Page) -> Response:
        """GET: what a link says is filled in, nothing is sent."""
        return await self._show(page, self._complete(page, read_playground(page.query)))

    async def send(self, page: Page) -> Response:
        """POST: the whole answers, on a page."""
        form = read_playground(page.form)
        try:
            bodies = [form.make_body(column, is_streamed=False) for column in range(len(form.models))]
            calls = [await self._call(page, form, body) for body in bodies]
        except ClientError as error:
            return await self._show(page, form, mistake=read_mistake(error, _FIELDS), samples=None)
        answers = await asyncio.gather(*(call.read_answer(page.request.receive) for call in calls))
        return await self._show(page, form, answers=answers, samples=self._write(form))

    async def stream(self, page: Page) -> Response:
        """POST …/stream: one model's answer as it comes; `column` says which."""
        form = read_playground(page.form)
        column = page.form.text("column", "0")
        if column not in {"0", "1"} or int(column) >= len(form.models):
            raise ClientError(Denied(code="invalid_parameter", param="column", message="There is no such model in the form."))
        try:
            return PlaygroundStream(await self._call(page, form, form.make_body(int(column), is_streamed=True)))
        except ClientError as error:
            if error.denied.code != "no_route":
                raise
            refusal = {"error": {"code": error.denied.code, "message": error.denied.message}}
            return JSONResponse(refusal, status_code=error.denied.http_status)

    async def write(self, page: Page) -> Response:
        """POST …/code: the form with the programs that do the same; nothing is sent."""
        form = read_playground(page.form)
        try:
            samples = self._write(form)
        except ClientError as error:
            return await self._show(page, form, mistake=read_mistake(error, _FIELDS))
        return await self._show(page, form, samples=samples)

    async def _call(self, page: Page, form: PlaygroundForm, body: Mapping[str, Any]) -> PlaygroundCall:
        visit = page.visit
        principal = await self._principals.find(visit.member_visitor.member, form.environment, visit.address, visit.now)
        if isinstance(principal, Denied):
            raise ClientError(principal)
        self._check_route(principal.environment, str(body["model"]))
        now_ms = int(visit.now.timestamp() * 1000)
        head = RequestHead(
            endpoint=ENDPOINT,
            headers={b"x-anyrouter-title": APP_TITLE, b"user-agent": visit.user_agent.encode("latin-1", "replace")},
            client_host=visit.address,
            started_s=self._ports.api.monotonic(),
            now_ms=now_ms,
            request_id=new_request_id(now_ms),
        )

        async def holds() -> bool:
            visitor = None if visit.token is None else await self._ports.sessions.find(visit.token)
            return visitor is not None and may(rights_of_role(visitor.member.role), COMPLETIONS_WRITE)

        return PlaygroundCall(
            serve=self._ports.serve, generations=self._generations, head=head, principal=principal, body=body, holds=holds
        )

    def _check_route(self, environment: Environment, model: str) -> None:
        """The relay's own refusal speaks to programs."""
        if not self._view.has_route(environment, model):
            message = f"{environment.slug} has no provider for it: choose another model, or add a provider credential."
            raise ClientError(Denied(code="no_route", param="model", message=message))

    def _write(self, form: PlaygroundForm) -> Sequence[tuple[str, Sequence[Sample]]]:
        """The programs, by model."""
        base_url = self._ports.base_url()
        return [(model, write_chat(base_url, form.make_sample(column))) for column, model in enumerate(form.models)]

    def _complete(self, page: Page, form: PlaygroundForm) -> PlaygroundForm:
        """The form with what a new one begins with: an environment that reaches something, and a model of it."""
        known = [row for row in page.visit.environments if row.is_active]
        chosen = next((row for row in known if row.slug == form.environment), None)
        if form.environment and chosen is None:
            raise ClientError(Denied(code="not_found", message="There is no such environment in your organisation."))
        if chosen is None:
            live_first = sorted(known, key=lambda row: (row.kind is EnvironmentKind.SANDBOX, row.slug))
            chosen = next((row for row in live_first if self._view.list([row])), next(iter(live_first), None))
        if chosen is None:
            return form
        is_served = form.model and self._view.has_route(chosen, form.model)
        beside = form.beside if form.beside and self._view.has_route(chosen, form.beside) else ""
        return form.with_choice(environment=chosen.slug, model=form.model if is_served else self._choose(chosen), beside=beside)

    def _choose(self, environment: Environment) -> str:
        """The model that a new conversation begins with: a small one that many know, else one of which most is known."""
        if environment.kind is EnvironmentKind.SANDBOX:
            return SANDBOX_MODEL
        lines = self._view.list([environment])
        usual = next((name for name in USUAL_MODELS if name in lines), None)
        best = min((line for line in lines.values() if line.is_chat), key=_rank, default=None) if usual is None else None
        return usual or ("" if best is None else best.model.id)

    def _suggest(self, page: Page, slug: str) -> Sequence[str]:
        """The models that the field offers: those of which most is known first, as many as a page bears."""
        chosen = next((row for row in page.visit.environments if row.slug == slug), None)
        if chosen is None:
            return ()
        lines = self._view.list([chosen])
        kept = self._suggested.get(chosen.id)
        if kept is None or kept[0] is not lines:
            found = sorted((line for line in lines.values() if line.is_chat), key=_rank)
            if len(self._suggested) >= _MAX_KEPT:
                self._suggested.clear()
            kept = self._suggested[chosen.id] = (lines, sorted(line.model.id for line in found[:SUGGESTIONS]))
        return kept[1]

    async def _show(
        self,
        page: Page,
        form: PlaygroundForm,
        *,
        mistake: Mistake = NO_MISTAKE,
        answers: Sequence[Answer] = (),
        samples: Sequence[tuple[str, Sequence[Sample]]] | None = None,
    ) -> Response:
        columns = [_describe(form, column, answers) for column in range(2)]
        is_answered = any(not answer.error for answer in answers)
        status = answers[0].status if answers and not is_answered else mistake.status
        return await page.render(
            "playground.html",
            status=status,
            form=form,
            mistake=mistake,
            columns=columns,
            message="" if is_answered else form.message,
            samples=samples or (),
            environments=[row for row in page.visit.environments if row.is_active],
            is_unserved=any(row.slug == form.environment and not self._view.has_provider(row) for row in page.visit.environments),
            may_add_provider=may(page.visit.rights, ADMIN_BYOK),
            suggestions=self._suggest(page, form.environment),
        )


def _rank(line: ModelLine) -> tuple[bool, bool, str]:
    return line.model.vendor != SANDBOX_VENDOR, line.model.capabilities is None, line.model.id


def _describe(form: PlaygroundForm, column: int, answers: Sequence[Answer]) -> Mapping[str, Any]:
    """One model's side: what was said, and what the last answer took."""
    try:
        said = read_talk(form.talks[column])
    except ClientError:
        said = []
    answer = answers[column] if column < len(answers) else None
    turns: list[dict[str, str]] = list(said)
    if answer is not None:
        turns.append({"role": "user", "content": form.message})
        if not answer.error:
            turns.append({"role": "assistant", "content": answer.text})
    is_kept = answer is None or not answer.error
    return {
        "model": form.models[column] if column < len(form.models) else "",
        "turns": turns,
        "talk": write_talk(turns if is_kept else said),
        "error": "" if answer is None else answer.error,
        "figures": () if answer is None else answer.figures,
        "generation": "" if answer is None else answer.generation_id,
    }
