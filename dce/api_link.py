"""The api's end of the links: a peer that is away becomes a refusal that a retry may help."""

from api.deps import Ask
from dce.link import LinkClient, LinkDown
from vocabulary.commands import Request, Response
from vocabulary.errors import CommandRefused

ASK_S = 5.0


def linked_ask(link: LinkClient, process: str, timeout_s: float = ASK_S) -> Ask:
    """`Deps.ask` over a link. Raises CommandRefused("PROCESS_away")."""

    async def ask(request: Request) -> Response:
        try:
            return await link.ask(request, timeout_s=timeout_s)
        except LinkDown as down:
            doubt = "; it may have been carried out" if down.sent else ""
            raise CommandRefused(
                f"{process}_away", f"the {process} process does not answer{doubt}", retry=True
            ) from down

    return ask
