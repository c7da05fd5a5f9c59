"""Top-ups: money in, on the journal path, once for each idempotency key."""

from __future__ import annotations

from accounts.ledger import top_up_postings
from exchange.room import Room
from vocabulary import limits
from vocabulary.commands import TopUp, TopUpDone
from vocabulary.crash_points import crash_point
from vocabulary.errors import CommandRefused
from vocabulary.facts import TopUpPosted


def top_up(desk: Room, command: TopUp, now_ns: int) -> TopUpDone:
    """Credit a buyer; the fact is queued, the caller answers when it is durable.

    The same key with the same account and amount gives the first answer again. Raises
    CommandRefused: account_unknown, currency_differs, key_reused, keys_full, amount_too_large.
    """
    market = desk.market
    plan = market.plan
    seen = desk.top_ups.get(command.idempotency_key)
    if seen is not None:
        return _repeated(desk, command, seen)
    if plan is None or command.account not in plan.buyers:
        raise CommandRefused("account_unknown", f"the plan has no buyer {command.account!r}")
    if command.currency != plan.currency:
        raise CommandRefused("currency_differs", f"the account is kept in {plan.currency}")
    if len(desk.top_ups) >= limits.idempotency_keys_max:
        raise CommandRefused("keys_full", "too many top-ups are remembered", retry=True)
    slot = market.slots.buyers[command.account]
    balance = market.balances.balance[slot]
    if balance + command.amount_micros > limits.money_micros_max:
        raise CommandRefused("amount_too_large", "the balance would exceed its bound")
    wall_ns = now_ns + desk.offset_ns
    top_up_id = desk.ids.uuid7(wall_ns)
    crash_point("top_up_checked")
    market.balances.credit_balance(slot, command.amount_micros)
    desk.top_ups[command.idempotency_key] = (top_up_id, command.account, command.amount_micros)
    desk.emit(
        TopUpPosted(
            now_ns, top_up_id, command.account, command.amount_micros, command.currency,
            command.idempotency_key, wall_ns,
            top_up_postings(command.account, command.amount_micros),
        )
    )
    return TopUpDone(
        top_up_id, command.account, command.amount_micros, balance + command.amount_micros, False
    )


def _repeated(desk: Room, command: TopUp, seen: tuple[bytes, str, int]) -> TopUpDone:
    top_up_id, account, amount = seen
    if account != command.account or amount != command.amount_micros:
        raise CommandRefused("key_reused", "this idempotency key belongs to another top-up")
    slot = desk.market.slots.buyers[account]
    return TopUpDone(top_up_id, account, amount, desk.market.balances.balance[slot], True)
