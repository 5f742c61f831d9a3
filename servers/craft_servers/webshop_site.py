"""The shop as a web site, for people or browser agents: the same pages, rules, rewards as the text world."""

from __future__ import annotations

import importlib
import logging
import secrets
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

from craft_envs import __version__
from craft_envs.errors import ConfigError
from craft_envs.webshop.pages import INDEX, PAGE_SIZE, SUB_PAGES, Page
from craft_envs.webshop.product import Product
from craft_envs.webshop.splits import ShopTasks
from craft_envs.webshop.world import load_world
from craft_servers import limits, webshop_views
from craft_servers.placeholders import drawing
from craft_servers.trajectory_log import TrajectoryLog
from craft_servers.webshop_urls import (
    SESSION_ID,
    BadAddress,
    address,
    read_keywords,
    read_options,
    read_page_number,
)
from craft_servers.webshop_visits import Problem, Visit, Visits

if TYPE_CHECKING:
    from flask import Flask, Response

logger = logging.getLogger(__name__)

QUERY_LIMIT: Final = 1000
"""Characters of the longest search."""
_ITEM: Final = "<session_id>/<asin>/<keywords>/<number>"


def create_app(visits: Visits, *, trusted_hosts: list[str] | None = None) -> Flask:
    """The site as a WSGI application.

    Args:
        visits: the shop with its sessions.
        trusted_hosts: names that requests may call the server by; ``None`` allows any.

    Raises:
        ConfigError: Flask is not installed.
    """
    flask = _library("flask")
    http_error = _library("werkzeug.exceptions").HTTPException
    app: Flask = flask.Flask(__name__)
    app.config.update(
        MAX_CONTENT_LENGTH=limits.BODY_LIMIT,
        MAX_FORM_MEMORY_SIZE=limits.BODY_LIMIT,
        MAX_FORM_PARTS=200,
        SEND_FILE_MAX_AGE_DEFAULT=3600,
        TRUSTED_HOSTS=trusted_hosts,
    )
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    desk = _Desk(flask, visits)

    def page_route(rule: str, view: Any) -> None:
        # As in the original every page may be asked for with POST, which is what its buttons do.
        app.add_url_rule(rule, view.__name__, view, methods=["GET", "POST"])

    page_route("/<session_id>", desk.index)
    page_route("/search_results/<session_id>/<keywords>/<number>", desk.results)
    page_route(f"/item_page/{_ITEM}/<options>", desk.item)
    page_route(f"/item_sub_page/{_ITEM}/<sub_page>/<options>", desk.sub)
    page_route("/done/<session_id>/<asin>/<options>", desk.done)
    app.add_url_rule("/", "home", desk.home)
    app.add_url_rule("/health", "health", desk.health)
    app.add_url_rule("/placeholder/<figure>.svg", "placeholder", desk.placeholder)
    app.register_error_handler(Problem, desk.on_problem)
    app.register_error_handler(BadAddress, desk.on_bad_address)
    app.register_error_handler(http_error, desk.on_http_error)
    app.after_request(_secured)
    return app


