"""Accounts: balances, and top-ups on the journal path.

GET  /api/v1/accounts                  every buyer's and publisher's balance
POST /api/v1/accounts/{id}/top-ups     credit a buyer; needs Idempotency-Key
Both ask the signal worker, which owns the money, so they work while PostgreSQL is away.
"""

from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from api.answers import ask_for
from api.body import json_response, read_json
from api.deps import Deps
from api.problem import FieldError, Problem
from vocabulary import limits
from vocabulary.commands import Balance, Balances, ListBalances, TopUp, TopUpDone
from vocabulary.ids import Slug, uuid_text
from vocabulary.money import format_micros, parse_micros

Amount = Annotated[str, Meta(min_length=1, max_length=limits.amount_characters_max)]


class TopUpBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Body of a top-up. amount: decimal text such as "100.00"."""

    amount: Amount
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")]


class TopUpAnswer(Struct, frozen=True):
    """The top-up is durable. repeated: this key was carried out before."""

    id: str
    account: str
    amount: str
    currency: str
    balance: str
    repeated: bool


class AccountRow(Struct, frozen=True):
    """One account. available = balance + credit limit − held (buyers only spend it)."""

    id: str
    kind: str
    currency: str
    balance: str
    held: str
    credit_limit: str
    available: str


def account_routes(deps: Deps) -> list[web.AbstractRouteDef]:
    """The routes of this module."""

    async def list_accounts(_request: web.Request) -> web.Response:
        answer = await ask_for(deps.ask, ListBalances(), Balances)
        return json_response({"accounts": [_row(balance) for balance in answer.rows]})

    async def top_up(request: web.Request) -> web.Response:
        account = _account_of(request)
        key = idempotency_key(request)
        body = await read_json(request, TopUpBody)
        command = TopUp(account, _amount(body.amount), body.currency, key)
        done = await ask_for(deps.ask, command, TopUpDone)
        return _answer(done, body.currency)

    return [
        web.get("/api/v1/accounts", list_accounts, name="accounts", allow_head=False),
        web.post("/api/v1/accounts/{id}/top-ups", top_up, name="top_up"),
    ]


def idempotency_key(request: web.Request) -> str:
    """The Idempotency-Key header: 1 to 200 printable ASCII characters. Raises Problem 400."""
    keys = request.headers.getall("Idempotency-Key", [])
    if len(keys) != 1:
        raise Problem(
            400, "idempotency_key_missing",
            "send one Idempotency-Key header; the same key never posts twice",
        )
    key = keys[0]
    longest = limits.idempotency_key_characters_max
    if not (0 < len(key) <= longest and key.isascii() and key.isprintable()):
        raise Problem(
            400, "idempotency_key_invalid",
            f"Idempotency-Key: expected 1 to {longest} printable ASCII characters",
        )
    return key


def _account_of(request: web.Request) -> str:
    """The account in the path; a text that cannot be an id is an unknown account."""
    text = request.match_info["id"]
    try:
        return msgspec.convert(text, Slug)
    except msgspec.ValidationError:
        raise Problem(404, "account_unknown", "no such account") from None


def _amount(text: str) -> int:
    """Micro-units of an amount above zero. Raises Problem 422."""
    try:
        micros = parse_micros(text)
    except ValueError as error:
        raise _bad_amount(str(error)) from None
    if not 0 < micros <= limits.money_micros_max:
        raise _bad_amount("expected an amount above 0")
    return micros


def _bad_amount(message: str) -> Problem:
    return Problem(
        422, "amount_invalid", f"amount: {message}", errors=(FieldError("amount", message),)
    )


def _answer(done: TopUpDone, currency: str) -> web.Response:
    body = TopUpAnswer(
        id=uuid_text(done.top_up_id), account=done.account,
        amount=format_micros(done.amount_micros), currency=currency,
        balance=format_micros(done.balance_micros), repeated=done.repeated,
    )
    return json_response(body, status=200 if done.repeated else 201)


def _row(balance: Balance) -> AccountRow:
    available = balance.balance_micros + balance.credit_limit_micros - balance.held_micros
    return AccountRow(
        id=balance.account, kind=balance.kind, currency=balance.currency,
        balance=format_micros(balance.balance_micros), held=format_micros(balance.held_micros),
        credit_limit=format_micros(balance.credit_limit_micros),
        available=format_micros(available),
    )
