"""What a benchmark gives, and what a running service says of itself."""

import re
from typing import Any

import httpx

Figure = dict[str, Any]


def figure(
    name: str, value: float, unit: str, bar: float, *, at_most: bool = False, baseline: float | None = None
) -> Figure:
    """One row of the table. `baseline` is what the same loop does without our code; it is shown, not judged."""
    return {
        "name": name,
        "value": round(value, 3),
        "unit": unit,
        "baseline": None if baseline is None else round(baseline, 3),
        "ratio": None if not baseline else round(value / baseline, 3),
        "bar": round(bar, 3),
        "holds": value <= bar if at_most else value >= bar,
    }


def metric(base_url: str, name: str) -> float:
    """A service's own figure, from its /metrics: `process_cpu_seconds_total`, `process_resident_memory_bytes`, ..."""
    shown = httpx.get(f"{base_url}/metrics", trust_env=False).raise_for_status().text
    found = re.search(rf"^{name} (\S+)$", shown, re.MULTILINE)
    if found is None:
        raise ValueError(f"{base_url}/metrics shows no {name}")
    return float(found[1])


def cpu_s(base_url: str) -> float:
    """CPU seconds the process has used, all of its threads, the Kafka client's included."""
    return metric(base_url, "process_cpu_seconds_total")


def memory(service: str, base_url: str) -> Figure:
    """RSS of a service after its load; the bar is 120 MB."""
    resident = metric(base_url, "process_resident_memory_bytes") / 1e6
    return figure(f"memory of {service} after its load", resident, "MB", 120, at_most=True)