class _Desk:
    """Answers requests: reads the address, asks the shop, fills in a template."""

    def __init__(self, flask: Any, visits: Visits) -> None:
        self._flask = flask
        self._visits = visits
        self._shop = visits.shop

    # -- pages -------------------------------------------------------------------------------------------

    def home(self) -> Any:
        """A new session, with a goal of its own."""
        return self._flask.redirect(f"/{secrets.token_hex(6)}", 303)

    def index(self, session_id: str) -> Any:
        """The instruction with the search bar; a search leads to its results."""
        self._check_session_id(session_id)
        visit = self._visits.start(session_id)
        query = self._flask.request.form.get("search_query", "").lower()
        if len(query) > QUERY_LIMIT:
            what = f"A search has at most {QUERY_LIMIT} characters."
            raise Problem(400, what, "Search for less:", session_id)
        if query.strip():
            return self._moved(Page("results", tuple(query.split(" ")), 1), session_id)
        self._visits.record(session_id, visit, INDEX)
        return self._shown("search_page.html", session_id, visit, {"query_limit": QUERY_LIMIT})

    def results(self, session_id: str, keywords: str, number: str) -> Any:
        """Ten products of those that a search lists."""
        visit = self._open(session_id)
        page = Page("results", self._keywords(keywords), read_page_number(number))
        if visit.purchase is not None:
            return self._moved(visit.purchase, session_id)
        hits = self._visits.hits(page, session_id)
        if hits is None:  # the original breaks here; its text world ignores such a search
            return self._moved(INDEX, session_id)
        asins = hits[(page.number - 1) * PAGE_SIZE : page.number * PAGE_SIZE]
        if not asins and page.number > 1 and self._shop.strict:
            raise Problem(404, f"These results have no page {page.number}.", "Search again:", session_id)
        self._visits.record(session_id, visit, page, asins=asins)
        products = [self._shop.view(asin).product for asin in asins]
        endless = not self._shop.strict
        values = webshop_views.results_values(page, products, len(hits), session_id, endless=endless)
        return self._shown("results_page.html", session_id, visit, values)

    def item(self, session_id: str, asin: str, keywords: str, number: str, options: str) -> Any:
        """One product; options that a form brings along lead to the page where they are chosen."""
        visit = self._open(session_id)
        product = self._visits.product(asin, session_id)
        page = self._item_page(product, keywords, number, options)
        if visit.purchase is not None:
            return self._moved(visit.purchase, session_id)
        chosen = {**page.options, **_choices(product, self._flask.request.form)}
        if chosen != page.options:
            return self._moved(page._replace(options=MappingProxyType(chosen)), session_id)
        self._visits.record(session_id, visit, page)
        return self._shown(
            "item_page.html", session_id, visit, webshop_views.item_values(page, product, session_id)
        )

    def sub(self, session_id: str, asin: str, keywords: str, number: str, sub_page: str, options: str) -> Any:
        """The description, the features or the reviews of a product."""
        visit = self._open(session_id)
        product = self._visits.product(asin, session_id)
        if sub_page not in SUB_PAGES:
            raise Problem(404, "A product has no such page.", "Search again:", session_id)
        page = self._item_page(product, keywords, number, options)._replace(kind="sub", sub_page=sub_page)
        if visit.purchase is not None:
            return self._moved(visit.purchase, session_id)
        self._visits.record(session_id, visit, page)
        return self._shown(
            "sub_page.html", session_id, visit, webshop_views.sub_values(page, product, session_id)
        )

    def done(self, session_id: str, asin: str, options: str) -> Any:
        """The purchase with its score; the first one of an episode counts."""
        visit = self._open(session_id)
        product = self._visits.product(asin, session_id)
        page = Page("done", asin=product.asin, options=_offered(product, read_options(options)))
        made, breakdown = self._visits.buy(session_id, visit, page)
        if (made.asin, made.options) != (page.asin, page.options):
            return self._moved(made, session_id)
        values = webshop_views.done_values(page, product, visit.goal, breakdown, session_id)
        return self._shown("done_page.html", session_id, visit, values)

    # -- the rest ----------------------------------------------------------------------------------------

    def health(self) -> Any:
        """What runs here, for scripts that wait for it."""
        return self._flask.jsonify(
            status="ok",
            version=__version__,
            compat=self._shop.compat,
            products=len(self._shop.catalogue),
            goals=len(self._visits.task_ids),
            sessions=len(self._visits.sessions),
        )

    def placeholder(self, figure: str) -> Any:
        """A drawing in place of a photograph."""
        svg = drawing(figure)
        if svg is None:
            raise Problem(404, "There is no such drawing.")
        reply = self._flask.Response(svg, mimetype="image/svg+xml")
        reply.headers["Cache-Control"] = "public, max-age=86400"
        return reply

    def on_problem(self, error: Problem) -> Any:
        """A page that says what is the matter."""
        link = address(INDEX, error.session_id) if error.session_id else ""
        values = {"what": error.what, "remedy": error.remedy, "link": link, "link_text": "to the search"}
        return self._answer(self._flask.render_template("problem.html", **values), error.status)

    def on_bad_address(self, error: BadAddress) -> Any:
        """The answer to an address that cannot be read."""
        return self.on_problem(Problem(400, "This address cannot be read.", f"{str(error).capitalize()}."))

    def on_http_error(self, error: Any) -> Any:
        """The answer to what no route takes, or what broke."""
        if error.code is None or error.code < 400:
            return error
        return self.on_problem(Problem(error.code, f"{error.name}."))

    def _check_session_id(self, session_id: str) -> None:
        if SESSION_ID.fullmatch(session_id) is None:
            raise Problem(
                404, "This is no name of a session.", "Letters, digits, dots, - and _ are possible."
            )

    def _open(self, session_id: str) -> Visit:
        self._check_session_id(session_id)
        return self._visits.visit(session_id)

    def _keywords(self, text: str) -> tuple[str, ...]:
        keywords = tuple(" ".join(read_keywords(text)).lower().split(" "))
        if sum(map(len, keywords)) + len(keywords) - 1 > QUERY_LIMIT:
            raise BadAddress(f"a search has at most {QUERY_LIMIT} characters")
        return keywords

    def _item_page(self, product: Product, keywords: str, number: str, options: str) -> Page:
        chosen = _offered(product, read_options(options))
        return Page("item", self._keywords(keywords), read_page_number(number), product.asin, chosen)

    def _shown(self, template: str, session_id: str, visit: Visit, values: dict[str, Any]) -> Any:
        links = {**values.pop("links", {}), "index": address(INDEX, session_id)}
        render = self._flask.render_template
        return self._answer(render(template, instruction=visit.goal.instruction, links=links, **values))

    def _answer(self, text: str, status: int = 200) -> Any:
        # A catalogue may hold halves of characters, which no encoding has.
        reply = self._flask.Response(text.encode("utf-8", "replace"), status, mimetype="text/html")
        reply.headers["Cache-Control"] = "no-store"
        return reply

    def _moved(self, page: Page, session_id: str) -> Any:
        return self._flask.redirect(address(page, session_id), 303)


