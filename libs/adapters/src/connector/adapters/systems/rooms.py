"""The vendors' rooms by name: a system is the folder of its name here, and is loaded when somebody asks for it."""

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules

from connector.adapters import systems
from connector.domain.documents.translation import Translations
from connector.domain.mapping.mapper import NoSuchSystem


@cache
def system_names() -> tuple[str, ...]:
    """Every system this version knows."""
    return tuple(sorted(module.name for module in iter_modules(systems.__path__) if module.ispkg))


@cache
def source_names() -> tuple[str, ...]:
    """The systems whose documents this version translates."""
    return tuple(name for name in system_names() if find_spec(_translate_module(name)) is not None)


def translations(system: str) -> Translations:
    """The translators of a system; raises NoSuchSystem."""
    if system not in source_names():
        raise NoSuchSystem(f"{system}: this version translates {', '.join(source_names())}")
    found = import_module(_translate_module(system)).TRANSLATIONS
    assert isinstance(found, Translations)
    return found


def _translate_module(system: str) -> str:
    return f"{systems.__name__}.{system}.translate"
