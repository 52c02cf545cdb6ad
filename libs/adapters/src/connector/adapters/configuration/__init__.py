"""Declarative configuration: `tenant.yaml` in, validated with line numbers; a difference shown; then applied."""