def numbered(tasks: ShopTasks, split: str | None = None) -> list[str]:
    """The tasks that ``fixed_0``, ``fixed_1``, ... name.

    Args:
        tasks: all of them.
        split: whose; ``None``: the original's own numbering where the data has one, else the split ``test``.

    Raises:
        ConfigError: there is no such split.
    """
    if split is not None:
        return list(tasks.task_ids(split))
    parts = [part for part in tasks.splits() if part in ("legacy", "legacy_train")] or ["test"]
    return [task_id for part in parts for task_id in tasks.task_ids(part)]


def make_server(visits: Visits, *, host: str = "127.0.0.1", port: int = 3000, threads: int = 4) -> Any:
    """A waitress server of the site, bound but not running: ``run()`` serves, ``close()`` ends.

    Args:
        visits: the shop with its sessions.
        host: address to listen on; anything but loopback lets other machines in, which is logged.
        port: port to listen on; 0 takes any free one, which ``listening_port`` tells.
        threads: requests that are answered at a time.

    Raises:
        ConfigError: no such address, no threads, Flask or waitress not installed.
        OSError: the port is taken.
    """
    limits.check_address(host, port)
    limits.announce(host)
    if threads < 1:
        raise ConfigError(f"{threads} threads", remedy="give a positive whole number")
    return _library("waitress.server").create_server(
        create_app(visits, trusted_hosts=limits.trusted_names(host)),
        host=host,
        port=port,
        threads=threads,
        ident=None,
        connection_limit=limits.CONNECTION_LIMIT,
        channel_timeout=limits.IDLE_SECONDS,
        max_request_header_size=limits.HEADER_LIMIT,
        max_request_body_size=limits.BODY_LIMIT,
    )


