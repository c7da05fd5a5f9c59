"""The api's end of the links: a peer that is away becomes a refusal that a retry may help."""

from api.deps import Ask
from dce.link import LinkClient, LinkDown
from vocabulary.commands import Request, Response
from vocabulary.errors import CommandRefused

ASK_S = 5.0


class InDoubt(CommandRefused):
    """No answer came, but the request had left: it may have been carried out, or be yet."""


def linked_ask(link: LinkClient, process: str, timeout_s: float = ASK_S) -> Ask:
    """`Deps.ask` over a link. Raises CommandRefused("PROCESS_away")."""

    async def ask(request: Request) -> Response:
        try:
            return await link.ask(request, timeout_s=timeout_s)
        except LinkDown as down:
            code, detail = f"{process}_away", f"the {process} process does not answer"
            if down.sent:
                detail += "; it may have been carried out"
                raise InDoubt(code, detail, retry=True) from down
            raise CommandRefused(code, detail, retry=True) from down

    return ask
