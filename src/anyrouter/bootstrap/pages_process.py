"""The pages' own process, put together and run until the gateway is gone."""

import asyncio
import gc
import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import uvloop
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from anyrouter.bootstrap.byok import TenantUpstreams
from anyrouter.bootstrap.money import make_billing
from anyrouter.bootstrap.pages import Beginning
from anyrouter.bootstrap.prices import Prices
from anyrouter.bootstrap.remote_gateway import RemoteGateway
from anyrouter.bootstrap.services import Services, make_services
from anyrouter.bootstrap.settings_pages import make_settings_ports
from anyrouter.bootstrap.sign_in import Later, find_single_sign_on, make_passkeys, make_profiles, make_second_factors, make_sign_in
from anyrouter.bootstrap.standing_back import stand_back
from anyrouter.bootstrap.tenants import TenantReader
from anyrouter.bootstrap.web_ports import make_control_ports
from anyrouter.core.errors import StorageUnavailable
from anyrouter.settings import Settings
from anyrouter.storage.opening import Storage, open_storage
from anyrouter.web.api.ports import ControlPorts
from anyrouter.web.behind.link import Link
from anyrouter.web.behind.requests import serve_request
from anyrouter.web.behind.stream import Kind, Stream, read_object
from anyrouter.web.pages.app import create_pages
from anyrouter.web.pages.ports import PagePorts


def run_pages(between: socket.socket, configure: Callable[[Settings], None]) -> None:
    """Serve the pages over the socket until its other end is gone. `configure` is called with the gateway's settings."""
    # The gateway ends in order when it is told to, and this process with it.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    uvloop.run(_run(between, configure))


async def _run(between: socket.socket, configure: Callable[[Settings], None]) -> None:
    process = _Process(configure)
    link = Link(between, process.serve)
    process.gateway = RemoteGateway(link)
    working = asyncio.get_running_loop().create_task(process.work())
    ending = asyncio.get_running_loop().create_task(link.ended.wait())
    await asyncio.wait((working, ending), return_when=asyncio.FIRST_COMPLETED)
    ending.cancel()
    if working.done():
        working.result()  # it ends by failing alone
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    await link.aclose()


class _Process:
    """Takes streams from the beginning, and answers them once everything is there. `gateway` is set before the first."""

    gateway: RemoteGateway

    def __init__(self, configure: Callable[[Settings], None]) -> None:
        self._configure = configure
        loop = asyncio.get_running_loop()
        self._prices: asyncio.Future[Prices] = loop.create_future()
        self._beginning: asyncio.Future[Beginning] = loop.create_future()
        self._app: asyncio.Future[ASGIApp] = loop.create_future()

    async def serve(self, stream: Stream) -> None:
        """One stream."""
        kind, data = await stream.receive()
        message: Any = read_object(data)
        if kind is Kind.BEGIN:
            self._beginning.set_result(message)
        elif kind is Kind.NEWS:
            (await asyncio.shield(self._prices)).take(message)
        elif kind is Kind.REQUEST:
            app = await asyncio.shield(self._app)
            await serve_request(app if message["method"] in {"GET", "HEAD"} else self._telling(app), message, stream)

    async def work(self) -> None:
        """Open everything, and keep it current until cancelled."""
        beginning = await self._beginning
        settings = beginning.settings
        self._configure(settings)
        url = settings.storage.database_url
        storage = await open_storage(settings.data_dir, url.reveal() if url is not None else None, environment=os.environ)
        try:
            services = make_services(storage, settings)
            services.set_up.take_over(beginning.setup_digest)
            try:
                await self._work(storage, services, beginning)
            finally:
                await services.aclose()
        finally:
            await storage.watch.aclose()
            await storage.aclose()

    async def _work(self, storage: Storage, services: Services, beginning: Beginning) -> None:
        prices = Prices(beginning.settings, beginning.sources)
        self._prices.set_result(prices)
        tenants = TenantReader(storage)
        tenant_upstreams = TenantUpstreams(services.vault, services.tenant_client)
        prices.add_sandbox(beginning.sandbox_port)
        changed = asyncio.Event()

        def take(ids: frozenset[str]) -> None:
            tenants.wake(ids)
            changed.set()

        storage.watch.subscribe(take)
        await storage.watch.start()
        await tenants.read()
        tenant_upstreams.update(tenants.current.credentials)
        prices.add_tenants(tenant_upstreams.by_environment)
        snapshot = prices.snapshot()

        def take_prices() -> None:
            nonlocal snapshot
            snapshot = prices.snapshot()

        def take_tenants() -> None:
            if tenant_upstreams.update(tenants.current.credentials):
                prices.add_tenants(tenant_upstreams.by_environment)
                take_prices()

        control = make_control_ports(beginning.settings, prices, storage, services, tenants, lambda: snapshot)
        self._app.set_result(create_pages(self._make_ports(beginning, storage, services, tenants, control)))
        stand_back()  # from now on: the first visitor waits for all of the above
        gc.collect()
        gc.freeze()  # what was loaded stays: the collector need not look at it again and again
        await asyncio.gather(tenants.keep_current(take_tenants), prices.keep_current(take_prices), self._keep_telling(changed))

    def _make_ports(
        self, beginning: Beginning, storage: Storage, services: Services, tenants: TenantReader, control: ControlPorts
    ) -> PagePorts:
        settings = beginning.settings

        def base_url() -> str:
            return settings.server.base_url(beginning.port)

        return PagePorts(
            api=control,
            gateway=self.gateway,
            sessions=services.sessions,
            sign_in=make_sign_in(storage, services),
            sign_in_links=services.sign_in_links,
            profiles=make_profiles(storage, services),
            second_factors=make_second_factors(storage, services),
            passkeys=Later(lambda: make_passkeys(storage, services, base_url)),
            single_sign_on=Later(lambda: find_single_sign_on(settings, storage, services)),
            sign_on_name="" if settings.sso.rules is None else settings.sso.rules.name,
            settings=make_settings_ports(storage, services),
            serve=self.gateway.serve,
            tenants=lambda: tenants.current,
            base_url=base_url,
            billing=make_billing(settings),
            server_rpm=settings.limits.default_rpm,
        )

    def _telling(self, app: ASGIApp) -> ASGIApp:
        """What a form has changed holds for requests when its reply comes."""

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            async def send_out(message: Message) -> None:
                if message["type"] == "http.response.start":
                    with suppress(StorageUnavailable):  # the gateway sees it by itself in a moment
                        await self.gateway.look()
                await send(message)

            await app(scope, receive, send_out)

        return serve

    async def _keep_telling(self, changed: asyncio.Event) -> None:
        """What was changed here holds for requests at once, not only after the gateway's own next look."""
        while True:
            await changed.wait()
            changed.clear()
            with suppress(StorageUnavailable):
                await self.gateway.look()