def listening_port(server: Any) -> int:
    """The port that a server is bound to; ``localhost`` may be several addresses, the first one counts."""
    several = getattr(server, "effective_listen", None)
    return int(several[0][1] if several else server.effective_port)


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = 3000,
    data: Literal["bundled", "official"] = "bundled",
    size: Literal["full", "small"] = "full",
    products: int | None = None,
    data_dir: str | None = None,
    goals: Literal["synthetic", "human"] = "synthetic",
    split: str | None = None,
    compat: Literal["strict", "upstream"] = "strict",
    engine: Literal["native", "pyserini"] = "native",
    session_minutes: float = 60.0,
    max_sessions: int = 10_000,
    threads: int = 4,
    log: str | None = None,
) -> None:
    """Show the shop as a web site until interrupted.

    ``/fixed_<n>`` is a session with goal n, ``/<any other name>`` one whose goal the name decides.

    Args:
        host: address to listen on; anything but loopback lets other machines in.
        port: port to listen on; 0 takes any free one.
        data: generated or official products.
        size: of the generated shop.
        products: the same goals in a generated catalogue of this many, from 1,200 on; kept in the cache.
        data_dir: folder of the official files.
        goals: generated instructions, or those written by people.
        split: whose tasks are numbered; by default the original's numbering, or the generated split test.
        compat: our rules, or those of the original with its mistakes.
        engine: search engine.
        session_minutes: idle minutes that a session survives.
        max_sessions: most sessions at a time.
        threads: requests that are answered at a time.
        log: folder that gets one file of JSON lines per session; by default nothing is recorded.

    Raises:
        ConfigError: a value is unknown, or the extra ``servers`` is not installed.
        DataNotFound: the official files are not there.
        OSError: the port is taken.
    """
    limits.check_address(host, port)
    world = load_world(
        data=data, size=size, products=products, data_dir=data_dir, goals=goals, compat=compat, engine=engine
    )
    visits = Visits(
        world.shop,
        world.tasks,
        numbered(world.tasks, split),
        sessions=limits.SessionTable(minutes=session_minutes, limit=max_sessions),
        log=TrajectoryLog(log) if log is not None else None,
    )
    server = make_server(visits, host=host, port=port, threads=threads)
    shown_host = f"[{host}]" if ":" in host else host
    logger.info(
        "WebShop, %d products, %d goals, %s: http://%s:%s/fixed_0 (Ctrl-C ends it)",
        len(world.catalogue),
        len(visits.task_ids),
        compat,
        shown_host,
        listening_port(server),
    )
    # A queue of two requests is no news.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    try:
        server.run()
    finally:
        server.close()


def _choices(product: Product, form: Mapping[str, str]) -> dict[str, str]:
    """The options that a form has chosen; anything else in it is ignored."""
    chosen = {}
    for name, values in product.options.items():
        # Browsers write every line break of a form as CR LF.
        sent = form.get(name, "").replace("\r\n", "\n")
        if sent in values:
            chosen[name] = sent
    return chosen


def _offered(product: Product, options: Mapping[str, str]) -> Mapping[str, str]:
    """The options themselves, if the product has them.

    Raises:
        BadAddress: it has not.
    """
    for name, value in options.items():
        if value not in product.options.get(name, ()):
            raise BadAddress("the product does not come with these options")
    return MappingProxyType(dict(options))


def _secured(reply: Response) -> Response:
    for name, value in limits.SECURITY_HEADERS.items():
        reply.headers.setdefault(name, value)
    return reply


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(
            f"{name.partition('.')[0]} is not installed",
            remedy="install the extra: pip install craft-agents[servers]",
        ) from error
