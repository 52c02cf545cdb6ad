"""The configuration's JSON Schema, with every system's settings and every kind of flow's options, for editors."""

from functools import reduce
from operator import or_
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, create_model

from connector.adapters.systems import flow_kinds, names, room

from .tenant_file import ConnectionEntry, FlowEntry, Name, TenantFile


def tenant_schema() -> dict[str, Any]:
    """What `tenant.yaml` may hold. `connector apply` checks more: references between its parts, mappings, addresses."""
    connections: Any = reduce(or_, (_connection(system) for system in names()))
    flows: Any = reduce(or_, (_flow(kind) for kind in flow_kinds()))
    fields: dict[str, Any] = {
        "connections": (_by_name(_discriminated(connections, "system", len(names()))), ...),
        "flows": (_by_name(_discriminated(flows, "kind", len(flow_kinds()))), {}),
    }
    model: type[BaseModel] = create_model("TenantFile", __base__=TenantFile, **fields)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | model.model_json_schema()


def _by_name(entries: Any) -> Any:
    return dict[Name, entries]


def _discriminated(choices: Any, field: str, count: int) -> Any:
    return Annotated[choices, Field(discriminator=field)] if count > 1 else choices


def _connection(system: str) -> Any:
    secrets: dict[str, Any] = {}
    for name, meaning in room(system).SECRETS.items():
        reference = Annotated[str, Field(pattern=r"^(env|file):.+$", description=meaning)]
        secrets[name] = (reference, None) if meaning.startswith("optional") else (reference, ...)
    title = system.capitalize()
    fields: dict[str, Any] = {
        "system": (Literal[system], ...),
        "settings": (room(system).Settings, ...),
        "secrets": (create_model(f"{title}Secrets", **secrets), ...),
    }
    return create_model(f"{title}Connection", __base__=ConnectionEntry, **fields)


def _flow(name: str) -> Any:
    kind = flow_kinds()[name]
    title = "".join(part.capitalize() for part in name.split("-"))
    fields: dict[str, Any] = {"kind": (Literal[name], ...), "options": (kind.options, ...)}
    return create_model(f"{title}Flow", __base__=FlowEntry, **fields)
