"""The reference data a sandbox starts with: two connected companies and one that is not, projects, codes, vendors."""

from calendar import monthrange
from decimal import Decimal
from typing import Any

from .auth import Client
from .costs import create_cost_code, create_wbs_code
from .directory import add_to_project, create_vendor
from .requisitions import create_period
from .store import Company, LineItemType, Project, SubJob, TaxCode
from .world import Actor, World

BIG_ID = 562_949_953_421_312
"""Ids of real companies exceed 32 bits."""
SMALL_ID = 26_300

INTEGRATION = Client(
    "sandbox-procore-client",
    "sandbox-procore-secret",
    Actor(9001, "integration-9001@procore.example", "Cost Integration", "sandbox-procore-client"),
)
OTHER_INTEGRATION = Client(
    "other-erp-client",
    "other-erp-secret",
    Actor(9002, "integration-9002@procore.example", "Other ERP", "other-erp-client"),
)
PERSON = Client("screen-session", "screen-secret", Actor(9100, "paula@harbour.example", "Paula Jansen"))

UOMS = ("ea", "ls", "hr", "day", "m", "m2", "m3", "kg", "ton", "l", "pcs")
LINE_ITEM_TYPES = (
    ("L", "Labor", "labor"),
    ("E", "Equipment", "equipment"),
    ("M", "Materials", "materials"),
    ("S", "Commitment", "commitment"),
    ("OC", "Owner Cost", "owner_cost"),
    ("SVC", "Professional Services", "professional_services"),
    ("O", "Other", "other"),
)
COST_CODES = (
    ("01-100", "Site Management"),
    ("01-500", "Temporary Works"),
    ("02-300", "Earthworks"),
    ("03-100", "Formwork"),
    ("03-200", "Reinforcement"),
    ("03-300", "Concrete"),
    ("05-100", "Structural Steel"),
    ("09-900", "Finishes"),
)
VENDORS = ("Acme Formwork BV", "Delta Concrete NV", "Noord Staal BV")


def add_company(world: World, name: str, first_id: int, currency: str, *, connected: bool = True) -> Company:
    now = world.stamp()
    company = Company(
        id=first_id,
        company_id=first_id,
        created_at=now,
        updated_at=now,
        name=name,
        currency=currency,
        connected=connected,
        uoms=UOMS,
        next_id=first_id,
    )
    world.store.companies.add(company)
    for code, type_name, base_type in LINE_ITEM_TYPES:
        row = LineItemType(**world.base(company.id), code=code, name=type_name, base_type=base_type)
        world.store.line_item_types.add(row)
    return company


def add_project(world: World, company: Company, name: str, number: str, **settings: Any) -> Project:
    """`settings` are attributes of Project."""
    segments = tuple(settings.pop("segments", ("cost_code", "line_item_type")))
    base = world.base(company.id)
    project = Project(
        **base,
        name=name,
        number=number,
        currency=settings.pop("currency", company.currency),
        segments=segments,
        segment_ids={segment: world.next_id(company.id) for segment in segments},
        view_id=world.next_id(company.id),
        **settings,
    )
    return world.store.projects.add(project)


def add_sub_job(world: World, project: Project, code: str, name: str) -> SubJob:
    return world.store.sub_jobs.add(SubJob(**world.base(project.company_id, project.id), code=code, name=name))


def add_codes(world: World, project: Project, codes: list[tuple[str, str]], types: list[str], actor: Actor) -> None:
    """Cost codes, and a budget code for each with each cost type."""
    known = {row.code: row.id for row in world.store.line_item_types.live() if row.company_id == project.company_id}
    for code, name in codes:
        cost_code = create_cost_code(world, project, {"code": code, "name": name}, actor)
        for cost_type in types:
            if cost_type not in known:
                raise ValueError(f"no cost type {cost_type}; there are {', '.join(known)}")
            create_wbs_code(world, project, {"cost_code": cost_code.id, "line_item_type": known[cost_type]})


def seed(world: World) -> Company:
    """Fill an empty store; the company returned is the one the credentials name."""
    actor = PERSON.actor
    main = add_company(world, "Harbour Construct BV", BIG_ID, "EUR")
    other = add_company(world, "Harbour Civil BV", SMALL_ID, "EUR")
    add_company(world, "Unrelated Builders Inc", 4_100, "USD", connected=False)
    world.store.tax_codes.add(TaxCode(**world.base(main.id), code="H", description="High", rate=Decimal(21)))
    vendors = [create_vendor(world, main, {"name": name}, actor) for name in VENDORS]
    quay = add_project(world, main, "Quay Warehouse", "P-100", accounting_method="amount")
    bridge = add_project(
        world,
        main,
        "Station Bridge",
        "P-200",
        accounting_method="unit",
        segments=("sub_job", "cost_code", "line_item_type"),
    )
    closed = add_project(world, main, "Old Mill", "P-300", active=False)
    hidden = add_project(world, main, "Private Villa", "P-400", permitted=False)
    small = add_project(world, other, "Sluice", "C-1")
    for project in (quay, bridge, closed, hidden, small):
        add_codes(world, project, list(COST_CODES), ["L", "M", "S", "O"], actor)
        create_period(world, project, this_month(world))
    add_sub_job(world, bridge, "N", "North Abutment")
    for vendor in vendors[:2]:
        add_to_project(world, quay, vendor, actor)
    add_to_project(world, bridge, vendors[0], actor)
    return main


def this_month(world: World) -> dict[str, str]:
    today = world.clock.now().date()
    last = today.replace(day=monthrange(today.year, today.month)[1]).isoformat()
    return {"start_date": today.replace(day=1).isoformat(), "end_date": last, "due_date": last, "status": "open"}
