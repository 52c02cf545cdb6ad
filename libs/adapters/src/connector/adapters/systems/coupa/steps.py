"""One request that makes or changes one object in Coupa."""

from connector.domain.ports.target import Found, Json, Part, Step


def step(
    resource: str,
    part: Part,
    name: str,
    now: Found | None,
    body: Json | None,
    *,
    action: str | None = None,
    irreversible: bool = False,
    ends: bool = False,
) -> Step:
    """POST where there is nothing `now`, else PUT to the object, or to an action of it. See `Step`."""
    path = resource if now is None else f"{resource}/{now.target_id}"
    return Step(
        name=name,
        part=part.name,
        method="POST" if now is None else "PUT",
        resource=path if action is None else f"{path}/{action}",
        body=body,
        target_id=now.target_id if now else None,
        natural_key=part.natural_key,
        creates=now is None,
        irreversible=irreversible,
        ends=ends,
    )
